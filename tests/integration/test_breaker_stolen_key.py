"""A keeper's key is stolen and nobody reacts for a week: the worst that comes of it is what the registrations allow, to the second.

Everything runs on the compiled contracts. What a trip calls here hands control to nobody, so a thief cannot call back into it; targets, views,
Safes and tokens that do call back are in ``tests/solidity/breaker/Reentrancy.t.sol``. ``pytest -s`` prints the table of docs/operator/breaker.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from eth_keys.datatypes import PrivateKey

from keeper.devnet.guard import Bound, limit_breaker
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata
from keeper.devnet.world import WITHDRAWAL_LIMIT
from keeper.domain.action import BreakerTrip
from keeper.domain.address import keccak256
from keeper.domain.breaker_registration import Side
from keeper.domain.circuit_breaker import BreakerStatus, trip_call
from keeper.domain.order import SignedOrder, TripOrder, signed_order, trip_signed_call
from tests.support.damage import Damage, Span, allowed, damage, lowest_allowed, spans
from tests.support.raid import DAY, HOUR, HUMAN_LIMIT, HUMAN_PAUSE_S, LIMITS, TOUCHED, Raid, raid
from tests.support.thief import EVIDENCE, Attempt, error_names

# The weeks are lived through once for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operator" / "breaker.md"
WEEK = 7 * DAY
MARKET, OTHER = "ETH-PERP", "BTC-PERP"
REVOKED_S = 25 * HOUR
"""A day after the first trip, and so far into the fourth that a trip is in effect."""
TIGHT = replace(LIMITS, cooldown_s=5 * HOUR)
"""The rests do not leave room for the whole budget in a window."""
PROTOCOL_EVENTS = {"PauseChanged(bytes32,bool,bool,address)", "WithdrawalLimitChanged(bytes32,uint256,uint256,address)"}
BREAKER_EVENTS = {
    "Tripped(bytes32,address,bytes32,uint256,uint256[],uint256[])",
    "OrderRefused(bytes32,bytes32,bytes)",
    "Expired(bytes32,address,bool)",
    "Heartbeat(address)",
}


@dataclass(frozen=True)
class Week:
    """A raid that is over: it was measured in ``period``."""

    raid: Raid
    period: Span

    def pause(self, market: str, period: Span | None = None) -> Damage:
        window_s = self.raid.limits.window_s
        return damage(self.raid.sights, lambda sight: sight.paused[market], period or self.period, window_s)

    def lowered(self, market: str) -> Damage:
        usual = self.raid.sights[0].limits[market]
        window_s = self.raid.limits.window_s
        return damage(self.raid.sights, lambda sight: sight.limits[market] != usual, self.period, window_s)

    def lowest(self, market: str) -> int:
        return min(sight.limits[market] for sight in self.raid.sights)


def week(stage: Raid, length_s: int = WEEK) -> Week:
    return Week(stage, (stage.start_s, stage.start_s + length_s))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def greedy() -> AsyncIterator[Week]:
    """The worst at every moment; an honest keeper that stands behind the thief never gets a trip."""
    async with raid() as stage:
        stage.blocked, stage.thorough_s = True, DAY
        await stage.greedy(stage.start_s + WEEK)
        yield week(stage)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def revoked() -> AsyncIterator[Week]:
    """As greedy, until the guardian revokes the key."""
    async with raid(seed=2) as stage:
        data = calldata("revokeKeeper(address)", stage.thief.key.address)
        end_s = stage.start_s + REVOKED_S
        stage.people[end_s] = [Attempt(stage.world.reporter.address, stage.guard.address, data)]
        await stage.greedy(end_s - 1)
        await stage.greedy(stage.start_s + 2 * DAY, revoked=True)
        yield week(stage, 2 * DAY)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unended() -> AsyncIterator[Week]:
    """As greedy, and nobody in the world ever calls ``expire``."""
    async with raid(seed=3) as stage:
        stage.expiring = False
        await stage.greedy(stage.start_s + WEEK)
        yield week(stage)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quorum() -> AsyncIterator[Week]:
    """Breakers ask for two of three keepers. The two honest ones trip once, so that the thief has signatures of theirs to use again."""
    async with raid(replace(LIMITS, required=2), seed=4) as stage:
        orders = await honest_trip(stage, stage.start_s)
        stage.thorough_s = DAY
        stage.thief.found = [one.signature for one in orders]
        await stage.greedy(stage.start_s + WEEK)
        yield week(stage)


async def test_greedy_thief__for_a_week__does_exactly_what_the_registration_allows(greedy: Week) -> None:
    bound = allowed(LIMITS, WEEK)
    for market in (MARKET, OTHER):
        assert greedy.pause(market) == bound
        assert greedy.lowered(market) == bound
        assert greedy.lowest(market) == lowest_allowed(limit_bound(greedy.raid, market), WITHDRAWAL_LIMIT)


async def test_greedy_thief__where_people_have_acted__ends_nothing_of_theirs(greedy: Week) -> None:
    """Their pause stands until they end it, then the thief has what is left of the week; their limit is what each trip goes back to."""
    start, end = greedy.period
    theirs = start, start + HUMAN_PAUSE_S
    assert greedy.pause(TOUCHED, theirs).total_s == HUMAN_PAUSE_S
    assert greedy.pause(TOUCHED, (theirs[1], end)) == allowed(LIMITS, WEEK - HUMAN_PAUSE_S)
    assert greedy.lowered(TOUCHED) == allowed(LIMITS, WEEK)
    assert greedy.lowest(TOUCHED) == lowest_allowed(limit_bound(greedy.raid, TOUCHED), HUMAN_LIMIT)


async def test_greedy_thief__of_breakers_with_long_rests__is_bound_by_the_rests() -> None:
    async with raid(TIGHT, seed=5) as stage:
        stage.blocked = True
        await stage.greedy(stage.start_s + 3 * DAY)
        found = week(stage, 3 * DAY)
    bound = allowed(TIGHT, 3 * DAY)
    assert bound.in_window_s < TIGHT.budget * TIGHT.duration_s
    assert (found.pause(MARKET), found.lowered(MARKET)) == (bound, bound)
    nothing_else(found)


@pytest.mark.parametrize("seed", [6, 7])
async def test_random_thief__for_a_week__stays_within_the_bound(seed: int) -> None:
    async with raid(seed=seed) as stage:
        await stage.at_random(stage.start_s + WEEK)
        found = week(stage)
        await nothing_else_told(stage)
    bound = allowed(LIMITS, WEEK)
    for market in (MARKET, OTHER):
        for done in (found.pause(market), found.lowered(market)):
            assert 0 < done.longest_s <= bound.longest_s
            assert 0 < done.in_window_s <= bound.in_window_s
            assert 0 < done.total_s <= bound.total_s
            assert 0 < done.times_in_window <= bound.times_in_window
        assert found.lowest(market) >= lowest_allowed(limit_bound(stage, market), WITHDRAWAL_LIMIT)
    nothing_else(found)


async def test_thief__in_any_week__loosens_nothing_and_changes_no_right(
    greedy: Week, unended: Week, quorum: Week
) -> None:
    for found in (greedy, unended, quorum):
        nothing_else(found)
        await nothing_else_told(found.raid)
        for address, name in (
            (found.raid.guard.address, "CircuitBreaker"),
            (found.raid.world.exchange, "PerpExchange"),
        ):
            code = await found.raid.node.rpc("eth_getCode", address, "latest")
            assert len(code) == len(load_artifact(name).deployed_bytecode)


@pytest.mark.parametrize("required", [1, 2])
async def test_what_is_not_allowed__is_refused_for_its_own_reason(required: int) -> None:
    """Else a thief that cannot encode a call would look like a contract that refuses it."""
    artifacts = [load_artifact(name) for name in ("CircuitBreaker", "PerpExchange", "PriceFeed", "ECDSA")]
    names = error_names(*(artifact.abi for artifact in artifacts))
    async with raid(replace(LIMITS, required=required), seed=8) as stage:
        attempts = stage.thief.reaching_too_far(stage.aims(), stage.now_s)
        answers = await stage.refusals(attempts)
    for one, answer in zip(attempts, answers, strict=True):
        assert answer is not None, f"would go through: {one}"
        assert one.refusal in ("any", names.get(answer[:4])), one
    assert len({one.refusal for one in attempts}) > 12


async def test_one_key_of_two_that_are_asked_for__achieves_nothing(quorum: Week) -> None:
    start, end = quorum.period
    assert spans(quorum.raid.sights, lambda sight: sight.paused[MARKET], quorum.period) == [
        (start, start + LIMITS.duration_s)
    ]
    assert quorum.pause(OTHER).total_s == 0
    assert quorum.pause(TOUCHED, (start + HUMAN_PAUSE_S, end)).total_s == 0
    for market in quorum.raid.world.markets:
        assert quorum.lowered(market).total_s == 0


async def test_order_left_over_by_an_honest_keeper__is_completed_by_the_thief_until_its_deadline_as_it_stands() -> None:
    """What a quorum cannot help: the second signature is there."""
    async with raid(replace(LIMITS, required=2), seed=9) as stage:
        key = stage.thief.key
        order = order_of(stage, stage.guard.limits[MARKET], (WITHDRAWAL_LIMIT // 2,), stage.start_s + 600)
        left = signed_order(order, sign(stage.honest.private_key, order))
        full = trip_signed_call([left, signed_order(order, sign(key.private_key, order))])
        changed = replace(order, values=(WITHDRAWAL_LIMIT // 4,))
        worse = trip_signed_call([signed_order(changed, sign(key.private_key, changed)), replace(left, order=changed)])
        late = order_of(stage, stage.guard.limits[OTHER], (WITHDRAWAL_LIMIT // 2,), stage.start_s + 599)
        both = [signed_order(late, sign(who, late)) for who in (stage.honest.private_key, key.private_key)]
        attempts = [Attempt(key.address, call.to, call.data) for call in (worse, full, trip_signed_call(both))]
        ((bad, good, after),) = await stage.block(stage.start_s + 600, attempts)
        assert (bad, good, after) == (False, True, False)
        assert stage.sights[-1].limits == {**stage.sights[0].limits, MARKET: WITHDRAWAL_LIMIT // 2}


async def test_revoked_key__from_that_block_on__does_nothing(revoked: Week) -> None:
    """That nothing of it went through any more is held in each block by ``Raid.thieve``; what was in effect runs out."""
    start, end = revoked.period
    since = start + REVOKED_S
    for market in (MARKET, OTHER):
        last = LIMITS.window_s + LIMITS.duration_s - REVOKED_S
        assert revoked.pause(market, (since, end)).total_s == last
        assert revoked.pause(market, (since + last, end)) == Damage(0, 0, 0, 0, 0)
        assert revoked.pause(market).total_s == 4 * LIMITS.duration_s
    gone = f"keeper {revoked.raid.thief.key.address}"
    for sight in revoked.raid.sights:
        assert sight.standing == {**revoked.raid.sights[0].standing, gone: sight.at_s < since}


async def test_trip_that_nobody_ends__lasts_until_somebody_does(unended: Week) -> None:
    """One trip is the whole week; then one call of anybody is the end of it."""
    stage = unended.raid
    for market in (MARKET, OTHER):
        assert unended.pause(market) == Damage(WEEK, WEEK, DAY, 1, 0)
        assert unended.lowered(market) == Damage(WEEK, WEEK, DAY, 1, 0)
        assert unended.lowest(market) == lowest_allowed(limit_bound(stage, market), WITHDRAWAL_LIMIT)
    ids = [*stage.guard.pauses.values(), *stage.guard.limits.values()]
    ends = [Attempt(stage.bystander, stage.guard.address, calldata("expire(bytes32)", one)) for one in ids]
    (passed,) = await stage.block(stage.now_s + 1, ends)
    assert all(passed)
    assert not any(stage.sights[-1].paused.values())
    assert stage.sights[-1].limits == stage.sights[0].limits
    assert {state.status for state in stage.states.values()} == {BreakerStatus.READY}


async def test_people__who_set_the_very_value_of_a_trip__lose_it_at_its_end_unless_the_council_ratifies() -> None:
    """What the contract cannot tell apart: whose value it is. Any other value of theirs stays."""
    async with raid(seed=10) as stage:
        key = stage.thief.key.address
        theirs = WITHDRAWAL_LIMIT // 4
        trips, sets = [], []
        for market, value in ((MARKET, theirs), (OTHER, theirs - 1)):
            call = trip_call(BreakerTrip(stage.guard.address, stage.guard.limits[market], (str(theirs),)), EVIDENCE)
            trips.append(Attempt(key, call.to, call.data))
            data = calldata("setWithdrawalLimit(bytes32,uint256)", stage.world.market_id(market), value)
            sets.append(Attempt(stage.human, stage.world.exchange, data))
        tripped, written = await stage.block(stage.start_s, trips, sets)
        assert all(tripped + written)
        ends = [
            Attempt(stage.bystander, stage.guard.address, calldata("expire(bytes32)", stage.guard.limits[market]))
            for market in (MARKET, OTHER)
        ]
        (ended,) = await stage.block(stage.start_s + LIMITS.duration_s, ends)
        assert all(ended)
        limits = stage.sights[-1].limits
        assert (limits[MARKET], limits[OTHER]) == (WITHDRAWAL_LIMIT, theirs - 1)


async def test_table_of_the_docs__is_what_was_measured(
    greedy: Week, revoked: Week, unended: Week, quorum: Week
) -> None:
    for found in (greedy, quorum):
        nothing_else(found)
    by_one = [quorum.lowered(market).total_s for market in quorum.raid.world.markets] + [quorum.pause(OTHER).total_s]
    bound, pause, lowered = allowed(LIMITS, WEEK), greedy.pause(MARKET), greedy.lowered(MARKET)
    floor = lowest_allowed(limit_bound(greedy.raid, MARKET), WITHDRAWAL_LIMIT)
    since = revoked.period[0] + REVOKED_S
    after = revoked.pause(MARKET, (since, revoked.period[1]))
    rows = [
        ("a market paused without a break", hours(bound.longest_s), hours(pause.longest_s)),
        ("paused within any day", hours(bound.in_window_s), hours(pause.in_window_s)),
        ("paused in the week", hours(bound.total_s), hours(pause.total_s)),
        ("trips of one breaker within any day", str(bound.times_in_window), str(pause.times_in_window)),
        ("lowest withdrawal limit, usually 1,000,000", money(floor), money(greedy.lowest(MARKET))),
        ("withdrawal limit lowered in the week", hours(bound.total_s), hours(lowered.total_s)),
        (
            "not paused, and no other keeper can trip that breaker, without a break",
            hours(bound.longest_gap_s),
            hours(pause.longest_gap_s),
        ),
        ("a limit above its usual, a pause of people ended, a right or a registration changed", "nothing", "nothing"),
        (
            "where two of three keepers must sign",
            "nothing",
            "something" if any(by_one) else "nothing",
        ),
        (
            "paused after the guardian has revoked the key, an hour into a trip",
            hours(LIMITS.window_s + LIMITS.duration_s - REVOKED_S),
            hours(after.total_s),
        ),
        ("paused in the week when nobody ever calls `expire`", "no bound", hours(unended.pause(MARKET).total_s)),
    ]
    head = ["| one stolen key, a week | allowed | measured |", "|---|---|---|"]
    table = "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])
    print(f"\n{table}\n({greedy.raid.tried:,} calls by the greedy thief and those beside it)")
    assert table in PAGE.read_text("utf-8")


# ------------------------------------------------------------------------------- parts


def nothing_else(found: Week) -> None:
    """In no block was anything looser than before the raid, or any right, keeper, owner or registration another."""
    sights = found.raid.sights
    unpaused_s = found.raid.start_s + HUMAN_PAUSE_S
    for sight in sights:
        assert sight.standing == sights[0].standing
        assert all(sight.limits[market] <= sights[0].limits[market] for market in sight.limits)
        assert sight.paused[TOUCHED] or sight.at_s >= unpaused_s


async def nothing_else_told(stage: Raid) -> None:
    known = {(stage.world.exchange, topic(name)) for name in PROTOCOL_EVENTS}
    known |= {(stage.guard.address, topic(name)) for name in BREAKER_EVENTS}
    assert await stage.events() <= known


def limit_bound(stage: Raid, market: str) -> Bound:
    (bound,) = limit_breaker(stage.world, market, stage.limits).bounds
    assert bound.side == Side.LOWER
    return bound


def order_of(stage: Raid, identifier: str, values: tuple[int, ...], deadline_s: int) -> TripOrder:
    nonce = stage.states[identifier].nonce
    return TripOrder(stage.node.chain_id, stage.guard.address, identifier, values, EVIDENCE, nonce, deadline_s)


async def honest_trip(stage: Raid, at_s: int) -> list[SignedOrder]:
    """The two honest keepers pause a market."""
    order = order_of(stage, stage.guard.pauses[MARKET], (), at_s + 600)
    signed = [
        signed_order(order, sign(account.private_key, order)) for account in (stage.honest, stage.node.accounts[9])
    ]
    call = trip_signed_call(signed)
    ((through,),) = await stage.block(at_s, [Attempt(stage.honest.address, call.to, call.data)])
    assert through
    return signed


def sign(private_key: str, order: TripOrder) -> bytes:
    signature = PrivateKey(bytes.fromhex(private_key[2:])).sign_msg_hash(order.digest)
    return signature.to_bytes()[:-1] + bytes([27 + signature.v])


def topic(event: str) -> str:
    return "0x" + keccak256(event.encode("ascii")).hex()


def hours(length_s: int) -> str:
    whole, rest = divmod(length_s, HOUR)
    assert rest == 0
    return f"{whole} h"


def money(amount: int) -> str:
    """Of the demo dollar, which has 6 decimals."""
    return f"{amount // 10**6:,}"
