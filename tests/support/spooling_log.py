"""A spooling log over an unreliable one, as tests use it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from keeper.adapters.audit.spool import Spool
from keeper.app.spooling import SpoolingStore
from keeper.config.audit import ActWithoutLog
from keeper.domain.record import Draft, RecordKind
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock
from tests.support.audit_log import T0, draft, opening
from tests.support.manual_clock import ManualClock


async def spooling(
    store: AuditStore,
    path: Path,
    policy: ActWithoutLog = ActWithoutLog.CRITICAL,
    clock: Clock | None = None,
    **more: int,
) -> SpoolingStore:
    return await SpoolingStore.open(store, Spool.open(path, **more), policy, clock or ManualClock(T0))


def kill(store: SpoolingStore) -> None:
    """What the system does when the process dies: it lets go of the file."""
    store._spool.close()
    store._worker.end()


def decision(intent: str = "i-1", severity: str = "critical", *, without_log: bool = True, **columns: str) -> Draft:
    body = {"id": intent, "kind": "act", "reason": "tripped", "verdict": {"rule": "r", "severity": severity}}
    marked = body | ({"without_log": True} if without_log else {})
    return replace(draft(RecordKind.DECISION, marked), intent=None, **columns)  # type: ignore[arg-type]


def begun(intent: str = "i-1", severity: str = "critical", *, without_log: bool = True) -> list[Draft]:
    """A decision with its intent, as they are committed together."""
    return [decision(intent, severity, without_log=without_log), opening(intent)]
