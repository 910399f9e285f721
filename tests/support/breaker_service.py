"""The small world of ``keeper_stage`` with the real CircuitBreaker between the keeper and the protocol: the key itself may do nothing there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata, send, settle
from keeper.devnet.world import Role
from keeper.domain.circuit_breaker import STATE_OF, BreakerState, breaker_id, decode_state, view_call
from keeper.domain.record import RecordKind
from tests.support.aave_breaker import register_data
from tests.support.keeper_inside import Inside
from tests.support.keeper_stage import MARKET, Setup, Stage, configuration, staged
from tests.support.real_contracts import NOBODY, Stand

NAME = "pause ETH-PERP"
ID = breaker_id(NAME)
DURATION_S = COOLDOWN_S = 60
LOCK_S = 600
SILENCE_S = 3_600
HEARTBEAT_S = 1_200


@dataclass
class BreakerStage:
    """``contract`` is owned by the world's admin; its guardian is the reporter."""

    stage: Stage
    contract: str

    def write(
        self, *, cooldown: str = "1s", retry: str = "1s", heartbeat_s: int = HEARTBEAT_S, mode: str = "live"
    ) -> Path:
        """The configuration, with the action through the breaker."""
        setup = Setup(cooldown=cooldown, retry=retry, mode=mode)
        self.stage.write(setup)
        text = configuration(self.stage.world, setup)
        route = f'routes: {{breaker: {{address: "{self.contract}", heartbeat: {heartbeat_s}s}}}}'
        text = text.replace("routes: {public: {kind: public}}", route)
        text = text.replace("    route: public\n", f'    route: breaker\n    breaker: "{NAME}"\n')
        self.stage.config.write_text(text, encoding="utf-8")
        return self.stage.config

    async def council(self, signature: str, *args: Any) -> None:
        """In a block of its own."""
        data = calldata(signature, *args)
        world = self.stage.world
        await settle(world.node, [await send(world.node, world.admin.address, self.contract, data)])

    async def register(self, market: str = MARKET) -> None:
        """The breaker, with the calls that pause this market and let it go on."""
        world = self.stage.world
        key = bytes.fromhex(world.market_id(market)[2:])
        probe = (world.exchange, 0, calldata("paused(bytes32)", key), (1).to_bytes(32, "big"))
        times = (DURATION_S, COOLDOWN_S, 86_400, NOBODY, LOCK_S, 6, 1)
        calls = (calldata("pauseMarket(bytes32)", key), calldata("unpauseMarket(bytes32)", key))
        data = register_data(bytes.fromhex(ID[2:]), (world.exchange, *times, *calls, probe, []))
        await settle(world.node, [await send(world.node, world.admin.address, self.contract, data, 2_000_000)])

    async def pass_s(self, seconds: int) -> None:
        """The next block comes so much later."""
        await self.stage.node.rpc("evm_increaseTime", seconds)

    async def state(self) -> BreakerState:
        call = view_call(self.contract, STATE_OF, ID)
        answer = await self.stage.node.rpc("eth_call", {"to": call.to, "data": "0x" + call.data.hex()}, "latest")
        return decode_state(bytes.fromhex(answer[2:]))

    async def sent(self) -> list[str]:
        """The selectors of the key's mined transactions; fails when one reverted."""
        found = await self.stage.sent()
        assert {each["status"] for each in found} <= {"0x1"}
        return [each["input"][:10] for each in found]

    async def tripped(self, service: Inside) -> None:
        """The keeper runs, the price is off, and the trip has worked."""
        await service.watching()
        stage = self.stage
        await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
        await stage.shock()
        await stage.mine_until(lambda: bool(self.outcomes("pause-market")), ended=service.ended)
        await service.until(lambda: bool(self.on_chain()))  # the look comes after the outcome
        assert self.outcomes("pause-market") == [("included", "effect-verified")]
        assert await stage.world.paused(MARKET)

    def outcomes(self, action: str) -> list[tuple[str, str]]:
        """(kind, reason) of each outcome of this action, in order."""
        found = [one for one in self.stage.records(RecordKind.OUTCOME) if one.action == action]
        return [(str(one.body["kind"]), str(one.body["reason"])) for one in found]

    def accepted(self) -> list[str]:
        """The action of each broadcast that the node took."""
        found = self.stage.records(RecordKind.BROADCAST)
        return [str(one.action) for one in found if one.body["accepted"]]

    def on_chain(self) -> list[str]:
        """What the contract was seen to do, in order."""
        found = [one.body for one in self.stage.records(RecordKind.BREAKER) if "contract" in one.body]
        return [str(body["after"]) for body in found]

    def market(self) -> list[str]:
        """What the engine made of it, in order."""
        found = [one.body for one in self.stage.records(RecordKind.BREAKER) if "contract" not in one.body]
        return [str(body["after"]) for body in found]


@asynccontextmanager
async def breaker_staged(folder: Path) -> AsyncIterator[BreakerStage]:
    """The keeper's key has no role of the protocol's any more; the contract has those that it needs, and lists the key."""
    async with staged(folder) as stage:
        world, node = stage.world, stage.node
        code, admin, guardian = load_artifact("CircuitBreaker"), world.admin, world.reporter
        contract = await Stand(node).put(code, admin.address, guardian.address, SILENCE_S)
        for role in (Role.PAUSER, Role.ADMIN):
            await world.transact(admin, world.exchange, "grantRole(bytes32,address)", role.id, contract)
        await world.transact(admin, world.exchange, "revokeRole(bytes32,address)", Role.PAUSER.id, world.keeper.address)
        found = BreakerStage(stage, contract)
        await found.council("addKeeper(address)", world.keeper.address)
        await found.register()
        found.write()
        yield found
