"""Draws one run of an example as SVG: what goes in above, what the signal says below, readable on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from keeper.domain.signal import SignalStatus
from keeper.domain.units import Unit
from scripts.signals_path import MINUTES, PHASES
from scripts.signals_run import Line, Run

WIDTH, HEIGHT = 720, 344
LEFT, RIGHT = 70, 708
ABOVE, BELOW = (38, 144), (184, 318)
"""Top and bottom of the two panels."""
INK, GRID = "#7d8590", "#7d859040"
COLORS = ("#2f81d8", "#d9822b", "#8a63d2", "#2e9e6b")
SIGNAL, LIMIT = "#2f81d8", "#d1434b"
TINTS = {"shock": "#d1434b1c", "gap": "#7d85902e"}
FACTORS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Scale:
    """From a value to a place between the top and the bottom of a panel; ``ticks`` are round numbers within it."""

    low: float
    high: float
    top: int
    bottom: int
    ticks: tuple[float, ...]

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - share * (self.bottom - self.top)


def picture(kind: str, run: Run) -> str:
    """The whole file."""
    into = _scale([value for line in run.inputs for value in line.values], run.inputs[0].unit, ABOVE)
    limit = float(run.threshold) if run.threshold is not None else None
    out = _scale([*run.value.values, *([limit] if limit is not None else [])], run.value.unit, BELOW)
    parts = [
        *_phases(),
        *_axis(into, run.inputs[0].unit),
        *_inputs(run.inputs, into),
        *_axis(out, run.value.unit),
        *_warming(run.value),
        *_beyond(run, limit),
        _curve(run.value, out, SIGNAL, 1.8),
        _text(LEFT, BELOW[0] - 8, f"{kind}: {run.value.name}", SIGNAL, weight="600"),
        *_limit(run, limit, out),
        *_hours(),
    ]
    body = "\n".join(f"  {part}" for part in parts if part)
    title = f"The signal {kind} in calm, in a shock, over a gap and in the recovery"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="11.5">\n'
        f"  <title>{title}</title>\n{body}\n</svg>\n"
    )


def _x(minute: float) -> float:
    return LEFT + (RIGHT - LEFT) * minute / (MINUTES - 1)


def _phases() -> Iterator[str]:
    for name, start, end in PHASES:
        if name in TINTS:
            for top, bottom in (ABOVE, BELOW):
                yield _box(start, end, top, bottom, TINTS[name])
        if name:
            yield _text((_x(start) + _x(end)) / 2, 13, name, INK, anchor="middle")


def _axis(scale: Scale, unit: Unit) -> Iterator[str]:
    for tick in scale.ticks:
        y = scale.y(tick)
        yield f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{GRID}"/>'
        yield _text(LEFT - 7, y + 4, shown(tick, unit, scale.ticks), INK, anchor="end")


def _inputs(lines: Sequence[Line], scale: Scale) -> Iterator[str]:
    at = float(LEFT)
    colored = list(zip(lines, COLORS, strict=False))
    for line, color in reversed(colored):  # the first is on top
        yield _curve(line, scale, color, 1.3)
    for line, color in colored:
        yield _text(at, ABOVE[0] - 7, line.name, color)
        at += 7 * len(line.name) + 12


def _warming(line: Line) -> Iterator[str]:
    """The time without enough data yet."""
    for start, end in _stretches(status is SignalStatus.WARMING for status in line.status):
        yield _box(start, end, *BELOW, "#7d859016")
        if end - start >= 45:
            yield _text((_x(start) + _x(end)) / 2, sum(BELOW) / 2 + 4, "warming up", INK, anchor="middle")


def _beyond(run: Run, limit: float | None) -> Iterator[str]:
    """A bar where the value is beyond its threshold."""
    if limit is not None:
        for start, end in _stretches((value > limit) if run.above else (value < limit) for value in run.value.values):
            yield _box(start, end, BELOW[1] - 4, BELOW[1], LIMIT)


def _limit(run: Run, limit: float | None, scale: Scale) -> Iterator[str]:
    if limit is None:
        return
    y = scale.y(limit)
    yield f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{LIMIT}" stroke-width="1.3" stroke-dasharray="5 4"/>'
    words = f"{'above' if run.above else 'below'} {shown(limit, run.value.unit, (limit,))}"
    yield _text(RIGHT, BELOW[0] - 8, words, LIMIT, anchor="end")


def _hours() -> Iterator[str]:
    for hour in range(MINUTES // 60 + 1):
        anchor = "end" if hour == MINUTES // 60 else "middle"
        yield _text(min(_x(hour * 60), RIGHT), BELOW[1] + 17, f"{hour} h", INK, anchor=anchor)


def _curve(line: Line, scale: Scale, color: str, width: float) -> str:
    steps, pen_up = [], True
    for minute, value in enumerate(line.values):
        if math.isnan(value):
            pen_up = True
            continue
        steps.append(f"{'M' if pen_up else 'L'}{_x(minute):.1f} {scale.y(value):.1f}")
        pen_up = False
    return f'<path d="{"".join(steps)}" fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round"/>'


def _stretches(flags: Iterable[bool]) -> Iterator[tuple[int, int]]:
    """(first minute, the one after the last) of each unbroken run of true ones."""
    start = None
    for minute, flag in enumerate((*flags, False)):
        if flag and start is None:
            start = minute
        elif not flag and start is not None:
            yield start, minute
            start = None


def _box(start: int, end: int, top: int, bottom: int, color: str) -> str:
    left, right = _x(start), min(_x(end), float(RIGHT))
    return f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="{bottom - top}" fill="{color}"/>'


def _text(x: float, y: float, words: str, color: str, anchor: str = "start", weight: str = "400") -> str:
    bold = f' font-weight="{weight}"' if weight != "400" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}"{bold}>{words}</text>'


def _scale(values: Sequence[float], unit: Unit, panel: tuple[int, int]) -> Scale:
    known = [value for value in values if not math.isnan(value)]
    low, high = min(known), max(known)
    room = (high - low or abs(high) or 1.0) * 0.06
    whole = 60.0 if unit is Unit.SECONDS else 1.0
    step = _round_step((high - low + 2 * room) / 3 / whole) * whole
    low, high = (low - room if low < -room or low > 4 * room else min(low, 0.0)), high + room
    first = math.ceil(low / step - 1e-9)
    ticks = [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
    return Scale(low, high, panel[0], panel[1], tuple(ticks))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.9)


def shown(value: float, unit: Unit, among: Sequence[float]) -> str:
    """The number as people read it, with as many digits as tell the numbers ``among`` apart."""
    if unit in (Unit.RATIO, Unit.VOLATILITY):
        return _plain(value * 100, [one * 100 for one in among]) + "%"
    if unit is Unit.SECONDS:
        return f"{value / 60:.0f}m"
    largest = max(map(abs, among)) if unit is Unit.AMOUNT else 0.0
    factor, letter = next(((factor, letter) for factor, letter in FACTORS if largest >= factor), (1.0, ""))
    return _plain(value / factor, [one / factor for one in among]) + letter


def _plain(value: float, among: Sequence[float]) -> str:
    digits = next((n for n in range(6) if all(math.isclose(round(one, n), one, abs_tol=1e-9) for one in among)), 6)
    return f"{value + 0.0:.{digits}f}"
