"""What PostgreSQL has around the tables: triggers that keep them append-only, the functions and the locks of the writer, and who may do what.

The tables live in the schema ``public``, what is made of them in the schema ``audit``. Every function has a fixed search path, so that
nobody can put a table of their own in the place of ours.
"""

from __future__ import annotations

from typing import Final

WRITER: Final = "keeper_writer"
AUDITOR: Final = "keeper_auditor"
TABLES: Final = ("records", "intents", "attempts", "evidence", "archived", "checkpoints")
SCHEMA: Final = "CREATE SCHEMA audit"
LOCKS: Final[dict[str, str]] = {
    "lock_appending": "CREATE VIEW audit.lock_appending AS\nSELECT 'held by whoever appends, to the end of the transaction'::text AS says",
    "lock_running": "CREATE VIEW audit.lock_running AS\nSELECT 'held by the one keeper that runs'::text AS says",
}
"""Name -> statement. Not advisory locks: those are anybody's who may connect, and one held for ever stops the log. These are taken by
a function of the same name that only the writer may call. Views, because a table that is locked for weeks cannot be vacuumed, which every
database needs in the end.
"""

_SAFE: Final = "SET search_path = pg_catalog, pg_temp"


def _trigger_function(name: str, body: str) -> str:
    return f"CREATE FUNCTION audit.{name}() RETURNS trigger LANGUAGE plpgsql {_SAFE} AS $$\n{body}\n$$"


def writers_function(signature: str, body: str, *, schema: str = "public") -> str:
    """With the rights of the role that migrated, which the writer does not have."""
    return f"CREATE FUNCTION {schema}.{signature} LANGUAGE plpgsql SECURITY DEFINER {_SAFE} AS $$\n{body}\n$$"


FUNCTIONS: Final[dict[str, str]] = {
    "audit.refuse": _trigger_function(
        "refuse",
        "BEGIN\n  RAISE EXCEPTION '%: no %', TG_ARGV[0], TG_OP USING ERRCODE = 'restrict_violation';\nEND",
    ),
    "audit.records_in_order": _trigger_function(
        "records_in_order",
        "DECLARE\n"
        "  last_seq bigint;\n"
        "  last_hash text;\n"
        "BEGIN\n"
        "  SELECT r.seq, r.hash INTO last_seq, last_hash FROM public.records AS r ORDER BY r.seq DESC LIMIT 1;\n"
        "  IF NEW.seq IS DISTINCT FROM coalesce(last_seq, 0) + 1 OR (NEW.seq > 1 AND NEW.prev_hash IS DISTINCT FROM last_hash) THEN\n"
        "    RAISE EXCEPTION 'records are append-only: the row does not follow the last one' USING ERRCODE = 'restrict_violation';\n"
        "  END IF;\n"
        "  RETURN NEW;\n"
        "END",
    ),
    "audit.checkpoints_in_order": _trigger_function(
        "checkpoints_in_order",
        "BEGIN\n"
        "  IF NEW.number IS DISTINCT FROM (SELECT coalesce(max(c.number), 0) + 1 FROM public.checkpoints AS c) THEN\n"
        "    RAISE EXCEPTION 'checkpoints are append-only: the row does not follow the last one' USING ERRCODE = 'restrict_violation';\n"
        "  END IF;\n"
        "  RETURN NEW;\n"
        "END",
    ),
    "audit.intents_only_state": _trigger_function(
        "intents_only_state",
        "DECLARE\n"
        "  wanted public.intents := OLD;\n"
        "BEGIN\n"
        "  wanted.state := NEW.state;\n"
        "  IF OLD.state = 'done' OR NEW IS DISTINCT FROM wanted THEN\n"
        "    RAISE EXCEPTION 'of an intent only the state may change, until it is done' USING ERRCODE = 'restrict_violation';\n"
        "  END IF;\n"
        "  RETURN NEW;\n"
        "END",
    ),
    "audit.evidence_only_archived": _trigger_function(
        "evidence_only_archived",
        "BEGIN\n"
        "  IF NOT EXISTS (SELECT 1 FROM public.archived AS a WHERE a.hash = OLD.hash) THEN\n"
        "    RAISE EXCEPTION 'evidence goes only when it is archived: no DELETE' USING ERRCODE = 'restrict_violation';\n"
        "  END IF;\n"
        "  RETURN OLD;\n"
        "END",
    ),
    "public.lock_appending": writers_function(
        "lock_appending() RETURNS void", "BEGIN\n  LOCK TABLE audit.lock_appending IN EXCLUSIVE MODE;\nEND"
    ),
    "public.lock_running": writers_function(
        "lock_running() RETURNS void", "BEGIN\n  LOCK TABLE audit.lock_running IN EXCLUSIVE MODE NOWAIT;\nEND"
    ),
    "public.set_intent_state": writers_function(
        "set_intent_state(intent text, state text) RETURNS void",
        "BEGIN\n"
        "  UPDATE public.intents AS i SET state = $2 WHERE i.id = $1;\n"
        "  IF NOT FOUND THEN\n"
        "    RAISE EXCEPTION 'there is no intent %', $1 USING ERRCODE = 'no_data_found';\n"
        "  END IF;\n"
        "END",
    ),
    "public.forget_evidence": writers_function(
        "forget_evidence(hashes text[]) RETURNS bigint",
        "DECLARE\n"
        "  gone bigint;\n"
        "BEGIN\n"
        "  IF EXISTS (SELECT 1 FROM public.evidence AS e WHERE e.hash = ANY ($1)\n"
        "    AND NOT EXISTS (SELECT 1 FROM public.archived AS a WHERE a.hash = e.hash)) THEN\n"
        "    RAISE EXCEPTION 'evidence goes only when it is archived: no DELETE' USING ERRCODE = 'restrict_violation';\n"
        "  END IF;\n"
        "  DELETE FROM public.evidence AS e WHERE e.hash = ANY ($1);\n"
        "  GET DIAGNOSTICS gone = ROW_COUNT;\n"
        "  RETURN gone;\n"
        "END",
    ),
}
"""Name -> statement."""

