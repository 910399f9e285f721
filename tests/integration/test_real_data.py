"""The shipped presets on what the markets really did, through the replay, as ``keeper init`` writes them.

The data are not part of the repository; without them these tests are skipped. Nothing in a preset may be fitted to them: a number
that has to be changed for a test here needs a reason that would hold elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from keeper.app.replay.files import Data, Place, Series, read
from keeper.app.replay.mapping import places_of
from keeper.app.replay.run import Replay, replay
from keeper.app.replay.scorecard import Incident, Scorecard, score
from keeper.config import Config, loads
from keeper.config.model import ExchangeSource
from keeper.config.template import template
from keeper.domain.observation import Quality
from keeper.engine.history import QUALITIES, Trip

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not DATA.is_dir(),
        reason=f"NOT CHECKED ON REAL DATA: there is no folder {DATA.parent.name}/{DATA.name} beside the repository",
    ),
]

BEFORE = "control_2023-03-01_09_1m_multivenue.csv.gz"
RUN = "usdc_depeg_2023-03-10_13_1m.csv.gz"
AFTER = "control_2023-03-14_21_1m_multivenue.csv.gz"
ROUNDS = "chainlink_stablecoin_rounds_2021_2022.csv.gz"
MARCH_2020 = "mar2020_crash_5m.csv"
RESTLESS, MAY_2021 = "control_2021-04-20_05-16_1m.csv.gz", "may2021_crash_1m.csv.gz"
CALM_PERP = "control_2025-05_1m_perp.csv.gz"

BLOCK_MS = 12_000
MONTHS_A_YEAR = 12
PRINT = datetime(2023, 3, 3, 1, 48, tzinfo=UTC)
"""The end of the bar in which 212 USDC were traded at 0.8997 on Binance.US."""
KRAKEN_BELOW = datetime(2023, 3, 11, 3, 10, tzinfo=UTC)
"""Kraken's first bar that closes below 0.99."""
VENUES = ("kraken", "coinbase", "binance_us", "bybit", "cryptocom")
LONG = 366 * 86_400_000


def preset(name: str, *edits: tuple[str, str]) -> Config:
    text = template(name)[0]
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return loads(text.encode(), folder=Path("/somewhere"), environ={}, offline=True)


def files(*names: str) -> Data:
    return read([DATA / name for name in names])


def ran(config: Config, data: Data, *mapping: str) -> Replay:
    places = places_of(config.sources, mapping, data.series)
    return replay(config, data, places, BLOCK_MS, 1, lambda _: None)


def trips(done: Replay, market: str, rule: str = "") -> list[Trip]:
    run = next(run for run in done.runs if run.market == market)
    return [trip for trip in run.trips if rule in ("", trip.rule)]


def times(found: Sequence[Trip]) -> list[datetime]:
    return [datetime.fromtimestamp(trip.at_ms / 1000, UTC) for trip in found]


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type, misc]


def scored(done: Replay, *incidents: Incident) -> Scorecard:
    return score(done.runs, incidents, done.spans)


def told_by(data: Data, venue: str, says: Callable[[Series], Series]) -> Data:
    """The same data, in which one venue says something else on all that it trades, on its real volume."""
    series = {place: says(one) if place[0] == venue else one for place, one in data.series.items()}
    return Data(series, data.rows, data.repeated)


def only(data: Data, *places: Place) -> Data:
    return Data({place: data.series[place] for place in places}, data.rows, data.repeated)


def part(data: Data, days: int) -> Data:
    """The first days of it."""
    end_ms = min(int(one.known_ms[0]) for one in data.series.values()) + days * 86_400_000

    def cut(one: Series) -> Series:
        keep = one.known_ms <= end_ms
        return Series(one.known_ms[keep], one.values[keep], None if one.volumes is None else one.volumes[keep])

    return Data({place: cut(one) for place, one in data.series.items()}, data.rows, data.repeated)


def unguarded(config: Config) -> Config:
    """The same configuration whose venues are believed whatever is traded there."""
    sources = tuple(
        changed(one, min_volume=None, max_age_ms=LONG) if isinstance(one, ExchangeSource) else one
        for one in config.sources
    )
    return changed(config, sources=sources)


@pytest.fixture(scope="module")
def before() -> Data:
    return files(BEFORE)


@pytest.fixture(scope="module")
def run() -> Data:
    return files(RUN)


