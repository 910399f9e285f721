"""Would each armed action work right now? Asked at every block, before anything trips, so that lost authority is known before it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from keeper.app.breakers.health import SILENT_SOON
from keeper.app.breakers.views import standing_calls
from keeper.app.faults import Faults
from keeper.app.readiness_asking import Asked
from keeper.app.readiness_book import ReadinessBook
from keeper.app.readiness_hindrances import Hindrances
from keeper.app.readiness_keys import KeyWatch, Obstacle
from keeper.app.resting import RESTING, Rest, behind_breaker, says_rest
from keeper.domain.abi import encode_call
from keeper.domain.action import UPKEEP_LANE, Action, Call
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import breaker_name
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable
from keeper.domain.evm import Simulation
from keeper.domain.outcome import Outcome, Reason
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.record import Draft
from keeper.domain.rehearsal import Rehearsal, Rehearsed
from keeper.domain.verdict import Severity
from keeper.execution.executor import Edges, Executor
from keeper.execution.gate import ANOTHER_BREAKER, not_adjusted, simulated
from keeper.execution.pen import Pen, signed_beforehand
from keeper.execution.planner import ArmedAction
from keeper.execution.reverts import is_revert, revert_data
from keeper.ports.clock import Clock

RETRY_S = 1.0
RETRY_FOR_MS = 20_000
"""While the node does not answer, it is asked again so often and for so long; the next probe of the schedule comes after 30 s."""
PACE_MS = 1_000
"""Where blocks come faster, the newest one is probed so often."""
MOST_ALONE = 10
"""So many simulations are asked for one by one at a block, where the node takes no batch; those that were looked at longest ago come first."""
BREATH = 20
"""After so many actions whatever else is due has its turn."""

GAS_ESTIMATE = "gas-estimate"

Key = tuple[str, str]


def part_of(key: Key) -> str:
    """The fault of an action that would not work."""
    return f"readiness:{key[0]}/{key[1]}"


class Readiness:
    """``probe`` asks the node and tells Faults what it found; an action that would not work is a fault of its own.

    ``run`` does so at each head that it hears of, without what costs more than one message: gas estimates are ``probe``'s.
    """

    def __init__(
        self,
        edges: Edges,
        executor: Executor,
        armed: Mapping[Key, ArmedAction],
        faults: Faults,
        actor: Callable[[ArmedAction], str] = lambda _: "",
        safes: Mapping[str, str] = MappingProxyType({}),
        executing: Collection[str] = (),
        probed: Callable[[Sequence[ActionReadiness]], None] = lambda _: None,
        *,
        live: bool = True,
        record: Callable[[Draft], None] = lambda _: None,
        beside: Callable[[BlockStamp], Awaitable[None]] | None = None,
        hindrances: Hindrances | None = None,
    ) -> None:
        """``actor`` says who calls the protocol where several keepers must sign first; empty where the key alone is enough.

        ``safes`` has the Safe of each route that leads to one: it makes the call, and not the key, which pays for that only where the route is one
        of ``executing``. ``probed`` hears how every armed action stands, ``record`` takes what changed. ``beside`` looks at what is slow, with every
        ``probe`` but the first: the keeper starts after that one. ``hindrances`` are the keeper's own, beside those of key and contract.
        """
        self._edges = edges
        self._executor = executor
        self._armed = armed
        self._faults = faults
        self._actor = actor
        self._safes = safes
        self._executing = executing
        self._keys = KeyWatch(edges, executor, armed, faults, self._payer, live=live)
        self._book = ReadinessBook(armed, edges.clock, record, probed)
        self._beside = beside
        self._hindrances = hindrances
        self._turn = asyncio.Lock()
        self._newest: BlockStamp | None = None
        self._new_head = asyncio.Event()
        self._current: dict[Key, str] = {}
        self._callers: dict[Key, str] = {}
        self._unestimated: dict[Key, str] = {}
        self._tried: dict[Key, Rehearsed] = {}
        self._probed_before = False
        self.begun = False
        """Something was probed before."""

    @property
    def clock(self) -> Clock:
        """By which it is asked again."""
        return self._edges.clock

    def tried(self, key: Key) -> Rehearsed | None:
        """What the call of an action, from the key that sends it, came to when it was last looked at. Of calls that are known before a trip."""
        return self._tried.get(key)

    def hear_of(self, block: BlockStamp) -> None:
        """The newest head; nonce, balance and fees are those of this block already."""
        self._newest = block
        self._new_head.set()

    def wake(self) -> None:
        """Something else has changed than the block."""
        self._new_head.set()

    async def run(self) -> None:
        """Probes at the newest head, again and again until cancelled."""
        while True:
            await self._new_head.wait()
            self._new_head.clear()
            begun_ms, block = self.clock.monotonic_ms(), self._newest
            if block is not None and self._executor.sender is not None:
                try:
                    async with self._turn:
                        await self._pass(block, estimate=False)
                except OutsideError as error:
                    self.unreachable(error)
                else:
                    self._faults.up("readiness")
                await self.clock.sleep(max(0.0, PACE_MS - (self.clock.monotonic_ms() - begun_ms)) / 1000)

    async def probe(self) -> None:
        """Every armed action from the key that sends it, its gas, and each key. Raises OutsideError when the node does not answer."""
        if self._executor.sender is None:
            self._book.nobody_knows("no-key", "there is no key to simulate with", "configure `signer`")
            return
        async with self._turn:
            head = await self._edges.chain.head()
            await self._executor.refresh(head)
            await self._pass(head, estimate=True)
        first, self._probed_before = not self._probed_before, True
        if self._beside is not None and not first:
            await self._beside(head)

    def unreachable(self, error: OutsideError) -> None:
        """Nobody knows how anything stands while the node does not answer."""
        self._faults.down("readiness", "unreachable", error.message, error.remedy)
        if not self._blind():
            self._book.nobody_knows("unreachable", error.message, error.remedy)

    def _blind(self) -> bool:
        """Whether no block is evaluated; nobody knows then how anything stands."""
        fault = self._hindrances.look() if self._hindrances is not None else None
        if fault is not None:
            self._book.nobody_knows(f"{fault.part}-{fault.reason}", fault.message, fault.remedy)
        return fault is not None

    async def _pass(self, head: BlockStamp, *, estimate: bool) -> None:
        if self._blind():
            return
        asked = Asked(self._edges.chain, self._edges.accounts, head)
        foreseen = list(self._foreseen())
        await asked.fetch(
            (call for calls, _ in foreseen for call in calls), (each for _, some in foreseen for each in some)
        )
        await self._keys.look(head)
        oldest_first = sorted(self._armed.values(), key=lambda each: self._book.block_of(each.key))
        for number, armed in enumerate(oldest_first, 1):
            if asked.alone >= MOST_ALONE and not estimate:
                break
            self._book.note(await self._judged(armed, asked, head, estimate=estimate))
            if number % BREATH == 0:
                await asyncio.sleep(0)
        self._book.hand_out(head)

    def _foreseen(self) -> Iterator[tuple[list[Call], list[Rehearsal]]]:
        """What will be asked about each action, as far as that is known from the last time."""
        for key, armed in self._armed.items():
            calls, rehearsals = [armed.effect_call], list[Rehearsal]()
            current, trip = self._current.get(key), armed.action.breaker
            if trip is not None:
                calls += standing_calls(trip.contract, trip.id)
            if current is not None and not armed.at(current).in_effect(current):
                now = armed.at(current)
                sender = self._safes.get(armed.action.route) or self._executor.sender_of(armed.action)
                if sender is not None and now.call.data and not self._actor(armed):
                    rehearsals.append(Rehearsal(now.call, sender))
                if key in self._callers:
                    rehearsals.append(Rehearsal(encode_call(now.action.call), self._callers[key]))
            yield calls, rehearsals

    async def _judged(self, armed: ArmedAction, asked: Asked, head: BlockStamp, *, estimate: bool) -> ActionReadiness:
        """How it stands; what is wrong is a fault, too. Raises OutsideError."""
        part, found = part_of(armed.key), partial(ActionReadiness, *armed.key, block=head.number)
        try:
            current = armed.effect_text((await asked.read([armed.effect_call], head))[0])
            armed = armed.at(current)
        except MalformedAnswer as error:
            self._current.pop(armed.key, None)
            return self._wrong(found, "effect-unreadable", error.message, error.remedy)
        self._current[armed.key] = current
        if armed.in_effect(current):
            message = f"{armed.action.effect.read.signature} is {current}: in effect already"
            self._faults.up(part, message)
            return found(ReadinessState.IN_EFFECT, Reason.ALREADY_IN_EFFECT, message)
        ending = not_adjusted(armed) or await self._ending(armed, asked, head)
        shared = bool(self._actor(armed)) or armed.action.route in self._safes
        if ending is None and estimate and not shared:
            ending = await self._estimated(armed, head)
        if isinstance(ending, Rest):
            return self._wrong(found, RESTING, ending.message, ending.remedy)
        if ending is not None:
            return self._wrong(found, ending.reason, ending.message, ending.remedy)
        if armed.key in self._unestimated:
            return self._wrong(found, GAS_ESTIMATE, self._unestimated[armed.key], "set `gas_limit` of the action")
        who = "keepers" if self._actor(armed) else "owners"
        message = f"would work, once enough {who} have signed" if shared else "would work"
        self._faults.up(part, message)
        if (obstacle := self._obstacle(armed)) is not None:
            return found(ReadinessState.NOT_READY, obstacle.reason, obstacle.message, obstacle.remedy)
        if self._hindrances is not None and (held := self._hindrances.held_back(armed)) is not None:
            return found(ReadinessState.HELD_BACK, held.reason, held.message, held.remedy)
        return found(ReadinessState.SHARED if shared else ReadinessState.READY, "", message)

    def _wrong(
        self, found: Callable[[ReadinessState, str, str, str], ActionReadiness], reason: str, message: str, remedy: str
    ) -> ActionReadiness:
        """That a breaker rests is as the council has registered it, and a gas limit can be written out; anything else must not wait."""
        state = ReadinessState.RESTING if reason == RESTING else ReadinessState.NOT_READY
        severity = Severity.WARNING if reason in (RESTING, GAS_ESTIMATE) else Severity.CRITICAL
        one = found(state, reason, message, remedy)
        self._faults.down(part_of((one.market, one.action)), reason, message, remedy, severity=severity)
        return one

    async def _estimated(self, armed: ArmedAction, head: BlockStamp) -> Outcome | Rest | None:
        """Measures the gas; where that is refused, how the action would end, as far as that is why. Raises OutsideError."""
        self._unestimated.pop(armed.key, None)
        try:
            await self._executor.measure_gas(armed)
        except Refused as refused:
            return await self._refused(armed, refused, head)
        return None

    async def _ending(self, armed: ArmedAction, asked: Asked, head: BlockStamp) -> Outcome | Rest | None:
        """How the action would end; None when it would go through. Raises OutsideError."""
        if self._actor(armed):
            # What several keepers sign cannot be tried by one of them: what the contract does then is.
            return await self._behind(armed, asked, head)
        safe = self._safes.get(armed.action.route)
        sender = safe or self._executor.sender_of(armed.action)
        assert sender is not None, "there is a first key"
        simulation = await asked.simulate(armed.call, sender)
        if safe is None and signed_beforehand(armed):
            self._tried[armed.key] = Rehearsed(Rehearsal(armed.call, sender), head.hash, simulation)
        outcome = simulated(armed, sender, simulation)
        if outcome is None or safe is not None:
            return outcome
        return await self._explained(armed, outcome, simulation, asked, head)

    async def _explained(
        self, armed: ArmedAction, outcome: Outcome, simulation: Simulation, asked: Asked, head: BlockStamp
    ) -> Outcome | Rest:
        """A breaker that only rests has another reason than the contract's refusal."""
        if armed.action.breaker is None or not says_rest(simulation.data):
            return outcome
        return await self._behind(armed, asked, head) or outcome

    async def _behind(self, armed: ArmedAction, asked: Asked, head: BlockStamp) -> Outcome | Rest | None:
        """As ``behind_breaker``; who would call the protocol is kept for the next time."""

        async def simulate(call: Call, sender: str) -> Simulation:
            self._callers[armed.key] = sender
            return await asked.simulate(call, sender)

        return await behind_breaker(armed, asked, head, simulate)

    async def _refused(self, armed: ArmedAction, refused: Refused, head: BlockStamp) -> Outcome | Rest | None:
        """The state may have changed since the simulation: then the estimate says why the call would revert, as a simulation does."""
        if is_revert(refused):
            simulation = Simulation(False, revert_data(refused), refused.message)
            sender = self._executor.sender_of(armed.action) or ""
            if (outcome := simulated(armed, sender, simulation)) is not None:
                anew = Asked(self._edges.chain, self._edges.accounts, head)
                return await self._explained(armed, outcome, simulation, anew, head)
        self._unestimated[armed.key] = refused.message
        return None

    def _obstacle(self, armed: ArmedAction) -> Obstacle | None:
        """What stands in the way of a call that would go through: of the key, the breaker contract, or the Safe, as their own faults say."""
        if armed.key in self._executor.declined.other:
            why = f"its breaker is another one than the action says: {self._executor.declined.other[armed.key]}"
            return Obstacle("another-breaker", why, ANOTHER_BREAKER)
        parts = set[str]()
        action, route = armed.action, armed.action.route
        if action.breaker is not None:
            lane = "" if self._actor(armed) else action.lane
            name = breaker_name(action.breaker.id)
            parts = {f"breaker:{route}", f"breaker:{route}/{name}", f"breaker-key:{route}{'/' + lane if lane else ''}"}
        elif route in self._safes:
            parts = {f"safe-key:{route}", f"safe:{route}"}
        for fault in self._faults.current if parts else ():
            if fault.part in parts and fault.reason != SILENT_SOON:
                return Obstacle(fault.reason, fault.message, fault.remedy)
        broken = self._hindrances.broken(armed) if self._hindrances is not None else None
        return broken or self._keys.obstacle(armed)

    def _payer(self, action: Action) -> Pen | None:
        """Whose key pays for it; None where the owners of a Safe do."""
        if action.route not in self._safes:
            return self._executor.lanes.of_action(action)
        return self._executor.lanes.named(UPKEEP_LANE) if action.route in self._executing else None


async def unreachable_is_a_fault(probe: Readiness, faults: Faults) -> None:
    """A probe whose failure to reach the node is a fault, not an exception.

    The first one comes back at once, because the keeper starts after it. Later ones ask again while there is no answer, so that the fault ends soon
    after the node answers again.
    """
    end_ms = probe.clock.monotonic_ms() + (RETRY_FOR_MS if probe.begun else 0)
    probe.begun = True
    while await _is_unreachable(probe, faults) and probe.clock.monotonic_ms() < end_ms:
        await probe.clock.sleep(RETRY_S)


async def _is_unreachable(probe: Readiness, faults: Faults) -> bool:
    try:
        await probe.probe()
    except OutsideError as error:
        probe.unreachable(error)
        return isinstance(error, Unreachable)
    faults.up("readiness")
    return False
