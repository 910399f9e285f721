"""The signal against its threshold, as coordinates for an inline SVG: no script, no picture file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Final

from keeper.app.council.matter import Chart
from keeper.app.pages.wording import iso

WIDTH: Final = 640
HEIGHT: Final = 300
LEFT_MIN: Final = 60
DIGIT: Final = 14
"""How wide a digit is where letters are largest: on a narrow screen the picture shrinks, and they do not."""
GAP: Final = 8
RIGHT: Final = 16
TOP: Final = 44
BOTTOM: Final = 66
EVENT_RADIUS: Final = 15
EVENT_ROW: Final = 2 * EVENT_RADIUS + 4
TITLE_BOTTOM: Final = 28
POINTS_MAX: Final = 240
"""More points than that are not told apart on a screen; of each bucket the lowest and the highest stay."""
_TICKS: Final = 4
_FARTHEST: Final = 60
"""Decimal exponents beyond are nobody's signal: left out, before they make numbers of a million digits."""

Sample = tuple[int, Decimal]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis, in units of the picture, and its label."""

    at: str
    label: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as a numbered upright line."""

    at: str
    height: int
    """Of its number: above the plot, so that none covers the line."""
    number: int
    label: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything the template draws. ``lines`` are SVG point lists (a value that is no number breaks the line); ``threshold`` a height."""

    title: str
    left: int
    """Where the axis of the values stands: their labels are as long as they are."""
    lines: tuple[str, ...]
    threshold: Mark | None
    heights: tuple[Mark, ...]
    times: tuple[Mark, ...]
    time_label: str
    last: tuple[str, str, str]
    """x, y and value of the newest point."""
    words: str
    """The same for those who do not see it."""
    events: tuple[Event, ...] = ()
    band: int = 0
    """How much higher the picture is for the numbers of its events, between title and plot."""
    radius: int = EVENT_RADIUS


def picture(chart: Chart, events: Sequence[tuple[int, str]] = ()) -> Picture | None:
    """None where there are not two points to draw. ``events`` are times in ms with what happened then; those outside of the picture are left out."""
    runs = _thinned(_runs(chart))
    samples = [sample for run in runs for sample in run]
    if len(samples) < 2 or samples[0][0] >= samples[-1][0]:
        return None
    threshold = _number(chart.threshold)
    values = [value for _, value in samples] + ([threshold] if threshold is not None else [])
    ticks = _ticks(min(values), max(values))
    left = max(LEFT_MIN, 2 * GAP + DIGIT * max(len(_short(tick)) for tick in ticks))
    first_ms, last_ms = samples[0][0], samples[-1][0]

    def across(at_ms: int) -> str:
        return _place(left + Decimal((WIDTH - left - RIGHT) * (at_ms - first_ms)) / (last_ms - first_ms))

    def height(value: Decimal) -> str:
        share = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return _place(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))

    newest = samples[-1]
    marks, band = _events([each for each in events if first_ms <= each[0] <= last_ms], across)
    days = iso(first_ms)[:10], iso(last_ms)[:10]
    clock = slice(11, 19) if days[0] == days[1] else slice(5, 16)
    return Picture(
        title=chart.title,
        left=left,
        lines=tuple(" ".join(f"{across(at)},{height(value)}" for at, value in run) for run in runs),
        threshold=None if threshold is None else Mark(height(threshold), f"threshold {_short(threshold)}"),
        heights=tuple(Mark(height(tick), _short(tick)) for tick in ticks),
        times=tuple(
            Mark(across(at), iso(at)[clock].replace("T", " ")) for at in (first_ms, (first_ms + last_ms) // 2, last_ms)
        ),
        time_label=f"time (UTC), {days[0]}" if days[0] == days[1] else f"time (UTC), {days[0]} to {days[1]}",
        last=(across(newest[0]), height(newest[1]), _short(newest[1])),
        words=_words(samples, threshold),
        events=marks,
        band=band,
    )


def _events(events: Sequence[tuple[int, str]], across: Callable[[int], str]) -> tuple[tuple[Event, ...], int]:
    """In the order of time, and how high the band of their numbers is: one that would cover the number before it stands a row lower."""
    places = [(across(at_ms), at_ms, label) for at_ms, label in sorted(events)]
    rows: list[int] = []
    for number, (at, _, _) in enumerate(places):
        near = number > 0 and Decimal(at) - Decimal(places[number - 1][0]) < EVENT_ROW
        rows.append(rows[-1] + 1 if near else 0)
    band = EVENT_ROW * (max(rows) + 1) if rows else 0
    first = TITLE_BOTTOM - band + EVENT_RADIUS
    marks = (
        Event(at, first + EVENT_ROW * row, number, label, at_ms)
        for number, ((at, at_ms, label), row) in enumerate(zip(places, rows, strict=True), 1)
    )
    return tuple(marks), band


def _words(samples: Sequence[Sample], threshold: Decimal | None) -> str:
    values = [value for _, value in samples]
    line = (
        f"From {_short(values[0])} to {_short(values[-1])}, lowest {_short(min(values))}, highest {_short(max(values))}"
    )
    return f"{line}; threshold {_short(threshold)}." if threshold is not None else f"{line}; no threshold is known."


def _number(text: str | None) -> Decimal | None:
    try:
        value = Decimal(text or "")
    except InvalidOperation:
        return None
    if not value.is_finite() or (value and abs(value.adjusted()) > _FARTHEST):
        return None
    return Decimal(
        f"{value:.12e}"
    )  # more digits are not seen, and would make differences that this arithmetic rounds to nothing


def _runs(chart: Chart) -> list[list[Sample]]:
    """Points in the order of time, cut where a value is no number."""
    runs: list[list[Sample]] = [[]]
    for point in sorted(chart.points, key=lambda point: point.at_ms):
        value = _number(point.value)
        if value is not None:
            runs[-1].append((point.at_ms, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _thinned(runs: list[list[Sample]]) -> list[list[Sample]]:
    total = sum(len(run) for run in runs)
    if total <= POINTS_MAX:
        return runs
    size = -(-total * 2 // POINTS_MAX)
    return [_extremes(run, size) for run in runs[-POINTS_MAX:]]


def _extremes(run: list[Sample], size: int) -> list[Sample]:
    kept: list[Sample] = []
    for at in range(0, len(run), size):
        bucket = run[at : at + size]
        pair = {min(bucket, key=lambda sample: sample[1]), max(bucket, key=lambda sample: sample[1])}
        kept += sorted(pair)
    return kept if run[-1] in kept else [*kept, run[-1]]


def _ticks(lowest: Decimal, highest: Decimal) -> list[Decimal]:
    """Round numbers from below the lowest to above the highest value."""
    if lowest == highest:
        lowest, highest = lowest - (abs(lowest) / 10 or 1), highest + (abs(highest) / 10 or 1)
    rough = (highest - lowest) / _TICKS
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = (lowest / step).to_integral_value(ROUND_FLOOR)
    last = (highest / step).to_integral_value(ROUND_CEILING)
    return [step * (first + count) for count in range(int(last - first) + 1)]


def _place(value: Decimal) -> str:
    return f"{value:.1f}"


def _short(value: Decimal) -> str:
    """Six digits, without an exponent where that is short."""
    rounded = value.normalize() if not value else Decimal(f"{value:.5e}").normalize()
    return f"{rounded:f}" if -5 <= rounded.adjusted() <= 8 else f"{rounded:.2e}"
