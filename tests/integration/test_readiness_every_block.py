"""Whether an armed action would work is known at every block: lost authority is a fault, a notice, and not shown as armed, at that block already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.adapters.clock import SystemClock
from keeper.app.cli.status import read_state
from keeper.app.cli.status_actions import documents
from keeper.app.wiring import build
from keeper.config import load
from keeper.devnet.transactions import send, settle
from keeper.devnet.world import Role
from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import trip_call
from keeper.domain.record import RecordKind
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice
from tests.support.breaker_service import COOLDOWN_S, ID, LOCK_S, SILENCE_S, BreakerStage, breaker_staged
from tests.support.keeper_inside import Inside
from tests.support.keeper_stage import MARKET

pytestmark = pytest.mark.integration

PART = f"readiness:{MARKET}/pause-market"
ETHER = 10**18
GWEI = 10**9
FOREVER = "0x5b600056"
"""Code that burns whatever gas it gets."""


class Ear:
    """Whom people listen to."""

    name = "ear"

    def __init__(self) -> None:
        self.heard: list[Notice] = []

    async def notify(self, notice: Notice) -> Delivery:
        self.heard.append(notice)
        return Delivery(delivered=True)

    async def close(self) -> None:
        """Nothing is open."""


class Scene:
    """A keeper that runs, and what becomes of its one action."""

    def __init__(self, breaker: BreakerStage, service: Inside, ear: Ear) -> None:
        self.breaker, self.stage, self.world = breaker, breaker.stage, breaker.stage.world
        self._service, self._ear = service, ear

    def states(self) -> list[tuple[str, str, int]]:
        """(state, reason, block) of each record about the action, in order."""
        found = [one.body for one in self.stage.records(RecordKind.READINESS) if one.action == "pause-market"]
        return [(str(one["state"]), str(one["reason"]), int(str(one["block"]))) for one in found]

    async def becomes(self, state: str, reason: str = "", *, mines: bool = False) -> None:
        """Without another block, unless it ``mines`` one: at the newest block it is so, in the log and in ``keeper status``."""
        if mines:
            await self.stage.node.mine()
        await self._service.until(lambda: self.states()[-1:] != [] and self.states()[-1][:2] == (state, reason))
        assert self.states()[-1][2] == await self.stage.node.block_number()
        (shown,) = documents((now := read_state(self.stage.url, ms := SystemClock().now_ms())).actions, now.now(ms))
        armed = state == "ready"
        assert (shown["armed"], shown["state"], shown["reason"]) == (armed, state, reason)

    async def loses(self, reason: str, act: Callable[[], Awaitable[object]], part: str = PART, fault: str = "") -> None:
        """Authority goes: the action is not ready, and people are told at once."""
        before = len(self._ear.heard)
        await act()
        await self.becomes("not-ready", reason)
        assert [one.reason for one in self._service.faults if one.part == part] == [fault or reason]
        await self._service.until(lambda: len(self._ear.heard) > before)
        told = [one for one in self._ear.heard[before:] if one.key == f"fault/{part}"]
        assert [one.severity for one in told] == [Severity.CRITICAL]

    async def gets_back(self, act: Callable[[], Awaitable[object]], *, mines: bool = False) -> None:
        await act()
        await self.becomes("ready", mines=mines)
        assert [one for one in self._service.faults if one.part == PART] == []

    async def roles(self) -> None:
        """Of the breaker at the protocol, and of the key at the breaker."""
        world, contract, key = self.world, self.breaker.contract, self.world.keeper.address
        await self.loses("missing-role", lambda: world.revoke(Role.PAUSER, contract))
        await self.gets_back(lambda: world.grant(Role.PAUSER, contract))
        await self.loses("missing-role", lambda: self.breaker.council("revokeKeeper(address)", key))
        await self.gets_back(lambda: self.breaker.council("addKeeper(address)", key))

    async def somebody_else_pauses(self) -> None:
        key = bytes.fromhex(self.world.market_id(MARKET)[2:])
        admin, exchange = self.world.admin, self.world.exchange
        await self.world.transact(admin, exchange, "grantRole(bytes32,address)", Role.PAUSER.id, admin.address)
        await self.world.transact(admin, exchange, "pauseMarket(bytes32)", key)
        await self.becomes("in-effect", "already-in-effect")
        await self.gets_back(lambda: self.world.unpause(MARKET))

    async def key(self) -> None:
        """Without ETH, and used elsewhere."""
        node, address = self.stage.node, self.world.keeper.address

        async def holds(wei: int) -> None:
            await node.rpc("anvil_setBalance", address, hex(wei))
            await node.mine()

        await self.loses("balance-low", lambda: holds(0), "balance", "low")
        await self.gets_back(lambda: holds(10 * ETHER))

        async def used_elsewhere() -> None:
            tips = {"maxFeePerGas": hex(GWEI * 200), "maxPriorityFeePerGas": hex(GWEI * 50)}
            full = {"from": self.world.admin.address, "data": FOREVER, "gas": hex(25_000_000), **tips}
            await node.rpc("eth_sendTransaction", full)
            mine = {"from": address, "to": address, "gas": hex(10_000_000)}
            await node.rpc("eth_sendTransaction", mine)  # finds no room in this block, and waits for the next one
            await node.mine()

        await self.loses("foreign-transaction", used_elsewhere, "nonce")

        await self.gets_back(node.mine)

    async def breaker_rests(self) -> None:
        """What was lifted is locked for a while; nobody can change that, and it ends by itself."""
        trip = trip_call(BreakerTrip(self.breaker.contract, ID), b"\x07" * 32).data
        hashes = [await send(self.stage.node, self.world.keeper.address, self.breaker.contract, trip, 2_000_000)]
        await settle(self.stage.node, hashes)
        await self.breaker.council("lift(bytes32,bool)", ID, True)
        await self.becomes("resting", "resting")
        await self.breaker.pass_s(LOCK_S + COOLDOWN_S)
        await self.becomes("ready", mines=True)

    async def authority_expires(self) -> None:
        await self.breaker.pass_s(SILENCE_S + 1)
        await self.loses("missing-role", self.stage.node.mine)


async def test_readiness__what_an_action_needs_goes_and_comes_back__is_known_at_that_block(tmp_path: Path) -> None:
    async with breaker_staged(tmp_path) as breaker:
        ear = Ear()
        parts = replace(await build(load(breaker.write(heartbeat_s=3_500))), notifiers=(ear,))
        service = Inside(parts)
        try:
            await service.watching()
            scene = Scene(breaker, service, ear)
            await scene.becomes("ready")
            await scene.roles()
            await scene.somebody_else_pauses()
            await scene.key()
            await scene.breaker_rests()
            await scene.authority_expires()
            await service.end()
            assert breaker.accepted() == []
            breaker.stage.assert_log_holds()
        finally:
            service._stop.set()
            await asyncio.gather(service._task, return_exceptions=True)
            await parts.close()
