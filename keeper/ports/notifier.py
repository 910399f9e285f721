"""Telling people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keeper.domain.verdict import Severity


@dataclass(frozen=True, slots=True)
class Notice:
    """``key`` names the matter, so that repeats can be told apart; ``body`` is plain text with the numbers.

    ``ends``: the matter is over, and with it those that are ``within`` it. ``settles``: so are the others of its ``subject`` within the same matter.
    ``variant`` tells apart what has the same key and title (the reason of a fault); ``again``: said once more on purpose, no duplicate.
    ``links`` are lines of the keeper's own: addresses to look at and commands to type. Nobody else's words are in them.
    """

    key: str
    title: str
    body: str
    severity: Severity
    ends: bool = False
    settles: bool = False
    within: str = ""
    subject: str = ""
    variant: str = ""
    again: bool = False
    links: tuple[str, ...] = ()


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
