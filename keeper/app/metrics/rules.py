"""Rules and sources as the newest tick left them. A tick costs a few comparisons of whole columns; lines are made when somebody asks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from keeper.app.metrics.text import Family, OneHot, table
from keeper.domain.observation import Observation, Quality
from keeper.domain.verdict import VerdictReason
from keeper.engine import Tick
from keeper.engine.spec import EngineSpec
from keeper.rules.codes import REASONS, TRIPPED

HEADROOM: Final = Family(
    "keeper_headroom",
    "gauge",
    "Share of the threshold that is left before the rule trips: 1 far, 0 at it, below 0 beyond; NaN: it cannot be judged.",
    ("market", "rule"),
)
TRIPPED_NOW: Final = Family("keeper_rule_tripped", "gauge", "1 while the rule is tripped.", ("market", "rule"))
HELD_NOW: Final = Family(
    "keeper_rule_held", "gauge", "1 while the rule cannot be judged for want of good data.", ("market", "rule")
)
HELD: Final = Family(
    "keeper_rule_held_total", "counter", "Blocks at which the rule could not be judged.", ("market", "rule", "reason")
)
QUALITY: Final = Family(
    "keeper_source_quality", "gauge", "1 at the quality of the source's newest observation.", ("source", "quality")
)
AGE: Final = Family(
    "keeper_source_age_seconds",
    "gauge",
    "Age of the source's newest value, by its own time, else by when it was received; NaN: there is none.",
    ("source",),
)
MAX_AGE: Final = Family(
    "keeper_source_max_age_seconds", "gauge", "The source's max_age; +Inf: it has none.", ("source",)
)
FAMILIES: Final = (HEADROOM, TRIPPED_NOW, HELD_NOW, HELD, QUALITY, AGE, MAX_AGE)
HELD_FOR: Final = (VerdictReason.WARMING, VerdictReason.NO_INPUT, VerdictReason.BLIND)
"""Reasons for which a rule cannot be judged."""
_CODES: Final = tuple(REASONS.index(reason) for reason in HELD_FOR)


class Rules:
    """Of one engine. ``saw`` is on the way of every block; ``chunks`` are not."""

    def __init__(self, spec: EngineSpec) -> None:
        rules = [(market.name, rule.name) for market in spec.markets for rule in market.rules]
        self._headroom = [HEADROOM.prefix(*rule) for rule in rules]
        self._tripped = [TRIPPED_NOW.prefix(*rule) for rule in rules]
        self._held_now = [HELD_NOW.prefix(*rule) for rule in rules]
        self._held = [HELD.prefix(*rule, reason) for reason in HELD_FOR for rule in rules]
        self._counts = np.zeros((len(HELD_FOR), len(rules)), dtype=np.int64)
        self._sources = [source.name for source in spec.sources]
        self._quality = OneHot(QUALITY, [(name,) for name in self._sources], [one.value for one in Quality])
        self._age = [AGE.prefix(name) for name in self._sources]
        ages = [math.inf if one.max_age_ms is None else one.max_age_ms / 1000 for one in spec.sources]
        self._max_age = table(MAX_AGE, [MAX_AGE.prefix(name) for name in self._sources], ages)
        self._tick: Tick | None = None

    def saw(self, tick: Tick) -> None:
        """The newest one."""
        self._tick = tick
        reasons = tick.table.rules.reason
        for count, code in zip(self._counts, _CODES, strict=True):
            count += reasons == code

    def chunks(self, now_ms: int) -> Iterator[str]:
        """All lines, metric by metric. Before the first tick nothing is judged, nothing tripped, and every source is missing."""
        count = len(self._headroom)
        headroom, tripped, held = [math.nan] * count, [0] * count, [0] * count
        observations: tuple[Observation, ...] = ()
        if self._tick is not None:
            said = self._tick.table.rules
            headroom, tripped = said.headroom.tolist(), (said.state >= TRIPPED).astype(int).tolist()
            held = np.isin(said.reason, _CODES).astype(int).tolist()
            observations = self._tick.observations
        qualities: dict[tuple[str, ...], str] = {(one.source,): one.quality.value for one in observations}
        ages = {one.source: _age_s(one, now_ms) for one in observations}
        yield table(HEADROOM, self._headroom, headroom)
        yield table(TRIPPED_NOW, self._tripped, tripped)
        yield table(HELD_NOW, self._held_now, held)
        yield table(HELD, self._held, self._counts.ravel().tolist())
        yield self._quality.text(qualities, Quality.MISSING.value)
        yield table(AGE, self._age, [ages.get(name, math.nan) for name in self._sources])
        yield self._max_age


def _age_s(observation: Observation, now_ms: int) -> float:
    if observation.value is None:
        return math.nan
    at_ms = observation.at_ms if observation.at_ms is not None else observation.received_ms
    return (now_ms - at_ms) / 1000
