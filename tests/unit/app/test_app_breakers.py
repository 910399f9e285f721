"""The keeper's breakers on a chain in memory: what is heard, what is told, and what is sent when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.breakers.following import Breakers
from keeper.app.breakers.own import ArmedHeartbeat, is_own, own_actions
from keeper.app.breakers.registered import Breaker, Contract, contracts_in
from keeper.app.breakers.upkeep import AGAIN_MS, OTHERS_FIRST_S
from keeper.app.earlier import Done
from keeper.app.faults import Faults
from keeper.config.model import BreakerRoute, RouteConfig
from keeper.config.sending import PublicRoute
from keeper.decisions.breaker import BreakerState as MarketState
from keeper.domain.action import ActionKind, BreakerTrip, Call
from keeper.domain.circuit_breaker import TRIPPED_TOPIC, BreakerStatus, breaker_id, utc
from keeper.domain.errors import Unreachable
from keeper.domain.evm import Log
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Draft, RecordKind
from keeper.domain.verdict import Severity
from keeper.execution.edges import Way
from keeper.execution.executor import Edges, Executor, Terms
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work
from keeper.ports.notifier import Notice
from tests.support.breaker_double import ADDRESS, LIMIT_S, READY, TARGET, TERMS, Double, ended, ratified, tripped
from tests.support.execution_stage import Stage, pause

pytestmark = pytest.mark.unit

MARKET, ACTION = pause().key
ID = breaker_id("pause")
INTERVAL_S = 1_200
CONTRACT = Contract(ADDRESS, "public", INTERVAL_S * 1000, (Breaker(ADDRESS, ID, "public", ((MARKET, ACTION),)),))
END, SIGN = f"expire:{ACTION}", "heartbeat:public"
TX = "0x" + "ab" * 32


class Events:
    """What the contract told; ``away`` makes it unreadable."""

    def __init__(self) -> None:
        self.told: list[Log] = []
        self.away = False

    def trip(self, keeper: str, tx_hash: str) -> None:
        topics = (TRIPPED_TOPIC, ID, "0x" + keeper[2:].lower().rjust(64, "0"), TX)
        self.told.append(Log(ADDRESS, topics, b"", 1, TX, tx_hash, 0))

    async def logs(self, address: str, topics: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        assert (address, list(topics)) == (ADDRESS, [TRIPPED_TOPIC, ID])
        if self.away:
            raise Unreachable("the node is away")
        return list(self.told)


class Scene:
    """One breaker, its keeper, and blocks that the test makes."""

    def __init__(self, *, live: bool = True, **storage: Any) -> None:
        self.stage = Stage()
        self.double = Double(self.stage.chain)
        self.double.install(**({"heard_s": self.now_s} | storage))
        self.notices: list[Notice] = []
        self.drafts: list[Draft] = []
        self.heard: list[Intervention] = []
        self.run_out: list[tuple[str, str]] = []
        self.incidents: dict[str, str] = {}
        self.ends: list[tuple[str, str]] = []
        self.events = Events()
        self.faults = Faults(self.stage.clock, self.drafts.append, lambda _: None)
        self.begin(live=live)

    def begin(self, *, live: bool = True) -> None:
        """A new keeper on the same log, as after a restart."""
        stage = self.stage
        edges = Edges(stage.store, stage.chain, stage.chain, stage.signer, {"public": Way(stage.route)}, stage.clock)
        own = own_actions([CONTRACT], edges.senders)
        armed = {pause().key: pause()} | own
        self.executor = Executor(edges, Terms(31337, 1, live=live), armed, self._ended)
        lasting: Any = SimpleNamespace(run_out=self.run_out.append)
        self.breakers = Breakers(
            [CONTRACT],
            self.executor,
            edges,
            self.faults,
            lasting,
            live=live,
            hear=self.heard.append,
            record=self.drafts.append,
            tell=self.notices.append,
            incidents=lambda: self.incidents,
            events=self.events,
        )

    @property
    def now_s(self) -> int:
        return self.stage.block.timestamp_s

    async def block(self, seconds: int = 12, **storage: Any) -> None:
        """The next block, with the contract changed like this."""
        self.double.set(now_s=self.now_s + seconds, **storage)
        await self.stage.head(self.executor, seconds=seconds)
        await self.breakers.look(self.stage.block)
        await self.breakers.keep_up(self.stage.block)

    @property
    def down(self) -> dict[str, str]:
        return {fault.part: fault.reason for fault in self.faults.current}

    @property
    def turns(self) -> list[str]:
        return [str(one.body["after"]) for one in self.drafts if one.kind is RecordKind.BREAKER]

    def _ended(self, work: Work, outcome: Outcome) -> None:
        self.ends.append((work.intent.action, str(outcome.kind)))
        if not self.breakers.ended(work, outcome):
            self.stage.outcomes.append((work.intent.id, outcome))


def kinds(scene: Scene) -> list[InterventionKind]:
    return [one.kind for one in scene.heard]


# --- what is followed


def through(name: str, route: str, identifier: str = ID) -> ArmedAction:
    armed = pause(name=name)
    return replace(armed, action=replace(armed.action, route=route, breaker=BreakerTrip(ADDRESS, identifier)))


def test_contracts__of_the_armed_actions__each_breaker_once_with_all_that_trip_it() -> None:
    other = breaker_id("other")
    armed = [through("a", "one"), through("b", "two"), through("c", "one", other), pause()]
    routes: list[RouteConfig] = [
        BreakerRoute("one", ADDRESS, 5_000, None),
        BreakerRoute("two", ADDRESS, 4_000, None),
        PublicRoute("public"),
    ]
    (found,) = contracts_in(armed, routes)
    assert (found.address, found.route, found.heartbeat_ms) == (ADDRESS, "one", 4_000)
    assert [(one.name, one.keys) for one in found.breakers] == [
        ("pause", ((MARKET, "a"), (MARKET, "b"))),
        ("other", ((MARKET, "c"),)),
    ]
    assert contracts_in([pause()], routes) == ()


def test_own_actions__names__are_none_of_the_configuration() -> None:
    own = own_actions([CONTRACT], {"": TARGET})
    assert set(own) == {(MARKET, END), ("keeper", SIGN)}
    assert all(is_own(key) for key in own)
    assert not is_own((MARKET, ACTION))
    assert {one.action.kind for one in own.values()} == {ActionKind.UPKEEP}
    assert own_actions([CONTRACT], {}) == {}


async def test_nothing_goes_through_a_breaker__nothing_is_asked() -> None:
    scene = Scene()
    lasting: Any = None
    breakers = Breakers(
        [],
        scene.executor,
        Edges(scene.stage.store, scene.stage.chain, scene.stage.chain, scene.stage.signer, {}, scene.stage.clock),
        scene.faults,
        lasting,
        live=True,
        hear=scene.heard.append,
        record=scene.drafts.append,
        tell=scene.notices.append,
        incidents=dict,
    )
    asked = scene.stage.chain.requests_made
    await breakers.look(scene.stage.block)
    await breakers.keep_up(scene.stage.block)
    assert scene.stage.chain.requests_made == asked


# --- what the council does


async def test_first_look__whatever_is_there__is_only_learned() -> None:
    scene = Scene(state=ratified(tripped(1)))
    await scene.block()
    assert (scene.heard, scene.turns, scene.notices) == ([], [], [])
    await scene.block(state=ended(tripped(1), 50, lifted=True))
    assert (kinds(scene), scene.turns) == ([InterventionKind.LIFTED], ["lifted"])


async def test_council__ratifies_then_lifts__is_heard_told_and_written_down() -> None:
    scene = Scene()
    await scene.block()
    trip = tripped(scene.now_s)
    await scene.block(state=trip)
    await scene.block(state=ratified(trip))
    assert scene.run_out == []
    await scene.block(state=ended(ratified(trip), scene.now_s, lifted=True))
    assert kinds(scene) == [InterventionKind.RATIFIED, InterventionKind.LIFTED]
    assert {(one.market, one.action) for one in scene.heard} == {(MARKET, "")}
    assert "the council lifted the trip of breaker pause" in scene.heard[1].reason
    assert scene.turns == ["tripped", "ratified", "lifted"]
    assert [notice.title for notice in scene.notices[1:]] == [
        f"{MARKET}: breaker pause {word}" for word in ("ratified", "lifted")
    ]
    assert scene.run_out == [(MARKET, ACTION)]


def said(scene: Scene) -> list[tuple[InterventionKind, str]]:
    return [(one.kind, one.action) for one in scene.heard]


async def test_expired__the_action_may_be_asked_for_again__when_the_breaker_would_trip_again() -> None:
    scene = Scene()
    await scene.block()
    mine = tripped(scene.now_s)
    await scene.block(state=mine)
    await scene.block(state=ended(mine, scene.now_s + 12))
    await scene.block(seconds=TERMS.cooldown_s - 1)
    assert said(scene) == [(InterventionKind.EXPIRED, "")]
    await scene.block(seconds=1, frozen=1)
    assert said(scene) == [(InterventionKind.EXPIRED, "")]
    await scene.block(frozen=0)
    await scene.block()
    assert said(scene) == [(InterventionKind.EXPIRED, ""), (InterventionKind.EXPIRED, ACTION)]
    assert "breaker pause may trip again" in scene.heard[1].reason


async def test_expired__tripped_again_by_another_key__is_not_asked_for() -> None:
    scene = Scene()
    await scene.block()
    mine = tripped(scene.now_s)
    await scene.block(state=mine)
    await scene.block(state=ended(mine, scene.now_s + 12))
    theirs = tripped(scene.now_s, nonce=4)
    await scene.block(state=theirs)
    await scene.block(state=ended(theirs, scene.now_s, lifted=True))
    await scene.block(seconds=TERMS.lock_s)
    assert said(scene) == [(InterventionKind.EXPIRED, ""), (InterventionKind.LIFTED, "")]


async def test_trip__of_another_key__is_told_and_of_our_own_not() -> None:
    scene = Scene()
    await scene.block()
    await scene.block(state=tripped(scene.now_s))
    assert [notice.title for notice in scene.notices] == [f"{MARKET}: breaker pause was tripped by another key"]
    assert "revokeKeeper" in scene.notices[0].body
    assert "who did could not be read (the node has no such event" in scene.notices[0].body
    other = Scene()
    await other.block()
    await other.stage.act(other.executor)
    trip = tripped(other.now_s)
    await other.block(state=trip)
    assert other.ends == [(ACTION, "included")]
    (notice,) = other.notices
    until = utc(trip.expires_at_s)
    assert (notice.title, notice.severity) == (f"{MARKET}: pause is in effect until {until}", Severity.WARNING)
    assert f"must ratify the trip before {until}, or it ends by itself" in notice.body
    assert f"ratify({ID}) / lift({ID}, true) on contract {ADDRESS}" in notice.body


async def stranger(scene: Scene, keeper: str, required: int = 1, *, away: bool = False) -> Notice:
    """A trip that the log of this keeper does not know."""
    scene.double.set(terms=replace(TERMS, required=required))
    await scene.block()
    scene.events.trip(keeper, TX)
    scene.events.away = away
    await scene.block(state=tripped(scene.now_s))
    (notice,) = scene.notices
    return notice


async def test_trip__of_another_key__names_it_and_its_transaction() -> None:
    notice = await stranger(Scene(), TARGET)
    assert (notice.title, notice.severity) == (f"{MARKET}: breaker pause was tripped by another key", Severity.WARNING)
    assert f"revokeKeeper({TARGET})" in notice.body
    assert TX in notice.body
    assert "and the council lift the trip" in notice.body


async def test_trip__with_this_key_and_not_by_this_keeper__is_a_theft() -> None:
    scene = Scene()
    own = scene.stage.signer.address
    notice = await stranger(scene, own, 2)
    assert notice.severity is Severity.CRITICAL
    assert f"Sent with THIS keeper's key {own}, and not by this keeper, in transaction {TX}" in notice.body
    assert f"revokeKeeper({own}) now" in notice.body


async def test_trip__by_another_of_several_keepers__is_no_alarm() -> None:
    notice = await stranger(Scene(), TARGET, 2)
    assert notice.severity is Severity.WARNING
    assert f"Carried out by keeper {TARGET} with the signatures of several (2 are required)" in notice.body
    assert "revoke" not in notice.body


async def test_trip__the_event_cannot_be_read__is_said() -> None:
    notice = await stranger(Scene(), TARGET, away=True)
    assert notice.title == f"{MARKET}: breaker pause was tripped by another key"
    assert "who did could not be read (the node is away)" in notice.body


async def test_trip__of_an_earlier_run__is_known_from_the_log() -> None:
    scene = Scene()
    await scene.block()
    await scene.stage.act(scene.executor)
    (attempt,) = scene.stage.route.sent
    await scene.block(seconds=0)
    scene.begin()
    await scene.block()
    scene.events.trip(scene.stage.signer.address, attempt.tx_hash)
    await scene.block(state=tripped(scene.now_s))
    assert [notice.key for notice in scene.notices] == ["breaker-own/public/pause/2"]


async def test_trip__of_another_key_while_ours_is_on_its_way__is_not_ours() -> None:
    scene = Scene()
    await scene.block()
    scene.stage.route.answers = ["lost"]
    await scene.stage.act(scene.executor)
    assert len(scene.executor.open_works) == 1
    scene.events.trip(TARGET, TX)
    trip = tripped(scene.now_s)
    scene.double.set(state=trip)
    scene.stage.block = scene.stage.chain.mine()
    for _ in range(2):
        await scene.breakers.look(scene.stage.block)
        assert scene.breakers._mine == set()
    assert [notice.title for notice in scene.notices] == [f"{MARKET}: breaker pause was tripped by another key"]


async def test_trip__ours_while_it_is_not_confirmed_yet__is_told_as_ours() -> None:
    scene = Scene()
    await scene.block()
    await scene.stage.act(scene.executor)
    (attempt,) = scene.stage.route.sent
    scene.events.trip(scene.stage.signer.address, attempt.tx_hash)
    scene.double.set(state=tripped(scene.now_s))
    scene.stage.block = scene.stage.chain.mine()
    await scene.breakers.look(scene.stage.block)
    assert [notice.key for notice in scene.notices] == ["breaker-own/public/pause/2"]
    assert scene.breakers._mine == {(ADDRESS, ID)}


async def test_trip__of_another_key_after_ours_has_ended__is_told() -> None:
    scene = Scene()
    scene.breakers.go_on([Done((MARKET, ACTION), TX, 5)], {MARKET: MarketState.TRIPPED})
    mine = tripped(scene.now_s)
    await scene.block(state=mine)
    over = ended(mine, scene.now_s, lifted=True)
    await scene.block(state=over)
    await scene.block(state=replace(tripped(scene.now_s, nonce=4), locked_until_s=over.locked_until_s))
    assert scene.turns == ["lifted", "tripped"]
    assert [notice.title for notice in scene.notices][1:] == [f"{MARKET}: breaker pause was tripped by another key"]


# --- after a restart


@pytest.mark.parametrize(
    ("market", "now", "heard"),
    [
        (MarketState.TRIPPED, ended(tripped(1), 1_700_000_000), [InterventionKind.EXPIRED]),
        (MarketState.TRIPPED, ended(tripped(1), 50, lifted=True), [InterventionKind.LIFTED]),
        (MarketState.TRIPPED, ratified(tripped(1)), [InterventionKind.RATIFIED]),
        (MarketState.RATIFIED, ratified(tripped(1)), []),
        (MarketState.LIFTED, ended(tripped(1), 50, lifted=True), []),
        (MarketState.EXPIRED, ended(tripped(1), 1_700_000_000), []),
        (MarketState.EXPIRED, ended(tripped(1), 1_001), [InterventionKind.EXPIRED]),
    ],
)
async def test_restart__what_had_worked_in_an_open_incident__its_end_meanwhile_is_heard_once(
    market: MarketState, now: Any, heard: list[InterventionKind]
) -> None:
    scene = Scene(state=now)
    scene.breakers.go_on([Done((MARKET, ACTION), TX, 5)], {MARKET: market})
    await scene.block()
    await scene.block()
    assert kinds(scene) == heard
    over = now.status is BreakerStatus.READY
    assert scene.run_out == ([(MARKET, ACTION)] if over else [])


async def test_restart__a_trip_is_taken_up_and_had_run_out_before_the_first_look__is_heard() -> None:
    scene = Scene()
    await scene.stage.act(scene.executor)
    (work,) = scene.executor.open_works
    scene.breakers.ended(work, Outcome(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED, "", tx_hash=TX, block=1))
    scene.double.set(state=ended(tripped(1), 1_001))
    scene.stage.block = scene.stage.chain.mine()
    await scene.breakers.look(scene.stage.block)
    assert said(scene) == [(InterventionKind.EXPIRED, ""), (InterventionKind.EXPIRED, ACTION)]


async def test_restart__somebody_else_had_paused__says_nothing_of_the_breaker() -> None:
    scene = Scene()
    scene.breakers.go_on([Done((MARKET, ACTION), None, None)], {MARKET: MarketState.TRIPPED})
    await scene.block()
    assert (scene.heard, scene.run_out) == ([], [])


# --- what keeps it from tripping


@pytest.mark.parametrize(
    ("storage", "part", "reason"),
    [
        ({"frozen": 1}, "breaker:public", "frozen"),
        ({"state": replace(READY, armed=False)}, "breaker:public/pause", "disarmed"),
        ({"state": replace(READY, status=BreakerStatus.UNKNOWN, armed=False)}, "breaker:public/pause", "unregistered"),
        ({"heard_s": 0}, "breaker-key:public", "not-a-keeper"),
        ({"heard_s": 1}, "breaker-key:public", "silent"),
    ],
)
async def test_fault__what_keeps_it_from_tripping__is_critical_and_ends(
    storage: dict[str, Any], part: str, reason: str
) -> None:
    scene = Scene()
    await scene.block()
    assert scene.down == {}
    await scene.block(**storage)
    assert scene.down == {part: reason}
    await scene.block(frozen=0, state=READY, heard_s=scene.now_s)
    assert scene.down == {}
    assert (scene.double.value("signs"), scene.double.value("ends")) == (0, 0)


async def test_fault__not_a_keeper__does_not_simply_advise_to_add_the_same_key_again() -> None:
    scene = Scene(heard_s=0)
    await scene.block()
    (fault,) = scene.faults.current
    assert fault.remedy.startswith("if it was revoked because it may be stolen: a new key, never this one; else")


@pytest.mark.parametrize(
    ("left_s", "down"), [(LIMIT_S // 4, {}), (LIMIT_S // 4 - 1, {"breaker-key:public": "silent-soon"})]
)
async def test_fault__silent_soon__when_less_than_a_quarter_is_left(left_s: int, down: dict[str, str]) -> None:
    scene = Scene(live=False)
    await scene.block(heard_s=scene.now_s + 12 + left_s - LIMIT_S - 1)
    assert scene.down == down


@pytest.mark.parametrize("kind", ["nothing", "another"])
async def test_fault__another_contract__is_told_and_nothing_is_sent(kind: str) -> None:
    scene = Scene()
    chain = scene.stage.chain
    if kind == "nothing":
        del chain._code[ADDRESS]
    else:
        chain.install(ADDRESS, lambda data, sender, storage: b"\xff" * 32)
    scene.stage.block = chain.mine()
    await scene.breakers.look(scene.stage.block)
    await scene.breakers.keep_up(scene.stage.block)
    assert scene.down == {"breaker:public": "wrong-contract"}
    assert scene.stage.route.sent == []


async def test_look__the_node_is_away__raises_and_sends_nothing() -> None:
    scene = Scene()
    scene.stage.chain.go_down()
    with pytest.raises(Unreachable):
        await scene.breakers.look(scene.stage.block)
    scene.stage.chain.come_back()
    await scene.breakers.keep_up(scene.stage.block)
    assert scene.stage.route.sent == []


async def test_terms__are_asked_once_and_again_when_something_happened() -> None:
    scene = Scene()
    await scene.block()
    quiet = scene.stage.chain.requests_made
    await scene.breakers.look(scene.stage.block)
    assert scene.stage.chain.requests_made == quiet + 1
    scene.stage.block = scene.stage.chain.mine()
    scene.double.set(state=replace(READY, nonce=2), terms=replace(TERMS, duration_s=77))
    scene.stage.block = scene.stage.chain.mine()
    await scene.breakers.look(scene.stage.block)
    assert scene.stage.chain.requests_made == quiet + 3


# --- the term of a trip


@pytest.mark.parametrize(("left_s", "told"), [(TERMS.duration_s // 10 + 1, 0), (TERMS.duration_s // 10, 1)])
async def test_term__a_tenth_is_left_and_the_incident_is_open__is_told_once(left_s: int, told: int) -> None:
    scene = Scene()
    scene.incidents = {MARKET: "ETH-PERP@7"}
    await scene.block(state=tripped(scene.now_s + 12 + left_s - TERMS.duration_s))
    await scene.block(seconds=0)
    assert [notice.severity for notice in scene.notices] == [Severity.CRITICAL] * told
    assert all("The council must ratify" in notice.body and "ETH-PERP@7" in notice.body for notice in scene.notices)


async def test_term__ratified_or_the_incident_over__is_not_told() -> None:
    scene = Scene()
    await scene.block(state=tripped(scene.now_s - TERMS.duration_s + 50))
    scene.incidents = {MARKET: "ETH-PERP@7"}
    await scene.block(state=ratified(tripped(scene.now_s - TERMS.duration_s + 30)))
    assert not [notice for notice in scene.notices if notice.severity is Severity.CRITICAL]


# --- what is sent


@pytest.mark.parametrize(("ago_s", "signs"), [(INTERVAL_S - 1, 0), (INTERVAL_S, 1)])
async def test_heartbeat__the_last_sign_is_as_old_as_the_interval__is_sent_once(ago_s: int, signs: int) -> None:
    scene = Scene()
    await scene.block(heard_s=scene.now_s + 12 - ago_s)
    await scene.block(seconds=0)
    await scene.block(seconds=0)
    assert scene.double.value("signs") == signs
    assert scene.ends == [(SIGN, "included")] * signs
    assert (scene.stage.outcomes, scene.notices) == ([], []), "nobody else hears of it"


async def test_heartbeat__a_limit_below_the_interval__is_sent_at_half_of_it() -> None:
    scene = Scene()
    await scene.block(heard_s=scene.now_s + 12 - 499, limit_s=1_000)
    assert scene.stage.route.sent == []
    await scene.block(seconds=1)
    await scene.block()
    assert scene.double.value("signs") == 1


@pytest.mark.parametrize("storage", [{"heard_s": 0}, {"heard_s": 1}])
async def test_heartbeat__no_keeper_any_more__is_not_tried(storage: dict[str, Any]) -> None:
    scene = Scene()
    await scene.block(**storage)
    assert scene.stage.route.sent == []


async def test_heartbeat__shadow__nothing_is_written_down() -> None:
    scene = Scene(live=False)
    await scene.block(heard_s=scene.now_s - INTERVAL_S)
    assert scene.stage.kinds == []


async def test_heartbeat__why_it_is_sent__is_in_the_same_commit_as_its_intent() -> None:
    scene = Scene()
    await scene.block(heard_s=scene.now_s + 12 - INTERVAL_S)
    job, intent, *_ = scene.stage.store.all()
    assert (job.kind, intent.kind) == (RecordKind.JOB, RecordKind.INTENT)
    assert (job.market, job.action) == (intent.market, intent.action) == ("keeper", SIGN)
    assert job.body["state"] == "due"
    assert "a sign of life is due every 1200 s" in str(job.body["message"])
    assert intent.body["kind"] == "upkeep"


async def test_heartbeat__taken_up_after_a_restart__still_knows_what_to_expect_and_is_mined_once() -> None:
    scene = Scene()
    scene.stage.route.answers = ["lost"]
    await scene.block(heard_s=scene.now_s + 12 - INTERVAL_S)
    (attempt,) = scene.stage.route.sent
    scene.begin()
    await scene.executor.recover()
    (work,) = scene.executor.open_works
    assert isinstance(work.armed, ArmedHeartbeat)
    assert work.armed.action.effect.expect == str(int(work.intent.effect_before) + 1)
    await scene.block(seconds=0)
    assert (scene.double.value("signs"), scene.ends) == (1, [(SIGN, "included")])
    assert {one.tx_hash for one in scene.stage.route.sent} == {attempt.tx_hash}


@pytest.mark.parametrize(("late_s", "ends"), [(OTHERS_FIRST_S - 1, 0), (OTHERS_FIRST_S, 1)])
async def test_expire__a_trip_of_another_key__is_left_to_that_one_for_a_while(late_s: int, ends: int) -> None:
    scene = Scene()
    await scene.block(state=tripped(scene.now_s + 12 - TERMS.duration_s - late_s))
    await scene.block(seconds=0)
    assert scene.double.value("ends") == ends


@pytest.mark.parametrize(("late_s", "ends"), [(-1, 0), (0, 1)])
async def test_expire__our_own_trip__is_ended_as_soon_as_it_is_due(late_s: int, ends: int) -> None:
    scene = Scene()
    scene.breakers.go_on([Done((MARKET, ACTION), TX, 5)], {MARKET: MarketState.TRIPPED})
    await scene.block(state=tripped(scene.now_s + 12 - TERMS.duration_s - late_s))
    await scene.block(seconds=0)
    assert scene.double.value("ends") == ends
    assert (scene.ends, kinds(scene)) == ([(END, "included")] * ends, [InterventionKind.EXPIRED] * ends)


async def test_expire__ratified__is_never_ended() -> None:
    scene = Scene()
    await scene.block(state=ratified(tripped(1)))
    assert scene.stage.route.sent == []


async def test_expire__would_revert__is_told_and_left_alone_for_a_while() -> None:
    scene = Scene(undo="gone")
    await scene.block(state=tripped(1))
    assert scene.down == {f"upkeep:{MARKET}/{END}": "would-revert"}
    assert scene.stage.kinds == []
    await scene.block(undo="works")
    assert scene.stage.route.sent == []
    scene.stage.clock._monotonic = iter(range(int(scene.stage.clock.monotonic_ms()) + AGAIN_MS, 10**9))  # type: ignore[assignment]
    await scene.block()
    await scene.block()
    assert (scene.double.value("ends"), scene.down) == (1, {})


async def test_expire_and_heartbeat__both_due__one_after_the_other() -> None:
    scene = Scene()
    await scene.block(state=tripped(1), heard_s=scene.now_s + 12 - INTERVAL_S)
    assert len(scene.executor.open_works) == 1
    await scene.block(seconds=0)
    await scene.block(seconds=0)
    assert scene.ends == [(SIGN, "included"), (END, "included")]


async def test_upkeep__an_action_is_on_its_way__waits_for_it() -> None:
    scene = Scene()
    await scene.block()
    await scene.stage.act(scene.executor)
    scene.double.set(heard_s=scene.now_s - INTERVAL_S)
    await scene.breakers.look(scene.stage.block)
    await scene.breakers.keep_up(scene.stage.block)
    assert len(scene.stage.route.sent) == 1
    await scene.block(seconds=0)
    await scene.block(seconds=0)
    assert [action for action, _ in scene.ends] == [ACTION, SIGN]


async def test_upkeep__an_action_is_decided_while_its_gas_is_asked_for__goes_first() -> None:
    scene = Scene()
    await scene.block()
    chain = scene.stage.chain
    asked = chain.gas

    async def meanwhile(call: Call, sender: str) -> int:
        chain.gas = asked  # type: ignore[method-assign]
        await scene.stage.act(scene.executor)
        return await asked(call, sender)

    scene.double.set(heard_s=scene.now_s - INTERVAL_S)
    scene.stage.block = chain.mine()
    chain.gas = meanwhile  # type: ignore[method-assign]
    await scene.breakers.look(scene.stage.block)
    await scene.breakers.keep_up(scene.stage.block)
    assert [work.intent.action for work in scene.executor.open_works] == [ACTION]


async def test_upkeep__an_action_is_decided_while_it_is_unmined__is_sent_again_before_that_ones_turn() -> None:
    scene = Scene()
    scene.double.set(heard_s=scene.now_s + 12 - INTERVAL_S)
    await scene.block()
    (sign,) = scene.stage.route.sent
    scene.stage.chain.forget_pool()
    await scene.stage.act(scene.executor)
    trip = scene.stage.route.sent[-1]
    assert (trip.nonce, sign.nonce) == (sign.nonce + 1, 0)
    await scene.breakers.keep_up(scene.stage.block)
    assert scene.stage.chain.pool_size() == 2
    await scene.block(seconds=0)
    assert sorted(scene.ends) == sorted([(SIGN, "included"), (ACTION, "included")])


async def test_upkeep__comes_to_nothing__is_told_and_tried_again_later() -> None:
    scene = Scene()
    await scene.block(heard_s=scene.now_s + 12 - INTERVAL_S)
    (work,) = scene.executor.open_works
    assert scene.breakers.ended(work, Outcome(OutcomeKind.REVERTED, Reason.REVERTED_ON_CHAIN, "it reverted", "read it"))
    (notice,) = scene.notices
    assert (notice.title, notice.severity) == (f"{SIGN} reverted (reverted-on-chain)", Severity.WARNING)
    assert notice.body == "it reverted\nread it"


async def test_upkeep__is_never_signed_before_it_is_due() -> None:
    scene = Scene()
    await scene.block(heard_s=scene.now_s + 12 - INTERVAL_S)
    await scene.block(seconds=0)
    before = scene.stage.events.count("sign")
    await scene.executor.sign_beforehand()
    assert scene.stage.events.count("sign") == before
