"""The council's page served on loopback, the system's Chromium, and a wallet in it whose signatures are made here."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from keeper.app.pages.server import build_app, serve
from keeper.app.pages.settings import PageSettings
from tests.support.council_matters import CHAIN_ID, MEMBERS, NOW_MS, OWNERS, FakeCouncil
from tests.support.council_page import desk_of
from tests.support.manual_clock import ManualClock

REJECTED = 4001
UNKNOWN_CHAIN = 4902
_STUB = """
window.ethereum = {
  async request({ method, params }) {
    const answer = JSON.parse(await window.askWallet(method, JSON.stringify(params || [])));
    if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
    return answer.result;
  },
};
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips, and says so, where the machine has none: a browser is nothing that the set-up can install without root. CI installs one first."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    if path is None:
        pytest.skip(f"NOT TESTED: the council's page in a browser: none of {', '.join(names)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a free port of loopback, in a thread of its own; its address."""
    told: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Queue()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        await serve(app, "127.0.0.1", 0, stop, lambda port: told.put((loop, stop, port)))

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, stop, port = told.get(timeout=30)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def page_of(view: FakeCouncil, *, approve: bool = True) -> Iterator[str]:
    clock = ManualClock(NOW_MS)
    settings = PageSettings(clock, approve=approve, members=MEMBERS)
    with served(build_app(view, settings, desk_of(view, clock))) as address:
        yield address


@dataclass
class Wallet:
    """EIP-1193 as far as the page uses it. ``asked`` are the methods in their order, ``shown`` what it was asked to sign."""

    accounts: list[LocalAccount] = field(default_factory=lambda: [OWNERS[1]])
    chain_id: int = CHAIN_ID
    knows: set[int] = field(default_factory=lambda: {1, CHAIN_ID})
    rejects: str = ""
    """The method that its owner rejects."""
    asked: list[str] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)

    def into(self, page: Page) -> None:
        page.expose_function("askWallet", self._answer)
        page.add_init_script(_STUB)

    def _answer(self, method: str, params: str) -> str:
        self.asked.append(method)
        if method == self.rejects:
            return _error(REJECTED, "User rejected the request.")
        return self._allowed(method, json.loads(params))

    def _allowed(self, method: str, params: list[Any]) -> str:
        match method:
            case "eth_requestAccounts":
                return _result([account.address.lower() for account in self.accounts])
            case "eth_chainId":
                return _result(hex(self.chain_id))
            case "wallet_switchEthereumChain":
                wanted = int(params[0]["chainId"], 16)
                if wanted not in self.knows:
                    return _error(UNKNOWN_CHAIN, "Unrecognized chain ID.")
                self.chain_id = wanted
                return _result(None)
            case "eth_signTypedData_v4":
                signer = next(one for one in self.accounts if one.address.lower() == params[0])
                self.shown.append(json.loads(params[1]))
                signed = signer.sign_typed_data(full_message=self.shown[-1])
                return _result("0x" + bytes(signed.signature).hex())
            case _:
                return _error(4200, f"{method} is not supported")


def _result(value: object) -> str:
    return json.dumps({"result": value})


def _error(code: int, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}})