def test_quiet_days__with_the_peg_preset__neither_trips(before: Data) -> None:
    done = ran(preset("stablecoin-peg"), before)
    assert [run.trips for run in done.runs] == [[], []]
    track = done.tracks["usdc-usdt"]
    said = int(np.searchsorted(track.known_ms, int(PRINT.timestamp()) * 1000))
    assert track.values[said] == 0.8997, "the print was there"
    assert QUALITIES[track.quality[said]] is Quality.THIN, "and told as what it is"


def test_quiet_days__a_rule_on_one_venue_without_guards__trips_on_the_thin_print(before: Data) -> None:
    """The other side: what the guards are for."""
    direct = "direct: {kind: peg-deviation, of: usdc-direct,"
    config = unguarded(preset("stablecoin-peg", (direct, direct.replace("usdc-direct", "usdc-usdt"))))
    first = times(trips(ran(config, before), "USDC-VAULT", "direct-depeg"))[0]
    assert PRINT < first < PRINT.replace(hour=2), first


def test_quiet_days__venues_believed_whatever_they_trade__two_ways_of_three_are_enough(before: Data) -> None:
    assert trips(ran(unguarded(preset("stablecoin-peg")), before), "USDC-VAULT") == []


def test_run_of_11_march__with_the_peg_preset__trips_within_15_minutes_of_kraken(run: Data) -> None:
    done = ran(preset("stablecoin-peg"), run)
    for rule in ("depeg", "direct-depeg"):
        found = times(trips(done, "USDC-VAULT", rule))
        assert len(found) == 1, "once: a run goes on for days"
        assert datetime(2023, 3, 11, tzinfo=UTC) < found[0] <= KRAKEN_BELOW + timedelta(minutes=15), found
    assert trips(done, "USDT-VAULT") == [], "USDT stood above its peg"


def test_three_weeks__in_one_go__one_incident_that_ends(before: Data, run: Data) -> None:
    """The peg was still 10 to 50 bp off after it: no second trip, and not tripped for ever."""
    done = ran(preset("stablecoin-peg"), files(BEFORE, RUN, AFTER))
    found = trips(done, "USDC-VAULT")
    assert sorted(trip.rule for trip in found) == ["depeg", "direct-depeg"]
    assert all(trip.cleared_ms and ms(2023, 3, 13) < trip.cleared_ms < ms(2023, 3, 16) for trip in found)
    assert trips(done, "USDT-VAULT") == []


def test_aftermath__by_itself__is_quiet() -> None:
    done = ran(preset("stablecoin-peg"), files(AFTER))
    assert [run.trips for run in done.runs] == [[], []]


@pytest.mark.parametrize("venue", VENUES)
def test_run_of_11_march__one_venue_says_all_is_well__trips_all_the_same(run: Data, venue: str) -> None:
    """No single liar can hide it: one venue repeats its prices of the evening before."""
    calm = told_by(run, venue, lambda one: changed(one, values=np.full_like(one.values, one.values[0])))
    found = times(trips(ran(preset("stablecoin-peg"), calm), "USDC-VAULT"))
    assert found
    assert found[0] < datetime(2023, 3, 11, 7, 15, tzinfo=UTC), "before the worst of it"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("factor", [0.985, 0.9, 1_000_000.0])
def test_quiet_days__one_venue_lies_on_real_volume__no_trip(before: Data, venue: str, factor: float) -> None:
    """No single liar can fake it: not by a little, not by ten per cent, not by a wrong decimal."""
    lying = told_by(part(before, 2), venue, lambda one: changed(one, values=one.values * factor))
    done = ran(preset("stablecoin-peg"), lying)
    assert trips(done, "USDC-VAULT", "depeg") == trips(done, "USDT-VAULT", "depeg") == []
    if venue != "kraken":  # the only dollar venue in the file: live it takes two
        assert [run.trips for run in done.runs] == [[], []]


def test_run_of_11_march__with_one_dollar_venue_in_the_file__trips(before: Data, run: Data) -> None:
    config = preset("stablecoin-peg")
    alone = times(trips(ran(config, only(run, ("kraken", "USDCUSD"))), "USDC-VAULT"))
    assert len(alone) == 1
    assert alone[0] <= KRAKEN_BELOW + timedelta(minutes=15)
    assert trips(ran(config, only(before, ("kraken", "USDCUSD"))), "USDC-VAULT") == []