_WORDS: Final = {
    "records": "records are append-only",
    "intents": "intents are kept",
    "attempts": "attempts are append-only",
    "evidence": "evidence is kept as it is",
    "archived": "archived is append-only",
    "checkpoints": "checkpoints are append-only",
}


def _refusing(table: str) -> dict[str, str]:
    """For each statement that the table takes under no condition."""
    asked = {"intents": ("DELETE",), "evidence": ("UPDATE",)}.get(table, ("UPDATE", "DELETE"))
    refuse = f"EXECUTE FUNCTION audit.refuse('{_WORDS[table]}')"
    found = {
        f"{table}_no_{word.lower()}": f"CREATE TRIGGER {table}_no_{word.lower()} BEFORE {word} ON public.{table} FOR EACH ROW {refuse}"
        for word in asked
    }
    name = f"{table}_no_truncate"
    return found | {name: f"CREATE TRIGGER {name} BEFORE TRUNCATE ON public.{table} FOR EACH STATEMENT {refuse}"}


def _guarding(name: str, table: str, word: str) -> dict[str, str]:
    return {name: f"CREATE TRIGGER {name} BEFORE {word} ON public.{table} FOR EACH ROW EXECUTE FUNCTION audit.{name}()"}


TRIGGERS: Final[dict[str, str]] = {
    **_guarding("records_in_order", "records", "INSERT"),
    **_guarding("checkpoints_in_order", "checkpoints", "INSERT"),
    **_guarding("intents_only_state", "intents", "UPDATE"),
    **_guarding("evidence_only_archived", "evidence", "DELETE"),
    **{name: statement for table in TABLES for name, statement in _refusing(table).items()},
}
"""Name -> statement."""


def _always(name: str, statement: str) -> str:
    """Also where replication is applied: else ``session_replication_role`` would turn it off."""
    table = statement.split(" ON public.")[1].split()[0]
    return f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {name}"


_ALL_TABLES: Final = ", ".join(f"public.{table}" for table in TABLES)
_WRITERS_FUNCTIONS: Final = (
    f"FUNCTION {', '.join(f'public.{name}()' for name in LOCKS)}, "
    "public.set_intent_state(text, text), public.forget_evidence(text[])"
)

GRANTS: Final = (
    f"REVOKE ALL ON {_ALL_TABLES}, public.alembic_version FROM PUBLIC, {WRITER}, {AUDITOR}",
    f"REVOKE ALL ON {_WRITERS_FUNCTIONS} FROM PUBLIC",
    f"GRANT SELECT, INSERT ON {_ALL_TABLES} TO {WRITER}",
    f"GRANT SELECT ON {_ALL_TABLES}, public.alembic_version TO {AUDITOR}",
    f"GRANT SELECT ON public.alembic_version TO {WRITER}",
    f"GRANT EXECUTE ON {_WRITERS_FUNCTIONS} TO {WRITER}",
    # the schema ``audit`` is for reading; what fires a trigger needs no right on its function
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC",
    f"GRANT USAGE ON SCHEMA audit TO {AUDITOR}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA audit TO {AUDITOR}",
    f"REVOKE ALL ON {', '.join(f'audit.{name}' for name in LOCKS)} FROM {AUDITOR}",
    f"GRANT EXECUTE ON FUNCTION audit.doc(text), audit.ms(text) TO {AUDITOR}",
    f"DO $$ BEGIN IF NOT has_schema_privilege('{WRITER}', 'public', 'USAGE') OR NOT has_schema_privilege('{AUDITOR}', 'public', 'USAGE') "
    f"THEN GRANT USAGE ON SCHEMA public TO {WRITER}, {AUDITOR}; END IF; END $$",
)

GUARDS: Final = (
    *LOCKS.values(),
    *FUNCTIONS.values(),
    *TRIGGERS.values(),
    *(_always(name, statement) for name, statement in TRIGGERS.items()),
)
"""In this order, after ``SCHEMA``."""
