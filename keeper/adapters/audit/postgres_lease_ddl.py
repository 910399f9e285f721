"""The functions of replicas in PostgreSQL: the lease, and the lock under which its leader appends.

A lease changes hands under the lock that every append holds to the end of its transaction. So an append that was allowed is over before
somebody else leads, and none that comes after is allowed. All times are the database's.
"""

from __future__ import annotations

import re
from typing import Final

from keeper.adapters.audit.postgres_ddl import AUDITOR, WRITER, writers_function

LEASE_TABLES: Final = ("lease", "replicas")
LEASE_LOST: Final = "KL001"
"""SQLSTATE of an append whose fence is not the one of the lease, or whose lease is over."""

_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


def _function(signature: str, body: str, *, schema: str = "public") -> str:
    """``NOW`` in the body stands for the database's clock in milliseconds."""
    return writers_function(signature, re.sub(r"\bNOW\b", _NOW, body), schema=schema)


LEASE_FUNCTIONS: Final[dict[str, str]] = {
    "public.lock_replica": _function(
        "lock_replica() RETURNS void", "BEGIN\n  LOCK TABLE audit.lock_running IN ROW SHARE MODE NOWAIT;\nEND"
    ),
    "public.lock_appending_as": _function(
        "lock_appending_as(fence bigint) RETURNS void",
        "BEGIN\n"
        "  LOCK TABLE audit.lock_appending IN EXCLUSIVE MODE;\n"
        "  IF NOT EXISTS (SELECT 1 FROM public.lease AS l WHERE l.fence = $1 AND l.holder <> '' AND l.expires_ms > NOW) THEN\n"
        "    RAISE EXCEPTION 'the lease with fence % is over', $1 USING ERRCODE = 'KL001';\n"
        "  END IF;\n"
        "END",
    ),
    "public.take_lease": _function(
        "take_lease(replica text, session integer, length_ms bigint, ended boolean) RETURNS bigint",
        "DECLARE\n"
        "  now_ms bigint;\n"
        "  taken bigint;\n"
        "BEGIN\n"
        "  LOCK TABLE audit.lock_appending IN EXCLUSIVE MODE;\n"
        "  now_ms := NOW;\n"
        "  INSERT INTO public.lease VALUES (1, 0, '', 0, now_ms, now_ms, now_ms, '', '', 0) ON CONFLICT DO NOTHING;\n"
        "  UPDATE public.lease AS l SET fence = l.fence + 1, holder = $1, session = $2, since_ms = now_ms, renewed_ms = now_ms,\n"
        "    expires_ms = now_ms + $3, before = CASE l.holder WHEN '' THEN l.before ELSE l.holder END, silent_ms = now_ms - l.renewed_ms,\n"
        "    why = CASE WHEN l.holder = '' THEN 'free' WHEN l.expires_ms <= now_ms THEN 'expired' ELSE 'session-ended' END\n"
        "  WHERE l.holder = '' OR l.expires_ms <= now_ms OR ($4 AND audit.session_ended(l.session, l.renewed_ms))\n"
        "  RETURNING l.fence INTO taken;\n"
        "  RETURN taken;\n"
        "END",
    ),
    "public.renew_lease": _function(
        "renew_lease(fence bigint, session integer, length_ms bigint) RETURNS boolean",
        "BEGIN\n"
        "  UPDATE public.lease AS l SET session = $2, renewed_ms = NOW, expires_ms = NOW + $3\n"
        "  WHERE l.fence = $1 AND l.holder <> '';\n"
        "  RETURN FOUND;\n"
        "END",
    ),
    "public.release_lease": _function(
        "release_lease(fence bigint) RETURNS boolean",
        "BEGIN\n"
        "  UPDATE public.lease AS l SET before = l.holder, holder = '', renewed_ms = NOW, expires_ms = NOW\n"
        "  WHERE l.fence = $1 AND l.holder <> '';\n"
        "  RETURN FOUND;\n"
        "END",
    ),
    "public.hear_replica": _function(
        "hear_replica(replica text, role text, fence bigint, seen bigint, evaluated bigint, version text, config text) RETURNS void",
        "BEGIN\n"
        "  INSERT INTO public.replicas VALUES ($1, $2, $3, $4, $5, NOW, $6, $7) ON CONFLICT (name) DO UPDATE SET\n"
        "    role = excluded.role, fence = excluded.fence, seen = excluded.seen, evaluated = excluded.evaluated,\n"
        "    heard_ms = excluded.heard_ms, version = excluded.version, config = excluded.config;\n"
        "  DELETE FROM public.replicas AS r WHERE r.heard_ms < NOW - 86400000;\n"
        "END",
    ),
    # after a restart of the server every session is gone, and says nothing of who held one
    "audit.session_ended": _function(
        "session_ended(session integer, renewed_ms bigint) RETURNS boolean",
        "BEGIN\n"
        "  RETURN (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint < $2 AND NOT EXISTS (SELECT 1 FROM pg_locks AS k\n"
        "    WHERE k.pid = $1 AND k.relation = 'audit.lock_running'::regclass AND k.mode = 'RowShareLock' AND k.granted);\n"
        "END",
        schema="audit",
    ),
}
"""Name -> statement."""

_CALLED: Final = (
    "public.lock_replica(), public.lock_appending_as(bigint), public.take_lease(text, integer, bigint, boolean), "
    "public.renew_lease(bigint, integer, bigint), public.release_lease(bigint), "
    "public.hear_replica(text, text, bigint, bigint, bigint, text, text)"
)
LEASE_GRANTS: Final = (
    f"REVOKE ALL ON public.lease, public.replicas FROM PUBLIC, {WRITER}, {AUDITOR}",
    f"GRANT SELECT ON public.lease, public.replicas TO {WRITER}, {AUDITOR}",
    f"REVOKE ALL ON FUNCTION {_CALLED}, audit.session_ended(integer, bigint) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {_CALLED} TO {WRITER}",
)
