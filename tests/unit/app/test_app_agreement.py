"""What is asked of other nodes, when, and what it means that too few agree; and what then becomes of a decision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.adapters.audit.canonical import canonical
from keeper.adapters.chain.witness import COMPARE_DEADLINE_MS
from keeper.app.acting import Acting
from keeper.app.agreement import UNHEARD, Agreement
from keeper.app.council.desks import Desks
from keeper.app.faults import Faults
from keeper.app.watch import Sight
from keeper.domain.action import Action, ActionKind, Call, Effect, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.decision import Decision, DecisionKind, DecisionReason, IncidentEvent, IncidentPhase
from keeper.domain.errors import AuditError, StoreUnavailable
from keeper.domain.evm import CallResult
from keeper.domain.record import Draft
from keeper.domain.testimony import Difference, Disputed, Otherwise, QuorumPolicy, Silence, Statement, Testimony, Word
from keeper.domain.units import Span
from keeper.domain.verdict import RuleState, Severity, Verdict, VerdictReason
from keeper.engine.spec import MarketSpec
from keeper.execution.planner import arm
from keeper.execution.work import Order
from keeper.ports.notifier import Notice
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.spec import SignalSpec
from tests.support.manual_clock import ManualClock, settle

pytestmark = pytest.mark.unit

VENUE = "0x000000000000000000000000000000000000dEaD"
BLOCK = BlockStamp(7, "0x" + "07" * 32, "0x" + "06" * 32, 1_700_000_000)
CALLS = (Call(VENUE, b"\1"), Call(VENUE, b"\2"))
RESULTS = (CallResult(True, b"\1"), CallResult(True, b"\0"))
SIGHT = Sight({}, {("M", "pause"): "false"}, CALLS, RESULTS)
UNREAD = Sight({}, {})
ORACLE = frozenset({"source:oracle"})
SUBJECTS = ("source:oracle", "effect:M/pause")
HOLD = QuorumPolicy(2, 500, Otherwise.HOLD)
ACT = QuorumPolicy(2, 700, Otherwise.ACT)
NOBODY = QuorumPolicy(1, 500, Otherwise.HOLD)

AGREES = Statement("verify-1", Word.AGREES)
LIES = Statement("verify-1", Word.DISAGREES, differences=(Difference(0, "0x01", "0x02"),))
FORKED = Statement("verify-1", Word.DISAGREES, differences=(Difference(None, "0x07", "0x08"),))
BEHIND = Statement("verify-2", Word.SILENT, Silence.BEHIND, "it is at block 2, 5 behind", 5)


def decision(
    kind: DecisionKind = DecisionKind.ACT,
    severity: Severity = Severity.CRITICAL,
    action: str = "pause",
    incident: str = "M@7",
) -> Decision:
    verdict = Verdict("M", "depeg", "gap", RuleState.TRIPPED, VerdictReason.BREACHED, 0.1, 0.02, -1.0, 1, 7, severity)
    reason = {
        DecisionKind.ACT: DecisionReason.TRIPPED,
        DecisionKind.HOLD: DecisionReason.NO_INPUT,
        DecisionKind.DECLINED: DecisionReason.COOLDOWN,
    }[kind]
    name = f"{incident}/{action}/{severity}/{kind}"
    return Decision(name, kind, reason, "M", action, incident, verdict, (), (), 1_000, 7)


MARKET = MarketSpec(
    "M",
    (SignalSpec("gap", "divergence", ("oracle", "spot")),),
    (
        RuleSpec(
            "depeg",
            Condition("gap", Side.ABOVE, Decimal("0.02"), Span(blocks=2)),
            Condition("gap", Side.BELOW, Decimal("0.01")),
            Severity.CRITICAL,
            ("pause", "limit"),
        ),
    ),
)


class Bench:
    """Witnesses that say what the test puts on their lips; each question is noted, and waits while ``gate`` is shut."""

    def __init__(self, *statements: Statement) -> None:
        self.statements = statements
        self.asked: list[tuple[int, int, int, int | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.lied_at = 0
        self.at_once = 0
        self.most_at_once = 0

    async def testify(
        self,
        block: BlockStamp,
        calls: Sequence[Call],
        results: Sequence[CallResult],
        deadline_ms: int,
        *,
        enough: int | None = None,
    ) -> Testimony:
        assert len(calls) == len(results)
        self.asked.append((block.number, len(calls), deadline_ms, enough))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await self.gate.wait()
        self.at_once -= 1
        return Testimony(block, (LIES,) if block.number == self.lied_at else self.statements)

    async def compare_head(self, block: BlockStamp) -> Testimony:
        return await self.testify(block, (), (), COMPARE_DEADLINE_MS)


class Others:
    """Keepers that sign together; ``shared`` names the actions that they do."""

    def __init__(self) -> None:
        self.shared: set[str] = set()
        self.taken: list[str] = []

    def takes(self, order: Order) -> bool:
        return order.armed.action.name in self.shared

    def take(self, order: Order) -> None:
        self.taken.append(order.id)


class Executor:
    """Takes what it is given; ``error`` stands in its way."""

    def __init__(self) -> None:
        self.given: list[tuple[list[Draft], list[str]]] = []
        self.marks: list[Mapping[str, float]] = []
        self.error: Exception | None = None
        self.open_works: tuple[Any, ...] = ()

    async def act(
        self, items: Sequence[tuple[Draft, Order | None]], block: BlockStamp, marks: Mapping[str, float]
    ) -> None:
        assert block == BLOCK
        self.given.append(([draft for draft, _ in items], [order.id for _, order in items if order is not None]))
        self.marks.append(dict(marks))
        if self.error is not None:
            raise self.error


class Scene:
    def __init__(
        self,
        bench: Bench | None,
        policies: Mapping[Severity, QuorumPolicy] | None = None,
        market: MarketSpec | None = None,
    ) -> None:
        self.bench = bench
        self.clock = ManualClock()
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        self.failed: list[tuple[str, str, str]] = []
        self.audit_errors: list[AuditError] = []
        self.executor = Executor()
        self.faults = Faults(self.clock, self.drafts.append, self.notices.append)
        self.disowned: list[Disputed] = []
        policies = dict.fromkeys(Severity, HOLD) if policies is None else policies
        self.agreement = Agreement(bench, policies, SUBJECTS, self.faults, [market or MARKET], self.disowned.append)
        armed = {
            ("M", name): arm(
                Action(
                    name=name,
                    market="M",
                    kind=ActionKind.PAUSE,
                    call=FunctionCall(VENUE, "pause()"),
                    effect=Effect(FunctionCall(VENUE, "paused()(bool)"), "true"),
                    route="public",
                    expires_ms=60_000,
                )
            )
            for name in ("pause", "limit")
        }
        self.pages: list[Notice] = []
        self.others = Others()
        self.acting = Acting(
            self.executor,  # type: ignore[arg-type]
            self.agreement,
            armed,
            "0xc0de",
            self.clock,
            SUBJECTS,
            cosigning=self.others,  # type: ignore[arg-type]
            desks=Desks([], {}, self.audit_errors.append),
            failed=lambda *what: self.failed.append(what),
            audit_failed=self.audit_errors.append,
            tell=self.pages.append,
        )

    async def tick(
        self, *decisions: Decision, incidents: Sequence[IncidentEvent] = (), sight: Sight = SIGHT
    ) -> dict[str, float]:
        marks = {"head": 0.0}
        tick: Any = SimpleNamespace(decisions=decisions, incidents=incidents)
        await self.acting.carry_out(tick, sight, BLOCK, marks)
        return marks

    @property
    def down(self) -> dict[str, str]:
        return {fault.part: fault.reason for fault in self.faults.current}

    @property
    def ordered(self) -> list[str]:
        return [order for _, orders in self.executor.given for order in orders]

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        return [draft.body for drafts, _ in self.executor.given for draft in drafts]


def opened() -> IncidentEvent:
    return IncidentEvent("M@7", "M", IncidentPhase.OPENED, decision().verdict, 1_000, 7)


# -- who is asked, and when ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bench", "policies"),
    [
        (None, None),
        (Bench(LIES), {}),
        (Bench(LIES), dict.fromkeys(Severity, NOBODY)),
        (Bench(LIES), {Severity.WARNING: HOLD}),
    ],
    ids=["no-witness", "no-policy", "agree-1", "other-severity"],
)
async def test_act__nobody_is_to_be_asked__goes_out_in_one_commit_at_once(
    bench: Bench | None, policies: Mapping[Severity, QuorumPolicy] | None
) -> None:
    scene = Scene(bench, policies)
    marks = await scene.tick(decision(), incidents=[opened()])
    assert scene.ordered == [decision().id]
    assert [len(drafts) for drafts, _ in scene.executor.given] == [2]
    assert bench is None or bench.asked == []
    assert marks == {"head": 0.0}
    assert "testimony" not in scene.bodies[1]


@pytest.mark.parametrize("kind", [DecisionKind.HOLD, DecisionKind.DECLINED])
async def test_no_act__is_recorded_and_nobody_is_asked(kind: DecisionKind) -> None:
    bench = Bench(LIES)
    scene = Scene(bench)
    await scene.tick(decision(kind))
    assert bench.asked == []
    assert [body["kind"] for body in scene.bodies] == [str(kind)]


async def test_nothing_decided__writes_and_asks_nothing() -> None:
    bench = Bench(LIES)
    scene = Scene(bench)
    await scene.tick()
    assert (scene.executor.given, bench.asked) == ([], [])


async def test_incident_without_a_decision__is_written() -> None:
    scene = Scene(Bench(LIES))
    await scene.tick(incidents=[opened()])
    assert [body["phase"] for body in scene.bodies] == ["opened"]


async def test_act__asks_about_the_block_and_every_read_with_the_policys_deadline() -> None:
    bench = Bench(AGREES)
    scene = Scene(bench, {Severity.CRITICAL: QuorumPolicy(2, 321, Otherwise.HOLD)})
    marks = await scene.tick(decision(), incidents=[opened()])
    assert bench.asked == [(7, 2, 321, 2)]
    assert scene.ordered == [decision().id]
    assert list(marks) == ["head", "agreed"]
    assert list(scene.executor.marks[0]) == ["head", "agreed"]
    assert [len(drafts) for drafts, _ in scene.executor.given] == [2], "the incident is in the same commit"


async def test_act__nothing_could_be_read__asks_about_the_block_alone() -> None:
    bench = Bench(AGREES)
    await Scene(bench).tick(decision(), sight=UNREAD)
    assert bench.asked == [(7, 0, 500, 2)]


async def test_acts__of_one_policy__are_asked_about_once() -> None:
    bench = Bench(AGREES)
    scene = Scene(bench)
    await scene.tick(decision(), decision(severity=Severity.WARNING, action="limit"))
    assert len(bench.asked) == 1
    assert len(scene.ordered) == 2


async def test_acts__of_several_policies__the_most_severe_goes_out_before_the_next_is_asked_about() -> None:
    bench = Bench(AGREES)
    scene = Scene(bench, {Severity.CRITICAL: HOLD, Severity.WARNING: ACT})
    acts = decision(), decision(severity=Severity.WARNING, action="limit")
    idle = decision(DecisionKind.DECLINED)
    await scene.tick(idle, *acts)
    assert [asked[2] for asked in bench.asked] == [500, 700]
    assert [orders for _, orders in scene.executor.given] == [[acts[0].id], [acts[1].id], []]


async def test_act_that_asks_nobody__does_not_wait_for_the_others() -> None:
    bench = Bench(AGREES)
    scene = Scene(bench, {Severity.CRITICAL: HOLD})
    bench.gate.clear()
    free = decision(severity=Severity.WARNING, action="limit")
    task = asyncio.create_task(scene.tick(decision(), free))
    await settle()
    assert scene.ordered == [free.id]
    bench.gate.set()
    await task
    assert scene.ordered == [free.id, decision().id]


# -- what it means ------------------------------------------------------------------------------------------------------------


async def test_enough_agree__acts_and_keeps_what_was_said_in_the_record() -> None:
    scene = Scene(Bench(AGREES, BEHIND))
    await scene.tick(decision())
    (body,) = scene.bodies
    assert (body["kind"], body["reason"], body["config_hash"]) == ("act", "tripped", "0xc0de")
    told = body["testimony"]
    assert (told["agreeing"], told["of"], told["needed"], told["met"], told["otherwise"]) == (2, 3, 2, True, "hold")
    assert [(one["endpoint"], one["word"], one["silence"]) for one in told["statements"]] == [
        ("verify-1", "agrees", None),
        ("verify-2", "silent", "does-not-have-the-block"),
    ]
    assert scene.pages == []
    assert scene.down == {}
    canonical(dict(body))


@pytest.mark.parametrize("statements", [(LIES,), (FORKED,), (replace(BEHIND, endpoint="verify-1"),), (LIES, BEHIND)])
async def test_too_few_agree__hold__declined_recorded_paged_and_fed_back(statements: tuple[Statement, ...]) -> None:
    scene = Scene(Bench(*statements))
    await scene.tick(decision(), incidents=[opened()])
    assert scene.ordered == []
    body = scene.bodies[1]
    assert (body["kind"], body["reason"]) == ("declined", "no-quorum")
    assert body["resolved"] == {"kind": "act", "reason": "tripped"}
    assert body["testimony"]["met"] is False
    assert len(body["testimony"]["statements"]) == len(statements)
    canonical(dict(body))
    assert scene.failed == [("M", "pause", "no-quorum")]
    (page,) = scene.pages
    assert page.severity is Severity.CRITICAL
    assert "HELD" in page.title
    assert f"1 of {1 + len(statements)} endpoints agree about block 7, 2 are needed" in page.body
    assert scene.down == {"quorum": "held"}


async def test_too_few_agree__act__acts_recorded_and_paged_as_standing_alone() -> None:
    scene = Scene(Bench(LIES), dict.fromkeys(Severity, ACT))
    await scene.tick(decision())
    assert scene.ordered == [decision().id]
    (body,) = scene.bodies
    assert (body["kind"], body["reason"]) == ("act", "tripped")
    assert (body["testimony"]["met"], body["testimony"]["otherwise"]) == (False, "act")
    assert body["testimony"]["statements"][0]["differences"] == [
        {"about": "source:oracle", "call": 0, "ours": "0x01", "theirs": "0x02"}
    ]
    assert scene.failed == []
    (page,) = scene.pages
    assert page.severity is Severity.CRITICAL
    assert "goes ahead although too few nodes agree" in page.title
    assert "verify-1 disagrees: source:oracle is 0x02 there and 0x01 at the endpoint in use" in page.body
    assert scene.down == {"quorum": "alone"}


@pytest.mark.parametrize(("policy", "acts"), [(HOLD, False), (ACT, True)])
async def test_asking_fails_of_a_bug__counts_as_silence_and_the_policy_decides(
    policy: QuorumPolicy, acts: bool
) -> None:
    class Broken(Bench):
        async def testify(self, *_: object, **__: object) -> Testimony:
            raise ZeroDivisionError

    scene = Scene(Broken(), dict.fromkeys(Severity, policy))
    await scene.tick(decision())
    assert bool(scene.ordered) is acts
    assert bool(scene.failed) is not acts
    assert len(scene.pages) == 1


async def test_held__again_and_again__every_time_recorded_and_paged_when_something_else_is_said() -> None:
    bench = Bench(LIES)
    scene = Scene(bench)
    for _ in range(3):
        await scene.tick(decision())
    assert (len(scene.bodies), len(scene.failed), len(scene.pages)) == (3, 3, 1)
    bench.statements = (BEHIND,)
    await scene.tick(decision())
    assert len(scene.pages) == 2
    await scene.tick(decision(incident="M@9"))
    assert len(scene.pages) == 3, "another incident"
    bench.statements = (AGREES,)
    await scene.tick(replace(decision(incident="M@9"), block=20, at_ms=20_000))
    bench.statements = (BEHIND,)
    await scene.tick(decision(incident="M@9"))
    assert len(scene.pages) == 4, "it had ended in between"


async def test_held__all_agree_about_the_next_block__what_tripped_it_is_still_one_nodes_word() -> None:
    bench = Bench(LIES)
    scene = Scene(bench)
    await scene.tick(decision())
    bench.statements = (AGREES,)
    later = replace(decision(), block=9, at_ms=3_000)
    await scene.tick(later)
    assert scene.ordered == []
    assert scene.failed == [("M", "pause", "no-quorum")] * 2
    body = scene.bodies[-1]
    assert (body["kind"], body["reason"], body["disputed_block"]) == ("declined", "no-quorum", 7)
    assert "rests on block 7" in scene.pages[-1].body
    await scene.tick(replace(later, block=10))
    assert scene.ordered == [later.id], "beyond for as long as the rule asks, in what all agree about"


async def test_log_away__what_was_to_be_done_is_fed_back_and_told() -> None:
    scene = Scene(Bench(AGREES))
    scene.executor.error = StoreUnavailable("the disk is full")
    await scene.tick(decision(), decision(DecisionKind.HOLD))
    assert scene.failed == [("M", "pause", "no-log")]
    assert len(scene.audit_errors) == 2, "each commit tells it"


async def test_log_away__after_the_intent_was_opened__is_not_fed_back() -> None:
    scene = Scene(None)
    scene.executor.error = StoreUnavailable("the disk is full")
    scene.executor.open_works = (SimpleNamespace(intent=SimpleNamespace(id=decision().id)),)
    await scene.tick(decision())
    assert scene.failed == []


async def test_several_keepers_sign_it__the_decision_is_written_down_and_the_others_are_asked_after_that() -> None:
    scene = Scene(None)
    scene.others.shared = {"limit"}
    await scene.tick(decision(), decision(action="limit"))
    assert scene.ordered == [decision().id]
    assert len(scene.executor.given[0][0]) == 2, "both decisions are recorded"
    assert scene.others.taken == [decision(action="limit").id]
    assert scene.failed == []


async def test_several_keepers_sign_it__log_away__nobody_is_asked_and_it_is_fed_back() -> None:
    scene = Scene(None)
    scene.others.shared = {"pause"}
    scene.executor.error = StoreUnavailable("the disk is full")
    await scene.tick(decision())
    assert scene.others.taken == []
    assert scene.failed == [("M", "pause", "no-log")]


async def test_executor_fails_of_a_bug__is_fed_back_and_not_swallowed() -> None:
    scene = Scene(None)
    scene.executor.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        await scene.tick(decision(), decision(DecisionKind.HOLD))
    assert scene.failed == [("M", "pause", "crashed")]


async def test_executor_fails_of_a_bug__what_later_rounds_were_to_do_is_fed_back_too() -> None:
    scene = Scene(Bench(AGREES), {Severity.CRITICAL: HOLD, Severity.WARNING: ACT})
    scene.executor.error = RuntimeError("a bug")
    idle = decision(DecisionKind.DECLINED, action="other")
    with pytest.raises(RuntimeError):
        await scene.tick(idle, decision(), decision(severity=Severity.WARNING, action="limit"))
    assert scene.failed == [("M", "pause", "crashed"), ("M", "limit", "crashed")]


async def test_executor_fails_of_a_bug__while_held__is_fed_back_all_the_same() -> None:
    scene = Scene(Bench(LIES))
    scene.executor.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        await scene.tick(decision())
    assert scene.failed == [("M", "pause", "crashed")]


async def test_log_away__held__is_fed_back_once() -> None:
    scene = Scene(Bench(LIES))
    scene.executor.error = StoreUnavailable("the disk is full")
    await scene.tick(decision())
    assert scene.failed == [("M", "pause", "no-quorum")]


# -- after each block ---------------------------------------------------------------------------------------------------------


def at(number: int) -> BlockStamp:
    return replace(BLOCK, number=number)


@asynccontextmanager
async def comparing(
    bench: Bench, policies: Mapping[Severity, QuorumPolicy] | None = None, market: MarketSpec | None = None
) -> AsyncIterator[Scene]:
    scene = Scene(bench, policies, market)
    task = asyncio.create_task(scene.agreement.run())
    try:
        yield scene
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seen(scene: Scene, number: int, sight: Sight = SIGHT) -> None:
    scene.agreement.saw(at(number), sight, 1_000 * number, good=True)
    await settle()


async def test_compare__each_block__with_its_reads_and_more_time() -> None:
    bench = Bench(AGREES)
    async with comparing(bench) as scene:
        await seen(scene, 7)
        await seen(scene, 8)
    assert bench.asked == [(7, 2, COMPARE_DEADLINE_MS, None), (8, 2, COMPARE_DEADLINE_MS, None)]


async def test_compare__nothing_could_be_read__the_block_alone() -> None:
    bench = Bench(AGREES)
    async with comparing(bench) as scene:
        await seen(scene, 7, UNREAD)
    assert bench.asked == [(7, 0, COMPARE_DEADLINE_MS, None)]


async def test_compare__blocks_come_faster__never_two_at_once_and_the_newest_is_next() -> None:
    bench = Bench(AGREES)
    async with comparing(bench) as scene:
        bench.gate.clear()
        for number in (7, 8, 9, 10):
            await seen(scene, number)
        assert [asked[0] for asked in bench.asked] == [7]
        bench.gate.set()
        await settle()
    assert [asked[0] for asked in bench.asked] == [7, 10]
    assert bench.most_at_once == 1


async def test_compare__without_a_policy__still_compares_and_there_is_no_quorum_to_miss() -> None:
    bench = Bench(LIES)
    async with comparing(bench, {}) as scene:
        await seen(scene, 7)
        await seen(scene, 8)
        assert scene.down == {}
    assert len(bench.asked) == 2


async def test_compare__too_few_agree_for_two_blocks__is_a_fault_that_ends_with_agreement() -> None:
    bench = Bench(BEHIND)
    async with comparing(bench) as scene:
        await seen(scene, 7)
        assert scene.down == {}, "one late block is nothing"
        await seen(scene, 8)
        assert scene.down == {"quorum": "held"}
        (notice,) = scene.notices
        assert notice.severity is Severity.CRITICAL
        assert "verify-2 is silent (does-not-have-the-block): it is at block 2, 5 behind" in notice.body
        bench.statements = (AGREES,)
        await seen(scene, 9)
        assert scene.down == {}
        bench.statements = (BEHIND,)
        await seen(scene, 10)
        assert scene.down == {}


async def test_compare__enough_agree_for_one_severity_only__the_other_is_short() -> None:
    bench = Bench(AGREES, BEHIND)
    policies = {Severity.CRITICAL: HOLD, Severity.WARNING: QuorumPolicy(3, 500, Otherwise.ACT)}
    ladder = replace(MARKET, rules=(*MARKET.rules, replace(MARKET.rules[0], name="early", severity=Severity.WARNING)))
    async with comparing(bench, policies, ladder) as scene:
        await seen(scene, 7)
        await seen(scene, 8)
        assert scene.down == {"quorum": "alone"}
        assert scene.notices[0].severity is Severity.WARNING
        assert "2 of 3 endpoints agree about block 8, 3 are needed" in scene.notices[0].body


@pytest.mark.parametrize(("actions", "down"), [(("pause",), {"quorum": "held"}), ((), {"quorum": "alone"})])
async def test_compare__a_severity_that_no_rule_acts_with__is_not_missed(
    actions: tuple[str, ...], down: dict[str, str]
) -> None:
    policies = {Severity.CRITICAL: ACT, Severity.WARNING: HOLD}
    early = replace(MARKET.rules[0], name="early", severity=Severity.WARNING, actions=actions)
    async with comparing(Bench(LIES), policies, replace(MARKET, rules=(*MARKET.rules, early))) as scene:
        await seen(scene, 7)
        await seen(scene, 8)
        assert scene.down == down


@pytest.mark.parametrize(("took_ms", "late"), [(HOLD.deadline_ms, False), (HOLD.deadline_ms + 20, True)])
async def test_compare__they_agree_after_the_deadline__the_fault_says_so_and_what_to_do(
    took_ms: float, late: bool
) -> None:
    async with comparing(Bench(replace(AGREES, took_ms=took_ms))) as scene:
        await seen(scene, 7)
        await seen(scene, 8)
        assert [fault.part for fault in scene.faults.current] == ["quorum"] * late
        for fault in scene.faults.current:
            assert "1 of 2 endpoints agree about block 8, 2 are needed" in fault.message
            assert "verify-1 agrees too late: after 520 ms, `deadline` is 500 ms" in fault.message
            assert "raise `deadline`" in fault.remedy


async def test_compare__after_a_hold__ends_it_when_they_agree() -> None:
    bench = Bench(LIES)
    async with comparing(bench) as scene:
        await scene.tick(decision())
        assert scene.down == {"quorum": "held"}
        bench.statements = (AGREES,)
        await seen(scene, 8)
        assert scene.down == {}


# -- blocks that nobody was heard about yet, and what is disputed ------------------------------------------------------------------


async def test_hear__comparison_of_the_block_before_is_not_done__it_is_asked_about_too_and_its_lie_is_known() -> None:
    bench = Bench(AGREES)
    bench.lied_at = 6
    async with comparing(bench) as scene:
        bench.gate.clear()
        await seen(scene, 6)
        ticking = asyncio.create_task(scene.tick(decision()))
        await settle()
        assert [(asked[0], asked[2], asked[3]) for asked in bench.asked[1:]] == [(7, 500, 2), (6, 500, 2)]
        bench.gate.set()
        await ticking
    assert scene.bodies[0]["disputed_block"] == 6
    assert scene.ordered == []


async def test_hear__block_that_was_compared_or_is_long_past__is_not_asked_about_again() -> None:
    bench = Bench(AGREES)
    scene = Scene(bench)
    scene.agreement.saw(at(7 - UNHEARD - 1), SIGHT, 1, good=True)
    scene.agreement.saw(at(7 - UNHEARD), UNREAD, 2, good=True)
    scene.agreement.saw(at(7 - UNHEARD + 1), SIGHT, 3, good=True)
    await scene.tick(decision())
    assert [asked[0] for asked in bench.asked] == [7, 7 - UNHEARD + 1]
    await scene.tick(decision())
    assert [asked[0] for asked in bench.asked[2:]] == [7]


@pytest.mark.parametrize(
    ("statements", "disowned"),
    [
        ((LIES,), [Disputed(ORACLE, 6, 9, 6_000, 9_000)]),
        ((FORKED,), []),
        ((BEHIND,), []),
        ((LIES, AGREES), []),
    ],
    ids=["disputed", "hash alone", "silent", "enough agree"],
)
async def test_disown__what_too_few_agree_about__goes_back_to_the_last_block_of_agreement(
    statements: tuple[Statement, ...], disowned: list[Disputed]
) -> None:
    bench = Bench(AGREES)
    async with comparing(bench) as scene:
        await seen(scene, 6)
        bench.statements = (BEHIND,)
        await seen(scene, 8)
        bench.statements = statements
        await seen(scene, 9)
    assert scene.disowned == disowned


async def test_disown__before_an_action__is_known_at_once() -> None:
    scene = Scene(Bench(LIES))
    await scene.tick(decision())
    assert scene.disowned == [Disputed(ORACLE, -1, 7, -1, 1_000)]
