"""The status page of a real keeper, as somebody has it open on a bad day: blocks come, a rule trips, the keeper is killed, and starts again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Page, expect

from tests.support import secrets_seen
from tests.support.browser import chromium
from tests.support.keeper_process import Running
from tests.support.keeper_stage import MARKET, staged

pytestmark = pytest.mark.e2e

T = TypeVar("T")


async def test_status__of_a_real_keeper__follows_its_blocks_says_when_it_is_gone_and_comes_back(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/status"
    with ThreadPoolExecutor(1) as thread:

        async def there(work: Callable[[], T]) -> T:
            return await asyncio.get_running_loop().run_in_executor(thread, work)

        opened = ExitStack()
        async with staged(tmp_path) as stage:
            stage.write()
            with stage.config.open("a", encoding="utf-8") as file:
                file.write(f'http: {{listen: "127.0.0.1:{port}"}}\n')
            page: Page = await there(lambda: opened.enter_context(chromium()).new_page())
            try:
                async with Running(["run", stage.config], tmp_path) as keeper:
                    await keeper.says('"event": "pages"')
                    await there(lambda: page.goto(url))
                    await stage.node.mine()
                    await there(lambda: expect(page.locator("#part-numbers")).to_contain_text("1 of 1", timeout=60_000))
                    await there(lambda: expect(page.locator("#link")).to_have_text("Live"))
                    await stage.shock()
                    await stage.node.mine()
                    tripped = f"1 market tripped: {MARKET}"
                    await there(lambda: expect(page.locator("#part-headline")).to_contain_text(tripped, timeout=60_000))
                    await there(lambda: expect(page.locator("#part-incidents")).to_contain_text("Open", timeout=60_000))
                    shown = await there(page.content)
                    secrets_seen.note(shown, "the page of the status")
                    assert stage.key.private_key.removeprefix("0x") not in shown
                gone = "Disconnected from the keeper"
                await there(lambda: expect(page.get_by_role("alert")).to_contain_text(gone, timeout=30_000))
                await there(lambda: expect(page.locator("#link")).to_have_text("Disconnected"))
                async with Running(["run", stage.config], tmp_path) as keeper:
                    await keeper.says('"event": "pages"')
                    await stage.node.mine()
                    await there(lambda: expect(page.locator("#link")).to_have_text("Live", timeout=60_000))
                    await there(lambda: expect(page.get_by_role("alert")).to_have_count(0))
                    await keeper.end()
            finally:
                await there(opened.close)
