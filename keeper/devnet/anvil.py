"""The local node: the real anvil, started for one owner, on loopback only, gone when its owner is gone."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keeper.devnet.accounts import Account, read_accounts
from keeper.devnet.process import Child
from keeper.devnet.rpc import RpcClient
from keeper.devnet.toolchain import REMEDY, anvil_binary
from keeper.domain.errors import KeeperError, MalformedAnswer, SetupError, Unreachable

_HOST = "127.0.0.1"
_READY = re.compile(rf"Listening on {re.escape(_HOST)}:(\d+)")
_POLL_S = 0.005
_START_TRIES = 2
# The shortest limit on a socket's path among the platforms (macOS 104 with its closing zero, Linux 108).
_IPC_PATH_BYTES = 103


class Mining(StrEnum):
    """When a transaction gets into a block."""

    AUTO = "auto"
    """At once, each in a block of its own."""
    INTERVAL = "interval"
    """With the next block; blocks come by the clock."""
    MANUAL = "manual"
    """When ``mine`` is called."""


class Anvil:
    """One anvil process. Use it as ``async with Anvil() as node``, or with ``start`` and ``stop``.

    ``block_time_s``: seconds between blocks, fractions allowed; None: each transaction is mined at once, or with ``no_mining`` only when
    ``mine`` is called. ``port`` 0 lets the operating system pick one as the node binds it, so no other process can take it in between.
    ``extra`` are further arguments of anvil. Its state is held in memory and ends with it.
    """

    def __init__(
        self,
        *,
        chain_id: int = 31337,
        block_time_s: float | None = None,
        no_mining: bool = False,
        ipc_path: Path | None = None,
        port: int = 0,
        quiet: bool = True,
        start_timeout_s: float = 20.0,
        binary: Path | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        if no_mining and block_time_s is not None:
            raise ValueError("block_time_s and no_mining exclude each other")
        self.chain_id = chain_id
        self.block_time_s = block_time_s
        self.mining = Mining.MANUAL if no_mining else Mining.AUTO if block_time_s is None else Mining.INTERVAL
        self.ipc_path = ipc_path
        self.accounts: tuple[Account, ...] = ()
        self.version = ""
        self._port = port
        self._quiet = quiet
        self._start_timeout_s = start_timeout_s
        self._binary = binary
        self._extra = tuple(extra)
        self._child: Child | None = None
        self._client: RpcClient | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def http_url(self) -> str:
        return f"http://{_HOST}:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{_HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """The node's process id. Raises Unreachable when it was not started."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.returncode is None

    async def start(self) -> None:
        """Starts the node and waits until it answers. Raises SetupError with the node's last words when it does not."""
        if self.alive:
            return
        await self.stop()
        if self.ipc_path is not None and len(os.fsencode(self.ipc_path)) > _IPC_PATH_BYTES:
            raise SetupError(f"{self.ipc_path} is too long for a socket", remedy="use a folder with a shorter path")
        for tries_left in reversed(range(_START_TRIES)):
            try:
                await self._start_once()
                return
            except SetupError:
                await self.stop()
                # only a port that was asked for by number can be taken: wait for whoever lets go of it, once
                if tries_left == 0 or self._port == 0:
                    raise
                await asyncio.sleep(0.1)
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Ends the node and waits for that. Safe to call twice, and after ``kill``."""
        client, self._client = self._client, None
        child, self._child = self._child, None
        try:
            if client is not None:
                await client.close()
        finally:
            if child is not None:
                await child.stop()
                if self.ipc_path is not None:
                    self.ipc_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL, as a machine that dies would: every later request is Unreachable. ``start`` brings up an empty chain on the same port."""
        self._running().kill()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers any more, until ``thaw``."""
        self._running().freeze()

    def thaw(self) -> None:
        """Lets a frozen node go on."""
        self._running().send(signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines the node wrote."""
        return self._child.tail() if self._child is not None else ""

    async def rpc(self, method: str, *params: Any) -> Any:
        """The result of one request. Raises Unreachable (no answer), Refused (an error answer) or MalformedAnswer."""
        if self._client is None:
            raise Unreachable("the local node is not running", remedy="start it first")
        return await self._client.call(method, *params)

    async def block_number(self) -> int:
        return quantity(await self.rpc("eth_blockNumber"))

    async def mine(self, blocks: int = 1) -> int:
        """Mines so many blocks now, whatever the mining mode; the waiting transactions are in the first. Returns the newest block's number."""
        await self.rpc("anvil_mine", hex(blocks))
        return await self.block_number()

    async def wait_for_block(self, number: int, timeout_s: float = 30.0) -> int:
        """Waits until the chain has block ``number``; returns the newest block's number. Raises Unreachable when it does not come in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while (newest := await self.block_number()) < number:  # noqa: ASYNC110 - another process mines
                    await asyncio.sleep(2 * _POLL_S)
        except TimeoutError:
            raise Unreachable(f"block {number} did not come within {timeout_s} s") from None
        return newest

    async def set_code(self, address: str, code: str) -> None:
        """Puts runtime code (0x-prefixed hex) at an address."""
        await self.rpc("anvil_setCode", address, code)

    async def set_balance(self, address: str, wei: int) -> None:
        await self.rpc("anvil_setBalance", address, hex(wei))

    async def impersonate(self, address: str) -> None:
        """From now on the node signs for this address too."""
        await self.rpc("anvil_impersonateAccount", address)

    async def stop_impersonating(self, address: str) -> None:
        await self.rpc("anvil_stopImpersonatingAccount", address)

    async def _start_once(self) -> None:
        command = self._command()
        try:
            self._child = Child(command)
        except OSError as error:
            raise SetupError(f"anvil cannot be run: {error.strerror}", remedy=REMEDY) from None
        port = await self._listening(self._child)
        self.accounts = read_accounts(self._child.output())
        self._port = port
        self._client = RpcClient(self.http_url)
        try:
            version = await self.rpc("web3_clientVersion")
            if self._quiet:
                # not --quiet, which would hide the port as well
                await self.rpc("anvil_setLoggingEnabled", False)
        except KeeperError as error:
            raise self._failed(error.message) from None
        self.version = str(version).replace("/v", "/", 1)

    def _command(self) -> list[str]:
        command = [str(self._binary or anvil_binary()), "--host", _HOST, "--port", str(self._port), "--color", "never"]
        command += ["--chain-id", str(self.chain_id), "--no-cors"]
        if self.block_time_s is not None:
            command += ["--block-time", str(self.block_time_s)]
        if self.mining is Mining.MANUAL:
            command += ["--no-mining"]
        if self.ipc_path is not None:
            command += ["--ipc", str(self.ipc_path)]
        return [*command, *self._extra]

    async def _listening(self, child: Child) -> int:
        """The port, once the node listens on it and on the socket file that was asked for."""
        try:
            async with asyncio.timeout(self._start_timeout_s):
                while child.returncode is None:
                    match = _READY.search(child.output())
                    if match and (self.ipc_path is None or self.ipc_path.is_socket()):
                        return int(match.group(1))
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise self._failed(f"it was not ready within {self._start_timeout_s} s") from None
        raise self._failed(f"it ended with {child.returncode}")

    def _failed(self, why: str) -> SetupError:
        return SetupError(f"anvil did not start: {why}\n{self.log_tail()}".rstrip(), remedy=REMEDY)

    def _running(self) -> Child:
        if self._child is None:
            raise Unreachable("the local node is not running", remedy="start it first")
        return self._child


def quantity(value: object) -> int:
    """A JSON-RPC quantity (``0x1f``) as a number. Raises MalformedAnswer."""
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]+", value):
        return int(value, 16)
    raise MalformedAnswer(f"the local node answered {value!r:.60} where a quantity was asked for")
