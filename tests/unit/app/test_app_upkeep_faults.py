"""Upkeep of a breaker contract under nodes that lie, refuse, or pass transactions over: no loop, no starving, no pause behind it for long."""

from __future__ import annotations

import pytest

from keeper.app.breakers.upkeep import AGAIN_MS, HEARTBEAT_GAS, MOST_DOUBLINGS, NO_ESTIMATE
from keeper.domain.action import Call
from keeper.domain.errors import Refused
from tests.support.breaker_double import tripped
from tests.unit.app.test_app_breakers import END, INTERVAL_S, SIGN, Scene

pytestmark = pytest.mark.unit

ABORTED = Refused("execution aborted (timeout = 5s)", code=-32000)


def refuses(scene: Scene, *selectors: bytes) -> list[bytes]:
    """The node estimates no gas for these calls; returns what it was asked for."""
    asked: list[bytes] = []
    honest = scene.stage.chain.gas

    async def gas(call: Call, sender: str) -> int:
        asked.append(call.data[:4])
        if call.data[:4] in selectors:
            raise ABORTED
        return await honest(call, sender)

    scene.stage.chain.gas = gas  # type: ignore[method-assign]
    return asked


def selector(scene: Scene, action: str) -> bytes:
    (armed,) = (one for one in scene.breakers._upkeep._armed.values() if one.action.name == action)
    return armed.call.data[:4]


async def test_heartbeat__a_view_that_never_shows_it__is_not_sent_at_every_block() -> None:
    scene = Scene()
    for _ in range(60):  # twelve minutes, more than half the interval of twenty
        await scene.block(heard_s=scene.now_s - INTERVAL_S)
    assert 1 <= scene.ends.count((SIGN, "included")) <= 2


async def test_expire__no_gas_estimate__lets_the_heartbeat_go_first_and_is_a_fault() -> None:
    scene = Scene()
    asked = refuses(scene, selector(scene, END))
    await scene.block(state=tripped(1), heard_s=scene.now_s + 12 - INTERVAL_S)
    await scene.block()
    await scene.block()
    assert (SIGN, "included") in scene.ends
    assert NO_ESTIMATE in scene.down.values()
    assert asked.count(selector(scene, END)) == 1, "it is left alone for a while"


async def test_heartbeat__no_gas_estimate__is_sent_with_a_limit_of_its_own() -> None:
    scene = Scene()
    refuses(scene, selector(scene, SIGN))
    await scene.block(heard_s=scene.now_s - INTERVAL_S)
    (work,) = scene.executor.open_works
    assert work.intent.attempts[0].gas_limit == HEARTBEAT_GAS


async def test_upkeep__that_fails_again_and_again__is_tried_more_and_more_rarely() -> None:
    scene = Scene()
    upkeep, key = scene.breakers._upkeep, next(iter(scene.breakers._upkeep._armed))
    waits = []
    for _ in range(MOST_DOUBLINGS + 2):
        upkeep._put_off(key)
        waits.append(round(upkeep._not_before_ms[key] - scene.stage.clock.monotonic_ms(), -3))
    assert waits == [AGAIN_MS << min(n, MOST_DOUBLINGS) for n in range(MOST_DOUBLINGS + 2)]
