CREATE SCHEMA audit
-- next
CREATE VIEW audit.lock_appending AS
SELECT 'held by whoever appends, to the end of the transaction'::text AS says
-- next
CREATE VIEW audit.lock_running AS
SELECT 'held by the one keeper that runs'::text AS says
-- next
CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '%: no %', TG_ARGV[0], TG_OP USING ERRCODE = 'restrict_violation';
END
$$
-- next
CREATE FUNCTION audit.records_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  last_seq bigint;
  last_hash text;
BEGIN
  SELECT r.seq, r.hash INTO last_seq, last_hash FROM public.records AS r ORDER BY r.seq DESC LIMIT 1;
  IF NEW.seq IS DISTINCT FROM coalesce(last_seq, 0) + 1 OR (NEW.seq > 1 AND NEW.prev_hash IS DISTINCT FROM last_hash) THEN
    RAISE EXCEPTION 'records are append-only: the row does not follow the last one' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$
-- next
CREATE FUNCTION audit.checkpoints_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.number IS DISTINCT FROM (SELECT coalesce(max(c.number), 0) + 1 FROM public.checkpoints AS c) THEN
    RAISE EXCEPTION 'checkpoints are append-only: the row does not follow the last one' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$
-- next
CREATE FUNCTION audit.intents_only_state() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted public.intents := OLD;
BEGIN
  wanted.state := NEW.state;
  IF OLD.state = 'done' OR NEW IS DISTINCT FROM wanted THEN
    RAISE EXCEPTION 'of an intent only the state may change, until it is done' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$
-- next
CREATE FUNCTION audit.evidence_only_archived() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.archived AS a WHERE a.hash = OLD.hash) THEN
    RAISE EXCEPTION 'evidence goes only when it is archived: no DELETE' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END
