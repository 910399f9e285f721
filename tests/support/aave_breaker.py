"""The CircuitBreaker over a real Aave market, holding EMERGENCY_ADMIN and RISK_ADMIN itself, or acting for a real Safe that holds them.

PAUSE pauses the dollar reserve; CUT lowers its supply cap by a fifth at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata, view
from keeper.domain.address import keccak256
from tests.support.aave import DOLLAR, AaveMarket, Right, deploy_aave
from tests.support.contract_calls import any_calldata, ask, refusal, transact
from tests.support.real_contracts import NOBODY, Stand
from tests.support.safe import Safe, deploy_safe_contracts

PAUSE, CUT = b"pause-dollar".ljust(32, b"\0"), b"cut-dollar-cap".ljust(32, b"\0")
DURATION_S, COOLDOWN_S, WINDOW_S, LOCK_S = 3_600, 1_800, 86_400, 7_200
BUDGET = 2
"""Trips per window."""
MAX_STEP_BPS = 2_000
MIN_CAP, MAX_CAP = 1_000_000, 10_000_000
"""Whole tokens, inclusive."""
SILENCE_S = 30 * 86_400
EVIDENCE = keccak256(b"the keeper's record of its decision")

TRIP = "trip(bytes32,uint256[],bytes32)"
BREAKER = (
    "(address,uint32,uint32,uint32,address,uint32,uint8,uint8,bytes,bytes,"
    "(address,uint8,bytes,bytes32),(address,uint8,uint8,uint8,uint16,uint256,uint256,bytes)[])"
)
STATE = "((uint240,uint8,bool,uint40,uint40,uint40,uint32))"


class Status(IntEnum):
    """As in the contract."""

    UNKNOWN = 0
    READY = 1
    TRIPPED = 2
    RATIFIED = 3


class State(NamedTuple):
    """What stateOf answers. Times in unix seconds."""

    recent: int
    status: Status
    armed: bool
    expires_at: int
    ready_at: int
    locked_until: int
    nonce: int


@dataclass(frozen=True, slots=True)
class AaveBreaker:
    """Its council is an account, or the Safe that it acts for. ``keeper`` is listed; ``market.guardian`` and ``steward`` keep their rights."""

    market: AaveMarket
    address: str
    keeper: str
    safe: Safe | None

    @property
    def node(self) -> Anvil:
        return self.market.node

    @property
    def holder(self) -> str:
        """Whom Aave has given the rights."""
        return self.address if self.safe is None else self.safe.address

    async def time_s(self) -> int:
        """The newest block's."""
        return quantity((await self.node.rpc("eth_getBlockByNumber", "latest", False))["timestamp"])

    async def council(self, *calls: bytes, to: str = "") -> None:
        """The council's calls of the breaker, or of ``to``, in this order. Raises Refused when one reverts."""
        target = to or self.address
        if self.safe is not None:
            await self.safe.execute_all([(target, data) for data in calls])
            return
        for data in calls:
            await transact(self.node, self.market.admin, target, data)

    async def trip(self, breaker: bytes, *values: int, at_s: int | None = None) -> dict[str, Any]:
        """The receipt of the keeper's trip. Raises Refused when it reverts."""
        return await transact(self.node, self.keeper, self.address, trip_data(breaker, *values), at_s=at_s)

    async def trip_refused(self, breaker: bytes, *values: int, at_s: int | None = None) -> bytes:
        """The revert of the keeper's trip; fails when it goes through."""
        return await refusal(self.node, self.keeper, self.address, trip_data(breaker, *values), at_s=at_s)

    async def expire(self, breaker: bytes, *, at_s: int | None = None) -> dict[str, Any]:
        """The receipt of an expiry that somebody with no right calls for."""
        data = calldata("expire(bytes32)", breaker)
        return await transact(self.node, self.market.outsider, self.address, data, at_s=at_s)

    async def expire_refused(self, breaker: bytes, *, at_s: int | None = None) -> bytes:
        data = calldata("expire(bytes32)", breaker)
        return await refusal(self.node, self.market.outsider, self.address, data, at_s=at_s)

    async def state(self, breaker: bytes) -> State:
        (answer,) = await ask(self.node, self.address, "stateOf(bytes32)", STATE, breaker)
        recent, status, *rest = answer
        return State(recent, Status(status), *rest)

    async def changes(self, breaker: bytes) -> tuple[tuple[int, int], ...]:
        """For each bound what the newest trip changed: before, after."""
        (answer,) = await ask(self.node, self.address, "changesOf(bytes32)", "((uint256,uint256)[])", breaker)
        return tuple(answer)

    def pause_breaker(self, *, required: int = 1) -> tuple[Any, ...]:
        """The registration of PAUSE."""
        is_paused = calldata("getPaused(address)", self.market.asset(DOLLAR))
        probe = (self.market.data_provider, 0, is_paused, (1).to_bytes(32, "big"))
        return self._breaker(
            self.market.pause_data(DOLLAR, True), self.market.pause_data(DOLLAR, False), probe, [], required
        )

    def cut_breaker(self) -> tuple[Any, ...]:
        """The registration of CUT. Aave's view answers the borrow cap in word 0 and the supply cap in word 1."""
        caps = calldata("getReserveCaps(address)", self.market.asset(DOLLAR))
        call = self.market.supply_cap_data(DOLLAR, 0)
        bound = (self.market.data_provider, 1, 1, 0, MAX_STEP_BPS, MIN_CAP, MAX_CAP, caps)
        return self._breaker(call, call, (NOBODY, 0, b"", bytes(32)), [bound], 1)

    def _breaker(
        self, call: bytes, undo: bytes, probe: tuple[Any, ...], bounds: Sequence[Any], required: int
    ) -> tuple[Any, ...]:
        safe = NOBODY if self.safe is None else self.safe.address
        times = (DURATION_S, COOLDOWN_S, WINDOW_S, safe, LOCK_S, BUDGET, required)
        return (self.market.configurator, *times, call, undo, probe, bounds)


def trip_data(breaker: bytes, *values: int) -> bytes:
    return any_calldata(TRIP, breaker, values, EVIDENCE)


def register_data(breaker: bytes, registration: tuple[Any, ...]) -> bytes:
    return any_calldata(f"register(bytes32,{BREAKER})", breaker, registration)


async def deploy_aave_breaker(node: Anvil, *, through_safe: bool) -> AaveBreaker:
    """Market, breaker and where asked for the Safe (two of three owners), with both breakers registered; about a second."""
    market = await deploy_aave(node)
    stand = Stand(node)
    address = await stand.put(load_artifact("CircuitBreaker"), market.admin, NOBODY, SILENCE_S)
    safe = await _council_safe(market, address) if through_safe else None
    breaker = AaveBreaker(market, address, node.accounts[9].address, safe)
    for right in Right:
        await market.grant(right, breaker.holder)
    await breaker.council(
        calldata("addKeeper(address)", breaker.keeper),
        register_data(PAUSE, breaker.pause_breaker()),
        register_data(CUT, breaker.cut_breaker()),
    )
    return breaker


async def _council_safe(market: AaveMarket, breaker: str) -> Safe:
    """A Safe that takes the breaker over as its council, and has it as a module."""
    node = market.node
    safe = await (await deploy_safe_contracts(node)).create(node.accounts[6:9], 2)
    await transact(node, market.admin, breaker, calldata("transferOwnership(address)", safe.address))
    await safe.execute(breaker, calldata("acceptOwnership()"))
    await safe.enable_module(breaker)
    (owner,) = await view(node, breaker, "owner()(address)")
    assert owner == safe.address
    return safe
