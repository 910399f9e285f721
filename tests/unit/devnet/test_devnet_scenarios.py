"""The scenarios keep the promises that the demo's thresholds rest on, over many seeds."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise

import pytest

from keeper.devnet.markets import DEFAULT_MARKETS, demo_market, to_answer
from keeper.devnet.scenarios import SCENARIOS, SECOND, SHAKEN, Scenario, calm, divergence, private, volatility

pytestmark = pytest.mark.unit

SEEDS = range(200)
CALM_MARKETS = tuple(name for name in DEFAULT_MARKETS if name != SHAKEN)
WINDOW = 10
# Between the phases lies room for a threshold: what the demo configures must lie between these.
CALM_VOLATILITY_AT_MOST = 0.0025
WARNING_VOLATILITY_AT_LEAST = 0.0110
WARNING_VOLATILITY_AT_MOST = 0.0400
CRITICAL_VOLATILITY_AT_LEAST = 0.1100


def gaps(scenario: Scenario, market: str) -> list[Decimal]:
    """|oracle / spot - 1| at each step."""
    return [
        abs(step.quote(market).oracle / step.quote(market).spot - 1) for step in scenario.steps if step.quote(market)
    ]


def volatilities(scenario: Scenario, market: str, source: str) -> dict[int, float]:
    """Realised volatility as the keeper defines it, root of the sum of the last ten squared log returns, by step number."""
    prices = [demo_market(market).start_price] + [getattr(step.quote(market), source) for step in scenario.steps]
    returns = [math.log(after / before) for before, after in pairwise(prices)]
    return {n: math.hypot(*returns[max(0, n - WINDOW) : n]) for n in range(1, len(returns) + 1)}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario__same_seed__is_the_same_and_another_is_not(name: str) -> None:
    build = SCENARIOS[name]
    assert build(11) == build(11)
    assert build(11).steps != build(12).steps


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario__its_face__says_what_and_where_from(name: str) -> None:
    scenario = SCENARIOS[name](1)
    assert scenario.name == name
    assert scenario.summary.endswith(".")
    assert any(year in scenario.source_of_shape for year in ("2021", "2023", "2026"))
    assert scenario.markets == DEFAULT_MARKETS


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario__its_steps__are_few_numbered_and_complete(name: str) -> None:
    steps = SCENARIOS[name](3).steps
    assert 12 <= len(steps) <= 18
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert all([quote.market for quote in step.quotes] == list(DEFAULT_MARKETS) for step in steps)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario__every_price__fits_the_feed_exactly(name: str) -> None:
    for seed in range(20):
        for step in SCENARIOS[name](seed).steps:
            assert all(to_answer(quote.oracle) > 0 and to_answer(quote.spot) > 0 for quote in step.quotes)


def test_scenarios__first_is_the_default() -> None:
    assert list(SCENARIOS) == ["divergence", "volatility", "calm", "breaker", "council", "private"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario__other_markets__stay_calm(name: str) -> None:
    for seed in SEEDS:
        scenario = SCENARIOS[name](seed)
        for market in CALM_MARKETS:
            if name == "private" and market == SECOND:
                continue
            assert max(gaps(scenario, market)) <= Decimal("0.00041")
            for source in ("spot", "oracle"):
                assert max(volatilities(scenario, market, source).values()) < CALM_VOLATILITY_AT_MOST


def test_calm__the_shaken_market__stays_calm_too() -> None:
    for seed in SEEDS:
        scenario = calm(seed)
        assert max(gaps(scenario, SHAKEN)) <= Decimal("0.00041")
        for source in ("spot", "oracle"):
            assert max(volatilities(scenario, SHAKEN, source).values()) < CALM_VOLATILITY_AT_MOST


def test_calm__steps_asked_for__are_given() -> None:
    assert len(calm(1, steps=3).steps) == 3


def test_divergence__oracle__is_near_spot_and_then_six_percent_below_to_the_end() -> None:
    for seed in SEEDS:
        scenario = divergence(seed)
        for step in scenario.steps:
            quote = step.quote(SHAKEN)
            gap = quote.oracle / quote.spot - 1
            if step.phase == "calm":
                assert abs(gap) <= Decimal("0.00041")
            else:
                assert Decimal("-0.0625") < gap < Decimal("-0.0575")
        assert [step.phase for step in scenario.steps] == ["calm"] * 8 + ["off"] * 8


def test_private__one_market_after_the_other__goes_six_percent_below_spot_and_stays() -> None:
    for seed in SEEDS:
        scenario = private(seed)
        assert [step.phase for step in scenario.steps] == ["calm"] * 6 + ["off"] * 4 + ["again"] * 4
        for market, phases in ((SHAKEN, ("off", "again")), (SECOND, ("again",))):
            for step in scenario.steps:
                gap = step.quote(market).oracle / step.quote(market).spot - 1
                off = Decimal("-0.0625") < gap < Decimal("-0.0575")
                assert off if step.phase in phases else abs(gap) <= Decimal("0.00041")
            assert max(volatilities(scenario, market, "spot").values()) < CALM_VOLATILITY_AT_MOST


def test_divergence__spot__never_moves_much() -> None:
    for seed in SEEDS:
        assert max(volatilities(divergence(seed), SHAKEN, "spot").values()) < CALM_VOLATILITY_AT_MOST


def test_volatility__phases__lie_apart_with_room_for_thresholds() -> None:
    for seed in SEEDS:
        scenario = volatility(seed)
        phases = {step.number: step.phase for step in scenario.steps}
        for source in ("spot", "oracle"):
            for number, value in volatilities(scenario, SHAKEN, source).items():
                if phases[number] == "calm":
                    assert value < CALM_VOLATILITY_AT_MOST
                elif phases[number] == "slide":
                    assert WARNING_VOLATILITY_AT_LEAST < value < WARNING_VOLATILITY_AT_MOST
                else:
                    assert value > CRITICAL_VOLATILITY_AT_LEAST


def test_volatility__warning__comes_several_steps_before_critical() -> None:
    assert [step.phase for step in volatility(5).steps] == ["calm"] * 10 + ["slide"] * 4 + ["crash"] * 4


def test_volatility__oracle__follows_spot_within_a_tenth_of_a_percent() -> None:
    for seed in SEEDS:
        assert max(gaps(volatility(seed), SHAKEN)) <= Decimal("0.001")


def test_volatility__a_market_list_without_the_shaken_one__is_calm_all_through() -> None:
    scenario = volatility(1, ("BTC-PERP",))
    assert scenario.markets == ("BTC-PERP",)
    assert max(volatilities(scenario, "BTC-PERP", "spot").values()) < CALM_VOLATILITY_AT_MOST


def test_step__unknown_market__raises() -> None:
    with pytest.raises(KeyError, match="DOGE-PERP"):
        calm(1).steps[0].quote("DOGE-PERP")
