"""Coordinates of the chart, and the words of times and amounts."""

from __future__ import annotations

import pytest

from keeper.app.council.matter import Chart, Point
from keeper.app.pages import wording
from keeper.app.pages.chart import (
    BOTTOM,
    DIGIT,
    EVENT_RADIUS,
    EVENT_ROW,
    HEIGHT,
    POINTS_MAX,
    RIGHT,
    TITLE_BOTTOM,
    TOP,
    WIDTH,
    picture,
)
from tests.support.council_matters import NOW_MS, chart

pytestmark = pytest.mark.unit


def of(*values: str, threshold: str | None = None) -> Chart:
    return Chart("x", tuple(Point(NOW_MS + 1000 * at, value) for at, value in enumerate(values)), threshold)


def test_picture__lowest_and_highest__lie_within_the_axes() -> None:
    drawn = picture(chart())
    assert drawn is not None
    places = [tuple(map(float, pair.split(","))) for line in drawn.lines for pair in line.split()]
    assert (places[0][0], places[-1][0]) == (drawn.left, WIDTH - RIGHT)
    assert all(TOP <= y <= HEIGHT - BOTTOM for _, y in places)
    assert [mark.label for mark in drawn.heights] == ["0", "0.01", "0.02", "0.03", "0.04"]
    assert drawn.threshold is not None
    assert drawn.threshold.at == drawn.heights[2].at
    assert drawn.words == "From 0.0012 to 0.0288, lowest 0.0011, highest 0.0313; threshold 0.02."


@pytest.mark.parametrize("values", [("0.00011", "0.00024"), ("123456789", "123456799"), ("-1e-9", "2e-9"), ("1", "2")])
def test_picture__labels_of_any_length__have_room_beside_the_axis(values: tuple[str, ...]) -> None:
    drawn = picture(of(*values))
    assert drawn is not None
    assert all(DIGIT * len(mark.label) < drawn.left for mark in drawn.heights)
    assert drawn.left < WIDTH / 3


def test_picture__a_value_that_is_none__breaks_the_line() -> None:
    drawn = picture(of("1", "2", "nan", "3", "4"))
    assert drawn is not None
    assert [line.count(",") for line in drawn.lines] == [2, 2]


@pytest.mark.parametrize("values", [(), ("1",), ("nan", "nan"), ("", "x"), ("Infinity", "1")])
def test_picture__without_two_values__is_none(values: tuple[str, ...]) -> None:
    assert picture(of(*values)) is None


def test_picture__of_one_moment__is_none() -> None:
    assert picture(Chart("x", (Point(5, "1"), Point(5, "2")), None)) is None


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (("0", "0"), ["-1", "-0.5", "0", "0.5", "1"]),
        (("5", "5"), ["4.5", "5", "5.5"]),
        (("1000000", "5000000"), ["1000000", "2000000", "3000000", "4000000", "5000000"]),
        (("1E+30", "5E+30"), ["1.00e+30", "2.00e+30", "3.00e+30", "4.00e+30", "5.00e+30"]),
    ],
)
def test_picture__its_axis__has_round_numbers(values: tuple[str, ...], labels: list[str]) -> None:
    drawn = picture(of(*values))
    assert drawn is not None
    assert [mark.label for mark in drawn.heights] == labels


def test_picture__values_that_differ_in_the_thirtieth_digit__are_drawn_flat() -> None:
    drawn = picture(of("123456789012345678901234567890.1", "123456789012345678901234567890.2", "1E-50", "-1E+50"))
    assert drawn is not None
    assert len(drawn.heights) >= 2
    flat = picture(of("123456789012345678901234567890.1", "123456789012345678901234567890.2"))
    assert flat is not None
    assert len(flat.heights) >= 2


def test_picture__values_that_are_nobodys__are_left_out() -> None:
    drawn = picture(of("1", "1E+1000000", "2", "1E-999999", threshold="1E+999999"))
    assert drawn is not None
    assert drawn.threshold is None
    assert "no threshold is known" in drawn.words


def test_picture__of_many_points__keeps_the_extremes_and_the_newest() -> None:
    values = ["1"] * 10_000
    values[4321], values[-1] = "99", "7"
    drawn = picture(of(*values))
    assert drawn is not None
    assert sum(line.count(",") for line in drawn.lines) <= POINTS_MAX + 1
    assert "highest 99" in drawn.words
    assert drawn.last[2] == "7"


