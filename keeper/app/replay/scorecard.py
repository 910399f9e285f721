"""How good the rules were, held against labelled incidents.

An incident is detected by the first trip of its market within [onset, end]. A trip of a market outside all of its incidents is a false one. What is
counted against is the time outside the incidents, in market-years of 365.25 days, of each market from the first to the last row of its own
sources: a market without data proves nothing. A confidence interval of a count is the exact one of a Poisson distribution (Garwood 1936,
Fiducial Limits for the Poisson Distribution, Biometrika 28).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import yaml

from keeper.app.replay.columns import visible
from keeper.config.problems import nearest, shown
from keeper.domain.errors import ConfigurationError, Problem
from keeper.engine.history import MarketRun, Trip

YEAR_MS = 365.25 * 86_400_000
DAY_MS = 86_400_000
CONFIDENCE = 0.95
KEYS = ("name", "market", "onset", "end")
EXAMPLE = "incidents: [{name: depeg, market: USDC, onset: 2023-03-11T01:00:00Z, end: 2023-03-13T00:00:00Z}]"


@dataclass(frozen=True, slots=True)
class Incident:
    """What really happened to a market, from ``onset_ms`` to ``end_ms``, both included."""

    name: str
    market: str
    onset_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Detection:
    """``trip`` None: it was not detected. ``covered``: the data of the market reach into the incident."""

    incident: Incident
    trip: Trip | None
    covered: bool


@dataclass(frozen=True, slots=True)
class Scorecard:
    """``market_days`` is the time outside the incidents, over all markets."""

    detections: tuple[Detection, ...]
    false_trips: int
    market_days: float

    @property
    def detected(self) -> int:
        return sum(one.trip is not None for one in self.detections)

    @property
    def years(self) -> float:
        return self.market_days * DAY_MS / YEAR_MS


def read_labels(path: Path, markets: Sequence[str]) -> tuple[Incident, ...]:
    """The labels of a file. Raises ConfigurationError with all that is wrong."""
    told = visible(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _fail(told, f"cannot be read: {error.strerror or error}", "--labels names a YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a time such as the 45th of March
        raise _fail(told, f"is not YAML: {shown(' '.join(str(error).split()))}", EXAMPLE) from None
    given = document.get("incidents") if isinstance(document, dict) else None
    if not isinstance(given, list) or set(document) != {"incidents"}:
        raise _fail(told, "one key is needed: incidents, a list", EXAMPLE)
    problems: list[Problem] = []
    found = [_incident(f"{told} incidents[{place}]", one, markets, problems) for place, one in enumerate(given)]
    if problems:
        raise ConfigurationError(tuple(problems), remedy="mend the labels")
    return tuple(one for one in found if one is not None)


def _fail(path: str, message: str, hint: str) -> ConfigurationError:
    return ConfigurationError((Problem(path, None, "", message, hint),), remedy="mend the labels")


def _incident(path: str, given: object, markets: Sequence[str], problems: list[Problem]) -> Incident | None:
    before = len(problems)
    if not isinstance(given, dict) or set(given) != set(KEYS):
        problems.append(Problem(path, None, shown(str(given)), "an incident has: " + ", ".join(KEYS), EXAMPLE))
        return None
    times = {key: _time_ms(f"{path}.{key}", given[key], problems) for key in ("onset", "end")}
    if not isinstance(given["name"], str) or not given["name"].strip():
        problems.append(Problem(f"{path}.name", None, shown(str(given["name"])), "a name is a text", EXAMPLE))
    if given["market"] not in markets:
        message, found = "the configuration has no such market", str(given["market"])
        problems.append(Problem(f"{path}.market", None, shown(found), message, nearest(found, markets)))
    if len(problems) == before and times["end"] < times["onset"]:
        problems.append(
            Problem(
                f"{path}.end",
                None,
                shown(str(given["end"])),
                "the end lies before the onset",
                "are the two the wrong way round?",
            )
        )
    return Incident(str(given["name"]), str(given["market"]), times["onset"], times["end"])


def _time_ms(path: str, given: object, problems: list[Problem]) -> int:
    try:
        if isinstance(given, datetime):
            moment = given
        elif isinstance(given, date):
            moment = datetime(given.year, given.month, given.day, tzinfo=UTC)
        else:
            moment = datetime.fromisoformat(str(given).strip())
    except ValueError:
        problems.append(Problem(path, None, shown(str(given)), "this is not a time", "2023-03-11T03:10:00Z"))
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def score(runs: Sequence[MarketRun], incidents: Sequence[Incident], spans: Mapping[str, tuple[int, int]]) -> Scorecard:
    """The trips of all markets, held against the incidents. ``spans`` are the first and the last time of each market that has data."""
    by_market = {run.market: run for run in runs}
    detections = []
    for incident in incidents:
        run = by_market.get(incident.market)
        inside = [trip for trip in run.trips if _in(trip, incident)] if run else []
        first_ms, last_ms = spans.get(incident.market, (incident.end_ms + 1, 0))
        covered = incident.onset_ms <= last_ms and first_ms <= incident.end_ms
        detections.append(Detection(incident, min(inside, key=lambda trip: trip.at_ms, default=None), covered))
    own: Mapping[str, list[Incident]] = {
        run.market: [one for one in incidents if one.market == run.market] for run in runs
    }
    false = sum(not any(_in(trip, one) for one in own[run.market]) for run in runs for trip in run.trips)
    quiet_ms = sum(last - first - _covered(own[market], first, last) for market, (first, last) in spans.items())
    return Scorecard(tuple(detections), false, quiet_ms / DAY_MS)


def _in(trip: Trip, incident: Incident) -> bool:
    return incident.onset_ms <= trip.at_ms <= incident.end_ms


def _covered(incidents: Sequence[Incident], first_ms: int, last_ms: int) -> int:
    """How much of the time lies within incidents, what overlaps counted once."""
    covered, until = 0, first_ms
    for one in sorted(incidents, key=lambda each: each.onset_ms):
        begin, end = max(one.onset_ms, until), min(one.end_ms, last_ms)
        if end > begin:
            covered += end - begin
            until = end
    return covered


@cache
def rate(count: int, years: float) -> tuple[float, float, float]:
    """(events per year, lower and upper bound); infinite without any time."""
    if years <= 0:
        return math.nan if count == 0 else math.inf, 0.0, math.inf
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if count == 0 else _solve(lambda mean: 1 - _at_most(count - 1, mean), tail, count)
    high = _solve(lambda mean: 1 - _at_most(count, mean), 1 - tail, count)
    return count / years, low / years, high / years


def _at_most(count: int, mean: float) -> float:
    """The probability of at most so many events of a Poisson distribution."""
    terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)) if mean > 0 else (0.0,)
    return math.fsum(math.exp(term) for term in terms)


def _solve(rising: Callable[[float], float], wanted: float, count: int) -> float:
    """Where a rising function of the mean takes this value, to the last digits."""
    low, high = 0.0, 10.0 + 4 * count
    while low < (middle := (low + high) / 2) < high:
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return low
