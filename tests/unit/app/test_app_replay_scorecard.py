"""Labels and the score: what is refused, what counts as detected or false, and exact intervals against known values."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from keeper.app.replay.scorecard import DAY_MS, YEAR_MS, Incident, rate, read_labels, score
from keeper.domain.errors import ConfigurationError, Problem
from keeper.engine.history import MarketRun, Trip

pytestmark = pytest.mark.unit

GOOD = "{name: depeg, market: USDC, onset: 2023-03-11T01:00:00Z, end: 2023-03-13T00:00:00Z}"


def labels(folder: Path, text: str | bytes) -> tuple[Incident, ...]:
    path = folder / "labels.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_labels(path, ("USDC", "DAI"))


def wrong(folder: Path, text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        labels(folder, text)
    return caught.value.problems


# -- labels -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "onset",
    ["2023-03-11T01:00:00Z", "2023-03-11 01:00:00", "'2023-03-11T01:00:00'", "2023-03-11T03:00:00+02:00"],
)
def test_labels__times_in_each_writing__are_utc(tmp_path: Path, onset: str) -> None:
    found = labels(tmp_path, f"incidents: [{{name: a, market: USDC, onset: {onset}, end: 2023-03-13}}]")
    assert found == (Incident("a", "USDC", 1_678_496_400_000, 1_678_665_600_000),)


def test_labels__none__is_fine(tmp_path: Path) -> None:
    assert labels(tmp_path, "incidents: []") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just text",
        "incidents: {}",
        "incident: []",
        f"incidents: [{GOOD}]\nmore: 1",
        "incidents: [",
        "\tincidents: []",
        "incidents: [{name: a, market: USDC, onset: 2023-13-45, end: 2023-03-13}]",
        b"\xff\xfe\x00",
        "[" * 5000,
    ],
)
def test_labels__no_list_of_incidents__is_an_error_with_an_example(tmp_path: Path, text: str | bytes) -> None:
    problems = wrong(tmp_path, text)
    assert len(problems) == 1
    assert problems[0].hint.startswith("incidents: [{name: ")


def test_labels__not_there__says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_labels(tmp_path, ())
    assert "cannot be read: Is a directory" in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("one", "place"),
    [
        ("{name: a, market: USDC, onset: 2023-03-11}", "incidents[1]"),
        (GOOD.replace("}", ", severity: high}"), "incidents[1]"),
        ("text", "incidents[1]"),
        ("null", "incidents[1]"),
        (GOOD.replace("depeg", "null"), "incidents[1].name"),
        (GOOD.replace("depeg", "''"), "incidents[1].name"),
        (GOOD.replace("market: USDC", "market: USDT"), "incidents[1].market"),
        (GOOD.replace("market: USDC", "market: [USDC]"), "incidents[1].market"),
        (GOOD.replace("2023-03-11T01:00:00Z", "soon"), "incidents[1].onset"),
        (GOOD.replace("2023-03-11T01:00:00Z", "1678496400"), "incidents[1].onset"),
        (GOOD.replace("2023-03-11T01:00:00Z", "null"), "incidents[1].onset"),
        (GOOD.replace("2023-03-13T00:00:00Z", "2023-03-11T00:59:59Z"), "incidents[1].end"),
    ],
)
def test_labels__mistake__is_told_with_its_place(tmp_path: Path, one: str, place: str) -> None:
    problems = wrong(tmp_path, f"incidents:\n  - {GOOD}\n  - {one}\n")
    assert [problem.path.rpartition(" ")[2] for problem in problems] == [place]


def test_labels__all_mistakes__are_told_at_once(tmp_path: Path) -> None:
    problems = wrong(
        tmp_path, 'incidents: [{}, {name: 1, market: X, onset: y, end: z}, "\x1b[31m"]'.replace("\x1b", "\\e")
    )
    assert len(problems) == 6
    assert all(problem.found.isprintable() for problem in problems)


def test_labels__market_nearly_right__is_suggested(tmp_path: Path) -> None:
    problem = wrong(tmp_path, f"incidents: [{GOOD.replace('market: USDC', 'market: usdc')}]")[0]
    assert problem.hint == "did you mean USDC?"


# -- score ------------------------------------------------------------------------------------------------------------------


def run(*at_ms: int, market: str = "USDC") -> MarketRun:
    return MarketRun(market, trips=[Trip("rule", at, "signal", 2.0, 1.0) for at in at_ms])


INCIDENT = Incident("depeg", "USDC", 1_000, 2_000)


@pytest.mark.parametrize(("at_ms", "detected", "false"), [(999, 0, 1), (1_000, 1, 0), (2_000, 1, 0), (2_001, 0, 1)])
def test_score__trip_at_the_edges_of_an_incident__both_sides(at_ms: int, detected: int, false: int) -> None:
    card = score([run(at_ms)], [INCIDENT], {"USDC": (0, 10_000)})
    assert (card.detected, card.false_trips) == (detected, false)


def test_score__several_trips__the_first_within_detects() -> None:
    card = score([run(10, 1_500, 1_200, 5_000)], [INCIDENT], {"USDC": (0, 10_000)})
    trip = card.detections[0].trip
    assert trip is not None
    assert trip.at_ms == 1_200
    assert card.false_trips == 2


def test_score__trip_of_another_market__neither_detects_nor_excuses() -> None:
    card = score([run(), run(1_500, market="DAI")], [INCIDENT], {"USDC": (0, 10_000), "DAI": (0, 10_000)})
    assert (card.detected, card.false_trips) == (0, 1)


@pytest.mark.parametrize(
    ("incidents", "days"),
    [
        ([], 10.0),
        ([(2, 4)], 8.0),
        ([(2, 4), (3, 5)], 7.0),
        ([(3, 5), (2, 4)], 7.0),
        ([(2, 6), (3, 4)], 6.0),
        ([(2, 4), (4, 5)], 7.0),
        ([(-5, 2)], 8.0),
        ([(-5, -2)], 10.0),
        ([(8, 20)], 8.0),
        ([(12, 20)], 10.0),
        ([(-5, 20)], 0.0),
        ([(2, 2)], 10.0),
    ],
)
def test_score__time_outside_incidents__counts_what_overlaps_once(
    incidents: list[tuple[int, int]], days: float
) -> None:
    found = [Incident("x", "USDC", a * DAY_MS, b * DAY_MS) for a, b in incidents]
    assert score([run()], found, {"USDC": (0, 10 * DAY_MS)}).market_days == days


def test_score__market_without_data__adds_no_time() -> None:
    spans = {"USDC": (0, 10 * DAY_MS)}
    assert score([run(), run(market="DAI")], [], spans).market_days == 10
    assert score([run(), run(market="DAI")], [], spans | {"DAI": (0, 5 * DAY_MS)}).market_days == 15


@pytest.mark.parametrize(
    ("span", "covered"),
    [((0, 999), False), ((0, 1_000), True), ((2_000, 3_000), True), ((2_001, 3_000), False), (None, False)],
)
def test_score__incident_beyond_the_data__is_marked(span: tuple[int, int] | None, covered: bool) -> None:
    card = score([run()], [INCIDENT], {} if span is None else {"USDC": span})
    assert card.detections[0].covered is covered


# -- intervals ----------------------------------------------------------------------------------------------------------------

KNOWN = [(0, 0.0, 3.688879), (1, 0.025318, 5.571643), (2, 0.242209, 7.224688), (10, 4.795389, 18.390356)]
"""Exact 95 % limits of a Poisson mean, from the quantiles of chi squared (Garwood 1936)."""


@pytest.mark.parametrize(("count", "low", "high"), KNOWN)
def test_rate__known_counts__have_their_exact_limits(count: int, low: float, high: float) -> None:
    assert rate(count, 1.0) == pytest.approx((count, low, high), abs=1e-5)


@pytest.mark.parametrize("count", [*range(30), 100, 3_000])
def test_rate__each_limit__leaves_two_and_a_half_per_cent(count: int) -> None:
    """The definition: at the upper limit so few are that unlikely, at the lower one so many."""
    _, low, high = rate(count, 1.0)
    assert at_most(count, high) == pytest.approx(0.025, rel=1e-6)
    assert count == 0 or 1 - at_most(count - 1, low) == pytest.approx(0.025, rel=1e-6)
    assert low <= count <= high


def at_most(count: int, mean: float) -> float:
    """By summing up from the largest term, which neither over- nor underflows."""
    peak = min(count, int(mean))
    total = term = 1.0
    for k in range(peak + 1, count + 1):
        term *= mean / k
        total += term
    term = 1.0
    for k in range(peak, 0, -1):
        term *= k / mean
        total += term
    return total * math.exp(peak * math.log(mean) - mean - math.lgamma(peak + 1))


def test_rate__per_year__is_divided_by_the_years() -> None:
    assert rate(4, 2.0) == tuple(part / 2 for part in rate(4, 1.0))


def test_rate__no_time__says_nothing() -> None:
    value, low, high = rate(0, 0.0)
    assert math.isnan(value)
    assert (low, high) == (0.0, math.inf)
    assert rate(1, 0.0) == (math.inf, 0.0, math.inf)


def test_score__years__are_of_365_and_a_quarter_days() -> None:
    assert score([run()], [], {"USDC": (0, int(YEAR_MS))}).years == pytest.approx(1.0)
