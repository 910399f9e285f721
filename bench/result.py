"""One figure: ours against a peer's, both measured in the same run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Want(StrEnum):
    """On which side of the bar a ratio must lie; at the bar it holds."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


class Ratio(StrEnum):
    """What the ratio divides by what."""

    PEER_BY_OURS = "peer / ours"
    OURS_BY_PEER = "ours / peer"


@dataclass(frozen=True, slots=True)
class Bar:
    """What the ratio must reach."""

    value: float
    want: Want


@dataclass(frozen=True, slots=True)
class Result:
    """``ours`` and ``peer`` are medians in ``unit``; ``bar`` None: the figure is told and not judged. ``trials`` counts each side's."""

    bench: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    kind: Ratio
    bar: Bar | None
    trials: int

    @property
    def ratio(self) -> float:
        return self.peer / self.ours if self.kind is Ratio.PEER_BY_OURS else self.ours / self.peer

    @property
    def holds(self) -> bool | None:
        """Whether the ratio reaches the bar; None without a bar."""
        if self.bar is None:
            return None
        return self.ratio >= self.bar.value if self.bar.want is Want.AT_LEAST else self.ratio <= self.bar.value

    def line(self) -> str:
        """``NAME  ours=..  PEER=..  ratio=..  bar=..  holds|falls short``"""
        word = {True: "holds", False: "falls short", None: "informative"}[self.holds]
        bar = f"{self.bar.value:g}" if self.bar else "none"
        return (
            f"{self.bench}  ours={shown(self.ours)}{self.unit}  {self.peer_name}={shown(self.peer)}{self.unit}  "
            f"ratio={shown(self.ratio)}  bar={bar}  {word}"
        )

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "bench": self.bench,
            "ours": round(self.ours, 6),
            "peer": round(self.peer, 6),
            "peer_name": self.peer_name,
            "unit": self.unit,
            "ratio": round(self.ratio, 4),
            "bar": self.bar.value if self.bar else None,
            "holds": self.holds,
            "trials": self.trials,
        }


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest rank: the smallest value that at least ``share`` of all values do not exceed. Raises ValueError when there are none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)


def spread(values: Sequence[float], unit: str) -> str:
    """``p50 9.1ms  p99 20ms  (min 7.2ms, 200 trials)``"""
    low, middle, high = min(values), median(values), quantile(values, 0.99)
    return f"p50 {shown(middle)}{unit}  p99 {shown(high)}{unit}  (min {shown(low)}{unit}, {len(values)} trials)"


def shown(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"
