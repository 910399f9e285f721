"""Whether the next attempt has to offer more, and how much more."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from keeper.domain.action import ActionKind
from keeper.domain.block import BlockStamp
from keeper.domain.intent import Attempt
from keeper.execution.journal import ACCEPTED
from keeper.execution.precedence import in_the_way
from keeper.execution.purse import Withheld
from keeper.execution.work import Work
from keeper.ports.route import Submission, SubmissionKind

MAX_ATTEMPTS = 64
"""A last bound that no budget can lift: 12.5 % more each time, the last offers 1,600 times the first. Then the last one is only repeated."""
MAX_PRESSED = 8
"""Where no budget is configured, the tip is doubled until there are so many attempts: the eighth offers 128 times the first."""


class Bid(StrEnum):
    KEEP_UP = "keep-up"
    """As much more as a replacement needs, and as a fresh offer would be."""
    PRESS = "press"
    """A block passed over what is public: twice the tip."""


def wanted(
    work: Work,
    attempt: Attempt,
    head: BlockStamp | None,
    *,
    public: bool,
    budgeted: bool,
    others: Iterable[Work] = (),
) -> Bid | Withheld | None:
    """None: the newest attempt is good enough. ``public``: it may be sent publicly. ``budgeted``: something limits what gas may cost.
    ``others`` are all that is open: what is in the way of one of them is raised at once.

    What only builders have is raised when the base fee outgrew it, and no sooner: nobody else bids for the same nonce.
    """
    if work.armed is None:
        return None
    # An earlier run's is sent once more before it is outbid: nodes may have forgotten it.
    taken = public and work.answer is not None and work.answer.kind in ACCEPTED
    hurries = work.armed.action.kind is not ActionKind.UPKEEP  # the keeper's own business may wait for room in a block
    passed_over = (
        hurries and head is not None and taken and head.number > work.trail.accepted.get(attempt.tx_hash, head.number)
    )
    too_low = head is not None and head.next_base_fee_wei > attempt.max_fee_wei
    blocking = public and in_the_way(work, others)
    passed_over = passed_over or (public and work.cap_wei is not None and over_cap(work.answer))
    if not (passed_over or too_low or blocking or _underpriced(work.answer) or _underpriced(work.private)):
        return None
    count = len(work.intent.attempts)
    if count >= MAX_ATTEMPTS:
        return Withheld(f"{count} attempts were made, which is the most")
    if not passed_over or not hurries:
        return Bid.KEEP_UP
    if budgeted or count < MAX_PRESSED:
        return Bid.PRESS
    if too_low:
        return Bid.KEEP_UP
    return Withheld(f"{count} attempts were made, and no budget says that more may be offered")


def over_cap(answer: Submission | None) -> bool:
    """Whether it may cost more than a node takes."""
    return answer is not None and answer.kind is SubmissionKind.OVER_CAP


def _underpriced(answer: Submission | None) -> bool:
    return answer is not None and answer.kind is SubmissionKind.UNDERPRICED
