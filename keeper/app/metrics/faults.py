"""What is down, in labels that are bounded: a part or a reason that nobody could foresee must not fill the memory of whoever scrapes."""

from __future__ import annotations

import re
from typing import Final

from keeper.app.faults import Fault
from keeper.app.metrics.text import Family, table
from keeper.domain.verdict import Severity

FAULT: Final = Family(
    "keeper_fault",
    "gauge",
    "1 while the part is down for this reason; there is no series for what works.",
    ("part", "reason"),
)
FAULTS: Final = Family("keeper_faults", "gauge", "Parts that are down now.", ("severity",))
FAMILIES: Final = (FAULT, FAULTS)
OTHER: Final = "other"
PARTS_MAX: Final = 512
"""Beside those that follow from the configuration's own names."""
REASONS_MAX: Final = 128
_PART: Final = re.compile(r"(?!.*://)[A-Za-z0-9_.:/-]{1,120}")
_REASON: Final = re.compile(r"[a-z0-9-]{1,40}")
_KEY: Final = re.compile(r"(?:execute:|0x[0-9a-fA-F]{64}).*")
"""What names one proposal and not a part of the configuration."""


class Bounded:
    """Words as they are, while they have the form of words and are not too many; else ``other``."""

    def __init__(self, form: re.Pattern[str], most: int) -> None:
        self._form = form
        self._most = most
        self._known: set[str] = set()

    def word(self, text: str) -> str:
        if text in self._known:
            return text
        if len(self._known) >= self._most or self._form.fullmatch(text) is None:
            return OTHER
        self._known.add(text)
        return text


class Down:
    """``things`` is how many sources and actions the configuration has: each is a part of several names."""

    def __init__(self, things: int) -> None:
        self._parts = Bounded(_PART, PARTS_MAX + 4 * things)
        self._reasons = Bounded(_REASON, REASONS_MAX)
        self._down: dict[str, tuple[str, str, Severity]] = {}

    def fault(self, fault: Fault, severity: Severity) -> None:
        part = self._parts.word(_KEY.sub("", fault.part).rstrip("/"))
        self._down[fault.part] = part, self._reasons.word(fault.reason), severity

    def mended(self, part: str) -> None:
        self._down.pop(part, None)

    def text(self) -> str:
        """All lines."""
        named = dict.fromkeys((part, reason) for part, reason, _ in self._down.values())
        severities = [severity for _, _, severity in self._down.values()]
        return table(FAULT, [FAULT.prefix(*one) for one in named], [1] * len(named)) + table(
            FAULTS, [FAULTS.prefix(one) for one in Severity], [severities.count(one) for one in Severity]
        )
