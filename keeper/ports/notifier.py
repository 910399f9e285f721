"""Telling people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keeper.domain.verdict import Severity


@dataclass(frozen=True, slots=True)
class Notice:
    """``key`` names the matter, so that repeats can be told apart; ``body`` is plain text with the numbers."""

    key: str
    title: str
    body: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Delivery:
    """``recoverable`` says whether trying again may help; ``message`` never holds an address with a secret.

    ``suppressed``: held back on purpose (below the severity that this receiver wants); not a delivery, and not a failure.
    """

    delivered: bool
    recoverable: bool = False
    message: str = ""
    suppressed: bool = False


class Notifier(Protocol):
    @property
    def name(self) -> str:
        """For records and metrics; never an address."""

    async def notify(self, notice: Notice) -> Delivery:
        """Delivers once. Never raises for what the other side does."""

    async def close(self) -> None:
        """Let go of connections. Safe to call twice."""
