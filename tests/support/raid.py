"""A week with a stolen key on a local node: a thief that tries everything, the people who are left, and the chain after each block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from eth_abi.abi import decode

from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.guard import Guard, Limits, deploy_guard
from keeper.devnet.transactions import calldata
from keeper.devnet.world import MULTICALL3, WITHDRAWAL_LIMIT, Role, World, deploy_world
from keeper.domain.circuit_breaker import BREAKER_OF, STATE_OF, BreakerState, BreakerStatus, decode_state, view_call
from tests.support.contract_calls import any_calldata
from tests.support.damage import Sight
from tests.support.thief import PUPPET_CODE, Aim, Attempt, Thief, aims, created, delegated

HOUR, DAY = 3_600, 86_400
LIMITS = Limits(duration_s=6 * HOUR, cooldown_s=HOUR, window_s=DAY, budget=3)
TOUCHED = "SOL-PERP"
"""A market where people have paused, and lowered the limit, for reasons of their own before the key is stolen."""
HUMAN_LIMIT = 4 * WITHDRAWAL_LIMIT // 10
HUMAN_PAUSE_S = 2 * DAY
"""So long into the raid that pause is ended, by people."""
_PACE_S = 11 * HOUR + 7
"""The thief does not sit still for longer than that."""
_PART = 24
_GAS = 3_000_000
_MANY = "aggregate3((address,bool,bytes)[])"


@dataclass
class Raid:
    """``human`` holds roles of the protocol beside the contract; ``honest`` is a keeper whose key is its own; ``bystander`` is anybody."""

    world: World
    guard: Guard
    limits: Limits
    thief: Thief
    honest: Account
    start_s: int = 0
    now_s: int = 0
    sights: list[Sight] = field(default_factory=list)
    states: dict[str, BreakerState] = field(default_factory=dict)
    tried: int = 0
    people: dict[int, list[Attempt]] = field(default_factory=dict)
    """What people do for their own reasons, and when."""
    http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=60, trust_env=False, verify=False)
    )
    thorough_s: int = 0
    blocked: bool = False
    """Whether the honest keeper tries to trip, too, in each block: behind a greedy thief it never comes to that."""
    expiring: bool = True
    """Whether a bystander ends each trip in the first second in which it is due."""
    _nonces: dict[str, int] = field(default_factory=dict)
    _views: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def node(self) -> Anvil:
        return self.world.node

    @property
    def human(self) -> str:
        return self.node.accounts[6].address

    @property
    def bystander(self) -> str:
        return self.node.accounts[7].address

    def aims(self) -> list[Aim]:
        return aims(self.guard, self.limits, self.sights[-1].limits, self.states)

    # ------------------------------------------------------------------------ blocks

    async def block(self, at_s: int, *groups: Sequence[Attempt]) -> list[list[bool]]:
        """One block of this time: the groups one after another, in each the calls of one sender in their order. Whether each call went through.

        Then the chain is looked at.
        """
        # the node works on the parts of a batch side by side: whatever must come later is a request of its own
        hashes = [
            await self.batch([("eth_sendTransaction", (await self._fields(one),)) for one in group]) for group in groups
        ]
        await self.node.rpc("evm_setNextBlockTimestamp", at_s)
        await self.node.rpc("evm_mine")
        receipts = await self.node.rpc("eth_getBlockReceipts", "latest")
        passed = {one["transactionHash"]: quantity(one["status"]) == 1 for one in receipts}
        self.now_s = at_s
        self.tried += len(passed)
        await self.look()
        return [[passed[one] for one in group] for group in hashes]

    async def thieve(self, at_s: int, attempts: Sequence[Attempt], *, revoked: bool = False) -> None:
        """A block of the thief's. People act before it, an honest keeper and the bystander behind it. What must be refused is refused."""
        first, behind = self.people.get(at_s, []), [*self._bystander(at_s), *self._honest()]
        done, stolen, _ = await self.block(at_s, first, attempts, behind)
        assert all(done), "people could not act"
        for one, through in zip(attempts, stolen, strict=True):
            allowed = one.wrapped or one.ends or (not one.refusal and not revoked)
            assert allowed or not through, f"went through: {one}"

    async def look(self) -> None:
        """Notes the protocol and everything that must stay as it is."""
        fields = {
            "to": MULTICALL3,
            "data": "0x" + any_calldata(_MANY, [(to, True, data) for _, to, data in self._views]).hex(),
        }
        answer = await self.node.rpc("eth_call", fields, "latest")
        (results,) = decode(["(bool,bytes)[]"], bytes.fromhex(answer[2:]))
        named = {name: (ok, bytes(data)) for (name, _, _), (ok, data) in zip(self._views, results, strict=True)}
        standing: dict[str, object] = {}
        for name, (ok, data) in named.items():
            kind, _, what = name.partition(" ")
            assert ok, name
            if kind == "state":
                self.states[what] = decode_state(data)
                standing[name] = self.states[what].armed, self.states[what].locked_until_s
            elif kind == "keeper":
                standing[name] = any(data)
            elif kind not in ("paused", "limit"):
                standing[name] = data
        markets = self.world.markets
        self.sights.append(
            Sight(
                self.now_s,
                {one: any(named[f"paused {one}"][1]) for one in markets},
                {one: int.from_bytes(named[f"limit {one}"][1], "big") for one in markets},
                standing,
            )
        )

    # ---------------------------------------------------------------------- a raid

    def next_s(self, until_s: int, *, exact: bool) -> int:
        """When to act next, at most ``until_s``: with ``exact`` when something becomes possible, or the second before it; and at any other time.

        Trips that become due are never passed over, so that the bystander can end them.
        """
        if self.now_s < self.start_s:
            return self.start_s
        rng = self.thief.rng
        edges = {until_s, self.now_s + _PACE_S, *self.people}
        for state in self.states.values():
            edges.add(state.expires_at_s)
            if exact:
                edges.add(state.ready_at_s)
                if len(state.recent_s) >= self.limits.budget:
                    edges.add(state.recent_s[self.limits.budget - 1] + self.limits.window_s)
        early = {each - 1 for each in edges} if exact else set()
        nearest = min(edge for edge in edges | early if edge > self.now_s)
        if nearest > self.now_s + 1 and rng.random() < (0.1 if exact else 0.5):
            return rng.randint(self.now_s + 1, nearest)
        return nearest

    async def greedy(self, until_s: int, *, revoked: bool = False) -> None:
        """At every moment the worst that is allowed, in every way; and what is not allowed: all of it until ``thorough_s``, then a part each time."""
        thief, rng = self.thief, self.thief.rng
        while self.now_s < until_s:
            at_s = self.next_s(until_s, exact=True)
            found = self.aims()
            if at_s <= self.start_s + self.thorough_s:
                far = thief.reaching_too_far(found, at_s)
                rng.shuffle(far)
            else:
                far = rng.sample(thief.reaching_too_far([rng.choice(found)], at_s), _PART)
            endings = rng.sample(thief.endings(found), 6) if self.expiring else []
            worst = thief.worst(found, at_s)
            rest = thief.at_random(found, at_s, 8)
            bundle = thief.in_one_transaction([*endings, *worst[:3], *rest, *far[:10]])
            await self.thieve(at_s, [*far, *endings, *worst, bundle, *rest], revoked=revoked)

    async def at_random(self, until_s: int) -> None:
        """Any of it, at any moment."""
        thief, rng = self.thief, self.thief.rng
        while self.now_s < until_s:
            at_s = self.next_s(until_s, exact=False)
            found = self.aims()
            far = rng.sample(thief.reaching_too_far([rng.choice(found)], at_s), 10)
            some = [*thief.at_random(found, at_s, rng.randint(0, 6)), *rng.sample(thief.endings(found), 3), *far]
            rng.shuffle(some)
            cut = rng.randrange(len(some))
            await self.thieve(at_s, [*some[:cut], thief.in_one_transaction(some[cut:])])

    async def refusals(self, attempts: Sequence[Attempt]) -> list[bytes | None]:
        """What each call would be answered after the newest block, were it reverted; None: it would go through."""
        calls = [
            {"from": one.sender, "to": one.to, "data": "0x" + one.data.hex(), "gas": hex(one.gas)} for one in attempts
        ]
        answers = await self._post([("eth_call", (call, "latest")) for call in calls])
        return [None if "result" in one else bytes.fromhex((one["error"].get("data") or "0x")[2:]) for one in answers]

    async def events(self) -> set[tuple[str, str]]:
        """Which contract told what since the raid began: address and first topic."""
        found = set()
        first = hex(await self._first_block())
        for address in (self.guard.address, self.world.exchange):
            logs = await self.node.rpc("eth_getLogs", {"address": address, "fromBlock": first, "toBlock": "latest"})
            found |= {(address, log["topics"][0]) for log in logs}
        return found

    async def batch(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """The results of many requests, in order. Fails when one is refused."""
        answers = await self._post(calls) if calls else []
        for answer, call in zip(answers, calls, strict=True):
            assert "result" in answer, (call, answer)
        return [answer["result"] for answer in answers]

    # ----------------------------------------------------------------------- parts

    def _bystander(self, at_s: int) -> list[Attempt]:
        due = [one for one, state in self.states.items() if _due(state, at_s)] if self.expiring else []
        return [Attempt(self.bystander, self.guard.address, calldata("expire(bytes32)", one)) for one in due]

    def _honest(self) -> list[Attempt]:
        """A keeper that would trip whatever it can, by itself."""
        orders = [(aim.id, aim.worst, b"\x11" * 32) for aim in self.aims()]
        data = any_calldata("tripMany((bytes32,uint256[],bytes32)[])", orders)
        return [Attempt(self.honest.address, self.guard.address, data)] if self.blocked else []

    async def _fields(self, one: Attempt) -> dict[str, str]:
        if one.sender not in self._nonces:
            self._nonces[one.sender] = quantity(await self.node.rpc("eth_getTransactionCount", one.sender, "latest"))
        nonce = self._nonces[one.sender]
        self._nonces[one.sender] += 1
        data = "0x" + one.data.hex()
        return {
            "from": one.sender,
            "to": one.to,
            "data": data,
            "gas": hex(one.gas),
            "gasPrice": hex(2 * 10**9),
            "nonce": hex(nonce),
        }

    async def _post(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[dict[str, Any]]:
        body = [
            {"jsonrpc": "2.0", "id": place, "method": name, "params": params}
            for place, (name, params) in enumerate(calls)
        ]
        answers = (await self.http.post(self.node.http_url, json=body)).json()
        return sorted(answers, key=lambda answer: int(answer["id"]))

    async def _first_block(self) -> int:
        return await self.node.block_number() - len(self.sights) + 2

    def _watch(self) -> None:
        world, guard = self.world, self.guard
        people = [one.address for one in self.node.accounts[:9]] + [self.thief.puppet, guard.address]
        views: list[tuple[str, str, bytes]] = []
        for market in world.markets:
            for name, signature in (
                ("paused", "paused(bytes32)"),
                ("limit", "withdrawalLimit(bytes32)"),
                ("leverage", "maxLeverage(bytes32)"),
                ("oracle", "oracleOf(bytes32)"),
                ("money", "collateralOf(bytes32)"),
            ):
                views.append((f"{name} {market}", world.exchange, calldata(signature, world.market_id(market))))
        for who in people:
            for role in Role:
                views.append((f"role {role} {who}", world.exchange, calldata("hasRole(bytes32,address)", role.id, who)))
            views.append((f"keeper {who}", guard.address, calldata("silentAt(address)", who)))
        for name in ("owner", "pendingOwner", "guardian", "frozen", "silenceLimit"):
            views.append((name, guard.address, calldata(f"{name}()")))
        for one in [*guard.pauses.values(), *guard.limits.values()]:
            for name, signature in (("state", STATE_OF), ("registration", BREAKER_OF)):
                views.append((f"{name} {one}", guard.address, view_call(guard.address, signature, one).data))
        self._views = views


def _due(state: BreakerState, at_s: int) -> bool:
    return state.status is BreakerStatus.TRIPPED and at_s >= state.expires_at_s


@asynccontextmanager
async def raid(limits: Limits = LIMITS, seed: int = 1) -> AsyncIterator[Raid]:
    """The demo protocol behind a breaker contract; one of three keepers' keys has just been stolen, and nothing has been done with it yet."""
    async with Anvil(no_mining=True, extra=("--order", "fifo", "--gas-limit", str(10**12))) as node:
        world = await deploy_world(node)
        honest = node.accounts[5], node.accounts[9]
        guard = await deploy_guard(world, limits, (world.keeper, *honest))
        human = node.accounts[6].address
        for role in Role.PAUSER, Role.RISK:
            await world.grant(role, human)
        await world.grant(Role.UNPAUSER, human)
        key = world.market_id(TOUCHED)
        await world.transact(node.accounts[6], world.exchange, "pauseMarket(bytes32)", key)
        await world.transact(node.accounts[6], world.exchange, "setWithdrawalLimit(bytes32,uint256)", key, HUMAN_LIMIT)
        helper = node.accounts[8]
        puppet = created(helper.address, 0)
        thief = Thief(guard, limits, world.keeper, helper, puppet, Random(seed))
        found = Raid(world, guard, limits, thief, honest[0])
        try:
            await node.rpc(
                "eth_sendTransaction", {"from": helper.address, "data": "0x" + PUPPET_CODE.hex(), "gas": hex(_GAS)}
            )
            nonce = quantity(await node.rpc("eth_getTransactionCount", world.keeper.address, "latest"))
            raw = delegated(world.keeper, node.chain_id, nonce)
            await node.rpc("eth_sendRawTransaction", "0x" + raw.hex())
            await node.mine()
            assert await node.rpc("eth_getCode", puppet, "latest") != "0x"
            code = await node.rpc("eth_getCode", world.keeper.address, "latest")
            assert code == "0xef0100" + MULTICALL3[2:].lower(), "the key's account is not delegated"
            found._watch()
            found.now_s = quantity((await node.rpc("eth_getBlockByNumber", "latest", False))["timestamp"])
            found.start_s = found.now_s + 60
            unpause = Attempt(human, world.exchange, calldata("unpauseMarket(bytes32)", key))
            found.people[found.start_s + HUMAN_PAUSE_S] = [unpause]
            await found.look()
            yield found
        finally:
            await found.http.aclose()
