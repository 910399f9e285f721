"""The running keeper: heads drive ticks, ticks drive actions; everything else stays out of their way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from keeper.app import notices, records
from keeper.app.acting import Acting
from keeper.app.after_tick import AfterTick
from keeper.app.agreement import Agreement
from keeper.app.breakers.following import Breakers
from keeper.app.breakers.joining import cosigning_of
from keeper.app.breakers.own import is_own, own_actions
from keeper.app.breakers.registered import contracts_in
from keeper.app.carry_over import Before, Last
from keeper.app.clock_watch import ClockWatch
from keeper.app.connecting import Connecting
from keeper.app.council.desks import desks_of
from keeper.app.diary import Diary
from keeper.app.ending import Ending, either, end
from keeper.app.executing import executor_of, terms_of
from keeper.app.faults import Fault, Faults
from keeper.app.follow_up import FollowUp
from keeper.app.gauges import Gauges
from keeper.app.heads import Heads
from keeper.app.housekeeping import Housekeeping
from keeper.app.lasting import Lasting
from keeper.app.listening import Listening
from keeper.app.log_health import LogHealth
from keeper.app.notifying.opening import courier_of
from keeper.app.observer import Observer, Observers
from keeper.app.pages.hosting import hosted
from keeper.app.pages.settings import Mount
from keeper.app.parts import Parts
from keeper.app.pulse import Pulse
from keeper.app.readiness import unreachable_is_a_fault
from keeper.app.readiness_parts import readiness_of
from keeper.app.rehearsing import Rehearsing
from keeper.app.remembering import Remembering
from keeper.app.restart import Restart
from keeper.app.scribe import Scribe
from keeper.app.supervision import Supervision
from keeper.app.switches import Switches
from keeper.app.taking_over import fenced, takeover
from keeper.app.watch import Watch
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, WrongChain
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.observation import Quality
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.record import Draft, RecordKind
from keeper.domain.snapshot import ActionOutcome, Snapshot
from keeper.domain.testimony import Disputed
from keeper.engine.evidence import judged_body, seen_body
from keeper.engine.recorded import inputs_body
from keeper.execution.work import Work

FIRST_POLL_S = 3.0
STILL_S = 10.0
"""So long a tick may go on while another service waits to take over."""
RELOADED = "another configuration takes over"


class Service:
    """One keeper, from start to stop. Not reusable."""

    def __init__(
        self,
        parts: Parts,
        observer: Observer | None = None,
        mounts: Sequence[Mount] = (),
        before: Before | None = None,
    ) -> None:
        """``mounts`` put pages of their own beside those of council and log. ``before`` is what another service of this process left."""
        self._before = before
        self._parts = parts
        self._mounts = mounts
        self._diary = Diary()
        self._observer = Observers([observer or Observer(), self._diary])
        self._clock = parts.edges.clock
        self._log = structlog.get_logger("keeper")
        self._scribe = Scribe(parts.edges.store, self._clock, lambda error: self._log_health.written(error))
        self._courier = courier_of(parts, self._scribe, self._observer, self.open_incidents)
        self._faults = Faults(self._clock, self._scribe.put, self._courier.put, self._observer)
        self._supervision = Supervision(self._clock, self._faults, self._observer.crashed)
        self._log_health = LogHealth(parts.edges.store, self._faults)
        self._clock_watch = ClockWatch(self._clock, parts.clock.ahead_ms, parts.edges.store, self._faults)
        config = parts.config
        terms = terms_of(parts)
        contracts = contracts_in(parts.armed.values(), config.routes)
        upkeep = own_actions(contracts, parts.edges.senders)
        armed = {key: each for key, each in parts.armed.items() if key not in terms.aside} | upkeep
        tell = self._courier.put
        self._executor = executor_of(parts, terms, armed, self._ended, self._observer, self._faults, tell)
        self._connecting = Connecting(parts.edges, config.chain.id, self._executor, self._faults)
        self._watch = Watch(
            parts.edges.chain,
            self._clock,
            self._faults,
            config.engine.sources,
            parts.chain_sources,
            parts.feed_sources,
            parts.armed,
            Rehearsing(parts.armed, self._executor.sender_of, config.chain.rehearse, terms.aside),
        )
        subjects = self._watch.subjects
        witness, markets = parts.nodes.witness, config.engine.markets
        self._agreement = Agreement(witness, config.chain.quorum, subjects, self._faults, markets, self._disown)
        self._cosigning = cosigning_of(parts, self._executor, self._faults, self._came_to_nothing, self._courier.put)
        self._desks = desks_of(
            parts,
            terms,
            self._executor,
            self._faults,
            ended=self._ended,
            tell=self._courier.put,
            audit_failed=self._log_health.failed,
            incidents=self.open_incidents,
        )
        self._acting = Acting(
            self._executor,
            self._agreement,
            parts.armed,
            config.hash,
            self._clock,
            subjects,
            cosigning=self._cosigning,
            desks=self._desks,
            failed=self._came_to_nothing,
            audit_failed=self._log_health.failed,
            tell=self._courier.put,
            record=self._scribe.put,
            without_log=self._log_health.acts_without,
            tried=lambda key: self._readiness.tried(key),
        )
        self._listening = Listening(
            parts.nodes.events,
            self._clock,
            self._faults,
            self._scribe.put,
            self._courier.put,
            subjects=subjects,
            alone=len(config.chain.primaries) + len(config.chain.verifiers) == 1,
            heard=self._observer.heard,
        )
        accounts = parts.edges.accounts
        self._lasting = Lasting(accounts, parts.armed, self._faults, self._came_to_nothing, self._taken_back)
        self._interventions: list[Intervention] = []
        self._switches = Switches(parts.edges.store, self._clock, self._faults, self._interventions.extend)
        self._breakers = Breakers(
            contracts,
            self._executor,
            parts.edges,
            self._faults,
            self._lasting,
            live=terms.live,
            hear=self._interventions.append,
            record=self._scribe.put,
            tell=self._courier.put,
            incidents=self.open_incidents,
            events=parts.nodes.told,
        )
        fleet, ahead = parts.nodes.fleet, config.chain.lag_blocks
        self._pulse = Pulse(self._clock, self._faults, lambda: fleet.newest_elsewhere, ahead)
        self._readiness = readiness_of(
            parts,
            self._executor,
            self._faults,
            self._cosigning.actor,
            self._observer,
            self._scribe.put,
            lambda: self._state,
        )
        self._follow_up = FollowUp(
            self._executor, self._breakers, self._lasting, self._faults, self._log_health, self._readiness.hear_of
        )
        self._housekeeping = Housekeeping(
            parts,
            self._executor,
            self._readiness,
            self._faults,
            self._scribe,
            self._observer,
            self._diary,
            self._courier.put,
            lambda: (*self._executor.open_works, *self._desks.works),
            lambda: self._state,
        )
        self._state = parts.engine.initial_state()
        self._restart = Restart(parts)
        self._remembering = Remembering(parts.engine, self._restart.bound_to, self._scribe.put)
        drill = self._housekeeping.drill
        self._after = AfterTick(parts, self._faults, self._courier.put, self._scribe.put, drill, lambda: self._state)
        self._outcomes: list[ActionOutcome] = []
        self._disputed: list[Disputed] = []
        newest = before.newest if before is not None else None
        if newest is not None:
            fleet.go_on_from(newest)
        check = self._connecting.check_chain
        self._heads = Heads(parts.edges.chain, self._clock, self._faults, check, self._tick, newest)
        self._last: Last | None = None
        self._left = asyncio.Event()
        self._telling_on: list[asyncio.Task[None]] = []
        self._ending = Ending(
            parts, self._scribe, self._courier, self._executor, self._remembering, self._log_health, self._housekeeping
        )
        points = self._housekeeping.checkpoints
        seen = Gauges(self._executor, self._scribe, self._courier, self._desks, points, self.open_incidents)
        self._observer.begun(seen)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is down now."""
        return self._faults.current

    def open_incidents(self) -> dict[str, str]:
        """Their ids by market."""
        return self._parts.engine.open_incidents(self._state)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. Raises WrongChain, or AuditError when the log cannot be written at the start."""
        now = self._clock.now_ms()
        await self._clock_watch.begin()
        taken = await self._restart.take_up(self._before)
        self._state, self._last = taken.state, taken.last
        self._remembering.fed(taken.ticks)
        done = await self._restart.done(taken.state)
        self._lasting.go_on(self.open_incidents(), done)
        self._breakers.go_on(done, self._parts.engine.breakers(taken.state))
        await self._restart.begin(taken, self._executor.sender, now)
        if self._before is None and (told := takeover(self._parts.leading)) is not None:
            self._courier.put(told)
        background: list[asyncio.Task[None]] = []
        self._start(self._telling_on, "records", self._scribe.run)
        self._start(self._telling_on, "notices", self._courier.run)
        self._start(background, "spool", self._log_health.reconcile)
        self._start(background, "clock-watch", self._clock_watch.watch)
        self._start(background, "nodes", self._listening.run)
        reason = "asked to stop"
        try:
            await self._work(stop)
        except WrongChain:
            reason = "the node serves another chain"
            raise
        finally:
            leaving = self._left.is_set() and not stop.is_set()
            if not fenced(self._parts.leading):
                await self._ending.finish(RELOADED if leaving else reason, self._state, at_once=leaving)
            await end(background if leaving else [*background, *self._telling_on])

    async def leave(self) -> None:
        """Ends ``run`` after the tick that goes on: another service takes over, with what ``handed_over`` has."""
        await self._heads.stand_still(STILL_S)
        self._left.set()

    def handed_over(self) -> Before:
        """After ``run``."""
        state = self._state if self._remembering.whole else None
        return Before(self._parts.config, self._parts.engine, state, self._last, self._heads.evaluated)

    async def farewell(self) -> None:
        """After ``run``, when it was left: sends what is still to be told. The service that took over does not wait for it."""
        await self._ending.farewell(self._telling_on)

    def told(self, draft: Draft, refusal: str = "", remedy: str = "") -> None:
        """Another configuration is about to take over; or does not, for this reason, and this service goes on."""
        self._scribe.put(draft)
        if refusal:
            self._faults.down("configuration", "refused", refusal, remedy)
        else:
            self._faults.up("configuration", "another configuration takes over")

    async def _work(self, stop: asyncio.Event) -> None:
        """Connects, takes up what is open, and evaluates until told to stop."""
        stopping = asyncio.create_task(either(stop, self._left))
        tasks: list[asyncio.Task[None]] = []
        jobs = self._housekeeping.jobs()
        try:
            connecting = asyncio.create_task(self._connecting.connect())
            await asyncio.wait({stopping, connecting}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                connecting.cancel()
                return
            head = connecting.result()
            for feed in self._parts.feed_sources:
                self._start(tasks, f"feed:{feed.name}", partial(self._watch.poll, feed))
            recovered = await self._executor.recover()
            if recovered:
                self._log.warning("open intents of an earlier run are taken up", intents=recovered)
            await self._desks.recover()
            works = [work for work in (*self._executor.open_works, *self._desks.works) if not is_own(work.key)]
            self._outcomes += await self._restart.earlier(self._state, works, self._clock.now_ms())
            await self._switches.read()
            await self._watch.first_polls(FIRST_POLL_S)
            await self._cosigning.learn(head)
            with suppress(
                OutsideError
            ):  # before anything is decided; the follow-up says it when it still does not answer
                await self._breakers.look(head)
            await unreachable_is_a_fault(self._readiness, self._faults)
            self._hear_of(head)
            self._start(tasks, "follow-up", self._follow_up.run)
            self._start(tasks, "evaluation", self._heads.run)
            self._start(tasks, "readiness", self._readiness.run)
            self._start(tasks, "switches", self._switches.watch)
            self._start(tasks, "pulse", self._pulse.watch)
            self._start(tasks, "cosigning", self._cosigning.run)
            self._start(tasks, "council", self._desks.run)
            self._start(tasks, "checkpoints", self._housekeeping.checkpoints.run)
            if (page := hosted(self._parts, self._faults, self._courier.put, self._mounts)) is not None:
                self._start(tasks, "page", page)
            if self._parts.nodes.witness is not None:
                self._start(tasks, "agreement", self._agreement.run)
            self._start(tasks, "scheduler", jobs.run)
            self._log.info(
                "watching",
                mode=self._parts.config.keeper.mode.value,
                chain=self._parts.config.chain.id,
                block=head.number,
                sender=self._executor.sender,
            )
            self._observer.ready(head, self._executor.sender)
            await stopping
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    def _start(self, tasks: list[asyncio.Task[None]], part: str, run: Callable[[], Awaitable[None]]) -> None:
        tasks.append(asyncio.create_task(self._supervision.keep(part, run)))

    # -- the chain --------------------------------------------------------------------------------------------------------------

    def _hear_of(self, block: BlockStamp) -> None:
        self._follow_up.hear_of(block)
        self._cosigning.hear_of(block)
        self._desks.hear_of(block)

    # -- one tick ---------------------------------------------------------------------------------------------------------------

    async def _tick(self, block: BlockStamp, marks: dict[str, float]) -> None:
        self._pulse.beat(block)
        sight = await self._watch.look(block)
        marks["reads"] = self._clock.monotonic_ms()
        outcomes, self._outcomes = tuple(self._outcomes), []
        disputed, self._disputed = tuple((one.after_ms, one.through_ms) for one in self._disputed), []
        interventions = tuple(self._interventions)
        self._interventions.clear()  # the switches hold the list itself
        snapshot = Snapshot(block, self._clock.now_ms(), sight.observations, outcomes, disputed, interventions)
        self._remembering.begins()
        self._state, tick = self._parts.engine.tick(self._state, snapshot)
        marks["decided"] = self._clock.monotonic_ms()
        for event in tick.incidents:  # before what comes of it
            self._courier.put(notices.of_incident(event))
            self._lasting.incident(event)
            self._desks.incident(event)
            self._housekeeping.checkpoints.incident(event)
        self._parts.keeping.saw(tick.observations)
        await self._acting.carry_out(tick, sight, block, marks)
        self._lasting.saw(block, sight.effects)
        self._hear_of(block)
        good = all(one.quality is Quality.OK for one in tick.observations)
        self._agreement.saw(block, sight, tick.at_ms, good=good)
        draft = Draft(RecordKind.TICK, judged_body(tick), tick.at_ms)
        self._scribe.put(draft, beside=seen_body(tick) | inputs_body(snapshot))
        self._remembering.ticked(self._state, tick)
        self._last = Last(block.hash, block.number, tick.at_ms)
        for turn in tick.turns:
            self._scribe.put(records.breaker(turn))
        self._after.of(tick, sight, block)
        self._observer.ticked(tick)
        self._observer.timed(block, marks | {"done": self._clock.monotonic_ms()})

    def _disown(self, disputed: Disputed) -> None:
        """Nothing goes on from what is disputed: no source, and at the next tick nothing in the engine."""
        self._watch.disown(disputed)
        self._disputed.append(disputed)

    def _ended(self, work: Work, outcome: Outcome) -> None:
        if not self._desks.ended(work, outcome) and not self._breakers.ended(work, outcome):
            self._feed_back(work.intent.market, work.intent.action, outcome.kind, outcome.reason)
            self._lasting.ended(work, outcome)
            self._courier.put(notices.of_outcome(work, outcome))
            self._housekeeping.checkpoints.soon()
        self._observer.ended(work, outcome)

    def _taken_back(self, market: str, action: str, reason: str) -> None:
        kind, now = InterventionKind.TAKEN_BACK, self._clock.now_ms()
        self._interventions.append(Intervention(kind, now, market, action=action, reason=reason))

    def _came_to_nothing(self, market: str, action: str, reason: str) -> None:
        self._feed_back(market, action, OutcomeKind.FAILED, reason)

    def _feed_back(self, market: str, action: str, kind: OutcomeKind, reason: str) -> None:
        self._outcomes.append(ActionOutcome(market, action, kind, reason, self._clock.now_ms()))