def test_picture__of_many_gaps__is_small_all_the_same() -> None:
    drawn = picture(of(*["1", "nan"] * 5_000))
    assert drawn is not None
    assert len(drawn.lines) <= POINTS_MAX


def test_picture__over_days__writes_the_day_with_the_hour() -> None:
    drawn = picture(Chart("x", (Point(NOW_MS, "1"), Point(NOW_MS + 86_400_000, "2")), None))
    assert drawn is not None
    assert drawn.times[0].label == "11-21 04:50"
    assert drawn.time_label == "time (UTC), 2025-11-21 to 2025-11-22"


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (-1, "0 s"),
        (999, "0 s"),
        (1_000, "1 s"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (3_661_000, "1 h 1 min"),
        (90_061_000, "1 d 1 h"),
    ],
)
def test_lasting__a_duration__is_its_two_largest_units(ms: int, words: str) -> None:
    assert wording.lasting(ms) == words


@pytest.mark.parametrize(
    ("at_ms", "words"),
    [(NOW_MS, "now"), (NOW_MS - 999, "now"), (NOW_MS - 1_000, "1 s ago"), (NOW_MS + 60_000, "in 1 min")],
)
def test_ago__before_and_after_now__says_which(at_ms: int, words: str) -> None:
    assert wording.ago(at_ms, NOW_MS) == words


def test_times__that_no_calendar_holds__are_their_number() -> None:
    assert wording.utc_text(-5) == "-5 ms"
    assert wording.iso(10**18) == f"{10**18} ms"
    assert wording.utc_text(NOW_MS) == "2025-11-21 04:50:00 UTC"


@pytest.mark.parametrize(
    ("wei", "words"),
    [
        (0, "0"),
        (1, "0.000000000000000001 of the chain's coin (1 wei)"),
        (10**21, "1000 of the chain's coin (1000000000000000000000 wei)"),
    ],
)
def test_wei__in_words__are_exact(wei: int, words: str) -> None:
    assert wording.wei_text(wei) == words


def test_wei__the_largest_of_256_bits__is_exact() -> None:
    assert str((1 << 256) - 1) in wording.wei_text((1 << 256) - 1)
    assert wording.wei_text((1 << 256) - 1).startswith(str((1 << 256) - 1)[:-18] + ".")


def test_visible__what_does_not_print__is_replaced() -> None:
    assert (
        wording.visible("a\N{RIGHT-TO-LEFT OVERRIDE}b\x1b\nc")
        == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}\nc"
    )
    assert wording.visible(5) == 5


def test_clipped__at_and_above_the_limit__is_whole_and_cut() -> None:
    assert wording.clipped("x" * 400) == "x" * 400
    assert wording.clipped("x" * 401) == "x" * 400 + "… (401 characters; all of them stand in the calldata)"


@pytest.mark.parametrize(("apart_ms", "rows"), [(0, 3), (10, 3), (1_000, 1)])
def test_picture__numbers_of_events__lie_between_title_and_plot_and_cover_nothing(apart_ms: int, rows: int) -> None:
    events = [(NOW_MS + at * apart_ms, label) for at, label in enumerate(("tripped", "broadcast", "included"))]
    drawn = picture(of(*("1" * 4)), events)
    assert drawn is not None
    assert drawn.band == rows * EVENT_ROW
    places = [(float(one.at), one.height) for one in drawn.events]
    assert all(TITLE_BOTTOM - drawn.band <= y - EVENT_RADIUS and y + EVENT_RADIUS < TOP for _, y in places)
    for at, (x, y) in enumerate(places):
        assert all(
            abs(x - other) >= 2 * EVENT_RADIUS or abs(y - below) >= 2 * EVENT_RADIUS for other, below in places[:at]
        )


def test_picture__without_events__is_no_higher() -> None:
    drawn = picture(chart(), [(NOW_MS + 10**9, "long after")])
    assert drawn is not None
    assert (drawn.events, drawn.band) == ((), 0)


@pytest.mark.parametrize("at", [1_763_700_600_412, "2025-11-21T04:50:00.412Z"])
def test_times__for_people__are_whole_seconds_or_exact(at: int | str) -> None:
    assert wording.utc_text(at) == "2025-11-21 04:50:00 UTC"
    assert wording.exact_text(at) == "2025-11-21 04:50:00.412 UTC"


@pytest.mark.parametrize("text", ["", "soon", "2025-11-21T04:50:00Z", "<b>2025-11-21T04:50:00.412Z"])
def test_times__that_are_none__stay_as_they_are(text: str) -> None:
    assert wording.utc_text(text) == text
