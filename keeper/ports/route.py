"""How a signed transaction reaches the chain."""

from __future__ import annotations

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
    UNREACHABLE = "unreachable"
    NOT_SENT = "not-sent"
    """The route never sends (dry run)."""


@dataclass(frozen=True, slots=True)
class Submission:
    """``message`` is the other side's answer, without secrets."""

    kind: SubmissionKind
    message: str = ""


class Route(Protocol):
    @property
    def name(self) -> str:
        """Its name in the configuration."""

    async def submit(self, attempt: Attempt) -> Submission:
        """Sends the attempt's raw transaction once. Never raises for what the other side does. Safe to repeat."""