def test_may_and_november_2022__by_the_oracle_alone__usdt_trips_and_usdc_does_not() -> None:
    mapping = ("usdt-oracle=chainlink_mainnet:USDT/USD", "usdc-oracle=chainlink_mainnet:USDC/USD")
    done = ran(preset("stablecoin-peg"), files(ROUNDS), *mapping)
    found = times(trips(done, "USDT-VAULT"))
    assert [one.date().isoformat() for one in found] == ["2022-05-12", "2022-11-10"]
    assert found[0] < datetime(2022, 5, 12, 6, 40, tzinfo=UTC), "an hour before the lowest"
    assert trips(done, "USDC-VAULT") == []


# The bars in which the fall from the highest close of the last 60 minutes reaches 10 %: the market, the file, when that bar ends, and the day of it.
CRASHES = [
    ("BTC-PERP", MARCH_2020, ms(2020, 3, 12, 10, 45), ms(2020, 3, 12)),
    ("ETH-PERP", MARCH_2020, ms(2020, 3, 12, 10, 45), ms(2020, 3, 12)),
    ("BTC-PERP", MAY_2021, ms(2021, 5, 19, 12, 51), ms(2021, 5, 19)),
    ("ETH-PERP", MAY_2021, ms(2021, 5, 19, 11, 31), ms(2021, 5, 19)),
]
IN_MAY = [
    Incident("19 May", "BTC-PERP", ms(2021, 5, 19, 11), ms(2021, 5, 20)),
    Incident("19 May", "ETH-PERP", ms(2021, 5, 19, 11), ms(2021, 5, 20)),
]


@pytest.fixture(scope="module")
def crashes() -> Mapping[str, Replay]:
    return {name: ran(preset("major-perp"), files(name)) for name in (MARCH_2020, MAY_2021)}


@pytest.mark.parametrize(("market", "file", "end_ms", "day_ms"), CRASHES)
def test_crash__with_the_major_preset__trips_by_the_end_of_the_bar_that_reaches_a_tenth(
    crashes: Mapping[str, Replay], market: str, file: str, end_ms: int, day_ms: int
) -> None:
    found = trips(crashes[file], market)
    assert [trip.rule for trip in found] == ["crash"], "once, and nothing in the days before it"
    assert day_ms < found[0].at_ms <= end_ms


@pytest.mark.parametrize("names", [(RESTLESS,), (RESTLESS, MAY_2021)])
def test_restless_months__with_the_major_preset__at_most_two_false_trips_a_market_month(names: tuple[str, ...]) -> None:
    card = scored(ran(preset("major-perp"), files(*names)), *IN_MAY)
    assert card.false_trips <= 2 * card.years * MONTHS_A_YEAR
    if MAY_2021 in names:
        assert card.detected == 2, "what tripped before has cleared in time"


def test_crash__without_a_day_before_it__trips_all_the_same() -> None:
    """What is usual cannot be told yet; a tenth is a tenth."""
    data = files(MAY_2021)
    late = Data(
        {
            place: Series(one.known_ms[after], one.values[after], None if one.volumes is None else one.volumes[after])
            for place, one in data.series.items()
            for after in [one.known_ms > ms(2021, 5, 19, 9)]
        },
        data.rows,
        0,
    )
    done = ran(preset("major-perp"), late)
    assert trips(done, "BTC-PERP")[0].at_ms <= ms(2021, 5, 19, 12, 51)
    assert trips(done, "ETH-PERP")[0].at_ms <= ms(2021, 5, 19, 11, 31)


def test_calm_month__perpetual__is_quiet() -> None:
    done = ran(preset("major-perp"), files(CALM_PERP), "btc=binance_perp:BTCUSDT")
    assert [run.trips for run in done.runs] == [[], []]


@pytest.mark.parametrize("name", [BEFORE, RUN, AFTER])
def test_stablecoin_weeks__with_the_major_preset__are_quiet(name: str) -> None:
    """USDT and dollars side by side: what is between them is no fall."""
    done = ran(preset("major-perp"), files(name))
    assert [run.trips for run in done.runs] == [[], []]


@pytest.mark.parametrize("name", [MARCH_2020, RESTLESS, MAY_2021])
def test_spot_without_an_oracle__with_the_lending_preset__is_held(name: str) -> None:
    done = ran(preset("lending-oracle"), files(name))
    assert [run.trips for run in done.runs] == [[]]
