"""From a head to a snapshot: one pinned read for everything on the chain, and the latest word of every feed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from keeper.app.faults import Faults
from keeper.app.rehearsing import Rehearsing, rehearsed
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.rehearsal import Rehearsed
from keeper.domain.testimony import Disputed
from keeper.engine.spec import SourceSpec
from keeper.execution.planner import ArmedAction
from keeper.ports.chain import ChainReader, RehearsingReader
from keeper.ports.clock import Clock
from keeper.ports.prices import ChainSource, FeedSource, RemembersReads

_OK = Quality.OK


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen at one block. ``effects`` maps (market, action) to what its effect's view answered; one that did not is left out.

    ``results`` are the raw answers to ``calls``, in their order; both are empty when nothing was read, or the node did not answer.
    ``rehearsed`` has what simulations in the same message came to, by (market, action).
    """

    observations: Mapping[str, Observation]
    effects: Mapping[tuple[str, str], str]
    calls: Sequence[Call] = ()
    results: Sequence[CallResult] = ()
    rehearsed: Mapping[tuple[str, str], Rehearsed] = field(default_factory=dict)


class Watch:
    """Reads the chain sources and the effects of all armed actions in one go; polls the feeds in the background."""

    def __init__(
        self,
        chain: ChainReader,
        clock: Clock,
        faults: Faults,
        specs: Sequence[SourceSpec],
        chain_sources: Sequence[ChainSource],
        feed_sources: Sequence[FeedSource],
        armed: Mapping[tuple[str, str], ArmedAction],
        rehearsing: Rehearsing | None = None,
    ) -> None:
        self._chain = chain
        self._rehearsals = chain if isinstance(chain, RehearsingReader) else None
        self._rehearsing = rehearsing
        self._clock = clock
        self._faults = faults
        self._units = {spec.name: spec.unit for spec in specs}
        self._sources = tuple(chain_sources)
        self._feeds = tuple(feed_sources)
        self._armed = tuple(armed.items())
        self._latest: dict[str, Observation] = {}
        # everything that is the same at each block is made once
        calls: list[Call] = []
        subjects: list[str] = []
        self._reads: list[
            tuple[ChainSource, str, str, int, int]
        ] = []  # with its name, its part, and where its answers are
        for source in self._sources:
            name, begin = source.name, len(calls)
            calls.extend(source.calls())
            subjects.extend([f"source:{name}"] * (len(calls) - begin))
            self._reads.append((source, name, f"source:{name}", begin, len(calls)))
        self._first_effect = len(calls)
        for (market, action), armed_action in self._armed:
            calls.append(armed_action.effect_call)
            subjects.append(f"effect:{market}/{action}")
        self._calls = tuple(calls)
        self._subjects = tuple(subjects)
        self._effect_parts = subjects[self._first_effect :]
        self._effect_results: Sequence[CallResult] = ()
        self._effects_seen: dict[tuple[str, str], str] = {}

    @property
    def subjects(self) -> Sequence[str]:
        """What each of ``Sight.calls`` is about, in the same order (``source:eth-oracle``, ``effect:ETH-PERP/pause``)."""
        return self._subjects

    async def look(self, block: BlockStamp) -> Sight:
        """Everything at this block. A node that does not answer makes every chain observation MISSING; it raises nothing."""
        try:
            results, rehearsals = await self._read(block)
        except OutsideError as error:
            self._faults.down("reads", "unreachable", error.message, error.remedy)
            return Sight(self._without_chain(error), {})
        self._faults.up("reads")
        received_ms = self._clock.now_ms()
        observations = dict(self._feed_observations(received_ms))
        well = not self._faults.current  # then what is good is no news
        for source, name, part, begin, end in self._reads:
            observation = source.decode(results[begin:end], block, received_ms)
            if observation.quality is not _OK or not well:
                self._note(part, observation)
            observations[name] = observation
        return Sight(observations, self._effects(results[self._first_effect :]), self._calls, results, rehearsals)

    async def _read(self, block: BlockStamp) -> tuple[Sequence[CallResult], Mapping[tuple[str, str], Rehearsed]]:
        """All answers, and what may be wanted at this block simulated at it: one request."""
        if not self._calls:
            return (), {}
        if self._rehearsing is not None and self._rehearsals is not None:
            due = self._rehearsing.due(self._effects_seen)
            if due:
                results, simulations = await self._rehearsals.read_and_rehearse(self._calls, tuple(due.values()), block)
                return results, rehearsed(due, simulations, block)
        return await self._chain.read(self._calls, block), {}

    def disown(self, disputed: Disputed) -> None:
        """No source goes on from what is disputed."""
        for source in self._sources:
            if isinstance(source, RemembersReads) and f"source:{source.name}" in disputed.subjects:
                source.disown(disputed.after, disputed.through)

    async def poll(self, feed: FeedSource) -> None:
        """Asks one feed again and again until cancelled."""
        while True:
            observation = await feed.poll()
            self._note(f"source:{feed.name}", observation)
            kept = self._latest.get(feed.name)
            if observation.quality is Quality.OK or kept is None or kept.quality is not Quality.OK:
                self._latest[feed.name] = observation
            else:
                # One missed answer does not unsay the last good one: it stands until its source's max_age, and says what came after it.
                self._latest[feed.name] = replace(kept, reason=f"last answer since: {observation.reason}"[:200])
            await self._clock.sleep(feed.interval_ms / 1000)

    async def first_polls(self, timeout_s: float) -> None:
        """Waits until every feed has said something once, or the time is up."""

        async def wait() -> None:
            while any(feed.name not in self._latest for feed in self._feeds):
                await self._clock.sleep(0.02)

        try:
            await asyncio.wait_for(wait(), timeout_s)
        except TimeoutError:
            return

    def _effects(self, results: Sequence[CallResult]) -> Mapping[tuple[str, str], str]:
        """What was read well the last time, and is the same now, is not decoded again."""
        last, seen = self._effect_results, self._effects_seen
        if results == last and len(seen) == len(self._armed):
            return seen
        self._effect_results, self._effects_seen = (), {}
        effects: dict[tuple[str, str], str] = {}
        for place, ((key, armed), part, result) in enumerate(
            zip(self._armed, self._effect_parts, results, strict=True)
        ):
            if key in seen and result == last[place]:
                effects[key] = seen[key]
                continue
            try:
                effects[key] = armed.effect_text(result)
            except MalformedAnswer as error:
                self._faults.down(part, "malformed", error.message, error.remedy)
            else:
                self._faults.up(part)
        self._effect_results, self._effects_seen = results, effects
        return effects

    def _feed_observations(self, now_ms: int) -> dict[str, Observation]:
        return {feed.name: self._latest.get(feed.name) or self._missing(feed.name, now_ms) for feed in self._feeds}

    def _without_chain(self, error: OutsideError) -> dict[str, Observation]:
        now_ms = self._clock.now_ms()
        observations = self._feed_observations(now_ms)
        for source in self._sources:
            observations[source.name] = self._missing(source.name, now_ms, error.message)
        return observations

    def _missing(self, name: str, now_ms: int, reason: str = "no answer yet") -> Observation:
        return Observation(name, None, self._units[name], now_ms, quality=Quality.MISSING, reason=reason)

    def _note(self, part: str, observation: Observation) -> None:
        if observation.quality is _OK:
            self._faults.up(part)
        else:
            self._faults.down(part, observation.quality.value, f"{observation.source}: {observation.reason}")
