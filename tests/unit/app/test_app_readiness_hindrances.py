"""What the keeper itself cannot or may not do is not armed, although the contract would let it: log, nodes, builders, people, mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keeper.app.faults import Faults
from keeper.app.readiness_hindrances import Hindrances, Waking
from keeper.decisions.breaker import BreakerState
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.verdict import Severity
from keeper.engine import Engine, EngineState
from keeper.execution.edges import Way
from tests.support.execution_stage import pause
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

ARMED = pause()
MARKET, ACTION = ARMED.key
BOTH = (("divergence", Severity.CRITICAL), ("volatility", Severity.WARNING))
OFF = Intervention(InterventionKind.SWITCHED_OFF, 1, reason="upgrade")


class Engined:
    """What an engine says of its state, and nothing else."""

    def __init__(self, breakers: Mapping[str, BreakerState], off: tuple[Intervention, ...]) -> None:
        self.breakers = lambda _: breakers
        self.switched_off = lambda _: off


def hindrances(
    faults: Faults, breaker: BreakerState = BreakerState.ARMED, off: tuple[Intervention, ...] = (), **more: Any
) -> Hindrances:
    known: dict[str, Any] = {
        "live": True,
        "acts_without_log": False,
        "asking": {ARMED.key: BOTH},
        "holding": (),
        "ways": {},
        "builders": {},
    }
    engine = cast("Engine", Engined({MARKET: breaker}, off))
    return Hindrances(faults, engine=engine, state=lambda: cast("EngineState", None), **(known | more))


def nothing_down() -> Faults:
    return Faults(ManualClock(), lambda _: None, lambda _: None)


def way(*, fallback: bool, together: bool = False) -> Mapping[str, Way]:
    route = cast("Any", SimpleNamespace(name="dark"))
    return {ARMED.action.route: Way(route if fallback else None, route, together)}


BUILDERS = {"dark": ("a", "b")}


@pytest.mark.parametrize(
    ("down", "more", "reason"),
    [
        ({}, {}, None),
        ({"audit": "unavailable"}, {}, "no-log"),
        ({"audit": "unavailable"}, {"acts_without_log": True}, None),
        ({"quorum": "held"}, {"holding": (Severity.CRITICAL, Severity.WARNING)}, "no-quorum"),
        ({"quorum": "held"}, {"holding": (Severity.CRITICAL,)}, None),  # another rule gets it all the same
        ({"quorum": "alone"}, {"holding": (Severity.CRITICAL, Severity.WARNING)}, None),
        ({"route:dark/a": "refused", "route:dark/b": "unreachable"}, {"ways": way(fallback=False)}, "no-builder"),
        ({"route:dark/a": "refused"}, {"ways": way(fallback=False)}, None),
        ({"route:dark/a": "refused", "route:dark/b": "refused"}, {"ways": way(fallback=True)}, "no-builder"),
        ({"route:dark/a": "refused", "route:dark/b": "refused"}, {"ways": way(fallback=True, together=True)}, None),
        ({"source:x": "missing"}, {}, None),
    ],
)
def test_broken__by_what_is_down__says_why_it_would_not_be_sent(
    down: Mapping[str, str], more: Mapping[str, Any], reason: str | None
) -> None:
    faults = nothing_down()
    for part, why in down.items():
        faults.down(part, why, "words", "remedy")
    found = hindrances(faults, builders=BUILDERS, **more)
    assert found.look() is None
    obstacle = found.broken(ARMED)
    assert (obstacle and obstacle.reason) == reason


def test_broken__no_builder_and_it_becomes_public_after_some_blocks__works() -> None:
    faults = nothing_down()
    for name in BUILDERS["dark"]:
        faults.down(f"route:dark/{name}", "refused", "words")
    found = hindrances(faults, builders=BUILDERS, ways=way(fallback=True))
    found.look()
    assert found.broken(replace(ARMED, action=replace(ARMED.action, public_after=2))) is None


@pytest.mark.parametrize(
    ("breaker", "off", "live", "reason"),
    [
        (BreakerState.ARMED, (), True, None),
        (BreakerState.TRIPPED, (), True, None),
        (BreakerState.LOCKED, (), True, "locked"),
        (BreakerState.LIFTED, (), True, "lifted"),
        (BreakerState.DISARMED, (), True, "switched-off"),
        (BreakerState.ARMED, (OFF,), True, "switched-off"),
        (BreakerState.ARMED, (replace(OFF, market=MARKET, action=ACTION),), True, "switched-off"),
        (BreakerState.ARMED, (replace(OFF, action="another"),), True, None),
        (BreakerState.ARMED, (replace(OFF, rule="divergence"),), True, None),  # the other rule gets it
        (BreakerState.ARMED, (), False, "shadow"),
    ],
)
def test_held_back__by_people_or_mode__is_said(
    breaker: BreakerState, off: tuple[Intervention, ...], live: bool, reason: str | None
) -> None:
    found = hindrances(nothing_down(), breaker, off, live=live)
    found.look()
    obstacle = found.held_back(ARMED)
    assert (obstacle and obstacle.reason) == reason


def test_look__no_heads__nobody_can_say_anything() -> None:
    faults = nothing_down()
    found = hindrances(faults)
    faults.down("heads", "unreachable", "no connection")
    blind = found.look()
    assert blind is not None
    assert blind.reason == "unreachable"


@pytest.mark.parametrize(
    ("part", "wakes"), [("heads", 1), ("audit", 2), ("quorum", 2), ("route:dark/a", 2), ("source:x", 0)]
)
def test_waking__of_parts_that_matter_between_two_blocks__probes_at_once(part: str, wakes: int) -> None:
    woken: list[None] = []
    faults = Faults(ManualClock(), lambda _: None, lambda _: None, Waking(lambda: woken.append(None)))
    faults.down(part, "reason", "words")
    faults.up(part)
    assert len(woken) == wakes
