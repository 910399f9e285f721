"""How often the keeper asks its node between a head and the acceptance of the transaction: twice, the sending included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from keeper.app.readiness import Readiness
from keeper.domain.record import RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import Setup, Stage, staged
from tests.support.proxy import Proxy

pytestmark = pytest.mark.integration

SEND = "eth_sendRawTransaction"
READ = "eth_call"
QUIET_S = 1.2
"""Longer than the pace of the readiness, which looks at the newest block once a second at most."""


@asynccontextmanager
async def quiet_keeper(folder: Path, more: str = "") -> AsyncIterator[tuple[Stage, Proxy, Inside]]:
    """A keeper that has seen a block and has nothing more to ask, and the only way to its node."""
    async with staged(folder) as stage, Proxy(stage.node.ws_url) as proxy:
        config = stage.write(Setup(node_url=proxy.url, more_endpoints=more))
        async with inside(config) as run:
            await run.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=run.ended)
            asked = -1
            while asked != len(proxy.requests) or not refreshed(proxy):  # what follows comes one after the other
                asked = len(proxy.requests)
                await asyncio.sleep(QUIET_S)
            yield stage, proxy, run


def refreshed(proxy: Proxy) -> bool:
    """Whether nonce, balance and fee of the key were asked for after the reads of the last block, which may be followed by those of the readiness."""
    asked = proxy.requests
    fees = [place for place, method in enumerate(asked) if method == "eth_feeHistory"]
    return (
        bool(fees)
        and READ in asked[: fees[-1]]
        and {"eth_getTransactionCount", "eth_getBalance"} <= set(asked[fees[-1] :])
    )


async def on_the_path(stage: Stage, proxy: Proxy, run: Inside) -> list[str]:
    """The messages from the head that shows the shock to the transaction, included."""
    await stage.shock()
    before = len(proxy.requests)
    await stage.node.mine()
    await run.until(lambda: bool(stage.records(RecordKind.BROADCAST)))
    requests = proxy.requests[before:]
    return requests[: requests.index(SEND) + 1]


async def test_trip__from_the_head_to_the_acceptance__two_requests(tmp_path: Path) -> None:
    async with quiet_keeper(tmp_path) as (stage, proxy, run):
        assert await on_the_path(stage, proxy, run) == [READ, SEND]
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
        await run.end()
        assert stage.outcomes() == [("included", "effect-verified")]
        await stage.assert_paused_once()
        stage.assert_log_holds()


async def test_trip__nothing_is_rehearsed__it_went_through_at_the_block_before(tmp_path: Path) -> None:
    async with quiet_keeper(tmp_path, "  rehearse: 0\n") as (stage, proxy, run):
        assert await on_the_path(stage, proxy, run) == [READ, SEND]
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
        await run.end()
        assert stage.outcomes() == [("included", "effect-verified")]
        await stage.assert_paused_once()


async def test_trip__nobody_knows_whether_it_goes_through__the_simulation_is_a_third_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Readiness, "tried", lambda *_: None)
    async with quiet_keeper(tmp_path, "  rehearse: 0\n") as (stage, proxy, run):
        assert await on_the_path(stage, proxy, run) == [READ, READ, SEND]
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
        await run.end()
        await stage.assert_paused_once()


async def test_trip__the_rehearsal_would_revert__nothing_is_sent_and_it_is_said_why(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, Proxy(stage.node.ws_url) as proxy:
        config = stage.write(Setup(node_url=proxy.url, gas_limit=100_000), key=stage.world.trader)
        async with inside(config) as run:
            await run.watching()
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
            await run.end()
    assert stage.outcomes() == [("failed", "missing-role")]
    assert SEND not in proxy.requests
