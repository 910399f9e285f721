"""What else has a proposal's nonce, and so whether using that nonce up for nothing was the council's no to it.

Owners say no by executing the empty transaction with its nonce. That is one and the same transaction for everything that has this nonce,
junk of a stranger too. It is a no to ours only where it can have been meant for nothing else: nothing else had the nonce, and the empty one was
not there before ours; or a member rejected ours by command (``keeper council CONFIG reject``). In any other case ours is proposed anew: a
second request costs less than a pause that is missed.
"""

from __future__ import annotations

from collections.abc import Sequence

from keeper.app.council.ledger import Ledger, Proposed, Step
from keeper.app.council.proposer import Proposer, conflict
from keeper.domain.errors import OutsideError
from keeper.domain.proposal import Queued
from keeper.ports.council import QueuePage


class Rivals:
    """One Safe."""

    def __init__(self, proposer: Proposer, ledger: Ledger) -> None:
        self._proposer = proposer
        self._ledger = ledger

    async def note(self, proposed: Proposed, page: QueuePage) -> Proposed:
        """Writes down what has come to have the same nonce. Raises AuditError."""
        words = [str(body.get("message", "")) for step, _, body in proposed.told if step is Step.CONFLICT]
        for other in _others(proposed, page.queued):
            name = other.transaction.hash_text
            if not any(name in told for told in words):
                message = conflict(name, proposed.transaction.nonce)
                words.append(message)
                proposed = await self._ledger.step(proposed, Step.CONFLICT, message=message, other=name)
        return proposed

    async def not_meant(self, proposed: Proposed) -> str:
        """Why the empty transaction with its nonce was not the council's no to it, in words; empty: it was. Asks the service once more."""
        if proposed.last(Step.UNWANTED) is not None:
            return ""
        if (known := proposed.last(Step.CONFLICT)) is not None:
            return f"it may have been meant for another one ({known[1].get('message')})"
        try:
            page = await self._proposer.queue(proposed.transaction.nonce)
        except OutsideError as error:
            return f"it may have been meant for another one, which the service cannot be asked ({error.message})"
        if others := _others(proposed, page.queued):
            return f"it may have been meant for {others[0].transaction.hash_text}, which had the same nonce"
        return ""


def _others(proposed: Proposed, queued: Sequence[Queued]) -> list[Queued]:
    """With its nonce. The empty one counts where it may be older than ours, which was made without a look at the queue."""
    found = []
    for one in queued:
        same = one.transaction.nonce == proposed.transaction.nonce
        if not same or one.transaction == proposed.transaction:
            continue
        blind = bool(proposed.facts.get("blind"))
        younger = one.submitted_ms is not None and one.submitted_ms >= proposed.made_ms
        if not one.transaction.is_rejection or (blind and not younger):
            found.append(one)
    return found
