"""A source whose answers are well, and too old: told, never a silent hold."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.faults import Faults
from keeper.app.grades import Grades
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit


def observation(quality: Quality) -> Observation:
    value = None if quality is Quality.MISSING else Decimal(1)
    return Observation(
        "spot", value, Unit.PRICE, 1, quality=quality, reason="" if quality is Quality.OK else "60 s old"
    )


@pytest.mark.parametrize(
    ("answered", "graded", "derived", "down"),
    [
        (Quality.OK, Quality.OK, False, {}),
        (Quality.OK, Quality.STALE, False, {"grade:spot": "stale"}),
        (Quality.STALE, Quality.STALE, False, {}),  # the watch has told it
        (None, Quality.DISAGREE, True, {"source:spot": "disagree"}),
        (None, Quality.OK, True, {}),
    ],
)
def test_sources__what_the_engine_finds__is_told_once_and_ends(
    answered: Quality | None, graded: Quality, derived: bool, down: dict[str, str]
) -> None:
    told: list[object] = []
    faults = Faults(ManualClock(), lambda _: None, told.append)
    source: Any = SimpleNamespace(name="spot", derived=object() if derived else None)
    grades = Grades([source], faults)
    sight: Any = SimpleNamespace(observations={"spot": observation(answered)} if answered else {})
    tick: Any = SimpleNamespace(observations=(observation(graded),))
    for _ in range(2):
        grades.of(tick, sight)
    assert {fault.part: fault.reason for fault in faults.current} == down
    assert len(told) == len(down)
    well: Any = SimpleNamespace(observations=(observation(Quality.OK),))
    grades.of(well, sight)
    assert faults.current == ()
