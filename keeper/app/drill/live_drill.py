"""A drill on the live chain, all but the broadcast: a breach in memory, the decision of the running engine, and the call tried from its own key.

Nothing that the keeper watches is changed, and nothing of what this decides is carried out: the engine's state is a copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from keeper.app.drill.plan import Asked, Target, sources_of, targets
from keeper.app.drill.report import NO_ACTION, ActionDrilled, DrillReport
from keeper.app.drill.searching import Found, acts, smallest_breach
from keeper.app.faults import Faults
from keeper.app.observer import Observer
from keeper.domain.errors import KeeperError, MalformedAnswer, OutsideError, Refused
from keeper.domain.record import Draft
from keeper.domain.verdict import Severity
from keeper.engine import Engine, EngineState, Tick
from keeper.execution.edges import Edges
from keeper.execution.executor import Executor
from keeper.execution.gate import not_adjusted, simulated
from keeper.execution.planner import ArmedAction

MOST_TICKS: Final = 100
HOW: Final = "in memory; nothing was sent"
BLOCK_MS: Final = 12_000
"""Taken for the time between blocks until two were seen."""


class LiveDrill(Observer):
    """One rule a run, in turn. ``state`` gives the engine's state between two ticks; ``record`` takes what is to be written down.

    ``safes`` are the Safes by route, which make the call there.
    """

    def __init__(
        self,
        engine: Engine,
        state: Callable[[], EngineState],
        armed: Mapping[tuple[str, str], ArmedAction],
        edges: Edges,
        executor: Executor,
        faults: Faults,
        record: Callable[[Draft], None],
        chain_id: int,
        safes: Mapping[str, str],
    ) -> None:
        self._engine = engine
        self._state = state
        self._armed = armed
        self._edges = edges
        self._executor = executor
        self._faults = faults
        self._record = record
        self._chain_id = chain_id
        self._safes = safes
        self._turn = 0
        self._tick: Tick | None = None
        self._block_ms = BLOCK_MS

    def ticked(self, tick: Tick) -> None:
        """The newest tick, which the next drill begins from."""
        before, self._tick = self._tick, tick
        if before is not None and (blocks := tick.block.number - before.block.number) > 0:
            self._block_ms = max(1, (tick.block.timestamp_s - before.block.timestamp_s) * 1000 // blocks)

    async def run(self) -> None:
        """One drill; a record of it, and a fault while this rule's does not pass."""
        if self._tick is None:
            return
        try:
            every = targets(self._engine.spec, Asked())
        except KeeperError:
            return  # nothing acts, so there is nothing to rehearse
        # where an incident is open, it is no drill: what is to be done there was decided already
        incidents = self._engine.open_incidents(self._state())
        turns = range(self._turn, self._turn + len(every))
        turn = next((one for one in turns if every[one % len(every)].market not in incidents), None)
        if turn is None:
            return
        target, self._turn = every[turn % len(every)], turn + 1
        report = await self._drill(self._tick, target)
        self._record(report.record())
        part = f"drill:{target.market}/{target.rule}"
        if report.ok:
            self._faults.up(part, "the drill passed")
        else:
            self._faults.down(part, "drill-failed", report.problem, report.remedy, severity=Severity.WARNING)

    async def _drill(self, tick: Tick, target: Target) -> DrillReport:
        begun_ms = self._edges.clock.monotonic_ms()
        found = await asyncio.to_thread(self._search, self._state().copy(), tick, target)
        decided_ms = self._edges.clock.monotonic_ms() - begun_ms
        actions: list[ActionDrilled] = []
        if found is not None:
            for name in acts(found.decisions):
                if (armed := self._armed.get((target.market, name))) is not None:
                    actions.append(await self._tried(armed))
        problem, remedy = _judged(found, actions, target)
        return DrillReport(
            ok=not problem,
            at_ms=self._edges.clock.now_ms(),
            where="live",
            chain_id=self._chain_id,
            from_block=tick.block.number,
            market=target.market,
            rule=target.rule,
            breach=str(found.breach) if found is not None else "",
            how=HOW,
            blocks_to_trip=found.ticks if found is not None else None,
            breach_to_trip_ms=decided_ms,
            actions=tuple(actions),
            log_verified=None,
            problem=problem,
            remedy=remedy,
            left_out={
                "broadcast": "nothing was signed for this and nothing was sent; keeper drill CONFIG does that on a fork"
            },
        )

    def _search(self, state: EngineState, tick: Tick, target: Target) -> Found | None:
        derived = {each.name for each in self._engine.spec.sources if each.derived is not None}
        seen = {each.source: each for each in tick.observations if each.source not in derived}
        return smallest_breach(
            self._engine,
            state,
            seen,
            tick.block,
            tick.at_ms,
            target.market,
            target.rule,
            sources=sources_of(self._engine.spec, tick, target),
            block_ms=self._block_ms,
            most_ticks=MOST_TICKS,
        )

    async def _tried(self, armed: ArmedAction) -> ActionDrilled:
        """The call at the newest block, from whoever would make it."""
        clock = self._edges.clock
        begun_ms = clock.monotonic_ms()
        sender = self._safes.get(armed.action.route) or self._executor.sender_of(armed.action)
        current, outcome, message = "", "would-work", "it would go through at the newest block"
        stages: dict[str, float] = {}
        try:
            head = await self._edges.chain.head()
            (result,) = await self._edges.chain.read([armed.effect_call], head)
            current = armed.effect_text(result)
            stages["reads"] = clock.monotonic_ms() - begun_ms
            armed = armed.at(current)
            if armed.in_effect(current):
                outcome, message = "in-effect", "nothing is left to do"
            elif (refusal := not_adjusted(armed)) is not None:
                outcome, message = refusal.kind.value, refusal.message
            elif sender is None:
                outcome, message = "not-tried", "there is no key that would send it"
            else:
                simulation = await self._edges.accounts.simulate(armed.call, sender)
                stages["simulated"] = clock.monotonic_ms() - begun_ms
                if (end := simulated(armed, sender, simulation)) is not None:
                    outcome, message = end.kind.value, end.message
        except (MalformedAnswer, Refused, OutsideError) as error:
            outcome, message = "not-tried", error.message
        return ActionDrilled(
            action=armed.action.name,
            call=armed.action.call.signature,
            target=armed.action.call.target,
            route=armed.action.route,
            outcome=outcome,
            message=message,
            block=None,
            before=current,
            after=current,
            expected=armed.action.effect.expect,
            restored=current,
            stages_ms=stages,
            ok=outcome in ("would-work", "in-effect"),
        )


def _judged(found: Found | None, actions: Sequence[ActionDrilled], target: Target) -> tuple[str, str]:
    if found is None:
        return (
            f"nothing that one source could say trips {target.rule} of {target.market} within {MOST_TICKS} blocks",
            "is a source down, or has the rule not enough data? see keeper status CONFIG; try it with keeper drill CONFIG",
        )
    for one in actions:
        if not one.ok:
            return f"{one.action}: {one.message}", "see what keeper doctor CONFIG says of this action"
    if not actions:
        return NO_ACTION
    return "", ""
