"""A running keeper with a private route: builders that do not take its signature are told of at once, and a pause lands that nobody saw before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.devnet.anvil import Anvil
from keeper.devnet.relay import Fault, FaultKind, Relay
from keeper.devnet.world import deploy_world
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import FAIR, MARKET, OTHER, Stage
from tests.support.relay_stage import FIFO, always
from tests.support.scripted_relay import IDENTITY_KEY

pytestmark = pytest.mark.integration

NAMES = ("titan", "buildernet")
PARTS = [f"route:private/{name}" for name in NAMES]
REASONS = dict(zip(PARTS, ("signature-wanted", "signature-refused"), strict=True))  # titan is sent none


@dataclass
class Scene:
    stage: Stage
    relay: Relay

    def sent(self, method: str) -> list[str]:
        """By which builders this was asked."""
        return [asked.builder for asked in self.relay.asked if asked.method == method and not asked.refusal]

    async def evaluated(self, keeper: Inside) -> int:
        """The number of one more block, once the keeper has looked at it."""
        number = (await self.relay.slots.next()).number
        await keeper.until(lambda: self.stage.evaluated() >= number)
        return number


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with Anvil(no_mining=True, extra=FIFO) as node:
        world = await deploy_world(node, (MARKET, OTHER))
        await world.settle([await world.push_price(market, FAIR, wait=False) for market in (MARKET, OTHER)])
        stage = Stage(world, tmp_path)
        async with Relay.open(node.http_url, lottery=always("titan")) as relay:
            _write(stage, relay)
            yield Scene(stage, relay)


def _write(stage: Stage, relay: Relay) -> None:
    """The plain configuration, but for its routes."""
    key = stage.folder / "identity.key"
    key.touch(mode=0o600)
    key.write_text(IDENTITY_KEY.hex())
    text = stage.write().read_text()
    routes = f"""\
routes:
  private:
    kind: private
    identity: {{kind: key-file, path: identity.key}}
    public_after: never
    timeout: 12s
    prove: 1s
    builders:
      titan: {{url: "{relay.url("titan")}", header: none, private_transactions: true}}
      buildernet: {{url: "{relay.url("buildernet")}", cancel: empty}}
"""
    assert text.count("routes: {public: {kind: public}}\n") == 1
    text = text.replace("routes: {public: {kind: public}}\n", routes).replace("route: public", "route: private")
    stage.config.write_text(text)


async def test_service__nobody_takes_its_signature__is_a_fault_at_once_until_they_do(scene: Scene) -> None:
    scene.relay.inject(Fault(FaultKind.WRONG_SIGNATURE))
    async with inside(scene.stage.config) as keeper:
        await keeper.watching()
        await keeper.until(lambda: {fault.part for fault in keeper.faults} >= set(PARTS))
        assert {fault.part: fault.reason for fault in keeper.faults if fault.part in PARTS} == REASONS
        scene.relay.heal()
        await keeper.until(lambda: not {fault.part for fault in keeper.faults} & set(PARTS))
        await keeper.end()
    for part in PARTS:
        assert scene.stage.faults(part)[:2] == [("down", REASONS[part]), ("up", "recovered")]
    assert set(scene.sent("eth_sendBundle")) <= {"buildernet"}  # how that one is asked; the bundles are empty
    assert not scene.relay.book.bundles


async def test_service__a_pause_by_builders__lands_and_was_public_nowhere(scene: Scene) -> None:
    async with inside(scene.stage.config) as keeper:
        await keeper.watching()
        await scene.evaluated(keeper)
        await scene.stage.shock()
        await scene.evaluated(keeper)
        await keeper.until(lambda: bool(scene.relay.book.bundles) and "eth_sendPrivateTransaction" in _methods(scene))
        for _ in range(3):
            await scene.evaluated(keeper)
        await keeper.until(lambda: bool(scene.stage.outcomes()))
        await keeper.end()
    await scene.stage.assert_paused_once()
    (pause,) = await scene.stage.sent()
    assert await scene.relay.public_before(str(pause["hash"]), int(str(pause["blockNumber"]), 16)) is None
    scene.stage.assert_log_holds()


def _methods(scene: Scene) -> set[str]:
    return {asked.method for asked in scene.relay.asked}
