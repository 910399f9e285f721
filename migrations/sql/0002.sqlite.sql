CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is kept as it is: no UPDATE'); END
-- next
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence WHEN NOT EXISTS (SELECT 1 FROM archived WHERE hash = OLD.hash) BEGIN SELECT RAISE(ABORT, 'evidence goes only when it is archived: no DELETE'); END
-- next
CREATE TRIGGER evidence_no_replace BEFORE INSERT ON evidence WHEN EXISTS (SELECT 1 FROM evidence WHERE hash = NEW.hash) BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: evidence.hash'); END
-- next
CREATE TRIGGER archived_no_update BEFORE UPDATE ON archived BEGIN SELECT RAISE(ABORT, 'archived is append-only: no UPDATE'); END
-- next
CREATE TRIGGER archived_no_delete BEFORE DELETE ON archived BEGIN SELECT RAISE(ABORT, 'archived is append-only: no DELETE'); END
-- next
CREATE TRIGGER archived_no_replace BEFORE INSERT ON archived WHEN EXISTS (SELECT 1 FROM archived WHERE hash = NEW.hash) BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: archived.hash'); END
-- next
CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON checkpoints BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no UPDATE'); END
-- next
CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no DELETE'); END
-- next
CREATE TRIGGER checkpoints_in_order BEFORE INSERT ON checkpoints WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM checkpoints) BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: the row does not follow the last one'); END
-- next
CREATE VIEW incidents AS
SELECT
  r.incident AS id,
  r.market AS market,
  CASE json_type(r.doc, '$.verdict.rule') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.rule'), '') END AS rule,
  CASE json_type(r.doc, '$.verdict.signal') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.signal'), '') END AS signal,
  CASE json_type(r.doc, '$.verdict.severity') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.severity'), '') END AS severity,
  CASE json_type(r.doc, '$.verdict.value') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.value'), '') END AS observed,
  CASE json_type(r.doc, '$.verdict.threshold') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.threshold'), '') END AS threshold,
  r.at AS opened_at,
  CASE WHEN json_type(r.doc, '$.block') = 'integer' AND typeof(json_extract(r.doc, '$.block')) = 'integer' AND json_extract(r.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.block') END AS opened_block,
  c.at AS closed_at,
  CASE WHEN json_type(c.doc, '$.block') = 'integer' AND typeof(json_extract(c.doc, '$.block')) = 'integer' AND json_extract(c.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(c.doc, '$.block') END AS closed_block,
  r.seq AS opened_seq,
  c.seq AS closed_seq
FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('incident')) AS r LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('incident')) AS c ON c.seq = (SELECT min(x.seq) FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('incident')) AS x WHERE x.incident = r.incident AND x.seq > r.seq AND CASE json_type(x.doc, '$.phase') WHEN 'text' THEN nullif(json_extract(x.doc, '$.phase'), '') END = 'closed')
WHERE CASE json_type(r.doc, '$.phase') WHEN 'text' THEN nullif(json_extract(r.doc, '$.phase'), '') END = 'opened'
-- next
CREATE VIEW decisions AS
SELECT
  r.seq AS seq,
  r.at AS at,
  CASE json_type(r.doc, '$.id') WHEN 'text' THEN nullif(json_extract(r.doc, '$.id'), '') END AS id,
  CASE json_type(r.doc, '$.kind') WHEN 'text' THEN nullif(json_extract(r.doc, '$.kind'), '') END AS kind,
  CASE json_type(r.doc, '$.reason') WHEN 'text' THEN nullif(json_extract(r.doc, '$.reason'), '') END AS reason,
  r.market AS market,
  CASE json_type(r.doc, '$.verdict.rule') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.rule'), '') END AS rule,
  r.action AS action,
  r.incident AS incident,
  CASE WHEN json_type(r.doc, '$.block') = 'integer' AND typeof(json_extract(r.doc, '$.block')) = 'integer' AND json_extract(r.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.block') END AS block,
  CASE json_type(r.doc, '$.verdict.signal') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.signal'), '') END AS signal,
  CASE json_type(r.doc, '$.verdict.value') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.value'), '') END AS observed,
  CASE json_type(r.doc, '$.verdict.threshold') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.threshold'), '') END AS threshold,
  CASE json_type(r.doc, '$.config_hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.config_hash'), '') END AS config_hash
FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('decision')) AS r
-- next
CREATE VIEW incident_timeline AS
SELECT
  r.incident AS incident,
  r.seq AS seq,
  r.at AS at,
  r.kind AS kind,
  r.market AS market,
  r.action AS action,
  CASE r.kind WHEN 'incident' THEN coalesce(CASE json_type(r.doc, '$.phase') WHEN 'text' THEN nullif(json_extract(r.doc, '$.phase'), '') END, '?') || ': ' || coalesce(CASE json_type(r.doc, '$.verdict.rule') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.rule'), '') END, '?') || ', ' || coalesce(CASE json_type(r.doc, '$.verdict.signal') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.signal'), '') END, '?') || ' ' || coalesce(CASE json_type(r.doc, '$.verdict.value') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.value'), '') END, '?') || ' against ' || coalesce(CASE json_type(r.doc, '$.verdict.threshold') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.threshold'), '') END, '?') WHEN 'decision' THEN coalesce(CASE json_type(r.doc, '$.kind') WHEN 'text' THEN nullif(json_extract(r.doc, '$.kind'), '') END, '?') || ' (' || coalesce(CASE json_type(r.doc, '$.reason') WHEN 'text' THEN nullif(json_extract(r.doc, '$.reason'), '') END, '?') || '): ' || coalesce(CASE json_type(r.doc, '$.verdict.rule') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.rule'), '') END, '?') || ' ' || coalesce(CASE json_type(r.doc, '$.verdict.value') WHEN 'text' THEN nullif(json_extract(r.doc, '$.verdict.value'), '') END, '?') WHEN 'intent' THEN coalesce(CASE json_type(r.doc, '$.call') WHEN 'text' THEN nullif(json_extract(r.doc, '$.call'), '') END, '?') || ' on ' || coalesce(CASE json_type(r.doc, '$.to') WHEN 'text' THEN nullif(json_extract(r.doc, '$.to'), '') END, '?') || ', effect now ' || coalesce(CASE json_type(r.doc, '$.effect_before') WHEN 'text' THEN nullif(json_extract(r.doc, '$.effect_before'), '') END, '?') WHEN 'attempt' THEN 'nonce ' || coalesce(CAST(CASE WHEN json_type(r.doc, '$.nonce') = 'integer' AND typeof(json_extract(r.doc, '$.nonce')) = 'integer' AND json_extract(r.doc, '$.nonce') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.nonce') END AS text), '?') || ', ' || coalesce(CASE json_type(r.doc, '$.tx_hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.tx_hash'), '') END, '?') WHEN 'broadcast' THEN coalesce(CASE json_type(r.doc, '$.answer') WHEN 'text' THEN nullif(json_extract(r.doc, '$.answer'), '') END, '?') || ' by ' || coalesce(CASE json_type(r.doc, '$.route') WHEN 'text' THEN nullif(json_extract(r.doc, '$.route'), '') END, '?') WHEN 'receipt' THEN CASE WHEN CASE json_type(r.doc, '$.gone') WHEN 'true' THEN 1 WHEN 'false' THEN 0 END THEN 'not in a block any more: ' ELSE 'status ' || coalesce(CAST(CASE WHEN json_type(r.doc, '$.status') = 'integer' AND typeof(json_extract(r.doc, '$.status')) = 'integer' AND json_extract(r.doc, '$.status') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.status') END AS text), '?') || ' in block ' || coalesce(CAST(CASE WHEN json_type(r.doc, '$.block') = 'integer' AND typeof(json_extract(r.doc, '$.block')) = 'integer' AND json_extract(r.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.block') END AS text), '?') || ': ' END || coalesce(CASE json_type(r.doc, '$.tx_hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.tx_hash'), '') END, '?') WHEN 'effect' THEN coalesce(CASE json_type(r.doc, '$.call') WHEN 'text' THEN nullif(json_extract(r.doc, '$.call'), '') END, '?') || ': ' || coalesce(CASE json_type(r.doc, '$.before') WHEN 'text' THEN nullif(json_extract(r.doc, '$.before'), '') END, '?') || ' -> ' || coalesce(CASE json_type(r.doc, '$.after') WHEN 'text' THEN nullif(json_extract(r.doc, '$.after'), '') END, '?') || ' at block ' || coalesce(CAST(CASE WHEN json_type(r.doc, '$.block') = 'integer' AND typeof(json_extract(r.doc, '$.block')) = 'integer' AND json_extract(r.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.block') END AS text), '?') WHEN 'outcome' THEN coalesce(CASE json_type(r.doc, '$.kind') WHEN 'text' THEN nullif(json_extract(r.doc, '$.kind'), '') END, '?') || ' (' || coalesce(CASE json_type(r.doc, '$.reason') WHEN 'text' THEN nullif(json_extract(r.doc, '$.reason'), '') END, '?') || '): ' || coalesce(CASE json_type(r.doc, '$.message') WHEN 'text' THEN nullif(json_extract(r.doc, '$.message'), '') END, '?') WHEN 'proposal' THEN coalesce(CASE json_type(r.doc, '$.step') WHEN 'text' THEN nullif(json_extract(r.doc, '$.step'), '') END, '?') || ': ' || coalesce(CASE json_type(r.doc, '$.safe_tx_hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.safe_tx_hash'), '') END, '?') WHEN 'order' THEN coalesce(CASE json_type(r.doc, '$.step') WHEN 'text' THEN nullif(json_extract(r.doc, '$.step'), '') END, '?') || ': breaker ' || coalesce(CASE json_type(r.doc, '$.breaker') WHEN 'text' THEN nullif(json_extract(r.doc, '$.breaker'), '') END, '?') WHEN 'breaker' THEN coalesce(CASE json_type(r.doc, '$.before') WHEN 'text' THEN nullif(json_extract(r.doc, '$.before'), '') END, '?') || ' -> ' || coalesce(CASE json_type(r.doc, '$.after') WHEN 'text' THEN nullif(json_extract(r.doc, '$.after'), '') END, '?') || ': ' || coalesce(CASE json_type(r.doc, '$.reason') WHEN 'text' THEN nullif(json_extract(r.doc, '$.reason'), '') END, '?') END AS words
FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r) AS r
WHERE r.incident IS NOT NULL
-- next
CREATE VIEW actions AS
SELECT
  i.id AS intent,
  i.seq AS seq,
  i.market AS market,
  i.action AS action,
  i.incident AS incident,
  CASE json_type(n.doc, '$.kind') WHEN 'text' THEN nullif(json_extract(n.doc, '$.kind'), '') END AS kind,
  i.state AS state,
  CASE json_type(o.doc, '$.kind') WHEN 'text' THEN nullif(json_extract(o.doc, '$.kind'), '') END AS outcome_kind,
  CASE json_type(o.doc, '$.reason') WHEN 'text' THEN nullif(json_extract(o.doc, '$.reason'), '') END AS outcome_reason,
  i.to_address AS to_address,
  CASE json_type(n.doc, '$.sender') WHEN 'text' THEN nullif(json_extract(n.doc, '$.sender'), '') END AS sender,
  (SELECT count(*) FROM attempts AS a WHERE a.intent = i.id) AS attempts,
  coalesce(CASE json_type(o.doc, '$.tx_hash') WHEN 'text' THEN nullif(json_extract(o.doc, '$.tx_hash'), '') END, CASE json_type(m.doc, '$.tx_hash') WHEN 'text' THEN nullif(json_extract(m.doc, '$.tx_hash'), '') END) AS tx_hash,
  coalesce(CASE WHEN json_type(m.doc, '$.block') = 'integer' AND typeof(json_extract(m.doc, '$.block')) = 'integer' AND json_extract(m.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.block') END, CASE WHEN json_type(o.doc, '$.block') = 'integer' AND typeof(json_extract(o.doc, '$.block')) = 'integer' AND json_extract(o.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(o.doc, '$.block') END) AS block,
  i.created_at AS intent_at,
  (SELECT y.at FROM records AS y WHERE y.seq = (SELECT min(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('attempt'))) AS first_attempt_at,
  (SELECT y.at FROM records AS y WHERE y.seq = (SELECT min(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('broadcast'))) AS first_broadcast_at,
  m.at AS receipt_at,
  o.at AS outcome_at,
  CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END AS gas_used,
  CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END AS gas_price_wei,
  CASE WHEN (CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END) BETWEEN 0 AND 8999999999 AND length((CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END)) <= 27 THEN coalesce(nullif(ltrim(printf('%d%09d%09d', (CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END) * CAST(substr(substr('000000000000000000000000000' || (CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END), -27), 1, 9) AS INTEGER) + ((CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END) * CAST(substr(substr('000000000000000000000000000' || (CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END), -27), 10, 9) AS INTEGER) + (CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END) * CAST(substr(substr('000000000000000000000000000' || (CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END), -27), 19, 9) AS INTEGER) / 1000000000) / 1000000000, ((CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END) * CAST(substr(substr('000000000000000000000000000' || (CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END), -27), 10, 9) AS INTEGER) + (CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END) * CAST(substr(substr('000000000000000000000000000' || (CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END), -27), 19, 9) AS INTEGER) / 1000000000) % 1000000000, (CASE WHEN json_type(m.doc, '$.gas_used') = 'integer' AND typeof(json_extract(m.doc, '$.gas_used')) = 'integer' AND json_extract(m.doc, '$.gas_used') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.gas_used') END) * CAST(substr(substr('000000000000000000000000000' || (CASE WHEN json_type(m.doc, '$.effective_gas_price_wei') = 'text' AND length(json_extract(m.doc, '$.effective_gas_price_wei')) BETWEEN 1 AND 78 AND json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '*[^0-9]*' AND (json_extract(m.doc, '$.effective_gas_price_wei') = '0' OR json_extract(m.doc, '$.effective_gas_price_wei') NOT GLOB '0*') THEN json_extract(m.doc, '$.effective_gas_price_wei') END), -27), 19, 9) AS INTEGER) % 1000000000), '0'), ''), '0') END AS cost_wei
FROM intents AS i
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('intent')) AS n ON n.seq = i.seq
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('outcome')) AS o ON o.seq = (SELECT max(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('outcome'))
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('receipt')) AS m ON m.seq = (SELECT max(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('receipt'))
-- next
CREATE VIEW effects AS
SELECT
  r.seq AS seq,
  r.at AS at,
  r.market AS market,
  r.action AS action,
  r.incident AS incident,
  r.intent AS intent,
  CASE json_type(r.doc, '$.contract') WHEN 'text' THEN nullif(json_extract(r.doc, '$.contract'), '') END AS contract,
  CASE json_type(r.doc, '$.call') WHEN 'text' THEN nullif(json_extract(r.doc, '$.call'), '') END AS call,
  CASE json_type(r.doc, '$.before') WHEN 'text' THEN nullif(json_extract(r.doc, '$.before'), '') END AS before,
  CASE json_type(r.doc, '$.after') WHEN 'text' THEN nullif(json_extract(r.doc, '$.after'), '') END AS after,
  CASE json_type(r.doc, '$.expected') WHEN 'text' THEN nullif(json_extract(r.doc, '$.expected'), '') END AS expected,
  CASE json_type(r.doc, '$.verified') WHEN 'true' THEN 1 WHEN 'false' THEN 0 END AS verified,
  CASE WHEN json_type(r.doc, '$.block') = 'integer' AND typeof(json_extract(r.doc, '$.block')) = 'integer' AND json_extract(r.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.block') END AS block
FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('effect')) AS r
-- next
CREATE VIEW response_times AS
SELECT
  i.incident AS incident,
  i.market AS market,
  i.action AS action,
  i.id AS intent,
  CASE json_type(o.doc, '$.kind') WHEN 'text' THEN nullif(json_extract(o.doc, '$.kind'), '') END AS outcome_kind,
  CASE WHEN json_type(d.doc, '$.block') = 'integer' AND typeof(json_extract(d.doc, '$.block')) = 'integer' AND json_extract(d.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(d.doc, '$.block') END AS block,
  CASE WHEN (CASE WHEN json_type(t.doc, '$.block.number') = 'integer' AND typeof(json_extract(t.doc, '$.block.number')) = 'integer' AND json_extract(t.doc, '$.block.number') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.number') END) = (CASE WHEN json_type(d.doc, '$.block') = 'integer' AND typeof(json_extract(d.doc, '$.block')) = 'integer' AND json_extract(d.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(d.doc, '$.block') END) THEN CASE WHEN CASE WHEN json_type(t.doc, '$.block.timestamp_s') = 'integer' AND typeof(json_extract(t.doc, '$.block.timestamp_s')) = 'integer' AND json_extract(t.doc, '$.block.timestamp_s') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.timestamp_s') END BETWEEN 0 AND 253402300799 THEN strftime('%Y-%m-%dT%H:%M:%S.000Z', CASE WHEN json_type(t.doc, '$.block.timestamp_s') = 'integer' AND typeof(json_extract(t.doc, '$.block.timestamp_s')) = 'integer' AND json_extract(t.doc, '$.block.timestamp_s') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.timestamp_s') END, 'unixepoch') END END AS block_at,
  d.at AS decided_at,
  i.created_at AS intent_at,
  b.at AS broadcast_at,
  m.at AS receipt_at,
  e.at AS effect_at,
  o.at AS outcome_at,
  CASE WHEN json_type(m.doc, '$.block') = 'integer' AND typeof(json_extract(m.doc, '$.block')) = 'integer' AND json_extract(m.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(m.doc, '$.block') END AS included_block,
  (CAST(strftime('%s', d.at) AS INTEGER) * 1000 + CAST(substr(d.at, 21, 3) AS INTEGER)) - CASE WHEN (CASE WHEN json_type(t.doc, '$.block.number') = 'integer' AND typeof(json_extract(t.doc, '$.block.number')) = 'integer' AND json_extract(t.doc, '$.block.number') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.number') END) = (CASE WHEN json_type(d.doc, '$.block') = 'integer' AND typeof(json_extract(d.doc, '$.block')) = 'integer' AND json_extract(d.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(d.doc, '$.block') END) THEN (CASE WHEN json_type(t.doc, '$.block.timestamp_s') = 'integer' AND typeof(json_extract(t.doc, '$.block.timestamp_s')) = 'integer' AND json_extract(t.doc, '$.block.timestamp_s') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.timestamp_s') END) * 1000 END AS block_to_decision_ms,
  (CAST(strftime('%s', i.created_at) AS INTEGER) * 1000 + CAST(substr(i.created_at, 21, 3) AS INTEGER)) - CASE WHEN (CASE WHEN json_type(t.doc, '$.block.number') = 'integer' AND typeof(json_extract(t.doc, '$.block.number')) = 'integer' AND json_extract(t.doc, '$.block.number') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.number') END) = (CASE WHEN json_type(d.doc, '$.block') = 'integer' AND typeof(json_extract(d.doc, '$.block')) = 'integer' AND json_extract(d.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(d.doc, '$.block') END) THEN (CASE WHEN json_type(t.doc, '$.block.timestamp_s') = 'integer' AND typeof(json_extract(t.doc, '$.block.timestamp_s')) = 'integer' AND json_extract(t.doc, '$.block.timestamp_s') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.timestamp_s') END) * 1000 END AS block_to_intent_ms,
  (CAST(strftime('%s', b.at) AS INTEGER) * 1000 + CAST(substr(b.at, 21, 3) AS INTEGER)) - CASE WHEN (CASE WHEN json_type(t.doc, '$.block.number') = 'integer' AND typeof(json_extract(t.doc, '$.block.number')) = 'integer' AND json_extract(t.doc, '$.block.number') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.number') END) = (CASE WHEN json_type(d.doc, '$.block') = 'integer' AND typeof(json_extract(d.doc, '$.block')) = 'integer' AND json_extract(d.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(d.doc, '$.block') END) THEN (CASE WHEN json_type(t.doc, '$.block.timestamp_s') = 'integer' AND typeof(json_extract(t.doc, '$.block.timestamp_s')) = 'integer' AND json_extract(t.doc, '$.block.timestamp_s') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.timestamp_s') END) * 1000 END AS block_to_broadcast_ms,
  (CAST(strftime('%s', m.at) AS INTEGER) * 1000 + CAST(substr(m.at, 21, 3) AS INTEGER)) - CASE WHEN (CASE WHEN json_type(t.doc, '$.block.number') = 'integer' AND typeof(json_extract(t.doc, '$.block.number')) = 'integer' AND json_extract(t.doc, '$.block.number') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.number') END) = (CASE WHEN json_type(d.doc, '$.block') = 'integer' AND typeof(json_extract(d.doc, '$.block')) = 'integer' AND json_extract(d.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(d.doc, '$.block') END) THEN (CASE WHEN json_type(t.doc, '$.block.timestamp_s') = 'integer' AND typeof(json_extract(t.doc, '$.block.timestamp_s')) = 'integer' AND json_extract(t.doc, '$.block.timestamp_s') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.timestamp_s') END) * 1000 END AS block_to_include_ms,
  (CAST(strftime('%s', e.at) AS INTEGER) * 1000 + CAST(substr(e.at, 21, 3) AS INTEGER)) - CASE WHEN (CASE WHEN json_type(t.doc, '$.block.number') = 'integer' AND typeof(json_extract(t.doc, '$.block.number')) = 'integer' AND json_extract(t.doc, '$.block.number') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.number') END) = (CASE WHEN json_type(d.doc, '$.block') = 'integer' AND typeof(json_extract(d.doc, '$.block')) = 'integer' AND json_extract(d.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(d.doc, '$.block') END) THEN (CASE WHEN json_type(t.doc, '$.block.timestamp_s') = 'integer' AND typeof(json_extract(t.doc, '$.block.timestamp_s')) = 'integer' AND json_extract(t.doc, '$.block.timestamp_s') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(t.doc, '$.block.timestamp_s') END) * 1000 END AS block_to_effect_ms,
  CASE WHEN json_type(o.doc, '$.timeline_ms.reads') = 'text' AND length(json_extract(o.doc, '$.timeline_ms.reads')) BETWEEN 1 AND 40 AND json_extract(o.doc, '$.timeline_ms.reads') NOT GLOB '*[^0-9.-]*' AND json_extract(o.doc, '$.timeline_ms.reads') NOT GLOB '?*-*' AND json_extract(o.doc, '$.timeline_ms.reads') NOT GLOB '*.*.*' AND ltrim(json_extract(o.doc, '$.timeline_ms.reads'), '-') GLOB '[0-9]*' AND json_extract(o.doc, '$.timeline_ms.reads') GLOB '*[0-9]' THEN CAST(json_extract(o.doc, '$.timeline_ms.reads') AS REAL) END AS head_to_reads_ms,
  CASE WHEN json_type(o.doc, '$.timeline_ms.decided') = 'text' AND length(json_extract(o.doc, '$.timeline_ms.decided')) BETWEEN 1 AND 40 AND json_extract(o.doc, '$.timeline_ms.decided') NOT GLOB '*[^0-9.-]*' AND json_extract(o.doc, '$.timeline_ms.decided') NOT GLOB '?*-*' AND json_extract(o.doc, '$.timeline_ms.decided') NOT GLOB '*.*.*' AND ltrim(json_extract(o.doc, '$.timeline_ms.decided'), '-') GLOB '[0-9]*' AND json_extract(o.doc, '$.timeline_ms.decided') GLOB '*[0-9]' THEN CAST(json_extract(o.doc, '$.timeline_ms.decided') AS REAL) END AS head_to_decision_ms,
  CASE WHEN json_type(o.doc, '$.timeline_ms.intent_durable') = 'text' AND length(json_extract(o.doc, '$.timeline_ms.intent_durable')) BETWEEN 1 AND 40 AND json_extract(o.doc, '$.timeline_ms.intent_durable') NOT GLOB '*[^0-9.-]*' AND json_extract(o.doc, '$.timeline_ms.intent_durable') NOT GLOB '?*-*' AND json_extract(o.doc, '$.timeline_ms.intent_durable') NOT GLOB '*.*.*' AND ltrim(json_extract(o.doc, '$.timeline_ms.intent_durable'), '-') GLOB '[0-9]*' AND json_extract(o.doc, '$.timeline_ms.intent_durable') GLOB '*[0-9]' THEN CAST(json_extract(o.doc, '$.timeline_ms.intent_durable') AS REAL) END AS head_to_intent_ms,
  CASE WHEN json_type(o.doc, '$.timeline_ms.signed') = 'text' AND length(json_extract(o.doc, '$.timeline_ms.signed')) BETWEEN 1 AND 40 AND json_extract(o.doc, '$.timeline_ms.signed') NOT GLOB '*[^0-9.-]*' AND json_extract(o.doc, '$.timeline_ms.signed') NOT GLOB '?*-*' AND json_extract(o.doc, '$.timeline_ms.signed') NOT GLOB '*.*.*' AND ltrim(json_extract(o.doc, '$.timeline_ms.signed'), '-') GLOB '[0-9]*' AND json_extract(o.doc, '$.timeline_ms.signed') GLOB '*[0-9]' THEN CAST(json_extract(o.doc, '$.timeline_ms.signed') AS REAL) END AS head_to_signed_ms,
  CASE WHEN json_type(o.doc, '$.timeline_ms.broadcast') = 'text' AND length(json_extract(o.doc, '$.timeline_ms.broadcast')) BETWEEN 1 AND 40 AND json_extract(o.doc, '$.timeline_ms.broadcast') NOT GLOB '*[^0-9.-]*' AND json_extract(o.doc, '$.timeline_ms.broadcast') NOT GLOB '?*-*' AND json_extract(o.doc, '$.timeline_ms.broadcast') NOT GLOB '*.*.*' AND ltrim(json_extract(o.doc, '$.timeline_ms.broadcast'), '-') GLOB '[0-9]*' AND json_extract(o.doc, '$.timeline_ms.broadcast') GLOB '*[0-9]' THEN CAST(json_extract(o.doc, '$.timeline_ms.broadcast') AS REAL) END AS head_to_broadcast_ms,
  CASE WHEN json_type(o.doc, '$.timeline_ms.included') = 'text' AND length(json_extract(o.doc, '$.timeline_ms.included')) BETWEEN 1 AND 40 AND json_extract(o.doc, '$.timeline_ms.included') NOT GLOB '*[^0-9.-]*' AND json_extract(o.doc, '$.timeline_ms.included') NOT GLOB '?*-*' AND json_extract(o.doc, '$.timeline_ms.included') NOT GLOB '*.*.*' AND ltrim(json_extract(o.doc, '$.timeline_ms.included'), '-') GLOB '[0-9]*' AND json_extract(o.doc, '$.timeline_ms.included') GLOB '*[0-9]' THEN CAST(json_extract(o.doc, '$.timeline_ms.included') AS REAL) END AS head_to_include_ms,
  CASE WHEN json_type(o.doc, '$.timeline_ms.verified') = 'text' AND length(json_extract(o.doc, '$.timeline_ms.verified')) BETWEEN 1 AND 40 AND json_extract(o.doc, '$.timeline_ms.verified') NOT GLOB '*[^0-9.-]*' AND json_extract(o.doc, '$.timeline_ms.verified') NOT GLOB '?*-*' AND json_extract(o.doc, '$.timeline_ms.verified') NOT GLOB '*.*.*' AND ltrim(json_extract(o.doc, '$.timeline_ms.verified'), '-') GLOB '[0-9]*' AND json_extract(o.doc, '$.timeline_ms.verified') GLOB '*[0-9]' THEN CAST(json_extract(o.doc, '$.timeline_ms.verified') AS REAL) END AS head_to_effect_ms
FROM intents AS i
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('decision')) AS d ON d.seq = (SELECT max(x.seq) FROM records AS x WHERE x.incident = i.incident AND x.market = i.market AND x.action = i.action AND x.seq < i.seq AND x.kind || '' IN ('decision'))
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('tick')) AS t ON t.seq = (SELECT max(x.seq) FROM records AS x WHERE x.at = d.at AND x.kind || '' IN ('tick'))
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('broadcast')) AS b ON b.seq = (SELECT min(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('broadcast'))
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('receipt')) AS m ON m.seq = (SELECT max(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('receipt'))
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('effect')) AS e ON e.seq = (SELECT max(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('effect'))
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('outcome')) AS o ON o.seq = (SELECT max(x.seq) FROM records AS x WHERE x.intent = i.id AND x.kind || '' IN ('outcome'))
-- next
CREATE VIEW proposals AS
SELECT
  s.safe_tx_hash AS safe_tx_hash,
  s.safe AS safe,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN s.seq END) AS made_seq,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN s.at END) AS made_at,
  max(s.market) AS market,
  max(s.action) AS action,
  max(s.incident) AS incident,
  max(CASE json_type(s.doc, '$.intent') WHEN 'text' THEN nullif(json_extract(s.doc, '$.intent'), '') END) AS intent,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN CASE json_type(s.doc, '$.what') WHEN 'text' THEN nullif(json_extract(s.doc, '$.what'), '') END END) AS what,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN CASE json_type(s.doc, '$.title') WHEN 'text' THEN nullif(json_extract(s.doc, '$.title'), '') END END) AS title,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN CASE json_type(s.doc, '$.nonce') WHEN 'text' THEN nullif(json_extract(s.doc, '$.nonce'), '') END END) AS nonce,
  min(CASE WHEN s.from_end = 1 THEN s.step END) AS step,
  min(CASE WHEN s.from_end = 1 THEN s.at END) AS step_at,
  count(DISTINCT CASE WHEN s.step = 'signed' THEN CASE json_type(s.doc, '$.owner') WHEN 'text' THEN nullif(json_extract(s.doc, '$.owner'), '') END END) AS signatures,
  max(CASE WHEN s.step IN ('signed', 'threshold') THEN CASE WHEN json_type(s.doc, '$.threshold') = 'integer' AND typeof(json_extract(s.doc, '$.threshold')) = 'integer' AND json_extract(s.doc, '$.threshold') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(s.doc, '$.threshold') END END) AS threshold,
  min(CASE WHEN s.step = 'signed' THEN s.at END) AS first_signature_at,
  min(CASE WHEN s.step = 'threshold' THEN s.at END) AS threshold_at,
  min(CASE WHEN s.step = 'executed' THEN s.at END) AS executed_at,
  min(CASE WHEN s.step = 'executed' THEN CASE json_type(s.doc, '$.tx_hash') WHEN 'text' THEN nullif(json_extract(s.doc, '$.tx_hash'), '') END END) AS tx_hash,
  min(CASE WHEN s.step = 'executed' THEN CASE WHEN json_type(s.doc, '$.block') = 'integer' AND typeof(json_extract(s.doc, '$.block')) = 'integer' AND json_extract(s.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(s.doc, '$.block') END END) AS block,
  min(CASE WHEN s.step = 'superseded' THEN s.at END) AS superseded_at,
  min(CASE WHEN s.step = 'superseded' THEN CASE json_type(s.doc, '$.why') WHEN 'text' THEN nullif(json_extract(s.doc, '$.why'), '') END END) AS superseded_why
FROM (SELECT s.*, row_number() OVER (PARTITION BY s.safe, s.safe_tx_hash, s.round ORDER BY s.seq DESC) AS from_end FROM (SELECT s.*, sum(CASE WHEN s.step IN ('made', 'adopted') THEN 1 ELSE 0 END) OVER (PARTITION BY s.safe, s.safe_tx_hash ORDER BY s.seq) AS round FROM (SELECT r.*, CASE json_type(r.doc, '$.step') WHEN 'text' THEN nullif(json_extract(r.doc, '$.step'), '') END AS step, CASE json_type(r.doc, '$.safe') WHEN 'text' THEN nullif(json_extract(r.doc, '$.safe'), '') END AS safe, CASE json_type(r.doc, '$.safe_tx_hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.safe_tx_hash'), '') END AS safe_tx_hash FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('proposal')) AS r) AS s) AS s) AS s
GROUP BY s.safe, s.safe_tx_hash, s.round
-- next
CREATE VIEW people_actions AS
SELECT
  r.seq AS seq,
  r.at AS at,
  r.kind AS kind,
  CASE r.kind WHEN 'switch' THEN CASE json_type(r.doc, '$.state') WHEN 'text' THEN nullif(json_extract(r.doc, '$.state'), '') END WHEN 'proposal' THEN CASE json_type(r.doc, '$.step') WHEN 'text' THEN nullif(json_extract(r.doc, '$.step'), '') END ELSE CASE json_type(r.doc, '$.after') WHEN 'text' THEN nullif(json_extract(r.doc, '$.after'), '') END END AS step,
  coalesce(CASE json_type(r.doc, '$.by') WHEN 'text' THEN nullif(json_extract(r.doc, '$.by'), '') END, CASE json_type(r.doc, '$.owner') WHEN 'text' THEN nullif(json_extract(r.doc, '$.owner'), '') END) AS who,
  r.market AS market,
  CASE json_type(r.doc, '$.rule') WHEN 'text' THEN nullif(json_extract(r.doc, '$.rule'), '') END AS rule,
  r.action AS action,
  r.incident AS incident,
  CASE json_type(r.doc, '$.safe_tx_hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.safe_tx_hash'), '') END AS safe_tx_hash,
  CASE WHEN json_type(r.doc, '$.block') = 'integer' AND typeof(json_extract(r.doc, '$.block')) = 'integer' AND json_extract(r.doc, '$.block') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.block') END AS block,
  CASE json_type(r.doc, '$.reason') WHEN 'text' THEN nullif(json_extract(r.doc, '$.reason'), '') END AS words
FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('switch', 'proposal', 'breaker')) AS r
WHERE r.kind = 'switch' OR (r.kind = 'proposal' AND CASE json_type(r.doc, '$.step') WHEN 'text' THEN nullif(json_extract(r.doc, '$.step'), '') END IN ('seen', 'confirmed', 'signed', 'unwanted', 'carried-out')) OR (r.kind = 'breaker' AND (CASE json_type(r.doc, '$.trigger') WHEN 'text' THEN nullif(json_extract(r.doc, '$.trigger'), '') END IN ('lock', 'disarm', 'arm', 'ratify', 'lift') OR (CASE json_type(r.doc, '$.trigger') WHEN 'text' THEN nullif(json_extract(r.doc, '$.trigger'), '') END = 'chain' AND CASE json_type(r.doc, '$.after') WHEN 'text' THEN nullif(json_extract(r.doc, '$.after'), '') END IN ('ratified', 'lifted'))))
-- next
CREATE VIEW configurations AS
SELECT
  CASE json_type(r.doc, '$.hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.hash'), '') END AS hash,
  min(r.at) AS first_at,
  max(r.at) AS last_at,
  min(r.seq) AS first_seq,
  max(r.seq) AS last_seq,
  count(*) AS starts,
  max(CASE json_type(r.doc, '$.document.keeper.name') WHEN 'text' THEN nullif(json_extract(r.doc, '$.document.keeper.name'), '') END) AS name,
  max(CASE json_type(r.doc, '$.document.keeper.mode') WHEN 'text' THEN nullif(json_extract(r.doc, '$.document.keeper.mode'), '') END) AS mode,
  max(CASE WHEN json_type(r.doc, '$.document.chain.id') = 'integer' AND typeof(json_extract(r.doc, '$.document.chain.id')) = 'integer' AND json_extract(r.doc, '$.document.chain.id') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.document.chain.id') END) AS chain_id
FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('configuration')) AS r
GROUP BY CASE json_type(r.doc, '$.hash') WHEN 'text' THEN nullif(json_extract(r.doc, '$.hash'), '') END
-- next
CREATE VIEW gaps AS
SELECT
  r.seq AS seq,
  r.at AS at,
  r.kind AS kind,
  CASE json_type(r.doc, '$.event') WHEN 'text' THEN nullif(json_extract(r.doc, '$.event'), '') END AS event,
  CASE WHEN json_type(r.doc, '$.first') = 'integer' AND typeof(json_extract(r.doc, '$.first')) = 'integer' AND json_extract(r.doc, '$.first') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.first') END AS first_block,
  CASE WHEN json_type(r.doc, '$.last') = 'integer' AND typeof(json_extract(r.doc, '$.last')) = 'integer' AND json_extract(r.doc, '$.last') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.last') END AS last_block,
  CASE WHEN CAST(CASE WHEN json_type(r.doc, '$.from_ms') = 'text' AND length(json_extract(r.doc, '$.from_ms')) BETWEEN 1 AND 78 AND json_extract(r.doc, '$.from_ms') NOT GLOB '*[^0-9]*' AND (json_extract(r.doc, '$.from_ms') = '0' OR json_extract(r.doc, '$.from_ms') NOT GLOB '0*') THEN json_extract(r.doc, '$.from_ms') END AS INTEGER) <= 253402300799999 THEN strftime('%Y-%m-%dT%H:%M:%S', CAST(CASE WHEN json_type(r.doc, '$.from_ms') = 'text' AND length(json_extract(r.doc, '$.from_ms')) BETWEEN 1 AND 78 AND json_extract(r.doc, '$.from_ms') NOT GLOB '*[^0-9]*' AND (json_extract(r.doc, '$.from_ms') = '0' OR json_extract(r.doc, '$.from_ms') NOT GLOB '0*') THEN json_extract(r.doc, '$.from_ms') END AS INTEGER) / 1000, 'unixepoch') || printf('.%03dZ', CAST(CASE WHEN json_type(r.doc, '$.from_ms') = 'text' AND length(json_extract(r.doc, '$.from_ms')) BETWEEN 1 AND 78 AND json_extract(r.doc, '$.from_ms') NOT GLOB '*[^0-9]*' AND (json_extract(r.doc, '$.from_ms') = '0' OR json_extract(r.doc, '$.from_ms') NOT GLOB '0*') THEN json_extract(r.doc, '$.from_ms') END AS INTEGER) % 1000) END AS from_at,
  CASE WHEN CAST(CASE WHEN json_type(r.doc, '$.until_ms') = 'text' AND length(json_extract(r.doc, '$.until_ms')) BETWEEN 1 AND 78 AND json_extract(r.doc, '$.until_ms') NOT GLOB '*[^0-9]*' AND (json_extract(r.doc, '$.until_ms') = '0' OR json_extract(r.doc, '$.until_ms') NOT GLOB '0*') THEN json_extract(r.doc, '$.until_ms') END AS INTEGER) <= 253402300799999 THEN strftime('%Y-%m-%dT%H:%M:%S', CAST(CASE WHEN json_type(r.doc, '$.until_ms') = 'text' AND length(json_extract(r.doc, '$.until_ms')) BETWEEN 1 AND 78 AND json_extract(r.doc, '$.until_ms') NOT GLOB '*[^0-9]*' AND (json_extract(r.doc, '$.until_ms') = '0' OR json_extract(r.doc, '$.until_ms') NOT GLOB '0*') THEN json_extract(r.doc, '$.until_ms') END AS INTEGER) / 1000, 'unixepoch') || printf('.%03dZ', CAST(CASE WHEN json_type(r.doc, '$.until_ms') = 'text' AND length(json_extract(r.doc, '$.until_ms')) BETWEEN 1 AND 78 AND json_extract(r.doc, '$.until_ms') NOT GLOB '*[^0-9]*' AND (json_extract(r.doc, '$.until_ms') = '0' OR json_extract(r.doc, '$.until_ms') NOT GLOB '0*') THEN json_extract(r.doc, '$.until_ms') END AS INTEGER) % 1000) END AS until_at,
  CASE WHEN json_type(r.doc, '$.records') = 'integer' AND typeof(json_extract(r.doc, '$.records')) = 'integer' AND json_extract(r.doc, '$.records') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.records') END AS records,
  CASE WHEN json_type(r.doc, '$.known') = 'integer' AND typeof(json_extract(r.doc, '$.known')) = 'integer' AND json_extract(r.doc, '$.known') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.known') END AS known,
  CASE WHEN json_type(r.doc, '$.left_out') = 'integer' AND typeof(json_extract(r.doc, '$.left_out')) = 'integer' AND json_extract(r.doc, '$.left_out') BETWEEN -999999999999999999 AND 999999999999999999 THEN json_extract(r.doc, '$.left_out') END AS left_out,
  coalesce(CASE json_type(r.doc, '$.reason') WHEN 'text' THEN nullif(json_extract(r.doc, '$.reason'), '') END, CASE json_type(r.doc, '$.because') WHEN 'text' THEN nullif(json_extract(r.doc, '$.because'), '') END) AS reason
