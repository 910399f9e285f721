"""Why a proposal was made, by the log: the decision, its numbers, and the signal over time."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.council.reasons import CHART_AFTER_MS, CHART_BEFORE_MS, MOST_POINTS, Reasons, number, reasons_of
from keeper.domain.record import Draft, RecordKind

pytestmark = pytest.mark.unit
INCIDENT, AT_MS = "ETH-PERP@1", 1_700_000_000_000
VERDICT: dict[str, Any] = {
    "rule": "oracle-divergence",
    "signal": "divergence",
    "value": "0.0666666666",
    "threshold": "0.02",
}
SEEN: list[Any] = [
    {"source": "oracle", "value": "2800", "unit": "price", "quality": "fresh"},
    {"source": "spot", "value": None, "unit": "price", "quality": "stale"},
]


async def log(*drafts: Draft) -> MemoryAuditStore:
    store = MemoryAuditStore()
    if drafts:
        await store.append(list(drafts))
    return store


def decision(action: str | None = "pause-market", **changed: Any) -> Draft:
    body: dict[str, Any] = {"kind": "act", "block": 12, "verdict": VERDICT, "observations": SEEN} | changed
    return Draft(RecordKind.DECISION, body, AT_MS, market="ETH-PERP", action=action, incident=INCIDENT)


def tick(at_ms: int, value: Any = "0.01", market: str = "ETH-PERP") -> Draft:
    signals: list[Any] = [{"market": market, "name": "divergence", "value": value}]
    return Draft(RecordKind.TICK, {"signals": signals}, at_ms)


async def test_decision__rule_numbers_and_sources__in_words() -> None:
    found = await reasons_of(await log(decision()), INCIDENT, "pause-market")
    rule, where, oracle, spot = found.lines
    assert "oracle-divergence of ETH-PERP tripped: divergence was 0.0666667 against the threshold 0.02" in rule
    assert "block 12" in where
    assert (oracle, spot) == ("oracle: 2800 price (fresh)", "spot: no value (stale)")
    assert found.chart is None


async def test_several_decisions__that_of_the_action__else_the_first() -> None:
    other = decision("cap", verdict=VERDICT | {"rule": "another"})
    store = await log(other, decision())
    assert "oracle-divergence" in (await reasons_of(store, INCIDENT, "pause-market")).lines[0]
    assert "another" in (await reasons_of(store, INCIDENT, None)).lines[0]


async def test_nothing_known__says_as_much_as_there_is() -> None:
    assert await reasons_of(await log(), None, None) == Reasons()
    assert await reasons_of(await log(), INCIDENT, None) == Reasons((f"incident {INCIDENT}",))
    assert await reasons_of(await log(decision(verdict=None)), INCIDENT, None) == Reasons((f"incident {INCIDENT}",))


async def test_chart__the_signal_of_that_market__within_its_time() -> None:
    inside = [AT_MS - CHART_BEFORE_MS, AT_MS, AT_MS + CHART_AFTER_MS - 1]
    outside = [AT_MS - CHART_BEFORE_MS - 1, AT_MS + CHART_AFTER_MS]
    ticks = [tick(at) for at in sorted(inside + outside)]
    found = await reasons_of(
        await log(*ticks, tick(AT_MS, "9", "BTC-PERP"), tick(AT_MS, "NaN"), decision()), INCIDENT, None
    )
    assert found.chart is not None
    assert [(point.at_ms, point.value) for point in found.chart.points] == [(at, "0.01") for at in inside]
    assert (found.chart.title, found.chart.threshold) == ("divergence of ETH-PERP", "0.02")


async def test_chart__many_ticks__thinned_out_and_threshold_only_where_it_is_a_number() -> None:
    ticks = [tick(AT_MS - 1_000 * n) for n in range(300, 0, -1)]
    store = await log(*ticks, decision(verdict=VERDICT | {"threshold": "none"}))
    found = await reasons_of(store, INCIDENT, None)
    assert found.chart is not None
    assert 2 <= len(found.chart.points) <= MOST_POINTS
    assert found.chart.threshold is None


@pytest.mark.parametrize("points", [0, 1])
async def test_chart__too_few_points__none(points: int) -> None:
    assert (await reasons_of(await log(*[tick(AT_MS)] * points, decision()), INCIDENT, None)).chart is None


@pytest.mark.parametrize(
    ("found", "text"),
    [("0.0666666666", "0.0666667"), (5, "5"), ("1e-7", "0.0000001"), ("1234567.8", "1234570"), ("NaN", "NaN"), (None, "None")],
)  # fmt: skip
def test_number__six_digits_and_no_exponent(found: Any, text: str) -> None:
    assert number(found) == text
