"""What the log says of proposals that wait for the owners of a Safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.adapters.audit.times import to_iso
from keeper.app.cli.typed import keeper_command
from keeper.app.council.ledger import LOOKED_AT, Proposed, What, proposals_in
from keeper.app.pages.wording import ago
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

SHOWN = 10
"""Digits of a hash."""

Page = Callable[[RecordQuery], Sequence[Record]]


def open_in(page: Page) -> tuple[Proposed, ...]:
    """Those that are neither executed nor pointless, in the order in which they were made."""
    records = page(RecordQuery(kinds=(RecordKind.PROPOSAL,), newest_first=True, limit=LOOKED_AT))
    return tuple(each for each in proposals_in(reversed(records)) if each.open)


def undone(proposed: Sequence[Proposed]) -> bool:
    """Whether an action that was decided has not come about: what people have proposed by themselves may wait."""
    return any(each.what is What.ACTION for each in proposed)


def line(proposed: Proposed, now_ms: int) -> str:
    """Such as ``waits for signatures: TITLE (0x12345678.., 1 of 2 signatures, proposed 3 min ago)``."""
    signed, threshold = len(proposed.signers), proposed.threshold
    enough = threshold is not None and signed >= threshold
    of = "" if threshold is None else f" of {threshold}"
    over = ", its time is over" if proposed.expires_ms is not None and proposed.expires_ms <= now_ms else ""
    return (
        f"waits {'to be executed' if enough else 'for signatures'}: {proposed.title} "
        f"({proposed.hash[: 2 + SHOWN]}.., {signed}{of} signatures, proposed {ago(proposed.made_ms, now_ms)}{over})"
    )


def command(proposed: Proposed, config: str) -> str:
    """What shows all of it."""
    return f"{keeper_command()} council {config} show {proposed.hash[: 2 + SHOWN]}"


def document(proposed: Proposed) -> dict[str, Json]:
    """For machines."""
    return {
        "hash": proposed.hash,
        "title": proposed.title,
        "what": proposed.what.value,
        "incident": proposed.place.incident,
        "market": proposed.place.market,
        "action": proposed.place.action,
        "step": proposed.step.value,
        "signed": len(proposed.signers),
        "threshold": proposed.threshold,
        "made_at": to_iso(proposed.made_ms),
        "expires_at": None if proposed.expires_ms is None else to_iso(proposed.expires_ms),
    }
