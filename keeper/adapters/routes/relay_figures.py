"""What each builder did, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.ports.route import SubmissionKind


@dataclass(frozen=True, slots=True)
class BuilderFigures:
    """Since the start. ``answers`` counts by (method, kind); ``total_ms`` is the time of all of them together, ``longest_ms`` that of the slowest.

    ``retried`` counts the requests that were sent a second time.
    """

    builder: str
    answers: Mapping[tuple[str, SubmissionKind], int]
    retried: int
    last_ms: float
    longest_ms: float
    total_ms: float


class Tally:
    """Keeps them."""

    def __init__(self, builder: str) -> None:
        self._builder = builder
        self._answers: Counter[tuple[str, SubmissionKind]] = Counter()
        self._last_ms = self._longest_ms = self._total_ms = 0.0
        self.retried = 0

    def add(self, method: str, kind: SubmissionKind, ms: float) -> None:
        """One more answer."""
        self._answers[method, kind] += 1
        self._last_ms = ms
        self._longest_ms = max(self._longest_ms, ms)
        self._total_ms += ms

    @property
    def figures(self) -> BuilderFigures:
        """As they are now."""
        return BuilderFigures(
            self._builder, dict(self._answers), self.retried, self._last_ms, self._longest_ms, self._total_ms
        )
