"""DEC: what must hold of every run of the desk, whatever rules, executor, operators and council do.

One machine plays random events; each test runs it with one check, which has a plain model of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from keeper.decisions.breaker import TRANSITIONS, BreakerState, BreakerTrigger
from keeper.decisions.budget import DAY_MS
from keeper.decisions.desk import COUNTS, DeskRule, Resolution
from keeper.decisions.spec import ActionPolicy, Limits
from keeper.decisions.standing import Phase
from keeper.domain.action import ActionKind
from keeper.domain.decision import ALERT, Decision, DecisionKind, DecisionReason, IncidentPhase
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.outcome import OutcomeKind
from keeper.domain.snapshot import ActionOutcome
from keeper.domain.verdict import Severity
from tests.support.office import Office

pytestmark = pytest.mark.property

TIMES = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=False,
)
MARKETS = ("M", "N")
HOUR_MS = 3_600_000
LOCK_MS = HOUR_MS
RUNG = {"tune": 1, "limit": 2, "pause": 3, "halt": 4}
POLICIES = (
    ActionPolicy("tune", ActionKind.ADJUST, 0, 0, needs_rules=2),
    ActionPolicy("limit", ActionKind.RATE_LIMIT, 0, 1_000),
    ActionPolicy("pause", ActionKind.PAUSE, 60_000, 1_000),
    ActionPolicy("halt", ActionKind.PAUSE_ALL, 0, 0),
)
KINDS = {policy.name: policy.kind for policy in POLICIES}
RULES = tuple(
    DeskRule(name, market, severity, actions)
    for market in range(len(MARKETS))
    for name, severity, actions in (
        ("worst", Severity.CRITICAL, ("pause", ALERT)),
        ("gone", Severity.CRITICAL, ("halt",)),
        ("bad", Severity.CRITICAL, ("tune", "limit")),
        ("odd", Severity.WARNING, (ALERT, "tune", "pause")),
        ("seen", Severity.INFO, ()),
    )
)
WORKED = {OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED, OutcomeKind.DRY_RUN}
ACTING = {BreakerState.TRIPPED, BreakerState.RATIFIED, BreakerState.EXPIRED}
BUDGETS = (
    Limits(actions_per_day=3, actions_per_market_per_day=2, exempt=frozenset(), lock_ms=LOCK_MS),
    Limits(actions_per_day=2, lock_ms=LOCK_MS),
    Limits(lock_ms=LOCK_MS),
    Limits(),
    Limits(actions_per_market_per_day=1, exempt=frozenset({ActionKind.ADJUST})),
)


@dataclass
class Turn:
    """One tick of the machine, all there is to know of it."""

    at_ms: int
    tripped: frozenset[int]
    outcomes: Sequence[ActionOutcome]
    interventions: Sequence[Intervention]
    before: dict[str, BreakerState]
    after: dict[str, BreakerState]
    said: Resolution
    open_after: frozenset[str]

    @property
    def acts(self) -> list[Decision]:
        return [one for one in self.said.decisions if one.kind is DecisionKind.ACT]


@dataclass
class Run:
    limits: Limits
    turns: list[Turn] = field(default_factory=list)
    office: Office = field(init=False)

    def __post_init__(self) -> None:
        self.office = Office(*RULES, markets=MARKETS, policies=POLICIES, limits=self.limits)

    @property
    def now(self) -> Turn:
        return self.turns[-1]


class Machine(RuleBasedStateMachine):
    """Every step is a tick, so that each event has its consequences at once."""

    check: ClassVar[Callable[[Any], Callable[[], None]]]

    def __init__(self) -> None:
        super().__init__()
        self.at_ms, self.block = 10 * DAY_MS, 0
        self.words = ["clear"] * len(RULES)

    @initialize(limits=st.sampled_from(BUDGETS))
    def begin(self, limits: Limits) -> None:
        self.run = Run(limits)
        self.verify = type(self).check(self.run)

    @rule(
        place=st.integers(0, len(RULES) - 1),
        word=st.sampled_from(["tripped", "clearing", "tripped-no-input", "no-input"]),
    )
    def judge(self, place: int, word: str) -> None:
        self.words[place] = word
        self.tick()

    @rule(market=st.integers(0, 1), word=st.sampled_from(["tripped", "tripped", "clear"]))
    def storm_or_calm(self, market: int, word: str) -> None:
        self.words = [word if one.market == market else old for one, old in zip(RULES, self.words, strict=True)]
        self.tick()

    @rule(kind=st.sampled_from([OutcomeKind.INCLUDED, OutcomeKind.INCLUDED, *OutcomeKind]), pick=st.integers(0, 9))
    def finish(self, kind: OutcomeKind, pick: int) -> None:
        """Something that is under way ends, or is said to."""
        flying = [key for key, one in self.run.office.state.standings.items() if one.phase is Phase.IN_FLIGHT]
        self.tell(kind, *(flying[pick % len(flying)] if flying else (pick % 2, sorted(RUNG)[pick % 4])))

    @rule(kind=st.sampled_from(OutcomeKind), market=st.integers(0, 1), action=st.sampled_from(sorted(RUNG)))
    def rumour(self, kind: OutcomeKind, market: int, action: str) -> None:
        self.tell(kind, market, action)

    @rule(
        off=st.sampled_from([False, False, True]),
        market=st.sampled_from(["", *MARKETS]),
        named=st.sampled_from([("", ""), ("", ""), ("bad", ""), ("", "pause"), ("worst", ALERT)]),
        ago_ms=st.sampled_from([0, 0, 1, HOUR_MS, -HOUR_MS]),
    )
    def switch(self, off: bool, market: str, named: tuple[str, str], ago_ms: int) -> None:
        kind = InterventionKind.SWITCHED_OFF if off else InterventionKind.SWITCHED_ON
        self.tick(interventions=[Intervention(kind, self.at_ms - ago_ms, market, *named, "why")])

    @rule(market=st.sampled_from(MARKETS), action=st.sampled_from(sorted(RUNG)), ago_ms=st.sampled_from([0, 0, 1_000]))
    def take_back(self, market: str, action: str, ago_ms: int) -> None:
        kind = InterventionKind.TAKEN_BACK
        self.tick(interventions=[Intervention(kind, self.at_ms - ago_ms, market, action=action, reason="why")])

    @rule(
        kind=st.sampled_from([InterventionKind.RATIFIED, InterventionKind.LIFTED, InterventionKind.EXPIRED]),
        market=st.sampled_from(MARKETS),
        action=st.sampled_from(["", *sorted(RUNG)]),
    )
    def council(self, kind: InterventionKind, market: str, action: str) -> None:
        self.tick(interventions=[Intervention(kind, self.at_ms, market, action=action, reason="why")])

    @rule(passed_ms=st.sampled_from([0, 1, 1_000, 60_000, HOUR_MS, DAY_MS]), blocks=st.integers(0, 2))
    def wait(self, passed_ms: int, blocks: int) -> None:
        self.at_ms += passed_ms
        self.block += blocks
        self.tick()

    @rule(beyond_ms=st.sampled_from([-1, 0]))
    def wait_for_a_lock_or_a_budget(self, beyond_ms: int) -> None:
        """To just before, or just at, the time at which something is over."""
        state = self.run.office.state
        ends = [*state.locked_until_ms.values(), *(at_ms + DAY_MS for at_ms, _ in state.acts)]
        self.at_ms = max(self.at_ms, min(ends, default=self.at_ms) + beyond_ms)
        self.tick()

    def tell(self, kind: OutcomeKind, market: int, action: str) -> None:
        self.tick(outcomes=[ActionOutcome(MARKETS[market], action, kind, "", self.at_ms)])

    def tick(self, outcomes: Sequence[ActionOutcome] = (), interventions: Sequence[Intervention] = ()) -> None:
        office = self.run.office
        before = office.desk.breakers(office.state)
        said = office.tick(
            *self.words, block=self.block, at_ms=self.at_ms, outcomes=outcomes, interventions=interventions
        )
        tripped = frozenset(place for place, word in enumerate(self.words) if word not in ("clear", "no-input"))
        after = office.desk.breakers(office.state)
        opened = frozenset(MARKETS[market] for market in office.state.incidents)
        self.run.turns.append(Turn(self.at_ms, tripped, outcomes, interventions, before, after, said, opened))
        self.verify()


def holds(check: Callable[[Run], Callable[[], None]]) -> None:
    """``check`` makes, for one run, the function that is called after each tick."""
    machine = type("Checked", (Machine,), {"check": staticmethod(check)})
    run_state_machine_as_test(machine, settings=TIMES)


def exempt(run: Run, act: Decision) -> bool:
    return act.verdict.severity is Severity.CRITICAL and KINDS[act.action] in run.limits.exempt


def test_dec_1__breaker_that_is_locked_lifted_or_disarmed__nothing_is_done() -> None:
    def check(run: Run) -> Callable[[], None]:
        def each() -> None:
            for act in run.now.acts:
                assert run.now.after[act.market] in ACTING

        return each

    holds(check)


def covers(switch: Intervention, market: str, rule_name: str, action: str) -> bool:
    wanted = ((switch.market, market), (switch.rule, rule_name), (switch.action, action))
    return all(scope in ("", name) for scope, name in wanted)


def switch_over(off: list[Intervention], turn: Turn) -> None:
    """A plain model of what is off after this tick."""
    for one in turn.interventions:
        if one.kind is InterventionKind.SWITCHED_OFF:
            off.append(one)
        elif one.kind is InterventionKind.SWITCHED_ON:
            off[:] = [old for old in off if not covers(one, old.market, old.rule, old.action)]


def test_dec_2__switches__forbid_exactly_what_they_cover() -> None:
    def check(run: Run) -> Callable[[], None]:
        off: list[Intervention] = []

        def each() -> None:
            switch_over(off, run.now)
            for decision in run.now.said.decisions:
                if decision.kind is DecisionKind.HOLD:
                    continue
                covering = [one for one in off if covers(one, decision.market, decision.verdict.rule, decision.action)]
                if decision.action == ALERT:
                    covering = [one for one in covering if one.rule or one.action]
                assert (decision.reason is DecisionReason.SWITCHED_OFF) == bool(covering)
            for market in MARKETS:
                whole = any(covers(one, market, "", "") for one in off)
                assert (run.now.after[market] is BreakerState.DISARMED) == whole

        return each

    holds(check)


def test_dec_3__breaker__goes_only_along_its_table_and_every_turn_is_told() -> None:
    def check(run: Run) -> Callable[[], None]:
        def each() -> None:
            now = run.now
            for market in MARKETS:
                state = now.before[market]
                for turn in now.said.breakers:
                    if turn.market == market:
                        step = BreakerState(turn.before), BreakerTrigger(turn.trigger)
                        assert step[0] is state
                        state = TRANSITIONS[step]
                        assert state is BreakerState(turn.after)
                phases = [event.phase for event in now.said.incidents if event.market == market]
                if IncidentPhase.OPENED in phases and state is BreakerState.ARMED:
                    state = BreakerState.TRIPPED
                if IncidentPhase.CLOSED in phases and state is BreakerState.TRIPPED:
                    state = BreakerState.ARMED
                assert state is now.after[market]
                assert (state is BreakerState.ARMED) <= (market not in now.open_after)
                assert (state is BreakerState.TRIPPED) <= (market in now.open_after)

        return each

    holds(check)


def test_dec_4__lock__lasts_its_time_unless_an_operator_ends_it() -> None:
    def check(run: Run) -> Callable[[], None]:
        until: dict[str, int] = {}

        def each() -> None:
            now = run.now
            switches = {InterventionKind.SWITCHED_OFF, InterventionKind.SWITCHED_ON}
            touched = {
                market
                for one in now.interventions
                if one.kind in switches
                for market in MARKETS
                if one.market in ("", market)
            }
            for market in MARKETS:
                was, locked = now.before[market] is BreakerState.LOCKED, now.after[market] is BreakerState.LOCKED
                if was and not locked:
                    assert now.at_ms >= until[market] or market in touched
                if locked:
                    back = [
                        min(one.at_ms, now.at_ms) + LOCK_MS
                        for one in now.interventions
                        if one.kind is InterventionKind.TAKEN_BACK and one.market == market
                    ]
                    assert was or back
                    until[market] = max([until.get(market, 0), *back]) if was else max(back)
                    assert until[market] > now.at_ms
            assert run.limits.lock_ms is not None or BreakerState.LOCKED not in now.after.values()

        return each

    holds(check)


def test_dec_5__budgets__hold_over_every_24_hours_and_hold_nothing_before() -> None:
    def check(run: Run) -> Callable[[], None]:
        acts: list[Decision] = []

        def spent(market: str, at_ms: int) -> bool:
            recent = [one for one in acts if at_ms - one.at_ms < DAY_MS]
            own = sum(one.market == market for one in recent)
            counts = (
                (run.limits.actions_per_day, len(recent)),
                (run.limits.actions_per_market_per_day, own),
            )
            return any(most is not None and count >= most for most, count in counts)

        def each() -> None:
            for one in run.now.said.decisions:
                if one.kind is DecisionKind.ACT and one.reason is not DecisionReason.RETRY:
                    assert exempt(run, one) or not spent(one.market, one.at_ms)
                    acts.append(one)
                elif one.reason is DecisionReason.BUDGET:
                    assert spent(one.market, one.at_ms)
                    assert not exempt(run, one)

        return each

    holds(check)


def test_dec_6__ladder__nothing_weaker_is_done_while_something_stronger_is_in_effect() -> None:
    def check(run: Run) -> Callable[[], None]:
        decided: dict[tuple[str, str], str] = {}
        worked: dict[tuple[str, str], str] = {}

        def each() -> None:
            now = run.now
            for told in now.outcomes:
                key = told.market, told.action
                worked.pop(key, None)
                if told.kind in WORKED and key in decided:
                    worked[key] = decided[key]
            for undone in now.interventions:
                if undone.kind is InterventionKind.TAKEN_BACK:
                    worked.pop((undone.market, undone.action), None)
            for one in now.said.decisions:
                if one.action not in RUNG:
                    continue
                above = [
                    name
                    for name in RUNG
                    if RUNG[name] > RUNG[one.action] and worked.get((one.market, name)) == one.incident
                ]
                if one.kind is DecisionKind.ACT:
                    assert not above
                    decided[one.market, one.action] = one.incident
                    worked.pop((one.market, one.action), None)
                assert one.reason is not DecisionReason.STRONGER or above

        return each

    holds(check)


def test_dec_7__action_that_needs_several_rules__is_done_only_when_so_many_ask() -> None:
    def check(run: Run) -> Callable[[], None]:
        def each() -> None:
            for act in run.now.acts:
                if act.action == "tune":
                    asking = [
                        place
                        for place in run.now.tripped
                        if MARKETS[RULES[place].market] == act.market and "tune" in RULES[place].actions
                    ]
                    assert len(asking) >= 2

        return each

    holds(check)


def test_dec_8__whatever_is_asked_for__is_counted_and_declined_ones_are_told_on_change() -> None:
    def check(run: Run) -> Callable[[], None]:
        told: dict[tuple[str, str, str], tuple[DecisionReason, str]] = {}

        def each() -> None:
            now = run.now
            counts = now.said.counts
            assert tuple(counts) == COUNTS
            asked = sum(len(RULES[place].actions) for place in now.tripped)
            assert asked == sum(count for key, count in counts.items() if not key.startswith("hold"))
            kinds = Counter(one.kind for one in now.said.decisions)
            for kind in (DecisionKind.ACT, DecisionKind.ALERT):
                assert kinds[kind] == sum(count for key, count in counts.items() if key.startswith(f"{kind}:"))
            asking = {(MARKETS[RULES[place].market], RULES[place].name) for place in now.tripped}
            for key in [key for key in told if key[:2] not in asking]:
                del told[key]
            for one in now.said.decisions:
                key = one.market, one.verdict.rule, one.action
                if one.kind is DecisionKind.DECLINED:
                    assert told.get(key) != (one.reason, one.incident)
                    told[key] = one.reason, one.incident
                elif one.kind is not DecisionKind.HOLD:
                    told.pop(key, None)

        return each

    holds(check)


def test_dec_9__alert__is_told_once_for_each_rule_and_incident() -> None:
    def check(run: Run) -> Callable[[], None]:
        seen: set[tuple[str, str]] = set()

        def each() -> None:
            for one in run.now.said.decisions:
                if one.kind is DecisionKind.ALERT:
                    assert (one.verdict.rule, one.incident) not in seen
                    seen.add((one.verdict.rule, one.incident))

        return each

    holds(check)


def test_dec_10__incidents__begin_and_end_by_the_rules_alone() -> None:
    def check(run: Run) -> Callable[[], None]:
        undisturbed = Office(*RULES, markets=MARKETS, policies=POLICIES)

        def each() -> None:
            now = run.now
            words = ["tripped" if place in now.tripped else "clear" for place in range(len(RULES))]
            plain = undisturbed.tick(*words, block=len(run.turns), at_ms=now.at_ms)
            kinds = [[(event.market, event.phase) for event in one.incidents] for one in (now.said, plain)]
            assert kinds[0] == kinds[1]

        return each

    holds(check)


def test_dec_11__escalation__the_top_of_the_ladder_is_never_declined_for_being_weak() -> None:
    def check(run: Run) -> Callable[[], None]:
        def each() -> None:
            for one in run.now.said.decisions:
                assert one.action != "halt" or one.reason is not DecisionReason.STRONGER
                if one.reason is DecisionReason.BUDGET and one.verdict.severity is Severity.CRITICAL:
                    assert KINDS[one.action] not in run.limits.exempt

        return each

    holds(check)
