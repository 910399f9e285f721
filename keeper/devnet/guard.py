"""The breaker contract in front of the demo protocol: it gets the roles, the keeper's key is left with nothing but trips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from keeper.devnet.accounts import Account
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import CALL_GAS, calldata, deploy, deployed, send, settle
from keeper.devnet.world import WITHDRAWAL_LIMIT, Role, World
from keeper.domain.action import Call
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE, Side
from keeper.domain.circuit_breaker import STATE_OF, BreakerState, breaker_id, decode_state, view_call

ZERO_ADDRESS = checksum_address(bytes(20))

TRUE_WORD = (1).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds each breaker of the demo in time; seconds."""

    duration_s: int = 6 * 3_600
    cooldown_s: int = 600
    window_s: int = 86_400
    lock_s: int = 3_600
    budget: int = 3
    required: int = 1
    silence_s: int = 86_400
    """How long a keeper may be silent."""


@dataclass(frozen=True, slots=True)
class Bound:
    """As ``ICircuitBreaker.Bound``."""

    target: str
    word: int
    answer_word: int
    side: Side
    max_step_bps: int
    minimum: int
    maximum: int
    view: bytes


@dataclass(frozen=True, slots=True)
class Registration:
    """As ``ICircuitBreaker.Breaker``; an empty ``probe`` view means that the bounds show the effect."""

    target: str
    call: bytes
    undo: bytes
    limits: Limits
    probe_target: str = ZERO_ADDRESS
    probe: bytes = b""
    probe_word: int = 0
    expected: bytes = bytes(32)
    bounds: tuple[Bound, ...] = ()
    safe: str = ZERO_ADDRESS

    def register(self, identifier: str) -> bytes:
        """Calldata of ``register``; ``identifier`` is 0x and 64 digits."""
        from eth_abi.abi import encode  # late: it costs time to import, and only a local world needs it

        limits = self.limits
        bounds = [
            (one.target, one.word, one.answer_word, one.side, one.max_step_bps, one.minimum, one.maximum, one.view)
            for one in self.bounds
        ]
        fields = (
            self.target,
            limits.duration_s,
            limits.cooldown_s,
            limits.window_s,
            self.safe,
            limits.lock_s,
            limits.budget,
            limits.required,
            self.call,
            self.undo,
            (self.probe_target, self.probe_word, self.probe, self.expected),
            bounds,
        )
        selector = keccak256(f"register(bytes32,{BREAKER_TYPE})".encode())[:4]
        return selector + encode(["bytes32", BREAKER_TYPE], [bytes.fromhex(identifier[2:]), fields])


@dataclass(frozen=True, slots=True)
class Guard:
    """``address`` is the breaker contract; its council is the world's admin, its guardian the reporter, its keeper the world's keeper.

    ``pauses`` and ``limits`` are the identifiers (0x and 64 digits) by market.
    """

    world: World
    address: str
    pauses: Mapping[str, str]
    limits: Mapping[str, str]

    async def state(self, identifier: str, *, block: int | None = None) -> BreakerState:
        call = view_call(self.address, STATE_OF, identifier)
        return decode_state(await self._raw(call, block))

    async def ratify(self, identifier: str) -> str:
        return await self.world.transact(self.world.admin, self.address, "ratify(bytes32)", identifier)

    async def lift(self, identifier: str, *, undo: bool = True) -> str:
        return await self.world.transact(self.world.admin, self.address, "lift(bytes32,bool)", identifier, undo)

    async def _raw(self, call: Call, block: int | None) -> bytes:
        fields = {"to": call.to, "data": "0x" + call.data.hex()}
        answer = await self.world.node.rpc("eth_call", fields, "latest" if block is None else hex(block))
        return bytes.fromhex(str(answer)[2:])


def pause_breaker(world: World, market: str, limits: Limits) -> Registration:
    """Pauses one market, and ends that pause."""
    key = world.market_id(market)
    return Registration(
        target=world.exchange,
        call=calldata("pauseMarket(bytes32)", key),
        undo=calldata("unpauseMarket(bytes32)", key),
        limits=limits,
        probe_target=world.exchange,
        probe=calldata("paused(bytes32)", key),
        expected=TRUE_WORD,
    )


def limit_breaker(world: World, market: str, limits: Limits) -> Registration:
    """Lowers the withdrawal limit of one market by at most three quarters at once, and never below a tenth of the usual."""
    key = world.market_id(market)
    blank = calldata("setWithdrawalLimit(bytes32,uint256)", key, 0)
    bound = Bound(
        target=world.exchange,
        word=1,
        answer_word=0,
        side=Side.LOWER,
        max_step_bps=7_500,
        minimum=WITHDRAWAL_LIMIT // 10,
        maximum=WITHDRAWAL_LIMIT,
        view=calldata("withdrawalLimit(bytes32)", key),
    )
    return Registration(target=world.exchange, call=blank, undo=blank, limits=limits, bounds=(bound,))


async def deploy_guard(world: World, limits: Limits | None = None, keepers: Sequence[Account] = ()) -> Guard:
    """Deploys the contract, registers two breakers for each market and hands it the roles; the keeper's own key loses them.

    ``keepers`` default to the world's keeper. In any mining mode, which it leaves as it is. Raises as ``deploy_world``.
    """
    limits = limits or Limits()
    node, admin = world.node, world.admin
    code = load_artifact("CircuitBreaker")
    args = (admin.address, world.reporter.address, limits.silence_s)
    (address,) = await deployed(node, [await deploy(node, admin.address, code, *args)])
    pauses = {market: breaker_id(f"pause {market}") for market in world.markets}
    caps = {market: breaker_id(f"limit {market}") for market in world.markets}
    calls = [(world.exchange, _grant(role, address)) for role in (Role.PAUSER, Role.UNPAUSER, Role.RISK)]
    calls += [(world.exchange, _revoke(role, world.keeper.address)) for role in (Role.PAUSER, Role.RISK)]
    calls += [(address, calldata("addKeeper(address)", each.address)) for each in keepers or (world.keeper,)]
    for market in world.markets:
        calls.append((address, pause_breaker(world, market, limits).register(pauses[market])))
        calls.append((address, limit_breaker(world, market, limits).register(caps[market])))
    sent = [await send(node, admin.address, to, data, gas=4 * CALL_GAS) for to, data in calls]
    await settle(node, sent, hurry=True)
    return Guard(world, address, MappingProxyType(pauses), MappingProxyType(caps))


def _grant(role: Role, address: str) -> bytes:
    return calldata("grantRole(bytes32,address)", role.id, address)


def _revoke(role: Role, address: str) -> bytes:
    return calldata("revokeRole(bytes32,address)", role.id, address)