$$
-- next
CREATE FUNCTION public.lock_appending() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  LOCK TABLE audit.lock_appending IN EXCLUSIVE MODE;
END
$$
-- next
CREATE FUNCTION public.lock_running() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  LOCK TABLE audit.lock_running IN EXCLUSIVE MODE NOWAIT;
END
$$
-- next
CREATE FUNCTION public.set_intent_state(intent text, state text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE public.intents AS i SET state = $2 WHERE i.id = $1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no intent %', $1 USING ERRCODE = 'no_data_found';
  END IF;
END
$$
-- next
CREATE FUNCTION public.forget_evidence(hashes text[]) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  gone bigint;
BEGIN
  IF EXISTS (SELECT 1 FROM public.evidence AS e WHERE e.hash = ANY ($1)
    AND NOT EXISTS (SELECT 1 FROM public.archived AS a WHERE a.hash = e.hash)) THEN
    RAISE EXCEPTION 'evidence goes only when it is archived: no DELETE' USING ERRCODE = 'restrict_violation';
  END IF;
  DELETE FROM public.evidence AS e WHERE e.hash = ANY ($1);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END
$$
-- next
CREATE TRIGGER records_in_order BEFORE INSERT ON public.records FOR EACH ROW EXECUTE FUNCTION audit.records_in_order()
-- next
CREATE TRIGGER checkpoints_in_order BEFORE INSERT ON public.checkpoints FOR EACH ROW EXECUTE FUNCTION audit.checkpoints_in_order()
-- next
CREATE TRIGGER intents_only_state BEFORE UPDATE ON public.intents FOR EACH ROW EXECUTE FUNCTION audit.intents_only_state()
-- next
CREATE TRIGGER evidence_only_archived BEFORE DELETE ON public.evidence FOR EACH ROW EXECUTE FUNCTION audit.evidence_only_archived()
-- next
CREATE TRIGGER records_no_update BEFORE UPDATE ON public.records FOR EACH ROW EXECUTE FUNCTION audit.refuse('records are append-only')
-- next
CREATE TRIGGER records_no_delete BEFORE DELETE ON public.records FOR EACH ROW EXECUTE FUNCTION audit.refuse('records are append-only')
-- next
CREATE TRIGGER records_no_truncate BEFORE TRUNCATE ON public.records FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse('records are append-only')
-- next
CREATE TRIGGER intents_no_delete BEFORE DELETE ON public.intents FOR EACH ROW EXECUTE FUNCTION audit.refuse('intents are kept')
-- next
CREATE TRIGGER intents_no_truncate BEFORE TRUNCATE ON public.intents FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse('intents are kept')
-- next
CREATE TRIGGER attempts_no_update BEFORE UPDATE ON public.attempts FOR EACH ROW EXECUTE FUNCTION audit.refuse('attempts are append-only')
-- next
CREATE TRIGGER attempts_no_delete BEFORE DELETE ON public.attempts FOR EACH ROW EXECUTE FUNCTION audit.refuse('attempts are append-only')
-- next
CREATE TRIGGER attempts_no_truncate BEFORE TRUNCATE ON public.attempts FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse('attempts are append-only')
-- next
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON public.evidence FOR EACH ROW EXECUTE FUNCTION audit.refuse('evidence is kept as it is')
-- next
CREATE TRIGGER evidence_no_truncate BEFORE TRUNCATE ON public.evidence FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse('evidence is kept as it is')
-- next
CREATE TRIGGER archived_no_update BEFORE UPDATE ON public.archived FOR EACH ROW EXECUTE FUNCTION audit.refuse('archived is append-only')
-- next
CREATE TRIGGER archived_no_delete BEFORE DELETE ON public.archived FOR EACH ROW EXECUTE FUNCTION audit.refuse('archived is append-only')
-- next
CREATE TRIGGER archived_no_truncate BEFORE TRUNCATE ON public.archived FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse('archived is append-only')
-- next
CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON public.checkpoints FOR EACH ROW EXECUTE FUNCTION audit.refuse('checkpoints are append-only')
-- next
CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON public.checkpoints FOR EACH ROW EXECUTE FUNCTION audit.refuse('checkpoints are append-only')
-- next
CREATE TRIGGER checkpoints_no_truncate BEFORE TRUNCATE ON public.checkpoints FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse('checkpoints are append-only')
-- next
ALTER TABLE public.records ENABLE ALWAYS TRIGGER records_in_order
-- next
ALTER TABLE public.checkpoints ENABLE ALWAYS TRIGGER checkpoints_in_order
-- next
ALTER TABLE public.intents ENABLE ALWAYS TRIGGER intents_only_state
-- next
ALTER TABLE public.evidence ENABLE ALWAYS TRIGGER evidence_only_archived
-- next
ALTER TABLE public.records ENABLE ALWAYS TRIGGER records_no_update
-- next
ALTER TABLE public.records ENABLE ALWAYS TRIGGER records_no_delete
-- next
ALTER TABLE public.records ENABLE ALWAYS TRIGGER records_no_truncate
-- next
ALTER TABLE public.intents ENABLE ALWAYS TRIGGER intents_no_delete
-- next
ALTER TABLE public.intents ENABLE ALWAYS TRIGGER intents_no_truncate
-- next
ALTER TABLE public.attempts ENABLE ALWAYS TRIGGER attempts_no_update
-- next
ALTER TABLE public.attempts ENABLE ALWAYS TRIGGER attempts_no_delete
-- next
ALTER TABLE public.attempts ENABLE ALWAYS TRIGGER attempts_no_truncate
-- next
ALTER TABLE public.evidence ENABLE ALWAYS TRIGGER evidence_no_update
-- next
ALTER TABLE public.evidence ENABLE ALWAYS TRIGGER evidence_no_truncate
-- next
ALTER TABLE public.archived ENABLE ALWAYS TRIGGER archived_no_update
-- next
ALTER TABLE public.archived ENABLE ALWAYS TRIGGER archived_no_delete
-- next
ALTER TABLE public.archived ENABLE ALWAYS TRIGGER archived_no_truncate
-- next
ALTER TABLE public.checkpoints ENABLE ALWAYS TRIGGER checkpoints_no_update
-- next
ALTER TABLE public.checkpoints ENABLE ALWAYS TRIGGER checkpoints_no_delete
-- next
ALTER TABLE public.checkpoints ENABLE ALWAYS TRIGGER checkpoints_no_truncate
-- next
CREATE FUNCTION audit.doc(body text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF strpos(body, '\u') = 0 THEN
    RETURN body::jsonb;
  ELSIF replace(body, '\\', '') ~ '\\u[dD][89a-fA-F]' THEN
    RETURN NULL;
  END IF;
  RETURN replace(replace(replace(body, '\\', chr(1)), '\u0000', '\ufffd'), chr(1), '\\')::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$
-- next
CREATE FUNCTION audit.ms(iso text) RETURNS bigint LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN round(extract(epoch FROM iso::timestamptz) * 1000);
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$
-- next
CREATE VIEW audit.incidents AS
SELECT
  r.incident AS id,
  r.market AS market,
  CASE jsonb_typeof(r.doc #> '{verdict,rule}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,rule}', '') END AS rule,
  CASE jsonb_typeof(r.doc #> '{verdict,signal}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,signal}', '') END AS signal,
  CASE jsonb_typeof(r.doc #> '{verdict,severity}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,severity}', '') END AS severity,
  CASE jsonb_typeof(r.doc #> '{verdict,value}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,value}', '') END AS observed,
  CASE jsonb_typeof(r.doc #> '{verdict,threshold}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,threshold}', '') END AS threshold,
  r.at AS opened_at,
  CASE WHEN jsonb_typeof(r.doc #> '{block}') = 'number' AND (r.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{block}')::bigint END AS opened_block,
  c.at AS closed_at,
  CASE WHEN jsonb_typeof(c.doc #> '{block}') = 'number' AND (c.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (c.doc #>> '{block}')::bigint END AS closed_block,
  r.seq AS opened_seq,
  c.seq AS closed_seq
FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('incident')) AS r LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('incident')) AS c ON c.seq = (SELECT min(x.seq) FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('incident')) AS x WHERE x.incident = r.incident AND x.seq > r.seq AND CASE jsonb_typeof(x.doc #> '{phase}') WHEN 'string' THEN nullif(x.doc #>> '{phase}', '') END = 'closed')
WHERE CASE jsonb_typeof(r.doc #> '{phase}') WHEN 'string' THEN nullif(r.doc #>> '{phase}', '') END = 'opened'
-- next
CREATE VIEW audit.decisions AS
SELECT
  r.seq AS seq,
  r.at AS at,
  CASE jsonb_typeof(r.doc #> '{id}') WHEN 'string' THEN nullif(r.doc #>> '{id}', '') END AS id,
  CASE jsonb_typeof(r.doc #> '{kind}') WHEN 'string' THEN nullif(r.doc #>> '{kind}', '') END AS kind,
  CASE jsonb_typeof(r.doc #> '{reason}') WHEN 'string' THEN nullif(r.doc #>> '{reason}', '') END AS reason,
  r.market AS market,
  CASE jsonb_typeof(r.doc #> '{verdict,rule}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,rule}', '') END AS rule,
  r.action AS action,
  r.incident AS incident,
  CASE WHEN jsonb_typeof(r.doc #> '{block}') = 'number' AND (r.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{block}')::bigint END AS block,
  CASE jsonb_typeof(r.doc #> '{verdict,signal}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,signal}', '') END AS signal,
  CASE jsonb_typeof(r.doc #> '{verdict,value}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,value}', '') END AS observed,
  CASE jsonb_typeof(r.doc #> '{verdict,threshold}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,threshold}', '') END AS threshold,
  CASE jsonb_typeof(r.doc #> '{config_hash}') WHEN 'string' THEN nullif(r.doc #>> '{config_hash}', '') END AS config_hash
FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('decision')) AS r
-- next
CREATE VIEW audit.incident_timeline AS
SELECT
  r.incident AS incident,
  r.seq AS seq,
  r.at AS at,
  r.kind AS kind,
  r.market AS market,
  r.action AS action,
  CASE r.kind WHEN 'incident' THEN coalesce(CASE jsonb_typeof(r.doc #> '{phase}') WHEN 'string' THEN nullif(r.doc #>> '{phase}', '') END, '?') || ': ' || coalesce(CASE jsonb_typeof(r.doc #> '{verdict,rule}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,rule}', '') END, '?') || ', ' || coalesce(CASE jsonb_typeof(r.doc #> '{verdict,signal}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,signal}', '') END, '?') || ' ' || coalesce(CASE jsonb_typeof(r.doc #> '{verdict,value}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,value}', '') END, '?') || ' against ' || coalesce(CASE jsonb_typeof(r.doc #> '{verdict,threshold}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,threshold}', '') END, '?') WHEN 'decision' THEN coalesce(CASE jsonb_typeof(r.doc #> '{kind}') WHEN 'string' THEN nullif(r.doc #>> '{kind}', '') END, '?') || ' (' || coalesce(CASE jsonb_typeof(r.doc #> '{reason}') WHEN 'string' THEN nullif(r.doc #>> '{reason}', '') END, '?') || '): ' || coalesce(CASE jsonb_typeof(r.doc #> '{verdict,rule}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,rule}', '') END, '?') || ' ' || coalesce(CASE jsonb_typeof(r.doc #> '{verdict,value}') WHEN 'string' THEN nullif(r.doc #>> '{verdict,value}', '') END, '?') WHEN 'intent' THEN coalesce(CASE jsonb_typeof(r.doc #> '{call}') WHEN 'string' THEN nullif(r.doc #>> '{call}', '') END, '?') || ' on ' || coalesce(CASE jsonb_typeof(r.doc #> '{to}') WHEN 'string' THEN nullif(r.doc #>> '{to}', '') END, '?') || ', effect now ' || coalesce(CASE jsonb_typeof(r.doc #> '{effect_before}') WHEN 'string' THEN nullif(r.doc #>> '{effect_before}', '') END, '?') WHEN 'attempt' THEN 'nonce ' || coalesce(CAST(CASE WHEN jsonb_typeof(r.doc #> '{nonce}') = 'number' AND (r.doc #>> '{nonce}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{nonce}')::bigint END AS text), '?') || ', ' || coalesce(CASE jsonb_typeof(r.doc #> '{tx_hash}') WHEN 'string' THEN nullif(r.doc #>> '{tx_hash}', '') END, '?') WHEN 'broadcast' THEN coalesce(CASE jsonb_typeof(r.doc #> '{answer}') WHEN 'string' THEN nullif(r.doc #>> '{answer}', '') END, '?') || ' by ' || coalesce(CASE jsonb_typeof(r.doc #> '{route}') WHEN 'string' THEN nullif(r.doc #>> '{route}', '') END, '?') WHEN 'receipt' THEN CASE WHEN CASE WHEN jsonb_typeof(r.doc #> '{gone}') = 'boolean' AND (r.doc #>> '{gone}') ~ '^(true|false)$' THEN (r.doc #>> '{gone}')::boolean END THEN 'not in a block any more: ' ELSE 'status ' || coalesce(CAST(CASE WHEN jsonb_typeof(r.doc #> '{status}') = 'number' AND (r.doc #>> '{status}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{status}')::bigint END AS text), '?') || ' in block ' || coalesce(CAST(CASE WHEN jsonb_typeof(r.doc #> '{block}') = 'number' AND (r.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{block}')::bigint END AS text), '?') || ': ' END || coalesce(CASE jsonb_typeof(r.doc #> '{tx_hash}') WHEN 'string' THEN nullif(r.doc #>> '{tx_hash}', '') END, '?') WHEN 'effect' THEN coalesce(CASE jsonb_typeof(r.doc #> '{call}') WHEN 'string' THEN nullif(r.doc #>> '{call}', '') END, '?') || ': ' || coalesce(CASE jsonb_typeof(r.doc #> '{before}') WHEN 'string' THEN nullif(r.doc #>> '{before}', '') END, '?') || ' -> ' || coalesce(CASE jsonb_typeof(r.doc #> '{after}') WHEN 'string' THEN nullif(r.doc #>> '{after}', '') END, '?') || ' at block ' || coalesce(CAST(CASE WHEN jsonb_typeof(r.doc #> '{block}') = 'number' AND (r.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{block}')::bigint END AS text), '?') WHEN 'outcome' THEN coalesce(CASE jsonb_typeof(r.doc #> '{kind}') WHEN 'string' THEN nullif(r.doc #>> '{kind}', '') END, '?') || ' (' || coalesce(CASE jsonb_typeof(r.doc #> '{reason}') WHEN 'string' THEN nullif(r.doc #>> '{reason}', '') END, '?') || '): ' || coalesce(CASE jsonb_typeof(r.doc #> '{message}') WHEN 'string' THEN nullif(r.doc #>> '{message}', '') END, '?') WHEN 'proposal' THEN coalesce(CASE jsonb_typeof(r.doc #> '{step}') WHEN 'string' THEN nullif(r.doc #>> '{step}', '') END, '?') || ': ' || coalesce(CASE jsonb_typeof(r.doc #> '{safe_tx_hash}') WHEN 'string' THEN nullif(r.doc #>> '{safe_tx_hash}', '') END, '?') WHEN 'order' THEN coalesce(CASE jsonb_typeof(r.doc #> '{step}') WHEN 'string' THEN nullif(r.doc #>> '{step}', '') END, '?') || ': breaker ' || coalesce(CASE jsonb_typeof(r.doc #> '{breaker}') WHEN 'string' THEN nullif(r.doc #>> '{breaker}', '') END, '?') WHEN 'breaker' THEN coalesce(CASE jsonb_typeof(r.doc #> '{before}') WHEN 'string' THEN nullif(r.doc #>> '{before}', '') END, '?') || ' -> ' || coalesce(CASE jsonb_typeof(r.doc #> '{after}') WHEN 'string' THEN nullif(r.doc #>> '{after}', '') END, '?') || ': ' || coalesce(CASE jsonb_typeof(r.doc #> '{reason}') WHEN 'string' THEN nullif(r.doc #>> '{reason}', '') END, '?') END AS words
FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d) AS r
WHERE r.incident IS NOT NULL
-- next
CREATE VIEW audit.actions AS
SELECT
  i.id AS intent,
  i.seq AS seq,
  i.market AS market,
  i.action AS action,
  i.incident AS incident,
  CASE jsonb_typeof(n.doc #> '{kind}') WHEN 'string' THEN nullif(n.doc #>> '{kind}', '') END AS kind,
  i.state AS state,
  CASE jsonb_typeof(o.doc #> '{kind}') WHEN 'string' THEN nullif(o.doc #>> '{kind}', '') END AS outcome_kind,
  CASE jsonb_typeof(o.doc #> '{reason}') WHEN 'string' THEN nullif(o.doc #>> '{reason}', '') END AS outcome_reason,
  i.to_address AS to_address,
  CASE jsonb_typeof(n.doc #> '{sender}') WHEN 'string' THEN nullif(n.doc #>> '{sender}', '') END AS sender,
  (SELECT count(*) FROM public.attempts AS a WHERE a.intent = i.id) AS attempts,
  coalesce(CASE jsonb_typeof(o.doc #> '{tx_hash}') WHEN 'string' THEN nullif(o.doc #>> '{tx_hash}', '') END, CASE jsonb_typeof(m.doc #> '{tx_hash}') WHEN 'string' THEN nullif(m.doc #>> '{tx_hash}', '') END) AS tx_hash,
  coalesce(CASE WHEN jsonb_typeof(m.doc #> '{block}') = 'number' AND (m.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (m.doc #>> '{block}')::bigint END, CASE WHEN jsonb_typeof(o.doc #> '{block}') = 'number' AND (o.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (o.doc #>> '{block}')::bigint END) AS block,
  i.created_at AS intent_at,
  (SELECT y.at FROM public.records AS y WHERE y.seq = (SELECT min(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('attempt'))) AS first_attempt_at,
  (SELECT y.at FROM public.records AS y WHERE y.seq = (SELECT min(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('broadcast'))) AS first_broadcast_at,
  m.at AS receipt_at,
  o.at AS outcome_at,
  CASE WHEN jsonb_typeof(m.doc #> '{gas_used}') = 'number' AND (m.doc #>> '{gas_used}') ~ '^-?[0-9]{1,18}$' THEN (m.doc #>> '{gas_used}')::bigint END AS gas_used,
  CASE WHEN jsonb_typeof(m.doc #> '{effective_gas_price_wei}') = 'string' AND (m.doc #>> '{effective_gas_price_wei}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (m.doc #>> '{effective_gas_price_wei}')::numeric END AS gas_price_wei,
  CASE WHEN (CASE WHEN jsonb_typeof(m.doc #> '{gas_used}') = 'number' AND (m.doc #>> '{gas_used}') ~ '^-?[0-9]{1,18}$' THEN (m.doc #>> '{gas_used}')::bigint END) BETWEEN 0 AND 8999999999 AND (CASE WHEN jsonb_typeof(m.doc #> '{effective_gas_price_wei}') = 'string' AND (m.doc #>> '{effective_gas_price_wei}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (m.doc #>> '{effective_gas_price_wei}')::numeric END) < 1000000000000000000000000000 THEN (CASE WHEN jsonb_typeof(m.doc #> '{gas_used}') = 'number' AND (m.doc #>> '{gas_used}') ~ '^-?[0-9]{1,18}$' THEN (m.doc #>> '{gas_used}')::bigint END) * (CASE WHEN jsonb_typeof(m.doc #> '{effective_gas_price_wei}') = 'string' AND (m.doc #>> '{effective_gas_price_wei}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (m.doc #>> '{effective_gas_price_wei}')::numeric END) END AS cost_wei
FROM public.intents AS i
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('intent')) AS n ON n.seq = i.seq
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('outcome')) AS o ON o.seq = (SELECT max(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('outcome'))
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('receipt')) AS m ON m.seq = (SELECT max(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('receipt'))
-- next
CREATE VIEW audit.effects AS
SELECT
  r.seq AS seq,
  r.at AS at,
  r.market AS market,
  r.action AS action,
  r.incident AS incident,
  r.intent AS intent,
  CASE jsonb_typeof(r.doc #> '{contract}') WHEN 'string' THEN nullif(r.doc #>> '{contract}', '') END AS contract,
  CASE jsonb_typeof(r.doc #> '{call}') WHEN 'string' THEN nullif(r.doc #>> '{call}', '') END AS call,
  CASE jsonb_typeof(r.doc #> '{before}') WHEN 'string' THEN nullif(r.doc #>> '{before}', '') END AS before,
  CASE jsonb_typeof(r.doc #> '{after}') WHEN 'string' THEN nullif(r.doc #>> '{after}', '') END AS after,
  CASE jsonb_typeof(r.doc #> '{expected}') WHEN 'string' THEN nullif(r.doc #>> '{expected}', '') END AS expected,
  CASE WHEN jsonb_typeof(r.doc #> '{verified}') = 'boolean' AND (r.doc #>> '{verified}') ~ '^(true|false)$' THEN (r.doc #>> '{verified}')::boolean END AS verified,
  CASE WHEN jsonb_typeof(r.doc #> '{block}') = 'number' AND (r.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{block}')::bigint END AS block
FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('effect')) AS r
-- next
CREATE VIEW audit.response_times AS
SELECT
  i.incident AS incident,
  i.market AS market,
  i.action AS action,
  i.id AS intent,
  CASE jsonb_typeof(o.doc #> '{kind}') WHEN 'string' THEN nullif(o.doc #>> '{kind}', '') END AS outcome_kind,
  CASE WHEN jsonb_typeof(d.doc #> '{block}') = 'number' AND (d.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (d.doc #>> '{block}')::bigint END AS block,
  CASE WHEN (CASE WHEN jsonb_typeof(t.doc #> '{block,number}') = 'number' AND (t.doc #>> '{block,number}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,number}')::bigint END) = (CASE WHEN jsonb_typeof(d.doc #> '{block}') = 'number' AND (d.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (d.doc #>> '{block}')::bigint END) THEN CASE WHEN (CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END * 1000) BETWEEN 0 AND 253402300799000 THEN to_char(to_timestamp(floor((CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END * 1000) / 1000.0)::double precision) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || '.' || lpad(((CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END * 1000) % 1000)::text, 3, '0') || 'Z' END END AS block_at,
  d.at AS decided_at,
  i.created_at AS intent_at,
  b.at AS broadcast_at,
  m.at AS receipt_at,
  e.at AS effect_at,
  o.at AS outcome_at,
  CASE WHEN jsonb_typeof(m.doc #> '{block}') = 'number' AND (m.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (m.doc #>> '{block}')::bigint END AS included_block,
  audit.ms(d.at) - CASE WHEN (CASE WHEN jsonb_typeof(t.doc #> '{block,number}') = 'number' AND (t.doc #>> '{block,number}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,number}')::bigint END) = (CASE WHEN jsonb_typeof(d.doc #> '{block}') = 'number' AND (d.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (d.doc #>> '{block}')::bigint END) THEN (CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END) * 1000 END AS block_to_decision_ms,
  audit.ms(i.created_at) - CASE WHEN (CASE WHEN jsonb_typeof(t.doc #> '{block,number}') = 'number' AND (t.doc #>> '{block,number}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,number}')::bigint END) = (CASE WHEN jsonb_typeof(d.doc #> '{block}') = 'number' AND (d.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (d.doc #>> '{block}')::bigint END) THEN (CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END) * 1000 END AS block_to_intent_ms,
  audit.ms(b.at) - CASE WHEN (CASE WHEN jsonb_typeof(t.doc #> '{block,number}') = 'number' AND (t.doc #>> '{block,number}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,number}')::bigint END) = (CASE WHEN jsonb_typeof(d.doc #> '{block}') = 'number' AND (d.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (d.doc #>> '{block}')::bigint END) THEN (CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END) * 1000 END AS block_to_broadcast_ms,
  audit.ms(m.at) - CASE WHEN (CASE WHEN jsonb_typeof(t.doc #> '{block,number}') = 'number' AND (t.doc #>> '{block,number}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,number}')::bigint END) = (CASE WHEN jsonb_typeof(d.doc #> '{block}') = 'number' AND (d.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (d.doc #>> '{block}')::bigint END) THEN (CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END) * 1000 END AS block_to_include_ms,
  audit.ms(e.at) - CASE WHEN (CASE WHEN jsonb_typeof(t.doc #> '{block,number}') = 'number' AND (t.doc #>> '{block,number}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,number}')::bigint END) = (CASE WHEN jsonb_typeof(d.doc #> '{block}') = 'number' AND (d.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (d.doc #>> '{block}')::bigint END) THEN (CASE WHEN jsonb_typeof(t.doc #> '{block,timestamp_s}') = 'number' AND (t.doc #>> '{block,timestamp_s}') ~ '^-?[0-9]{1,18}$' THEN (t.doc #>> '{block,timestamp_s}')::bigint END) * 1000 END AS block_to_effect_ms,
  CASE WHEN jsonb_typeof(o.doc #> '{timeline_ms,reads}') = 'string' AND (o.doc #>> '{timeline_ms,reads}') ~ '^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$' THEN (o.doc #>> '{timeline_ms,reads}')::numeric END AS head_to_reads_ms,
  CASE WHEN jsonb_typeof(o.doc #> '{timeline_ms,decided}') = 'string' AND (o.doc #>> '{timeline_ms,decided}') ~ '^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$' THEN (o.doc #>> '{timeline_ms,decided}')::numeric END AS head_to_decision_ms,
  CASE WHEN jsonb_typeof(o.doc #> '{timeline_ms,intent_durable}') = 'string' AND (o.doc #>> '{timeline_ms,intent_durable}') ~ '^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$' THEN (o.doc #>> '{timeline_ms,intent_durable}')::numeric END AS head_to_intent_ms,
  CASE WHEN jsonb_typeof(o.doc #> '{timeline_ms,signed}') = 'string' AND (o.doc #>> '{timeline_ms,signed}') ~ '^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$' THEN (o.doc #>> '{timeline_ms,signed}')::numeric END AS head_to_signed_ms,
  CASE WHEN jsonb_typeof(o.doc #> '{timeline_ms,broadcast}') = 'string' AND (o.doc #>> '{timeline_ms,broadcast}') ~ '^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$' THEN (o.doc #>> '{timeline_ms,broadcast}')::numeric END AS head_to_broadcast_ms,
  CASE WHEN jsonb_typeof(o.doc #> '{timeline_ms,included}') = 'string' AND (o.doc #>> '{timeline_ms,included}') ~ '^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$' THEN (o.doc #>> '{timeline_ms,included}')::numeric END AS head_to_include_ms,
  CASE WHEN jsonb_typeof(o.doc #> '{timeline_ms,verified}') = 'string' AND (o.doc #>> '{timeline_ms,verified}') ~ '^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$' THEN (o.doc #>> '{timeline_ms,verified}')::numeric END AS head_to_effect_ms
FROM public.intents AS i
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('decision')) AS d ON d.seq = (SELECT max(x.seq) FROM public.records AS x WHERE x.incident = i.incident AND x.market = i.market AND x.action = i.action AND x.seq < i.seq AND x.kind || '' IN ('decision'))
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('tick')) AS t ON t.seq = (SELECT max(x.seq) FROM public.records AS x WHERE x.at = d.at AND x.kind || '' IN ('tick'))
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('broadcast')) AS b ON b.seq = (SELECT min(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('broadcast'))
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('receipt')) AS m ON m.seq = (SELECT max(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('receipt'))
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('effect')) AS e ON e.seq = (SELECT max(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('effect'))
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('outcome')) AS o ON o.seq = (SELECT max(x.seq) FROM public.records AS x WHERE x.intent = i.id AND x.kind || '' IN ('outcome'))
-- next
CREATE VIEW audit.proposals AS
SELECT
  s.safe_tx_hash AS safe_tx_hash,
  s.safe AS safe,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN s.seq END) AS made_seq,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN s.at END) AS made_at,
  max(s.market) AS market,
  max(s.action) AS action,
  max(s.incident) AS incident,
  max(CASE jsonb_typeof(s.doc #> '{intent}') WHEN 'string' THEN nullif(s.doc #>> '{intent}', '') END) AS intent,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN CASE jsonb_typeof(s.doc #> '{what}') WHEN 'string' THEN nullif(s.doc #>> '{what}', '') END END) AS what,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN CASE jsonb_typeof(s.doc #> '{title}') WHEN 'string' THEN nullif(s.doc #>> '{title}', '') END END) AS title,
  min(CASE WHEN s.step IN ('made', 'adopted') THEN CASE jsonb_typeof(s.doc #> '{nonce}') WHEN 'string' THEN nullif(s.doc #>> '{nonce}', '') END END) AS nonce,
  min(CASE WHEN s.from_end = 1 THEN s.step END) AS step,
  min(CASE WHEN s.from_end = 1 THEN s.at END) AS step_at,
  count(DISTINCT CASE WHEN s.step = 'signed' THEN CASE jsonb_typeof(s.doc #> '{owner}') WHEN 'string' THEN nullif(s.doc #>> '{owner}', '') END END) AS signatures,
  max(CASE WHEN s.step IN ('signed', 'threshold') THEN CASE WHEN jsonb_typeof(s.doc #> '{threshold}') = 'number' AND (s.doc #>> '{threshold}') ~ '^-?[0-9]{1,18}$' THEN (s.doc #>> '{threshold}')::bigint END END) AS threshold,
  min(CASE WHEN s.step = 'signed' THEN s.at END) AS first_signature_at,
  min(CASE WHEN s.step = 'threshold' THEN s.at END) AS threshold_at,
  min(CASE WHEN s.step = 'executed' THEN s.at END) AS executed_at,
  min(CASE WHEN s.step = 'executed' THEN CASE jsonb_typeof(s.doc #> '{tx_hash}') WHEN 'string' THEN nullif(s.doc #>> '{tx_hash}', '') END END) AS tx_hash,
  min(CASE WHEN s.step = 'executed' THEN CASE WHEN jsonb_typeof(s.doc #> '{block}') = 'number' AND (s.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (s.doc #>> '{block}')::bigint END END) AS block,
  min(CASE WHEN s.step = 'superseded' THEN s.at END) AS superseded_at,
  min(CASE WHEN s.step = 'superseded' THEN CASE jsonb_typeof(s.doc #> '{why}') WHEN 'string' THEN nullif(s.doc #>> '{why}', '') END END) AS superseded_why
FROM (SELECT s.*, row_number() OVER (PARTITION BY s.safe, s.safe_tx_hash, s.round ORDER BY s.seq DESC) AS from_end FROM (SELECT s.*, sum(CASE WHEN s.step IN ('made', 'adopted') THEN 1 ELSE 0 END) OVER (PARTITION BY s.safe, s.safe_tx_hash ORDER BY s.seq) AS round FROM (SELECT r.*, CASE jsonb_typeof(r.doc #> '{step}') WHEN 'string' THEN nullif(r.doc #>> '{step}', '') END AS step, CASE jsonb_typeof(r.doc #> '{safe}') WHEN 'string' THEN nullif(r.doc #>> '{safe}', '') END AS safe, CASE jsonb_typeof(r.doc #> '{safe_tx_hash}') WHEN 'string' THEN nullif(r.doc #>> '{safe_tx_hash}', '') END AS safe_tx_hash FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('proposal')) AS r) AS s) AS s) AS s
GROUP BY s.safe, s.safe_tx_hash, s.round
-- next
CREATE VIEW audit.people_actions AS
SELECT
  r.seq AS seq,
  r.at AS at,
  r.kind AS kind,
  CASE r.kind WHEN 'switch' THEN CASE jsonb_typeof(r.doc #> '{state}') WHEN 'string' THEN nullif(r.doc #>> '{state}', '') END WHEN 'proposal' THEN CASE jsonb_typeof(r.doc #> '{step}') WHEN 'string' THEN nullif(r.doc #>> '{step}', '') END ELSE CASE jsonb_typeof(r.doc #> '{after}') WHEN 'string' THEN nullif(r.doc #>> '{after}', '') END END AS step,
  coalesce(CASE jsonb_typeof(r.doc #> '{by}') WHEN 'string' THEN nullif(r.doc #>> '{by}', '') END, CASE jsonb_typeof(r.doc #> '{owner}') WHEN 'string' THEN nullif(r.doc #>> '{owner}', '') END) AS who,
  r.market AS market,
  CASE jsonb_typeof(r.doc #> '{rule}') WHEN 'string' THEN nullif(r.doc #>> '{rule}', '') END AS rule,
  r.action AS action,
  r.incident AS incident,
  CASE jsonb_typeof(r.doc #> '{safe_tx_hash}') WHEN 'string' THEN nullif(r.doc #>> '{safe_tx_hash}', '') END AS safe_tx_hash,
  CASE WHEN jsonb_typeof(r.doc #> '{block}') = 'number' AND (r.doc #>> '{block}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{block}')::bigint END AS block,
  CASE jsonb_typeof(r.doc #> '{reason}') WHEN 'string' THEN nullif(r.doc #>> '{reason}', '') END AS words
FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('switch', 'proposal', 'breaker')) AS r
WHERE r.kind = 'switch' OR (r.kind = 'proposal' AND CASE jsonb_typeof(r.doc #> '{step}') WHEN 'string' THEN nullif(r.doc #>> '{step}', '') END IN ('seen', 'confirmed', 'signed', 'unwanted', 'carried-out')) OR (r.kind = 'breaker' AND (CASE jsonb_typeof(r.doc #> '{trigger}') WHEN 'string' THEN nullif(r.doc #>> '{trigger}', '') END IN ('lock', 'disarm', 'arm', 'ratify', 'lift') OR (CASE jsonb_typeof(r.doc #> '{trigger}') WHEN 'string' THEN nullif(r.doc #>> '{trigger}', '') END = 'chain' AND CASE jsonb_typeof(r.doc #> '{after}') WHEN 'string' THEN nullif(r.doc #>> '{after}', '') END IN ('ratified', 'lifted'))))
-- next
CREATE VIEW audit.configurations AS
SELECT
  CASE jsonb_typeof(r.doc #> '{hash}') WHEN 'string' THEN nullif(r.doc #>> '{hash}', '') END AS hash,
  min(r.at) AS first_at,
  max(r.at) AS last_at,
  min(r.seq) AS first_seq,
  max(r.seq) AS last_seq,
  count(*) AS starts,
  max(CASE jsonb_typeof(r.doc #> '{document,keeper,name}') WHEN 'string' THEN nullif(r.doc #>> '{document,keeper,name}', '') END) AS name,
  max(CASE jsonb_typeof(r.doc #> '{document,keeper,mode}') WHEN 'string' THEN nullif(r.doc #>> '{document,keeper,mode}', '') END) AS mode,
  max(CASE WHEN jsonb_typeof(r.doc #> '{document,chain,id}') = 'number' AND (r.doc #>> '{document,chain,id}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{document,chain,id}')::bigint END) AS chain_id
FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('configuration')) AS r
GROUP BY CASE jsonb_typeof(r.doc #> '{hash}') WHEN 'string' THEN nullif(r.doc #>> '{hash}', '') END
-- next
CREATE VIEW audit.gaps AS
SELECT
  r.seq AS seq,
  r.at AS at,
  r.kind AS kind,
  CASE jsonb_typeof(r.doc #> '{event}') WHEN 'string' THEN nullif(r.doc #>> '{event}', '') END AS event,
  CASE WHEN jsonb_typeof(r.doc #> '{first}') = 'number' AND (r.doc #>> '{first}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{first}')::bigint END AS first_block,
  CASE WHEN jsonb_typeof(r.doc #> '{last}') = 'number' AND (r.doc #>> '{last}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{last}')::bigint END AS last_block,
  CASE WHEN (CASE WHEN jsonb_typeof(r.doc #> '{from_ms}') = 'string' AND (r.doc #>> '{from_ms}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (r.doc #>> '{from_ms}')::numeric END) BETWEEN 0 AND 253402300799999 THEN to_char(to_timestamp(floor((CASE WHEN jsonb_typeof(r.doc #> '{from_ms}') = 'string' AND (r.doc #>> '{from_ms}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (r.doc #>> '{from_ms}')::numeric END) / 1000.0)::double precision) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || '.' || lpad(((CASE WHEN jsonb_typeof(r.doc #> '{from_ms}') = 'string' AND (r.doc #>> '{from_ms}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (r.doc #>> '{from_ms}')::numeric END) % 1000)::text, 3, '0') || 'Z' END AS from_at,
  CASE WHEN (CASE WHEN jsonb_typeof(r.doc #> '{until_ms}') = 'string' AND (r.doc #>> '{until_ms}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (r.doc #>> '{until_ms}')::numeric END) BETWEEN 0 AND 253402300799999 THEN to_char(to_timestamp(floor((CASE WHEN jsonb_typeof(r.doc #> '{until_ms}') = 'string' AND (r.doc #>> '{until_ms}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (r.doc #>> '{until_ms}')::numeric END) / 1000.0)::double precision) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || '.' || lpad(((CASE WHEN jsonb_typeof(r.doc #> '{until_ms}') = 'string' AND (r.doc #>> '{until_ms}') ~ '^(0|[1-9][0-9]{0,77})$' THEN (r.doc #>> '{until_ms}')::numeric END) % 1000)::text, 3, '0') || 'Z' END AS until_at,
  CASE WHEN jsonb_typeof(r.doc #> '{records}') = 'number' AND (r.doc #>> '{records}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{records}')::bigint END AS records,
  CASE WHEN jsonb_typeof(r.doc #> '{known}') = 'number' AND (r.doc #>> '{known}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{known}')::bigint END AS known,
  CASE WHEN jsonb_typeof(r.doc #> '{left_out}') = 'number' AND (r.doc #>> '{left_out}') ~ '^-?[0-9]{1,18}$' THEN (r.doc #>> '{left_out}')::bigint END AS left_out,
  coalesce(CASE jsonb_typeof(r.doc #> '{reason}') WHEN 'string' THEN nullif(r.doc #>> '{reason}', '') END, CASE jsonb_typeof(r.doc #> '{because}') WHEN 'string' THEN nullif(r.doc #>> '{because}', '') END) AS reason
FROM (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('gap', 'chain')) AS r
WHERE r.kind = 'gap' OR CASE jsonb_typeof(r.doc #> '{event}') WHEN 'string' THEN nullif(r.doc #>> '{event}', '') END IN ('gap', 'backfilled', 'skipped')
-- next
CREATE VIEW audit.evidence_overview AS
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
  CASE jsonb_typeof(r.doc #> '{file}') WHEN 'string' THEN nullif(r.doc #>> '{file}', '') END AS archive_file,
  CASE jsonb_typeof(r.doc #> '{sha256}') WHEN 'string' THEN nullif(r.doc #>> '{sha256}', '') END AS archive_sha256
FROM (SELECT e.hash, e.seq, e.encoding, e.size, length(e.packed) AS packed_size, 1 = 1 AS here FROM public.evidence AS e
UNION ALL SELECT a.hash, NULL, NULL, NULL, NULL, 1 = 0 FROM public.archived AS a WHERE NOT EXISTS (SELECT 1 FROM public.evidence AS e WHERE e.hash = a.hash)) AS h
LEFT JOIN public.records AS k ON k.seq = h.seq
LEFT JOIN public.archived AS a ON a.hash = h.hash
LEFT JOIN (SELECT r.*, d.doc FROM public.records AS r CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d WHERE r.kind IN ('archive')) AS r ON r.seq = a.seq
-- next
CREATE VIEW audit.checkpoint_overview AS
SELECT
  c.number AS number,
  c.at AS at,
  c.seq AS seq,
  c.seq - coalesce((SELECT p.seq FROM public.checkpoints AS p WHERE p.number = c.number - 1), 0) AS records,
  c.head AS head,
  r.hash IS NOT NULL AND r.hash = c.head AS holds,
  c.keeper AS keeper,
  c.chain_id AS chain_id,
  c.signer AS signer,
  c.signature AS signature
FROM public.checkpoints AS c LEFT JOIN public.records AS r ON r.seq = c.seq
-- next
COMMENT ON VIEW audit.incidents IS 'one row for each incident: the first rule of a market that tripped, until all were clear again'
-- next
COMMENT ON COLUMN audit.incidents.id IS 'name of the incident'
-- next
COMMENT ON COLUMN audit.incidents.market IS 'market'
-- next
COMMENT ON COLUMN audit.incidents.rule IS 'the rule that tripped first'
-- next
COMMENT ON COLUMN audit.incidents.signal IS 'what that rule watches'
-- next
COMMENT ON COLUMN audit.incidents.severity IS 'of that rule'
-- next
COMMENT ON COLUMN audit.incidents.observed IS 'value of the signal then, as it was computed'
-- next
COMMENT ON COLUMN audit.incidents.threshold IS 'what it was held against'
-- next
COMMENT ON COLUMN audit.incidents.opened_at IS 'when it was found: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.incidents.opened_block IS 'the block at which it was found'
-- next
COMMENT ON COLUMN audit.incidents.closed_at IS 'when all rules of the market were clear; NULL while it is open: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.incidents.closed_block IS 'the block of that'
-- next
COMMENT ON COLUMN audit.incidents.opened_seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.incidents.closed_seq IS 'number of the record'
-- next
COMMENT ON VIEW audit.decisions IS 'one row for each decision, also those to do nothing'
-- next
COMMENT ON COLUMN audit.decisions.seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.decisions.at IS 'when it was decided: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.decisions.id IS 'name of the decision; the intent that follows has the same'
-- next
COMMENT ON COLUMN audit.decisions.kind IS 'act, alert, hold or declined'
-- next
COMMENT ON COLUMN audit.decisions.reason IS 'why'
-- next
COMMENT ON COLUMN audit.decisions.market IS 'market'
-- next
COMMENT ON COLUMN audit.decisions.rule IS 'the rule that asked for it'
-- next
COMMENT ON COLUMN audit.decisions.action IS 'action'
-- next
COMMENT ON COLUMN audit.decisions.incident IS 'incident'
-- next
COMMENT ON COLUMN audit.decisions.block IS 'the block that was evaluated'
-- next
COMMENT ON COLUMN audit.decisions.signal IS 'what the rule watches'
-- next
COMMENT ON COLUMN audit.decisions.observed IS 'value of the signal, as it was computed'
-- next
COMMENT ON COLUMN audit.decisions.threshold IS 'what it was held against'
-- next
COMMENT ON COLUMN audit.decisions.config_hash IS 'the configuration it was decided with'
-- next
COMMENT ON VIEW audit.incident_timeline IS 'every record that belongs to an incident, in order, in words'
-- next
COMMENT ON COLUMN audit.incident_timeline.incident IS 'incident'
-- next
COMMENT ON COLUMN audit.incident_timeline.seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.incident_timeline.at IS 'when it was written down: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.incident_timeline.kind IS 'kind of the record'
-- next
COMMENT ON COLUMN audit.incident_timeline.market IS 'market'
-- next
COMMENT ON COLUMN audit.incident_timeline.action IS 'action'
-- next
COMMENT ON COLUMN audit.incident_timeline.words IS 'what it says, in short; NULL for kinds that have no words here'
-- next
COMMENT ON VIEW audit.actions IS 'one row for each intent: an action that was written down before anything of it was sent, and what became of it'
-- next
COMMENT ON COLUMN audit.actions.intent IS 'name of the intent, and of the decision it was made for'
-- next
COMMENT ON COLUMN audit.actions.seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.actions.market IS 'market'
-- next
COMMENT ON COLUMN audit.actions.action IS 'action'
-- next
COMMENT ON COLUMN audit.actions.incident IS 'incident'
-- next
COMMENT ON COLUMN audit.actions.kind IS 'pause, rate-limit, adjust ..'
-- next
COMMENT ON COLUMN audit.actions.state IS 'open, signed, submitted, mined or done'
-- next
COMMENT ON COLUMN audit.actions.outcome_kind IS 'how it ended'
-- next
COMMENT ON COLUMN audit.actions.outcome_reason IS 'why it ended so'
-- next
COMMENT ON COLUMN audit.actions.to_address IS 'the contract'
-- next
COMMENT ON COLUMN audit.actions.sender IS 'who signs the transaction'
-- next
COMMENT ON COLUMN audit.actions.attempts IS 'transactions that were signed'
-- next
COMMENT ON COLUMN audit.actions.tx_hash IS 'the transaction that counts'
-- next
COMMENT ON COLUMN audit.actions.block IS 'the block it is in, by its receipt, or at which it ended'
-- next
COMMENT ON COLUMN audit.actions.intent_at IS 'written down: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.actions.first_attempt_at IS 'first signed: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.actions.first_broadcast_at IS 'first answer of a node: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.actions.receipt_at IS 'newest receipt seen: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.actions.outcome_at IS 'ended: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.actions.gas_used IS 'gas of the newest receipt'
-- next
COMMENT ON COLUMN audit.actions.gas_price_wei IS 'price of one gas there, wei'
-- next
COMMENT ON COLUMN audit.actions.cost_wei IS 'their product: what the transaction cost, wei'
-- next
COMMENT ON VIEW audit.effects IS 'what the contract showed at the block of the receipt, before and after'
-- next
COMMENT ON COLUMN audit.effects.seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.effects.at IS 'when it was read: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.effects.market IS 'market'
-- next
COMMENT ON COLUMN audit.effects.action IS 'action'
-- next
COMMENT ON COLUMN audit.effects.incident IS 'incident'
-- next
COMMENT ON COLUMN audit.effects.intent IS 'intent'
-- next
COMMENT ON COLUMN audit.effects.contract IS 'the contract that was read'
-- next
COMMENT ON COLUMN audit.effects.call IS 'the view that was called'
-- next
COMMENT ON COLUMN audit.effects.before IS 'its answer when the intent was written'
-- next
COMMENT ON COLUMN audit.effects.after IS 'its answer at the block'
-- next
COMMENT ON COLUMN audit.effects.expected IS 'what the configuration wants'
-- next
COMMENT ON COLUMN audit.effects.verified IS 'whether the effect is there'
-- next
COMMENT ON COLUMN audit.effects.block IS 'the block it was read at'
-- next
COMMENT ON VIEW audit.response_times IS 'one row for each intent: how long each step took, from the block that it answers to its effect'
-- next
COMMENT ON COLUMN audit.response_times.incident IS 'incident'
-- next
COMMENT ON COLUMN audit.response_times.market IS 'market'
-- next
COMMENT ON COLUMN audit.response_times.action IS 'action'
-- next
COMMENT ON COLUMN audit.response_times.intent IS 'intent'
-- next
COMMENT ON COLUMN audit.response_times.outcome_kind IS 'how it ended'
-- next
COMMENT ON COLUMN audit.response_times.block IS 'the block at which it was decided'
-- next
COMMENT ON COLUMN audit.response_times.block_at IS 'time of that block: the block''s own time, ISO 8601 UTC; NULL where the tick of the decision is not in the log'
-- next
COMMENT ON COLUMN audit.response_times.decided_at IS 'decided: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.response_times.intent_at IS 'written down: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.response_times.broadcast_at IS 'first answer of a node: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.response_times.receipt_at IS 'newest receipt seen: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.response_times.effect_at IS 'effect read back: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.response_times.outcome_at IS 'ended: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.response_times.included_block IS 'the block of the receipt'
-- next
COMMENT ON COLUMN audit.response_times.block_to_decision_ms IS 'decided_at less block_at, ms: two clocks'
-- next
COMMENT ON COLUMN audit.response_times.block_to_intent_ms IS 'intent_at less block_at, ms: two clocks'
-- next
COMMENT ON COLUMN audit.response_times.block_to_broadcast_ms IS 'broadcast_at less block_at, ms: two clocks'
-- next
COMMENT ON COLUMN audit.response_times.block_to_include_ms IS 'receipt_at less block_at, ms: two clocks'
-- next
COMMENT ON COLUMN audit.response_times.block_to_effect_ms IS 'effect_at less block_at, ms: two clocks'
-- next
COMMENT ON COLUMN audit.response_times.head_to_reads_ms IS 'from the announcement of the block by the node to: all sources read, ms; keeper''s steady clock'
-- next
COMMENT ON COLUMN audit.response_times.head_to_decision_ms IS 'from the announcement of the block by the node to: decided, ms; keeper''s steady clock'
-- next
COMMENT ON COLUMN audit.response_times.head_to_intent_ms IS 'from the announcement of the block by the node to: the intent on disk, ms; keeper''s steady clock'
-- next
COMMENT ON COLUMN audit.response_times.head_to_signed_ms IS 'from the announcement of the block by the node to: the transaction signed, ms; keeper''s steady clock'
-- next
COMMENT ON COLUMN audit.response_times.head_to_broadcast_ms IS 'from the announcement of the block by the node to: a node has taken it, ms; keeper''s steady clock'
-- next
COMMENT ON COLUMN audit.response_times.head_to_include_ms IS 'from the announcement of the block by the node to: its receipt seen, ms; keeper''s steady clock'
-- next
COMMENT ON COLUMN audit.response_times.head_to_effect_ms IS 'from the announcement of the block by the node to: its effect read back, ms; keeper''s steady clock'
-- next
COMMENT ON VIEW audit.proposals IS 'one row for each proposal to a Safe, with what became of it; those that others made have no made_at'
-- next
COMMENT ON COLUMN audit.proposals.safe_tx_hash IS 'what the owners sign'
-- next
COMMENT ON COLUMN audit.proposals.safe IS 'the Safe'
-- next
COMMENT ON COLUMN audit.proposals.made_seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.proposals.made_at IS 'written down, before anybody was asked: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.proposals.market IS 'market'
-- next
COMMENT ON COLUMN audit.proposals.action IS 'action'
-- next
COMMENT ON COLUMN audit.proposals.incident IS 'incident'
-- next
COMMENT ON COLUMN audit.proposals.intent IS 'intent that it carries out'
-- next
COMMENT ON COLUMN audit.proposals.what IS 'action, restore, rejection or by-hand'
-- next
COMMENT ON COLUMN audit.proposals.title IS 'what owners read'
-- next
COMMENT ON COLUMN audit.proposals.nonce IS 'place in the Safe''s queue'
-- next
COMMENT ON COLUMN audit.proposals.step IS 'the newest step'
-- next
COMMENT ON COLUMN audit.proposals.step_at IS 'when that was written down: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.proposals.signatures IS 'owners whose signatures were found'
-- next
COMMENT ON COLUMN audit.proposals.threshold IS 'how many are needed, as it was last told'
-- next
COMMENT ON COLUMN audit.proposals.first_signature_at IS 'first signature found: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.proposals.threshold_at IS 'enough signatures found: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.proposals.executed_at IS 'execution found on the chain: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.proposals.tx_hash IS 'the transaction that executed it'
-- next
COMMENT ON COLUMN audit.proposals.block IS 'its block'
-- next
COMMENT ON COLUMN audit.proposals.superseded_at IS 'became pointless: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.proposals.superseded_why IS 'why'
-- next
COMMENT ON VIEW audit.people_actions IS 'what people did: switches, steps of proposals, breakers that were turned by hand or by the council'
-- next
COMMENT ON COLUMN audit.people_actions.seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.people_actions.at IS 'when it was written down: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.people_actions.kind IS 'switch, proposal or breaker'
-- next
COMMENT ON COLUMN audit.people_actions.step IS 'off, on; the step of the proposal; what the breaker turned to'
-- next
COMMENT ON COLUMN audit.people_actions.who IS 'user of the machine, or owner of the Safe; NULL where the log does not know'
-- next
COMMENT ON COLUMN audit.people_actions.market IS 'market; NULL: every one'
-- next
COMMENT ON COLUMN audit.people_actions.rule IS 'rule of a switch; NULL: every one'
-- next
COMMENT ON COLUMN audit.people_actions.action IS 'action; NULL: every one'
-- next
COMMENT ON COLUMN audit.people_actions.incident IS 'incident'
-- next
COMMENT ON COLUMN audit.people_actions.safe_tx_hash IS 'the proposal'
-- next
COMMENT ON COLUMN audit.people_actions.block IS 'block at which it was found on the chain'
-- next
COMMENT ON COLUMN audit.people_actions.words IS 'their words'
-- next
COMMENT ON VIEW audit.configurations IS 'one row for each configuration that a keeper ran with'
-- next
COMMENT ON COLUMN audit.configurations.hash IS 'what decisions call it'
-- next
COMMENT ON COLUMN audit.configurations.first_at IS 'first start with it: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.configurations.last_at IS 'last start with it: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.configurations.first_seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.configurations.last_seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.configurations.starts IS 'how often it was started with it'
-- next
COMMENT ON COLUMN audit.configurations.name IS 'name of the keeper'
-- next
COMMENT ON COLUMN audit.configurations.mode IS 'mode of the keeper'
-- next
COMMENT ON COLUMN audit.configurations.chain_id IS 'the chain'
-- next
COMMENT ON VIEW audit.gaps IS 'where the log or the keeper''s sight of the chain has a hole, or had one that was filled late'
-- next
COMMENT ON COLUMN audit.gaps.seq IS 'number of the record'
-- next
COMMENT ON COLUMN audit.gaps.at IS 'when it was written down: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.gaps.kind IS 'gap: of records; chain: of blocks'
-- next
COMMENT ON COLUMN audit.gaps.event IS 'of records: written-late or not-applied; of blocks: gap, backfilled or skipped'
-- next
COMMENT ON COLUMN audit.gaps.first_block IS 'first block of it'
-- next
COMMENT ON COLUMN audit.gaps.last_block IS 'last block of it'
-- next
COMMENT ON COLUMN audit.gaps.from_at IS 'begin of a gap of records: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.gaps.until_at IS 'end of a gap of records: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.gaps.records IS 'how many records stand here late'
-- next
COMMENT ON COLUMN audit.gaps.known IS 'how many of them the log had already'
-- next
COMMENT ON COLUMN audit.gaps.left_out IS 'how many were not kept at all'
-- next
COMMENT ON COLUMN audit.gaps.reason IS 'why'
-- next
COMMENT ON VIEW audit.evidence_overview IS 'one row for each piece of evidence: where it is, and which record it was kept for'
-- next
COMMENT ON COLUMN audit.evidence_overview.hash IS 'SHA-256 of the content, as records name it'
-- next
COMMENT ON COLUMN audit.evidence_overview.seq IS 'number of the first record that it was kept for; NULL when it moved away'
-- next
COMMENT ON COLUMN audit.evidence_overview.at IS 'time of that record: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.evidence_overview.kind IS 'kind of that record'
-- next
COMMENT ON COLUMN audit.evidence_overview.encoding IS 'how it is packed'
-- next
COMMENT ON COLUMN audit.evidence_overview.size IS 'bytes of the content'
-- next
COMMENT ON COLUMN audit.evidence_overview.packed_size IS 'bytes as packed'
-- next
COMMENT ON COLUMN audit.evidence_overview.here IS 'whether the database has it'
-- next
COMMENT ON COLUMN audit.evidence_overview.archive_seq IS 'number of the record that names the archive'
-- next
COMMENT ON COLUMN audit.evidence_overview.archived_at IS 'when it was archived: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.evidence_overview.archive_file IS 'the file'
-- next
COMMENT ON COLUMN audit.evidence_overview.archive_sha256 IS 'hash of the file'
-- next
COMMENT ON VIEW audit.checkpoint_overview IS 'one row for each checkpoint, with what the log shows there now; signatures are checked by: keeper audit CONFIG verify'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.number IS 'number of the checkpoint'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.at IS 'when it was signed: keeper''s clock, ISO 8601 UTC'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.seq IS 'the last record it covers'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.records IS 'records since the checkpoint before'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.head IS 'hash of that record, as signed'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.holds IS 'whether that record has this hash now'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.keeper IS 'name of the keeper'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.chain_id IS 'the chain'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.signer IS 'address of the key that signed'
-- next
COMMENT ON COLUMN audit.checkpoint_overview.signature IS 'EIP-191 signature'
-- next
REVOKE ALL ON public.records, public.intents, public.attempts, public.evidence, public.archived, public.checkpoints, public.alembic_version FROM PUBLIC, keeper_writer, keeper_auditor
-- next
REVOKE ALL ON FUNCTION public.lock_appending(), public.lock_running(), public.set_intent_state(text, text), public.forget_evidence(text[]) FROM PUBLIC
-- next
GRANT SELECT, INSERT ON public.records, public.intents, public.attempts, public.evidence, public.archived, public.checkpoints TO keeper_writer
-- next
GRANT SELECT ON public.records, public.intents, public.attempts, public.evidence, public.archived, public.checkpoints, public.alembic_version TO keeper_auditor
-- next
GRANT SELECT ON public.alembic_version TO keeper_writer
-- next
GRANT EXECUTE ON FUNCTION public.lock_appending(), public.lock_running(), public.set_intent_state(text, text), public.forget_evidence(text[]) TO keeper_writer
-- next
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC
-- next
GRANT USAGE ON SCHEMA audit TO keeper_auditor
-- next
GRANT SELECT ON ALL TABLES IN SCHEMA audit TO keeper_auditor
-- next
REVOKE ALL ON audit.lock_appending, audit.lock_running FROM keeper_auditor
-- next
GRANT EXECUTE ON FUNCTION audit.doc(text), audit.ms(text) TO keeper_auditor
-- next
DO $$ BEGIN IF NOT has_schema_privilege('keeper_writer', 'public', 'USAGE') OR NOT has_schema_privilege('keeper_auditor', 'public', 'USAGE') THEN GRANT USAGE ON SCHEMA public TO keeper_writer, keeper_auditor; END IF; END $$
