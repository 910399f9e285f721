"""The page of a running keeper: a real Safe on a real node, the stand-in of its service, and members with wallets in a real browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from eth_account import Account as Keys
from playwright.sync_api import expect

from keeper.app.pages import server
from keeper.devnet.accounts import Account
from keeper.domain.safe import SafeTransaction
from tests.support.browser import Wallet, chromium
from tests.support.council_stage import CouncilStage, councilled
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import MARKET

PACE_S = 0.3

pytestmark = pytest.mark.e2e


@pytest_asyncio.fixture
async def council(tmp_path: Path) -> AsyncIterator[CouncilStage]:
    async with councilled(tmp_path) as staged:
        yield staged


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where the keeper's page listens."""
    found: list[int] = []
    real = server.serve

    async def spied(app: Any, host: str, port: int, stop: asyncio.Event, started: Any) -> None:
        await real(app, host, port, stop, lambda told: (found.append(told), started(told)))  # type: ignore[arg-type,func-returns-value]

    monkeypatch.setattr(server, "serve", spied)
    return found


def approve(address: str, transaction: SafeTransaction, members: Sequence[Account]) -> list[Any]:
    """Each member opens the proposal, compares the hash and approves it; what their wallets showed them."""
    shown: list[Any] = []
    with chromium() as browser:
        for member in members:
            wallet = Wallet([Keys.from_key(member.private_key)], transaction.chain_id)
            page = browser.new_page()
            wallet.into(page)
            page.goto(address)
            page.get_by_role("link", name=f"Pause {MARKET}").click()
            text = page.inner_text("main")
            assert transaction.hash_text in "".join(text.split()), "the hash is there to be compared"
            assert f"of {MARKET}: false now -> true" in text
            page.get_by_role("button", name="Approve with my wallet").click()
            expect(page.get_by_role("status")).to_contain_text("signature")
            shown += wallet.shown
            page.close()
    return shown


def why(address: str, transaction: SafeTransaction) -> str:
    """The incident's page, by the link of the proposal's."""
    with httpx.Client(base_url=address, trust_env=False) as client:
        page = client.get(f"/proposals/{transaction.hash_text}").text
        return client.get(re.findall(r'href="(/incidents/[^"]+)"', page)[-1]).text


async def test_two_members_approve_in_the_page__the_keeper_executes__paused(
    council: CouncilStage, ports: list[int]
) -> None:
    stage = council.stage
    council.write(execute=True, extra='http: {listen: "127.0.0.1:0", approve: true}\n')
    async with inside(stage.config) as keeper:
        await keeper.watching()
        await council.tripped(keeper)
        (queued,) = await council.queue()
        shown = await asyncio.to_thread(
            approve, f"http://127.0.0.1:{ports[0]}/", queued.transaction, council.owners[:2]
        )
        assert [one["message"]["nonce"] for one in shown] == ["0", "0"]
        incident = await asyncio.to_thread(why, f"http://127.0.0.1:{ports[0]}", queued.transaction)
        assert f'href="/proposals/{queued.transaction.hash_text}"' in incident
        done = ("included", "effect-verified")
        await stage.mine_until(lambda: done in stage.outcomes()[1:], ended=keeper.ended, pace_s=PACE_S)
        await keeper.end()
    assert await stage.world.paused(MARKET)
    assert {"seen", "confirmed", "signed", "threshold", "executed"} <= set(council.steps())
    assert [body["via"] for body in council.bodies("confirmed")] == ["page", "page"]
    stage.assert_log_holds()
