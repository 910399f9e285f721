"""What waits in the spool, for ``keeper status``: the file says it, whoever holds it."""

from __future__ import annotations

from pathlib import Path

from keeper.adapters.audit.spool import SpoolState, spool_state
from keeper.adapters.audit.times import to_iso
from keeper.app.cli.output import Output


def waiting(path: str) -> SpoolState | None:
    """None where nothing waits, or no spool is named. Raises StoreUnavailable."""
    return spool_state(Path(path)) if path else None


def document(state: SpoolState | None) -> dict[str, object] | None:
    """For machines."""
    if state is None:
        return None
    return {
        "records": state.records,
        "bytes": state.size,
        "since": to_iso(state.since_ms),
        "reason": state.reason,
    }


def show(output: Output, state: SpoolState | None) -> None:
    """One line, and what to do."""
    if state is None:
        return
    output.say(f"{state.records} records wait in the spool since {to_iso(state.since_ms)}: {state.reason}", "bold red")
    output.say(
        "  -> bring the database back: a running keeper writes them into the log by itself, another one when it is started"
    )