FROM (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('gap', 'chain')) AS r
WHERE r.kind = 'gap' OR CASE json_type(r.doc, '$.event') WHEN 'text' THEN nullif(json_extract(r.doc, '$.event'), '') END IN ('gap', 'backfilled', 'skipped')
-- next
CREATE VIEW evidence_overview AS
SELECT
  h.hash AS hash,
  h.seq AS seq,
  k.at AS at,
  k.kind AS kind,
  h.encoding AS encoding,
  h.size AS size,
  h.packed_size AS packed_size,
  h.here AS here,
  a.seq AS archive_seq,
  r.at AS archived_at,
  CASE json_type(r.doc, '$.file') WHEN 'text' THEN nullif(json_extract(r.doc, '$.file'), '') END AS archive_file,
  CASE json_type(r.doc, '$.sha256') WHEN 'text' THEN nullif(json_extract(r.doc, '$.sha256'), '') END AS archive_sha256
FROM (SELECT e.hash, e.seq, e.encoding, e.size, length(e.packed) AS packed_size, 1 = 1 AS here FROM evidence AS e
UNION ALL SELECT a.hash, NULL, NULL, NULL, NULL, 1 = 0 FROM archived AS a WHERE NOT EXISTS (SELECT 1 FROM evidence AS e WHERE e.hash = a.hash)) AS h
LEFT JOIN records AS k ON k.seq = h.seq
LEFT JOIN archived AS a ON a.hash = h.hash
LEFT JOIN (SELECT r.*, CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END AS doc FROM records AS r WHERE r.kind IN ('archive')) AS r ON r.seq = a.seq
-- next
CREATE VIEW checkpoint_overview AS
SELECT
  c.number AS number,
  c.at AS at,
  c.seq AS seq,
  c.seq - coalesce((SELECT p.seq FROM checkpoints AS p WHERE p.number = c.number - 1), 0) AS records,
  c.head AS head,
  r.hash IS NOT NULL AND r.hash = c.head AS holds,
  c.keeper AS keeper,
  c.chain_id AS chain_id,
  c.signer AS signer,
  c.signature AS signature
FROM checkpoints AS c LEFT JOIN records AS r ON r.seq = c.seq
