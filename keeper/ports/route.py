"""How a signed transaction reaches the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from keeper.domain.intent import Attempt


class SubmissionKind(StrEnum):
    ACCEPTED = "accepted"
    KNOWN = "already-known"
    """The node has it already: as good as accepted."""
    NONCE_TOO_LOW = "nonce-too-low"
    UNDERPRICED = "underpriced"
    INSUFFICIENT_FUNDS = "insufficient-funds"
    REFUSED = "refused"
    """Not now, or in words that nobody knows: another time the answer may be another one."""
    OVER_CAP = "over-cap"
    """It may cost more than whoever was asked takes for one transaction."""
    INVALID = "invalid"
    """No block can ever have exactly this transaction."""
    UNREACHABLE = "unreachable"
    NOT_SENT = "not-sent"
    """The route never sends (dry run)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One other side's answer to one request, without secrets. ``to`` is its name in the configuration, ``ms`` how long it took."""

    to: str
    method: str
    kind: SubmissionKind
    message: str = ""
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Submission:
    """``message`` is the other side's answer, without secrets; ``answers`` has that of each one where a route leads to several.

    ``cap_wei``: the most that a transaction may cost there, where an answer OVER_CAP says it.
    """

    kind: SubmissionKind
    message: str = ""
    answers: tuple[Answer, ...] = ()
    cap_wei: int | None = None


class Route(Protocol):
    @property
    def name(self) -> str:
        """Its name in the configuration."""

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        """Sends the attempt's raw transaction once. ``block`` is the number of the newest block. Never raises for what the other side does.

        Safe to repeat.
        """

    async def close(self) -> None:
        """Waits for what goes on after an early answer, and lets go. Safe to call twice."""


class SecretRoute(Route, Protocol):
    """To block builders only: nothing that goes this way is in a public pool.

    A bundle is for one block, so it is submitted anew after each head. ACCEPTED: at least one builder took it; REFUSED or UNREACHABLE: none did,
    which is another matter than taken and not included.
    """

    async def withdraw(self, attempts: Sequence[Attempt]) -> Sequence[Answer]:
        """Asks every builder to forget these: best effort."""

    async def status(self, attempt: Attempt) -> str:
        """What is known of a private transaction where a builder can be asked, in its word (PENDING, INCLUDED ...); empty where nobody knows."""

    async def prove(self) -> Sequence[Answer]:
        """Whether every builder takes our signature, asked in a way that costs nothing and can move nothing."""
