"""Several venues as one source: who counts, what is said, and what time it has. The venues are made up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from keeper.adapters.prices.chain_answer import NoValue
from keeper.adapters.prices.exchange import ExchangeSource, Reading, Venue, VenueSettings, bars_for
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from keeper.domain.venue import BAR_MS, Bar, Guards, Quote
from keeper.ports.clock import Clock
from tests.support.source_fakes import RECEIVED_MS, ManualClock

pytestmark = pytest.mark.unit

GUARDS = Guards(max_age_ms=60_000)
Answer = Reading | NoValue


def says(price: str, age_ms: int = 0, **more: Decimal) -> Reading:
    return Reading(Quote(Decimal(price), RECEIVED_MS - age_ms, **more))


class Stall:
    """A made-up venue."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer
        self.reads = 0
        self.closed = 0

    async def read(self) -> Reading:
        self.reads += 1
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, NoValue):
            raise self.answer
        assert self.answer is not None
        return self.answer

    async def close(self) -> None:
        self.closed += 1


class Bazaar:
    """Made-up venues by name, and a source of them."""

    def __init__(self, answers: Mapping[str, Answer | None], guards: Guards = GUARDS, **more: object) -> None:
        self.stalls = {name: Stall(answer) for name, answer in answers.items()}
        self.opened: list[str] = []
        settings = [VenueSettings(name, "A/B", timeout_ms=20) for name in answers]
        make: Callable[..., ExchangeSource] = ExchangeSource
        self.source = make("the-source", settings, guards, clock=ManualClock(), open_venue=self.open, **more)

    async def open(self, settings: VenueSettings, clock: Clock) -> Venue:
        self.opened.append(settings.name)
        return self.stalls[settings.name]

    async def poll(self) -> Observation:
        return await self.source.poll()


async def test_poll__good_venues__the_median_with_each_named() -> None:
    seen = await Bazaar({"a": says("1"), "b": says("3"), "c": says("2")}).poll()
    assert (seen.quality, seen.value, seen.unit) == (Quality.OK, Decimal(2), Unit.PRICE)
    assert seen.reason == "median of a 1, b 3, c 2"
    assert (seen.source, seen.received_ms, seen.block) == ("the-source", RECEIVED_MS, None)


@pytest.mark.parametrize(("min_venues", "age_ms"), [(1, 100), (2, 200), (3, 300)])
async def test_poll__its_time__is_what_enough_venues_are_not_older_than(min_venues: int, age_ms: int) -> None:
    answers: dict[str, Answer | None] = {"a": says("1", 200), "b": says("1", 300), "c": says("1", 100)}
    seen = await Bazaar(answers, min_venues=min_venues).poll()
    assert seen.at_ms == RECEIVED_MS - age_ms


async def test_poll__venue_that_gives_no_time__counts_as_new() -> None:
    seen = await Bazaar({"a": Reading(Quote(Decimal(1))), "b": says("1", 300)}, min_venues=1).poll()
    assert seen.at_ms == RECEIVED_MS


@pytest.mark.parametrize(("age_ms", "value"), [(60_000, "1.5"), (60_001, "1")])
async def test_poll__stale_venue__is_left_out_when_enough_are_left(age_ms: int, value: str) -> None:
    seen = await Bazaar({"a": says("1"), "b": says("2", age_ms)}, min_venues=1).poll()
    assert (seen.quality, seen.value) == (Quality.OK, Decimal(value))
    assert ("b is stale" in seen.reason) == (value == "1")


async def test_poll__too_few_good__is_what_they_are_and_has_their_value() -> None:
    seen = await Bazaar({"a": says("1"), "b": says("2", 60_001)}).poll()
    assert (seen.quality, seen.value) == (Quality.STALE, Decimal("1.5"))
    assert "b is stale (last traded 60 s ago, 1m allowed)" in seen.reason


async def test_poll__thin_venues__are_told_with_their_volume() -> None:
    bars = (Bar(RECEIVED_MS - BAR_MS, Decimal(2), Decimal(212)),)
    thin = Reading(Quote(Decimal(2)), bars)
    guards = Guards(max_age_ms=10**6, min_volume=Decimal(10_000))
    seen = await Bazaar({"a": thin, "b": thin}, guards).poll()
    assert (seen.quality, seen.value) == (Quality.THIN, Decimal(2))
    assert "424 traded in 15m, 10000 needed" in seen.reason


async def test_poll__wide_venues__are_told_with_their_spread() -> None:
    wide = says("2", bid=Decimal("1.9"), ask=Decimal("2.1"))
    seen = await Bazaar({"a": wide, "b": wide}, Guards(60_000, max_spread=Decimal("0.01"))).poll()
    assert (seen.quality, seen.value) == (Quality.WIDE, Decimal(2))
    assert "10.00% apart, 1% allowed" in seen.reason


async def test_poll__one_liar_of_three__is_left_out() -> None:
    answers = {"a": says("1"), "b": says("1.01"), "c": says("1000")}
    seen = await Bazaar(answers, outlier=Decimal("0.02")).poll()
    assert (seen.quality, seen.value) == (Quality.OK, Decimal("1.005"))
    assert "c is disagree (1000 is too far away)" in seen.reason


async def test_poll__one_liar_of_two__disagree() -> None:
    seen = await Bazaar({"a": says("1"), "b": says("1000")}, outlier=Decimal("0.02")).poll()
    assert seen.quality is Quality.DISAGREE
    assert "more than 2% apart: a 1, b 1000" in seen.reason


async def test_poll__venue_that_fails__is_named_with_its_reason() -> None:
    answers: dict[str, Answer | None] = {
        "a": says("1"),
        "b": NoValue(Quality.MALFORMED, "half a document"),
        "c": NoValue(Quality.MISSING, "gone"),
    }
    seen = await Bazaar(answers).poll()
    assert (seen.quality, seen.value, seen.at_ms) == (Quality.MISSING, None, None)
    assert seen.reason == "1 good, 2 needed; b is malformed (half a document); c is missing (gone)"


async def test_poll__venue_that_hangs__is_missing_and_the_others_count() -> None:
    seen = await Bazaar({"a": says("1"), "b": None}, min_venues=1).poll()
    assert (seen.quality, seen.value) == (Quality.OK, Decimal(1))
    assert "b is missing (no answer within 20 ms)" in seen.reason


async def test_poll__again_and_again__each_venue_is_opened_once() -> None:
    bazaar = Bazaar({"a": says("1"), "b": says("1")})
    for _ in range(3):
        await bazaar.poll()
    assert bazaar.opened == ["a", "b"]
    assert [stall.reads for stall in bazaar.stalls.values()] == [3, 3]


async def test_close__twice__ends_each_venue_once_and_nothing_is_asked_afterwards() -> None:
    bazaar = Bazaar({"a": says("1"), "b": says("1")})
    await bazaar.poll()
    await bazaar.source.close()
    await bazaar.source.close()
    seen = await bazaar.poll()
    assert (seen.quality, "this source is closed" in seen.reason) == (Quality.MISSING, True)
    assert [(stall.reads, stall.closed) for stall in bazaar.stalls.values()] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(("minutes", "bars"), [(1, 3), (15, 17), (240, 242)])
def test_bars_for__a_window__reach_over_it(minutes: int, bars: int) -> None:
    assert bars_for(minutes * BAR_MS) == bars
