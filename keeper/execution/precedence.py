"""A key's transactions are mined in the order of their nonces. Where a pause came later than the keeper's own business, that must not wait long."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.domain.action import ActionKind
from keeper.execution.work import Work


def in_the_way(work: Work, others: Iterable[Work]) -> bool:
    """Whether this is the keeper's own business, and something that a rule asked for waits behind its nonce and offers no less for its place.

    It has to offer more then, at once: nobody can know yet whether the next block would take it, and until a block does the other is in none.
    """
    last = work.last_attempt
    if last is None or not _is_own(work):
        return False
    return any(
        waiting.sender == last.sender
        and waiting.nonce > last.nonce
        and waiting.priority_fee_wei >= last.priority_fee_wei
        for other in others
        if not _is_own(other) and not other.never_sent and other.mined is None
        for waiting in other.intent.attempts[-1:]
    )


def _is_own(work: Work) -> bool:
    return work.armed is not None and work.armed.action.kind is ActionKind.UPKEEP
