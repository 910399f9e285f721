"""The public route: eth_sendRawTransaction to one or more nodes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from keeper.adapters.routes.words import cap_wei, classify
from keeper.domain.errors import OutsideError, Refused, UnitError
from keeper.domain.intent import Attempt
from keeper.ports.chain import Broadcaster
from keeper.ports.route import Submission, SubmissionKind

_BEST_FIRST = (
    SubmissionKind.ACCEPTED,
    SubmissionKind.KNOWN,
    SubmissionKind.NONCE_TOO_LOW,
    SubmissionKind.INSUFFICIENT_FUNDS,
    SubmissionKind.UNDERPRICED,
    SubmissionKind.OVER_CAP,
    SubmissionKind.REFUSED,
    SubmissionKind.INVALID,
    SubmissionKind.UNREACHABLE,
)
_NOT_THERE = frozenset({SubmissionKind.REFUSED, SubmissionKind.INVALID})
_TAKEN = frozenset({SubmissionKind.ACCEPTED, SubmissionKind.KNOWN})


class PublicRoute:
    """Sends to all nodes at once and answers as soon as one of them has taken the transaction; the others get it all the same."""

    def __init__(self, name: str, broadcasters: Sequence[Broadcaster]) -> None:
        """Raises UnitError without any broadcaster."""
        if not broadcasters:
            raise UnitError(
                "a public route needs at least one node", remedy="give an endpoint the role primary or broadcast"
            )
        self._name = name
        self._broadcasters = tuple(broadcasters)
        self._still_sending: set[asyncio.Task[Submission]] = set()

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        """The best answer of all nodes. Never raises for what they do. Safe to repeat: a node that has it says so (KNOWN)."""
        if len(self._broadcasters) == 1:  # nobody to wait for besides, and no time to lose
            return await self._send_alone(self._broadcasters[0], attempt)
        tasks = {self._beside(node, attempt) for node in self._broadcasters}
        found: list[Submission] = []
        for next_answer in asyncio.as_completed(tasks):
            submission = await next_answer
            if submission.kind in _TAKEN:
                return submission
            found.append(submission)
        return _best(found)

    async def _send_alone(self, node: Broadcaster, attempt: Attempt) -> Submission:
        try:
            return await _send(node, attempt)
        except asyncio.CancelledError:
            self._beside(node, attempt)  # nobody knows how far it came, and the same bytes have the same effect
            raise

    def _beside(self, node: Broadcaster, attempt: Attempt) -> asyncio.Task[Submission]:
        """A sending that goes on when nobody waits for it."""
        task = asyncio.create_task(_send(node, attempt))
        self._still_sending.add(task)
        task.add_done_callback(self._still_sending.discard)
        return task

    async def close(self) -> None:
        """Waits for the sends that go on after an early answer. Safe to call twice."""
        await asyncio.gather(*self._still_sending, return_exceptions=True)


def _best(found: Sequence[Submission]) -> Submission:
    """The answer that says most. Refused by some is not refused where another node may have taken it without our hearing of it."""
    best = min(found, key=lambda submission: _BEST_FIRST.index(submission.kind))
    unsure = [submission for submission in found if submission.kind is SubmissionKind.UNREACHABLE]
    if best.kind not in _NOT_THERE or not unsure:
        return best
    return Submission(SubmissionKind.UNREACHABLE, f"{best.message}; another node: {unsure[0].message}")


async def _send(node: Broadcaster, attempt: Attempt) -> Submission:
    try:
        tx_hash = await node.send_raw(attempt.raw)
    except Refused as error:
        kind = classify(error.message)
        return Submission(
            kind, error.message, cap_wei=cap_wei(error.message) if kind is SubmissionKind.OVER_CAP else None
        )
    except OutsideError as error:
        # nonsense tells as little as silence whether the transaction was taken
        return Submission(SubmissionKind.UNREACHABLE, error.message)
    if tx_hash.lower() != attempt.tx_hash.lower():
        return Submission(SubmissionKind.UNREACHABLE, f"the node answered the hash of another transaction: {tx_hash}")
    return Submission(SubmissionKind.ACCEPTED, tx_hash)
