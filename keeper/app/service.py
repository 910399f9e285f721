"""The running keeper: heads drive ticks, ticks drive actions; everything else stays out of their way."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from functools import partial

import structlog

from keeper.app import notices, records
from keeper.app.acting import Acting
from keeper.app.agreement import Agreement
from keeper.app.breakers.following import Breakers
from keeper.app.breakers.joining import cosigning_of
from keeper.app.breakers.own import is_own, own_actions
from keeper.app.breakers.registered import contracts_in
from keeper.app.clock_watch import ClockWatch
from keeper.app.connecting import Connecting
from keeper.app.council.desks import desks_of
from keeper.app.council.opening import safe_routes
from keeper.app.courier import Courier
from keeper.app.executing import executor_of, terms_of
from keeper.app.faults import Fault, Faults
from keeper.app.grades import Grades
from keeper.app.heads import newest_and_announced
from keeper.app.housekeeping import Housekeeping
from keeper.app.lasting import Lasting
from keeper.app.listening import Listening
from keeper.app.log_health import LogHealth
from keeper.app.observer import Observer
from keeper.app.pages.hosting import hosted
from keeper.app.parts import Parts
from keeper.app.pulse import Pulse
from keeper.app.readiness import Readiness, unreachable_is_a_fault
from keeper.app.rehearsing import Rehearsing
from keeper.app.remembering import Remembering
from keeper.app.restart import Restart
from keeper.app.scribe import Scribe
from keeper.app.supervision import BACKOFF_S, Supervision
from keeper.app.switches import Switches
from keeper.app.telling import Telling
from keeper.app.watch import Watch
from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, OutsideError, Unreachable, WrongChain
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.observation import Quality
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.record import Draft, RecordKind
from keeper.domain.snapshot import ActionOutcome, Snapshot
from keeper.domain.testimony import Disputed
from keeper.domain.verdict import Severity
from keeper.engine.evidence import judged_body, seen_body
from keeper.engine.recorded import inputs_body
from keeper.execution.work import Work

FIRST_POLL_S = 3.0
DRAIN_S = 5.0


class Service:
    """One keeper, from start to stop. Not reusable."""

    def __init__(self, parts: Parts, observer: Observer | None = None) -> None:
        self._parts = parts
        self._observer = observer or Observer()
        self._clock = parts.edges.clock
        self._log = structlog.get_logger("keeper")
        self._scribe = Scribe(parts.edges.store, self._clock, lambda error: self._log_health.written(error))
        self._courier = Courier(parts.notifiers, self._scribe, self._clock)
        self._faults = Faults(self._clock, self._scribe.put, self._courier.put)
        self._supervision = Supervision(self._clock, self._faults)
        self._log_health = LogHealth(parts.edges.store, self._faults)
        self._clock_watch = ClockWatch(self._clock, parts.clock_ahead_ms, parts.edges.store, self._faults)
        config = parts.config
        terms = terms_of(parts)
        contracts = contracts_in(parts.armed.values(), config.routes)
        upkeep = own_actions(contracts, parts.edges.senders)
        armed = {key: each for key, each in parts.armed.items() if key not in terms.aside} | upkeep
        tell = self._courier.put
        self._executor = executor_of(parts, terms, armed, self._ended, self._observer.sent, self._faults, tell)
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
        self._agreement = Agreement(
            parts.nodes.witness,
            config.chain.quorum,
            subjects,
            self._faults,
            config.engine.markets,
            self._disown,
        )
        self._cosigning = cosigning_of(parts, self._executor, self._faults, self._came_to_nothing, self._courier.put)
        self._desks = desks_of(
            parts,
            terms,
            self._executor,
            self._faults,
            ended=self._ended,
            tell=self._courier.put,
            audit_failed=self._log_health.failed,
            incidents=lambda: parts.engine.open_incidents(self._state),
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
        )
        self._listening = Listening(
            parts.nodes.events,
            self._clock,
            self._faults,
            self._scribe.put,
            self._courier.put,
            subjects=subjects,
            alone=len(config.chain.primaries) + len(config.chain.verifiers) == 1,
        )
        accounts = parts.edges.accounts
        self._lasting = Lasting(accounts, parts.armed, self._faults, self._came_to_nothing, self._taken_back)
        self._telling = Telling(self._courier.put)
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
            incidents=lambda: parts.engine.open_incidents(self._state),
            events=parts.nodes.told,
        )
        fleet, ahead = parts.nodes.fleet, config.chain.lag_blocks
        self._pulse = Pulse(self._clock, self._faults, lambda: fleet.newest_elsewhere, ahead)
        safes = {route.name: route.address for route in safe_routes(config)}
        executing = [route.name for route in safe_routes(config) if route.execute]
        self._readiness = Readiness(
            parts.edges, self._executor, parts.armed, self._faults, self._cosigning.actor, safes, executing
        )
        self._housekeeping = Housekeeping(parts, self._executor, self._readiness, self._faults, self._scribe)
        self._state = parts.engine.initial_state()
        self._restart = Restart(parts)
        self._remembering = Remembering(parts.engine, self._restart.bound_to, self._scribe.put)
        self._grades = Grades(config.engine.sources, self._faults)
        self._outcomes: list[ActionOutcome] = []
        self._disputed: list[Disputed] = []
        self._newest: BlockStamp | None = None
        self._newest_evaluated: BlockStamp | None = None
        self._new_head = asyncio.Event()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is down now."""
        return self._faults.current

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. Raises WrongChain, or AuditError when the log cannot be written at the start."""
        config = self._parts.config
        now = self._clock.now_ms()
        await self._clock_watch.begin()
        mode = config.keeper.mode.value
        sender = self._executor.sender
        taken = await self._restart.take_up()
        self._state = taken.state
        self._remembering.fed(taken.ticks)
        done = await self._restart.done(taken.state)
        self._lasting.go_on(self._parts.engine.open_incidents(taken.state), done)
        self._breakers.go_on(done, self._parts.engine.breakers(taken.state))
        said = taken.body(self._restart.bound_to)
        start = records.start(
            now, name=config.keeper.name, mode=mode, chain_id=config.chain.id, sender=sender, state=said
        )
        await self._parts.edges.store.append([start, records.configuration(now, config.hash, config.public())])
        background = [
            asyncio.create_task(self._supervision.keep("records", self._scribe.run)),
            asyncio.create_task(self._supervision.keep("spool", self._log_health.reconcile)),
            asyncio.create_task(self._supervision.keep("clock-watch", self._clock_watch.watch)),
            asyncio.create_task(self._supervision.keep("notices", self._courier.run)),
            asyncio.create_task(self._supervision.keep("nodes", self._listening.run)),
        ]
        reason = "asked to stop"
        try:
            await self._work(stop)
        except WrongChain:
            reason = "the node serves another chain"
            raise
        finally:
            await self._finish(reason, background)

    async def _work(self, stop: asyncio.Event) -> None:
        """Connects, takes up what is open, and evaluates until told to stop."""
        stopping = asyncio.create_task(stop.wait())
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
                poll = partial(self._watch.poll, feed)
                tasks.append(asyncio.create_task(self._supervision.keep(f"feed:{feed.name}", poll)))
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
            tasks.append(asyncio.create_task(self._supervision.keep("follow-up", self._follow_up)))
            tasks.append(asyncio.create_task(self._supervision.keep("evaluation", self._heads)))
            tasks.append(asyncio.create_task(self._supervision.keep("switches", self._switches.watch)))
            tasks.append(asyncio.create_task(self._supervision.keep("pulse", self._pulse.watch)))
            tasks.append(asyncio.create_task(self._supervision.keep("cosigning", self._cosigning.run)))
            tasks.append(asyncio.create_task(self._supervision.keep("council", self._desks.run)))
            tasks.append(asyncio.create_task(self._supervision.keep("checkpoints", self._housekeeping.checkpoints.run)))
            if (page := hosted(self._parts, self._faults, self._courier.put)) is not None:
                tasks.append(asyncio.create_task(self._supervision.keep("page", page)))
            if self._parts.nodes.witness is not None:
                tasks.append(asyncio.create_task(self._supervision.keep("agreement", self._agreement.run)))
            jobs.start()
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
            jobs.stop()
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def _finish(self, reason: str, background: list[asyncio.Task[None]]) -> None:
        """Leaves nothing unsaid: waiting notices and records, the verdict on the log, the last record."""
        await self._executor.settle(DRAIN_S)
        await self._remembering.finish(self._state)
        self._log_health.hurry()
        await self._courier.drain(DRAIN_S)
        if await self._scribe.drain(2 * DRAIN_S):  # a database that is held makes the first try wait
            try:
                with suppress(AuditError):  # where nothing can be read, that was told long ago
                    await self._housekeeping.verify()
                await self._scribe.drain(DRAIN_S)
                await self._parts.edges.store.append([records.stop(self._clock.now_ms(), reason)])
                await self._housekeeping.checkpoints.finish()
            except AuditError as error:
                self._log.error("the last records could not be written", error=error.message)
        else:
            self._log.error("records are still waiting for the database; they are lost")
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)

    # -- the chain --------------------------------------------------------------------------------------------------------------

    async def _heads(self) -> None:
        """Every head, across lost connections."""
        wait = 0
        while True:
            try:
                await self._connecting.check_chain()
                async with aclosing(newest_and_announced(self._parts.edges.chain, self._newest_evaluated)) as blocks:
                    async for block in blocks:
                        marks = {"head": self._clock.monotonic_ms()}
                        self._pulse.beat(block)
                        wait = 0
                        await self._tick(block, marks)
                        self._newest_evaluated = block
                raise Unreachable("the subscription to heads ended")
            except WrongChain as error:
                self._faults.down("heads", "wrong-chain", error.message, error.remedy, severity=Severity.CRITICAL)
            except OutsideError as error:
                remedy = error.remedy or "the keeper connects again by itself; check the node if this lasts"
                self._faults.down("heads", "unreachable", error.message, remedy, severity=Severity.CRITICAL)
            await self._clock.sleep(BACKOFF_S[min(wait, len(BACKOFF_S) - 1)])
            wait += 1

    async def _follow_up(self) -> None:
        """After each head, off the hot path: receipts, effects, fees and nonce; breakers on the chain, and what is due there."""
        while True:
            await self._new_head.wait()
            self._new_head.clear()
            block = self._newest
            if block is None:
                continue
            try:
                await self._executor.on_head(block)
                await self._executor.sign_beforehand()
                await self._breakers.look(block)
                await self._lasting.look(block.number)
                await self._breakers.keep_up(
                    block
                )  # also where the next block is here already: a slow node must not stop it
            except OutsideError as error:
                self._faults.down("follow-up", "unreachable", error.message, error.remedy)
            except AuditError as error:
                self._log_health.failed(error)
            else:
                self._faults.up("follow-up")

    def _hear_of(self, block: BlockStamp) -> None:
        self._newest = block
        self._new_head.set()
        self._cosigning.hear_of(block)
        self._desks.hear_of(block)

    # -- one tick ---------------------------------------------------------------------------------------------------------------

    async def _tick(self, block: BlockStamp, marks: dict[str, float]) -> None:
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
        for turn in tick.turns:
            self._scribe.put(records.breaker(turn))
        self._telling.of(tick)
        self._grades.of(tick, sight)
        self._observer.ticked(tick)

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
