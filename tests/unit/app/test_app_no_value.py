"""A rule without a value: people are told which input is bad, why, and of when its value is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from keeper.app import notices
from keeper.app.cli.no_value import why_no_value
from keeper.app.cli.status import _gauge
from keeper.app.cli.summaries import summary
from keeper.domain.observation import Observation, Quality
from keeper.domain.record import Record, RecordKind
from keeper.domain.units import Unit
from keeper.engine.derivation import Derivation, How
from keeper.engine.engine import compile_engine
from keeper.engine.evidence import decision_body, tick_body
from keeper.engine.spec import MarketSpec, SourceSpec
from keeper.engine.tick import Tick
from keeper.rules.spec import Condition, Moving, Side, Without
from tests.support.engine_world import divergence, market, price, rule, run, snapshot, spec, volatility

pytestmark = pytest.mark.unit

OLD_MS = 24_000
"""Two blocks of 12 seconds."""
OLD = "spot is stale (older than 30s), its value is of 1970-01-01T00:00:24.000Z"


def ticked(spot: Observation | None, watched: MarketSpec | None = None) -> Tick:
    """The tick at block 7, at 84 seconds; both prices may be 30 seconds old."""
    sources = [SourceSpec("oracle", Unit.PRICE, 30_000), SourceSpec("spot", Unit.PRICE, 30_000)]
    sources.append(SourceSpec("half", Unit.PRICE, derived=Derivation(How.INVERSE, ("spot",))))
    watched = watched or market(rules=[replace(rule(), without=Without.ALERT)])
    return run(compile_engine(spec([watched], sources)), [snapshot(7, {"oracle": "100", "spot": spot})])[0]


def stale() -> Observation:
    return price("spot", "100", OLD_MS, OLD_MS)


def why(tick: Tick) -> str:
    body: Any = tick_body(tick)
    return why_no_value(body["verdicts"][0], body)


def test_why__input_is_too_old__says_so_and_of_when_it_is() -> None:
    assert why(ticked(stale())) == f"no value: {OLD}"


def test_why__input_without_a_time_of_its_own__is_of_when_it_was_received() -> None:
    assert why(ticked(price("spot", "100", OLD_MS))) == f"no value: {OLD}"


def test_why__input_has_no_value__has_no_time() -> None:
    assert why(ticked(None)) == "no value: spot is missing (not in the snapshot)"


def test_why__not_enough_data__is_not_yet() -> None:
    watched = market(signals=[volatility()], rules=[rule(signal="vol")])
    assert why(ticked(price("spot", "100", 84_000), watched)) == "no value yet (not-enough-data)"


def test_why__inputs_are_good_and_the_signal_has_none__names_the_reason() -> None:
    assert why(ticked(price("spot", "0", 84_000))) == "no value yet (input-not-usable)"


def test_why__derived_input__is_named_with_what_it_is_made_of() -> None:
    watched = market(signals=[divergence(of="half")])
    assert why(ticked(stale(), watched)).startswith(
        "no value: half is stale (inverse of spot: spot is stale (older than 30s)), its value is of 1970-01-01T00:00:24"
    )


def test_why__signal_of_a_signal_and_in_several_qualities__looks_behind_it() -> None:
    body: Mapping[str, Any] = {
        "signals": [
            {"market": "M", "name": "inner (ok, stale)", "inputs": ["spot"]},
            {"market": "M", "name": "outer", "inputs": ["inner", "spot", "outer"]},
            {"market": "N", "name": "inner", "inputs": ["other"]},
        ],
        "observations": [
            {"source": name, "quality": "missing", "reason": "", "value": None} for name in ("spot", "other")
        ],
    }
    verdict = {"market": "M", "signal": "outer", "reason": "input-not-usable"}
    assert why_no_value(verdict, body) == "no value: spot is missing"


def test_status__input_is_too_old__says_so() -> None:
    body: Any = tick_body(ticked(stale()))
    assert _gauge(body["verdicts"][0], body) == f"{'wide':<24} gap: no value: {OLD}"


def test_log__held_because_of_a_stale_input__says_so() -> None:
    body = decision_body(ticked(stale()).decisions[0])
    record = Record(1, "", RecordKind.DECISION, "M", None, None, None, body, "", "")
    assert summary(record) == f"hold (input-not-usable-alert) M: wide: gap has no value: {OLD}"


def test_status_and_log__threshold_follows_a_signal_without_a_value__say_so() -> None:
    when = Condition("gap", Side.ABOVE, Moving("vol", Decimal("0.5"), Decimal("0.01"), converts=True))
    watched = market(signals=[divergence(), volatility()], rules=[replace(rule(clear="0.005"), when=when)])
    tick = ticked(price("spot", "100", 84_000), watched)
    body: Any = tick_body(tick)
    said = "no threshold yet: the signal that it follows has no value (not-enough-data)"
    assert _gauge(body["verdicts"][0], body) == f"{'wide':<24} gap 0: {said}, clear"
    record = Record(1, "", RecordKind.DECISION, "M", None, None, None, decision_body(tick.decisions[0]), "", "")
    assert summary(record) == f"hold (not-enough-data) M: wide: gap 0, {said}"


def test_notice__input_is_too_old__says_for_how_long() -> None:
    (decision,) = ticked(stale()).decisions
    assert "spot is stale: older than 30s (its value is 60 s old)" in notices.of_hold(decision).body
    thin = replace(price("spot", "5", 84_000), quality=Quality.THIN, reason="so it said")
    assert "spot is thin: so it said (its value is 0 s old)" in notices.of_hold(ticked(thin).decisions[0]).body
    assert "old" not in notices.of_hold(ticked(None).decisions[0]).body
