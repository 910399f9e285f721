"""What people are told when a rule cannot see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app import notices
from keeper.domain.observation import Observation, Quality
from keeper.domain.verdict import Severity
from keeper.engine.engine import compile_engine
from keeper.engine.tick import Tick
from keeper.rules.spec import Without
from tests.support.engine_world import market, price, rule, run, snapshot, spec

pytestmark = pytest.mark.unit


def blind(without: Without, spot: Observation | None) -> Tick:
    engine = compile_engine(spec([market(rules=[replace(rule(severity=Severity.CRITICAL), without=without)])]))
    return run(engine, [snapshot(7, {"oracle": "100", "spot": spot})])[0]


def test_of_hold__names_rule_block_and_what_is_wrong_with_each_source() -> None:
    apart = replace(price("spot", "5"), quality=Quality.DISAGREE, reason="more than 1% apart: a 1, b 2")
    notice = notices.of_hold(blind(Without.ALERT, apart).decisions[0])
    assert notice.title == "M: wide cannot see"
    assert "gap has no value at block 7" in notice.body
    assert "spot is disagree: more than 1% apart: a 1, b 2" in notice.body
    assert "oracle" not in notice.body
    assert (notice.key, notice.severity) == ("blind/M/wide", Severity.CRITICAL)


def test_of_incident__opened_by_blindness__says_so_and_shows_no_nan() -> None:
    notice = notices.of_incident(blind(Without.TRIP, None).incidents[0])
    assert notice.title == "M: wide tripped"
    assert "gap has no value, which this rule counts as a breach" in notice.body
    assert "nan" not in notice.body
