"""Would each armed action work right now? Asked before anything trips, so that lost authority is known before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from keeper.app.faults import Faults
from keeper.app.resting import RESTING, Rest, behind_breaker, says_rest
from keeper.domain.action import UPKEEP_LANE, Action
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable
from keeper.domain.evm import Simulation
from keeper.domain.outcome import Outcome
from keeper.domain.verdict import Severity
from keeper.execution.executor import Edges, Executor
from keeper.execution.gate import not_adjusted, simulated
from keeper.execution.pen import Pen
from keeper.execution.planner import ArmedAction
from keeper.execution.reverts import is_revert, revert_data
from keeper.ports.clock import Clock

GAS_GUESS = 300_000
"""Gas assumed for the balance check while an action has no limit of its own and could not be estimated."""
FEE_MARGIN = 4
"""The balance should pay for an action at four times the fee of the newest block."""
RETRY_S = 1.0
RETRY_FOR_MS = 20_000
"""While the node does not answer, it is asked again so often and for so long; the next probe of the schedule comes after 30 s."""


class Readiness:
    """``probe`` asks the node and tells Faults what it found; an action that would not work is a fault of its own."""

    def __init__(
        self,
        edges: Edges,
        executor: Executor,
        armed: Mapping[tuple[str, str], ArmedAction],
        faults: Faults,
        actor: Callable[[ArmedAction], str] = lambda _: "",
        safes: Mapping[str, str] = MappingProxyType({}),
        executing: Collection[str] = (),
    ) -> None:
        """``actor`` says who calls the protocol where several keepers must sign first; empty where the key alone is enough.

        ``safes`` has the Safe of each route that leads to one: it makes the call, and not the key, which pays for that only where the route is one
        of ``executing``.
        """
        self._edges = edges
        self._executor = executor
        self._armed = armed
        self._faults = faults
        self._actor = actor
        self._safes = safes
        self._executing = executing
        self.begun = False
        """Something was probed before."""

    @property
    def clock(self) -> Clock:
        """By which it is asked again."""
        return self._edges.clock

    async def probe(self) -> None:
        """Every armed action from the key that sends it, and the balance of each key. Raises OutsideError when the node does not answer."""
        if self._executor.sender is None:
            return
        head = await self._edges.chain.head()
        await self._executor.refresh(head)
        for armed in self._armed.values():
            await self._probe(armed)
        for lane in self._edges.senders:
            self._balance(lane, head.next_base_fee_wei)

    async def _probe(self, armed: ArmedAction) -> None:
        sender = self._executor.sender_of(armed.action)
        assert sender is not None, "there is a first key"
        part = f"readiness:{armed.action.market}/{armed.action.name}"
        head = await self._edges.chain.head()
        try:
            results = await self._edges.chain.read([armed.effect_call], head)
            current = armed.effect_text(results[0])
            armed = armed.at(current)
        except MalformedAnswer as error:
            self._faults.down(part, "effect-unreadable", error.message, error.remedy, severity=Severity.CRITICAL)
            return
        if armed.in_effect(current):
            self._faults.up(part, f"{armed.action.effect.read.signature} is {current}: in effect already")
            return
        outcome: Outcome | Rest | None = not_adjusted(armed)
        actor = self._actor(armed)
        if outcome is None and actor:
            # What several keepers sign cannot be tried by one of them: what the contract does then is.
            outcome = await behind_breaker(armed, self._edges.chain, head, self._edges.accounts.simulate)
        elif outcome is None and armed.action.route in self._safes:
            safe = self._safes[armed.action.route]
            outcome = simulated(armed, safe, await self._edges.accounts.simulate(armed.call, safe))
        elif outcome is None:
            outcome = await self._ending(armed, sender, await self._edges.accounts.simulate(armed.call, sender), head)
        if outcome is not None:
            self._down(part, outcome)
            return
        if actor or armed.action.route in self._safes:
            self._faults.up(part, f"would work, once enough {'keepers' if actor else 'owners'} have signed")
            return
        try:
            await self._executor.measure_gas(armed)
        except Refused as refused:
            await self._refused(part, armed, sender, refused, head)
            return
        self._faults.up(part, "would work")

    async def _ending(
        self, armed: ArmedAction, sender: str, simulation: Simulation, head: BlockStamp
    ) -> Outcome | Rest | None:
        """How the action would end; None when it would go through. Raises OutsideError."""
        outcome = simulated(armed, sender, simulation)
        if outcome is None or armed.action.breaker is None or not says_rest(simulation.data):
            return outcome
        return await behind_breaker(armed, self._edges.chain, head, self._edges.accounts.simulate) or outcome

    async def _refused(self, part: str, armed: ArmedAction, sender: str, refused: Refused, head: BlockStamp) -> None:
        """The state may have changed since the simulation: then the estimate says why the call would revert, as a simulation does."""
        outcome = None
        if is_revert(refused):
            simulation = Simulation(False, revert_data(refused), refused.message)
            outcome = await self._ending(armed, sender, simulation, head)
        if outcome is None:
            self._faults.down(part, "gas-estimate", refused.message, "set `gas_limit` of the action")
        else:
            self._down(part, outcome)

    def _down(self, part: str, outcome: Outcome | Rest) -> None:
        """That a breaker rests is as the council has registered it; anything else must not wait."""
        if isinstance(outcome, Rest):
            self._faults.down(part, RESTING, outcome.message, outcome.remedy, severity=Severity.WARNING)
        else:
            self._faults.down(part, outcome.reason, outcome.message, outcome.remedy, severity=Severity.CRITICAL)

    def _payer(self, action: Action) -> Pen | None:
        """Whose key pays for it; None where the owners of a Safe do."""
        if action.route not in self._safes:
            return self._executor.lanes.of_action(action)
        return self._executor.lanes.named(UPKEEP_LANE) if action.route in self._executing else None

    def _balance(self, name: str, next_base_fee_wei: int) -> None:
        """Of the key of this lane, which is empty for the first one."""
        pen, part = self._executor.lanes.named(name), f"balance:{name}" if name else "balance"
        if pen.lane is None:
            return
        paid = [each.action.gas_limit or GAS_GUESS for each in self._armed.values() if self._payer(each.action) is pen]
        gas = sum(paid) or (GAS_GUESS if name == UPKEEP_LANE else 0)
        needed = gas * (next_base_fee_wei + pen.lane.priority_fee_wei) * FEE_MARGIN
        if pen.lane.balance_wei < needed:
            what = "every armed action" if paid else "a transaction of the keeper's own"
            message = f"{pen.sender} has {pen.lane.balance_wei} wei; {needed} wei would pay for {what}"
            severity = Severity.CRITICAL if paid else Severity.WARNING  # a pause does not wait for the keeper's own
            self._faults.down(part, "low", message, f"send ETH to {pen.sender}", severity=severity)
        else:
            self._faults.up(part)


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
        faults.down("readiness", "unreachable", error.message, error.remedy)
        return isinstance(error, Unreachable)
    faults.up("readiness")
    return False
