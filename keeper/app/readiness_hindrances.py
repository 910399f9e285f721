"""Why a keeper would not carry out what the contract would let it do: its log, its nodes, its builders, people, its mode."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from keeper.app.faults import Fault, Faults
from keeper.app.log_health import PART as LOG
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.app.readiness_keys import Obstacle
from keeper.app.spooling import SpoolingStore
from keeper.config.model import Mode
from keeper.decisions.authority import FORBIDDING
from keeper.decisions.breaker import BreakerState
from keeper.domain.decision import DecisionReason
from keeper.domain.intervention import Intervention
from keeper.domain.testimony import Otherwise
from keeper.domain.verdict import Severity
from keeper.engine import Engine, EngineState
from keeper.execution.edges import Way
from keeper.execution.planner import ArmedAction

Key = tuple[str, str]

BLIND = "heads"
QUORUM = "quorum"
SHADOW = "shadow"
BY_HAND = "act by hand if the market is at risk"
SWITCH_ON = "to arm it: keeper switch CONFIG on --market MARKET"


class Waking(Observer):
    """What changes readiness between two blocks: ``wake`` is called when such a part goes down or comes back."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def fault(self, fault: Fault, severity: Severity) -> None:
        if fault.part == BLIND:
            self._wake()  # its end comes with a block, which is one to probe at
        self.mended(fault.part)

    def mended(self, part: str) -> None:
        if part in (LOG, QUORUM) or part.startswith("route:"):
            self._wake()


class Hindrances:
    """By the faults of now, and by what the engine was told. ``state`` gives the engine's newest state, ``asking`` the rules of each action."""

    def __init__(
        self,
        faults: Faults,
        *,
        live: bool,
        acts_without_log: bool,
        asking: Mapping[Key, Collection[tuple[str, Severity]]],
        holding: Collection[Severity],
        ways: Mapping[str, Way],
        builders: Mapping[str, Collection[str]],
        engine: Engine,
        state: Callable[[], EngineState],
    ) -> None:
        """``holding``: severities whose actions wait for a quorum of nodes; ``builders`` of each private route, by its name."""
        self._faults = faults
        self._live = live
        self._acts_without_log = acts_without_log
        self._asking = asking
        self._holding = holding
        self._ways = ways
        self._builders = builders
        self._engine = engine
        self._state = state
        self._down: dict[str, Fault] = {}
        self._breakers: Mapping[str, BreakerState] = {}
        self._off: Sequence[Intervention] = ()

    def look(self) -> Fault | None:
        """Once for each probe. Returns why nothing can be said of any action: no block is evaluated."""
        self._down = {fault.part: fault for fault in self._faults.current}
        state = self._state()
        self._breakers, self._off = self._engine.breakers(state), self._engine.switched_off(state)
        return self._down.get(BLIND)

    def broken(self, armed: ArmedAction) -> Obstacle | None:
        """What is down, so that the action would not be sent."""
        if not self._live:
            return None
        if LOG in self._down and not self._acts_without_log:
            return _of(self._down[LOG], "no-log")
        if QUORUM in self._down and self._down[QUORUM].reason == "held" and self._waits_for_quorum(armed.key):
            return _of(self._down[QUORUM], "no-quorum")
        way = self._ways.get(armed.action.route)
        if way is not None and way.secret is not None and not _ever_public(way, armed):
            route = f"route:{way.secret.name}/"
            names = [f"{route}{name}" for name in self._builders.get(way.secret.name, ())]
            if names and all(name in self._down for name in names):
                message = f"no builder of {way.secret.name} can be used now, and it may never be public"
                return Obstacle("no-builder", message, self._down[names[0]].remedy)
        return None

    def held_back(self, armed: ArmedAction) -> Obstacle | None:
        """Who took it from the keeper, or that its mode sends nothing."""
        market, action = armed.key
        rules = self._asking.get(armed.key, ())
        off = [one for one in self._off if all(one.covers(market, rule, action) for rule, _ in rules)] if rules else []
        if off:
            return Obstacle(DecisionReason.SWITCHED_OFF, f"switched off: {off[0].reason}", _switch_on(market))
        if (reason := FORBIDDING.get(self._breakers.get(market, BreakerState.ARMED))) is not None:
            return Obstacle(reason, f"the keeper's breaker of {market} is {self._breakers[market]}", _switch_on(market))
        return None if self._live else Obstacle(SHADOW, "", "")

    def _waits_for_quorum(self, key: Key) -> bool:
        asking = self._asking.get(key, ())
        return bool(asking) and all(severity in self._holding for _, severity in asking)


def hindrances_of(parts: Parts, faults: Faults, state: Callable[[], EngineState]) -> Hindrances:
    """Of one running keeper."""
    config, store = parts.config, parts.edges.store
    asking: dict[Key, list[tuple[str, Severity]]] = {}
    for market in config.engine.markets:
        for rule in market.rules:
            for action in rule.actions:
                asking.setdefault((market.name, action), []).append((rule.name, rule.severity))
    holding = [
        severity
        for severity, policy in config.chain.quorum.items()
        if policy.agree > 1 and policy.otherwise is Otherwise.HOLD
    ]
    return Hindrances(
        faults,
        live=config.keeper.mode is Mode.LIVE,
        acts_without_log=isinstance(store, SpoolingStore) and store.acts,
        asking=asking,
        holding=holding,
        ways=parts.edges.ways,
        builders={one.route.name: one.route.builders for one in parts.proving},
        engine=parts.engine,
        state=state,
    )


def _ever_public(way: Way, armed: ArmedAction) -> bool:
    return way.open is not None and (way.together or armed.action.public_after is not None)


def _switch_on(market: str) -> str:
    return f"{BY_HAND}; {SWITCH_ON.replace('MARKET', market)}"


def _of(fault: Fault, reason: str) -> Obstacle:
    return Obstacle(reason, fault.message, fault.remedy or BY_HAND)
