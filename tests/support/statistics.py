"""Driving one statistic by hand: ticks in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from keeper.domain.signal import SignalStatus
from keeper.signals.bank import Feed, fresh_out, load
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import SignalSpec

Input = tuple[int, Sequence[float]]
"""(at_ms, one value per source)."""
Output = tuple[SignalStatus, float]

NAN = float("nan")


def drive(spec: SignalSpec, ticks: Iterable[Input]) -> list[Output]:
    """What the compiled step says at each tick, for one slot."""
    statistic = load(SIGNALS[spec.kind])
    params = statistic.prepare([spec])
    state, out = statistic.allocate(params), fresh_out(1)
    answers = []
    for number, (at_ms, values) in enumerate(ticks):
        statistic.step(Feed(at_ms, number, np.array([values], dtype=np.float64)), params, state, out)
        answers.append((SignalStatus(int(out.status[0])), float(out.values[0])))
    return answers
