"""``keeper replay``."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.cli.progress import Progress
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError
from keeper.domain.observation import Quality

if TYPE_CHECKING:
    from keeper.app.replay.files import Data
    from keeper.app.replay.run import Replay
    from keeper.app.replay.scorecard import Scorecard
    from keeper.engine.history import MarketRun, Trip

SHOWN_TRIPS = 20
"""At most so many trips of one market are printed for people; the document has all."""
LONG_GAP_DAYS = 7
"""So long without any row is said: a score that counts it as quiet says more than the data do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked on the command line."""

    config: str
    data: tuple[Path, ...]
    mapping: tuple[str, ...]
    labels: Path | None
    report: Path | None
    jobs: int | None
    sort: bool
    block_ms: int
    from_audit: bool


def run(output: Output, request: Request) -> int:
    """Reads the files, sweeps them, and prints what would have tripped; or decides again what a keeper recorded."""
    from keeper.app.compiled import forget_outdated

    forget_outdated()
    return _run_recorded(output, request) if request.from_audit else _run_files(output, request)


def _run_files(output: Output, request: Request) -> int:
    from keeper.app.replay.files import read
    from keeper.app.replay.mapping import places_of, strangers
    from keeper.app.replay.report import write_report
    from keeper.app.replay.run import replay
    from keeper.app.replay.scorecard import read_labels, score
    from keeper.config import load
    from keeper.config.model import ConstantSource, DerivedSource
    from keeper.engine import compile_engine
    from keeper.engine.groups import sources_behind

    config = load(request.config, offline=True)
    compile_engine(config.engine)  # says what is impossible before the files are read
    markets = [market.name for market in config.engine.markets]
    incidents = read_labels(request.labels, markets) if request.labels else ()
    if request.report:
        with _writing(request.report):  # a minute of work should not end in this
            new = not request.report.exists()
            request.report.open("a", encoding="utf-8").close()
            if new:
                request.report.unlink()
    progress = Progress(output)
    progress.say(f"reading {counted(len(request.data), 'file')} ...")
    data = read(request.data, sort=request.sort)
    places = places_of(config.sources, request.mapping, data.series)
    unused = strangers(places, data.series)
    made = {source.name for source in config.sources if isinstance(source, DerivedSource | ConstantSource)}
    done = replay(config, data, places, request.block_ms, request.jobs, progress.say)
    progress.end()
    card = score(done.runs, incidents, done.spans) if request.labels else None
    if request.report:
        behind = {market.name: sources_behind(config.engine, market) for market in config.engine.markets}
        with _writing(request.report):
            write_report(request.report, request.config, data, done, card, behind)
    output.document(document_of(data, done, card, unused))
    _tell(output, data, done, card, {name: _why_unused(name, made) for name in unused})
    return Exit.DONE


def _run_recorded(output: Output, request: Request) -> int:
    """FOUND when the same configuration resolves something else than is recorded, and when nothing is recorded."""
    from keeper.app.replay.recorded import rerun
    from keeper.config import load
    from keeper.engine import compile_engine

    config = load(request.config, offline=True)
    engine = compile_engine(config.engine)
    url = config.audit.url.reveal()
    if not log_exists(url):
        return say_so(output, request.config)
    begin = time.perf_counter()
    kept = config.audit.retention
    archive = Path(kept.archive) if kept is not None else None
    done = rerun(engine, url, tuple(market.name for market in config.engine.markets), archive)
    seconds = time.perf_counter() - begin
    if not done.configurations:  # nothing was recorded, so nothing was compared
        return say_so(output, request.config)
    same = done.configurations == {config.hash}
    output.document(
        {
            "rows": done.ticks,
            "from": iso(done.first_ms) if done.ticks else None,
            "to": iso(done.last_ms) if done.ticks else None,
            "seconds": round(seconds, 6),
            "ticks_per_second": round(done.ticks / seconds, 1) if seconds else None,
            "markets": _markets(done.runs),
            "scorecard": None,
            "recorded": {
                "same_configuration": same,
                "resolved": done.resolved,
                "without_tick": done.without_tick,
                "identical": not done.differences,
                "differences": [{"id": one.id, "recorded": one.recorded, "now": one.now} for one in done.differences],
            },
        }
    )
    output.say(f"{counted(done.ticks, 'recorded tick')} decided again in {seconds:.2f} s")
    for run in done.runs:
        _tell_market(output, run)
    output.say()
    if not same:
        output.say("recorded under another configuration than this one: what differs is what it changes", "yellow")
    if not done.differences:
        output.say(f"{done.resolved} decisions and incidents: all the same, byte for byte", "bold green")
    output.say(f"whether the log itself is whole, this does not say: keeper audit {request.config} verify")
    if done.without_tick:
        output.say(
            f"{done.without_tick} more were decided right before the keeper was killed: their tick was not recorded"
        )
    for one in done.differences[:SHOWN_TRIPS]:
        word = (
            "not resolved now"
            if one.now is None
            else "not recorded"
            if one.recorded is None
            else "resolved differently"
        )
        output.say(f"  {one.id}: {word}", "red")
    return Exit.FOUND if done.differences and same else Exit.DONE


@contextmanager
def _writing(report: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot write {report}: {error.strerror or error}"
        raise KeeperError(message, remedy="name another file for --report") from None


def document_of(data: Data, done: Replay, card: Scorecard | None, unused: Sequence[str]) -> dict[str, object]:
    """The answer for machines."""
    ticks = len(done.ticks.at_ms)
    return {
        "rows": data.rows,
        "repeated_rows": data.repeated,
        "from": iso(done.first_ms),
        "to": iso(done.last_ms),
        "ticks": ticks,
        "seconds": round(done.seconds, 6),
        "ticks_per_second": round(ticks * len(done.runs) / done.seconds, 1) if done.seconds else None,
        "sources_without_data": list(done.silent),
        "sources_short_of_venues": {
            name: {"has": has, "asks": asks} for name, (has, asks) in done.short_of_venues.items()
        },
        "sources_that_look_unscaled": list(done.unscaled),
        "bad_values": {
            name: {quality: {"count": count, "first": iso(at_ms)} for quality, (count, at_ms) in found.items()}
            for name, found in done.bad_values.items()
        },
        "longest_gap": {"from": iso(done.longest_gap[0]), "to": iso(done.longest_gap[1])},
        "series_not_used": list(unused),
        "markets": _markets(done.runs),
        "scorecard": None if card is None else _card(card),
    }


def _why_unused(name: str, made: Collection[str]) -> str:
    if name in made:
        return "that source is made of others, or a constant: give what it is made of"
    return f"no source has this name (--map SOURCE={name})"


def _markets(runs: Sequence[MarketRun]) -> dict[str, object]:
    return {
        run.market: {
            "trips": [_trip(trip) for trip in run.trips],
            "held": dict(sorted(run.held.items())),
            "never_judged": None if run.never_judged is None else list(run.never_judged),
        }
        for run in runs
    }


def _trip(trip: Trip) -> dict[str, object]:
    return {
        "rule": trip.rule,
        "at": iso(trip.at_ms),
        "signal": trip.signal,
        "observed": repr(trip.observed),
        "threshold": repr(trip.threshold),
        "cleared_at": None if trip.cleared_ms is None else iso(trip.cleared_ms),
    }


def _card(card: Scorecard) -> dict[str, object]:
    from keeper.app.replay.scorecard import CONFIDENCE, rate

    value, low, high = rate(card.false_trips, card.years)
    finite = card.years > 0
    return {
        "incidents": [
            {
                "name": one.incident.name,
                "market": one.incident.market,
                "onset": iso(one.incident.onset_ms),
                "tripped_at": None if one.trip is None else iso(one.trip.at_ms),
                "delay_s": None if one.trip is None else (one.trip.at_ms - one.incident.onset_ms) / 1000,
                "detected": one.trip is not None,
                "covered": one.covered,
                "rule": None if one.trip is None else one.trip.rule,
            }
            for one in card.detections
        ],
        "detected": card.detected,
        "of": len(card.detections),
        "false_trips": card.false_trips,
        "market_days": round(card.market_days, 4),
        "false_trips_per_market_year": {
            "value": value if finite else None,
            "low": low if finite else None,
            "high": high if finite else None,
            "confidence": CONFIDENCE,
        },
    }


def _tell(output: Output, data: Data, done: Replay, card: Scorecard | None, unused: Mapping[str, str]) -> None:
    """``unused`` are the series that became no source, and why."""
    from keeper.app.replay.scorecard import DAY_MS

    ticks = len(done.ticks.at_ms)
    span = f"{_short(done.first_ms)} to {_short(done.last_ms)}"
    repeated = f" ({data.repeated} of them said before)" if data.repeated else ""
    output.say(f"{counted(data.rows, 'row')}{repeated}, {span} UTC: {counted(ticks, 'tick')} in {done.seconds:.2f} s")
    for name in done.silent:
        output.say(f"no data for the source {name} (--map {name}=VENUE:SYMBOL)", "yellow")
    for name, (has, asks) in done.short_of_venues.items():
        told = f"{name}: data of {counted(has, 'venue')}, taken as enough; the configuration asks for {asks}, and live it would be missing"
        output.say(told, "yellow")
    for name in done.unscaled:
        output.say(f"{name}: whole numbers without a point: divided by 10^decimals, as a price is?", "yellow")
    for name, found in done.bad_values.items():
        if Quality.MALFORMED in found:
            count, at_ms = found[Quality.MALFORMED]
            output.say(f"{name}: {counted(count, 'value')} malformed, the first at {_short(at_ms)}", "yellow")
    since, until = done.longest_gap
    days = (until - since) // DAY_MS
    if days >= LONG_GAP_DAYS:
        output.say(f"no row from {_short(since)} to {_short(until)}: {days} days that count as quiet", "yellow")
    for name, why in unused.items():
        output.say(f"not used: the series {name}, because {why}", "yellow")
    for run in done.runs:
        _tell_market(output, run)
    if card is not None:
        _tell_card(output, card)


def _tell_market(output: Output, run: MarketRun) -> None:
    output.say()
    held = ", ".join(f"{reason} {count}" for reason, count in sorted(run.held.items()))
    output.say(f"{run.market}: {counted(len(run.trips), 'trip')}" + (f"; ticks held: {held}" if held else ""), "bold")
    if run.never_judged:
        output.say(f"  never judged, for want of data: {', '.join(run.never_judged)}", "yellow")
    for trip in run.trips[:SHOWN_TRIPS]:
        until = "never cleared" if trip.cleared_ms is None else f"clear {_short(trip.cleared_ms)}"
        values = f"{trip.signal} {trip.observed:.6g}, threshold {trip.threshold:.6g}"
        output.say(f"  {_short(trip.at_ms)}  {trip.rule}: {values}; {until}")
    if len(run.trips) > SHOWN_TRIPS:
        output.say(f"  ... and {len(run.trips) - SHOWN_TRIPS} more (--json prints all)")


def _tell_card(output: Output, card: Scorecard) -> None:
    from keeper.app.replay.scorecard import rate

    output.say()
    output.say(f"detected {card.detected} of {len(card.detections)}", "bold")
    for one in card.detections:
        if one.trip is None:
            why = "" if one.covered else ": the data do not reach there"
            output.say(f"  {one.incident.name} ({one.incident.market}): not detected{why}", "red")
        else:
            delay = (one.trip.at_ms - one.incident.onset_ms) / 60_000
            output.say(
                f"  {one.incident.name} ({one.incident.market}): {delay:.1f} min after onset, by {one.trip.rule}"
            )
    told = f"{counted(card.false_trips, 'false trip')} in {card.market_days:.1f} market-days"
    if card.years > 0:
        value, low, high = rate(card.false_trips, card.years)
        told += f": {value:.3g} per market-year, 95 % interval {low:.3g} to {high:.3g}"
    output.say(told)


def iso(at_ms: int) -> str:
    """ISO 8601 UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _short(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
