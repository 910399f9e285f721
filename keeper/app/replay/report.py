"""The page of a replay: the score, and for each market its prices with the trips in them. One file, nothing loaded from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape as escape_html
from pathlib import Path

import numpy as np

from keeper.app.replay.files import Data
from keeper.app.replay.run import Replay
from keeper.app.replay.scorecard import CONFIDENCE, Incident, Scorecard, rate
from keeper.engine.history import MarketRun, Track
from keeper.signals.bank import Floats, Ints

WIDTH, HEIGHT, LEFT, BOTTOM = 900, 200, 70, 22
POINTS = 450
"""Steps along the picture; each shows the lowest and the highest value in it, so that no print is lost."""
SHOWN_TRIPS = 200

STYLE = """
:root{color-scheme:light dark;--line:#0b6bcb;--trip:#c62828;--band:#f9a82533;--dim:#667;--rule:#8884}
@media(prefers-color-scheme:dark){:root{--line:#6cb6ff;--trip:#ff8a80;--dim:#9aa}}
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:60rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--rule)}
td{font-variant-numeric:tabular-nums}svg{width:100%;min-width:40rem;height:auto}svg text{font-size:11px;fill:var(--dim)}
td,h1,h2,figcaption{overflow-wrap:anywhere}td{min-width:4rem}figure{margin:1rem 0}.wide{overflow-x:auto}.bad{color:var(--trip)}.dim{color:var(--dim)}
"""


def escape(text: str) -> str:
    """Text that can be nothing but text, whatever it is made of; control characters visible."""
    return escape_html("".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text))


def write_report(
    file: Path, config: str, data: Data, done: Replay, card: Scorecard | None, sources: dict[str, tuple[str, ...]]
) -> None:
    """Writes the page. ``sources`` are the names of those behind each market. Raises OSError when the file cannot be written."""
    incidents = [one.incident for one in card.detections] if card else []
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Replay of {escape(config)}</title><style>{STYLE}</style>",
        f"<h1>Replay of {escape(config)}</h1>",
        f"<p>{data.rows:,} rows, {_time(done.first_ms)} to {_time(done.last_ms)} UTC, {len(done.ticks.at_ms):,} ticks.</p>",
    ]
    if done.silent:
        parts.append(f"<p class=bad>No data for: {escape(', '.join(done.silent))}.</p>")
    if card is not None:
        parts.append(_card(card))
    for run in done.runs:
        own = [one for one in incidents if one.market == run.market]
        parts.append(_market(run, done, sources.get(run.market, ()), own))
    file.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _card(card: Scorecard) -> str:
    rows = []
    for one in card.detections:
        found = (
            f"<td class=bad colspan=2>not detected{'' if one.covered else ': the data do not reach there'}"
            if one.trip is None
            else (f"<td>{(one.trip.at_ms - one.incident.onset_ms) / 60_000:.1f} min<td>{escape(one.trip.rule)}")
        )
        name, market = escape(one.incident.name), escape(one.incident.market)
        rows.append(f"<tr><td>{name}<td>{market}<td>{_time(one.incident.onset_ms)}{found}")
    told = f"{card.false_trips} false trips in {card.market_days:,.1f} market-days"
    if card.years > 0:
        value, low, high = rate(card.false_trips, card.years)
        told += f": {value:.3g} per market-year, {CONFIDENCE:.0%} interval {low:.3g} to {high:.3g}"
    return (
        f"<h2>Detected {card.detected} of {len(card.detections)}</h2><div class=wide><table>"
        f"<tr><th>incident<th>market<th>onset<th>delay<th>rule{''.join(rows)}</table></div><p>{told}.</p>"
    )


def _market(run: MarketRun, done: Replay, sources: Sequence[str], incidents: Sequence[Incident]) -> str:
    held = ", ".join(f"{reason} {count:,}" for reason, count in sorted(run.held.items()))
    rows = "".join(
        f"<tr><td>{_time(trip.at_ms)}<td>{escape(trip.rule)}<td>{escape(trip.signal)}<td>{trip.observed:.6g}<td>{trip.threshold:.6g}"
        f"<td>{'never' if trip.cleared_ms is None else _time(trip.cleared_ms)}"
        for trip in run.trips[:SHOWN_TRIPS]
    )
    table = f"<div class=wide><table><tr><th>tripped<th>rule<th>signal<th>observed<th>threshold<th>clear{rows}</table></div>"
    more = len(run.trips) - SHOWN_TRIPS
    return (
        f"<h2>{escape(run.market)}: {len(run.trips)} trips</h2>"
        + "".join(_picture(name, done.tracks[name], run, done, incidents) for name in sources if name in done.tracks)
        + (
            f"<p class=bad>Never judged, for want of data: {escape(', '.join(run.never_judged))}.</p>"
            if run.never_judged
            else ""
        )
        + (table if run.trips else "")
        + (f"<p class=dim>and {more} more</p>" if more > 0 else "")
        + (f"<p class=dim>Ticks at which a rule was held: {escape(held)}.</p>" if held else "")
    )


def _picture(name: str, track: Track, run: MarketRun, done: Replay, incidents: Sequence[Incident]) -> str:
    """Lowest and highest value along time, incidents as bands, trips as lines."""
    good = ~np.isnan(track.values)
    times, values = track.known_ms[good], track.values[good]
    if not len(values):
        return f"<p class=dim>{escape(name)}: no value</p>"
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * 0.05 or abs(high) * 0.01 or 1.0
    low, high = low - margin, high + margin
    span = max(1, done.last_ms - done.first_ms)

    def x(at_ms: float) -> float:
        return LEFT + (WIDTH - LEFT) * (at_ms - done.first_ms) / span

    def y(value: float) -> float:
        return (HEIGHT - BOTTOM) * (high - value) / (high - low)

    bands = "".join(
        f"<rect x={x(one.onset_ms):.1f} y=0 width={max(1.0, x(one.end_ms) - x(one.onset_ms)):.1f} height={HEIGHT - BOTTOM} fill='var(--band)'/>"
        for one in incidents
        if one.onset_ms <= done.last_ms and one.end_ms >= done.first_ms
    )
    trips = "".join(
        f"<line x1={x(trip.at_ms):.1f} x2={x(trip.at_ms):.1f} y1=0 y2={HEIGHT - BOTTOM} stroke='var(--trip)'><title>{escape(trip.rule)} "
        f"{_time(trip.at_ms)}</title></line>"
        for trip in run.trips[:SHOWN_TRIPS]
    )
    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in _thinned(times, values))
    marks = "".join(
        f"<text x={LEFT - 6} y={y(value) + 4:.1f} text-anchor=end>{value:.5g}</text>"
        for value in (low + margin, (low + high) / 2, high - margin)
    )
    ends = f"<text x={LEFT} y={HEIGHT - 4}>{_time(done.first_ms)}</text><text x={WIDTH} y={HEIGHT - 4} text-anchor=end>{_time(done.last_ms)}</text>"
    return (
        f"<figure><figcaption class=dim>{escape(name)}</figcaption><div class=wide><svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img "
        f"aria-label='{escape(name)} over time'>{bands}{trips}<polyline points='{path}' fill=none stroke='var(--line)'/>"
        f"{marks}{ends}</svg></div></figure>"
    )


def _thinned(times: Ints, values: Floats) -> list[tuple[float, float]]:
    """Not more than two points a step: the lowest and the highest in it, in their order."""
    size = math.ceil(len(times) / POINTS)
    if size <= 2:
        return list(zip(times.tolist(), values.tolist(), strict=True))
    found = []
    for first in range(0, len(times), size):
        here = values[first : first + size]
        for place in sorted({int(here.argmin()), int(here.argmax())}):
            found.append((float(times[first + place]), float(here[place])))
    return found


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
