"""The local node: a real anvil process, from its start to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from keeper.devnet.anvil import Anvil, Mining
from keeper.devnet.process import Child
from keeper.domain.errors import Refused, SetupError, Unreachable

pytestmark = pytest.mark.integration

# Starts a node (argv 1: what kind of end it meets) and prints its process id, then waits.
OWNER = """
import asyncio
from keeper.devnet.anvil import Anvil
async def main():
    async with Anvil() as node:
        print(node.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def runs(pid: int) -> bool:
    """Whether this process is there and not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def port_of(node: Anvil) -> int:
    return int(node.http_url.rsplit(":", 1)[1])


async def test_anvil__started__answers_with_what_was_asked_for() -> None:
    async with Anvil(chain_id=1234) as node:
        assert int(await node.rpc("eth_chainId"), 16) == 1234
        assert node.version.startswith("anvil/")
        assert node.version[6].isdigit()
        assert node.alive
        assert node.ws_url == node.http_url.replace("http", "ws")
        assert await node.block_number() == 0


async def test_anvil__accounts__are_the_nodes_own_and_their_keys_fit(anvil: Anvil) -> None:
    from eth_account import Account as EthAccount

    assert [account.address.lower() for account in anvil.accounts] == await anvil.rpc("eth_accounts")
    assert len(anvil.accounts) == 10
    assert EthAccount.from_key(anvil.accounts[3].private_key).address == anvil.accounts[3].address


async def test_anvil__listens__on_loopback_only(anvil: Anvil) -> None:
    table = await asyncio.to_thread(Path("/proc/net/tcp").read_text) if sys.platform == "linux" else ""
    wanted = f":{port_of(anvil):04X}"
    listening = [line.split()[1] for line in table.splitlines()[1:] if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(wanted)] in ([f"0100007F{wanted}"], [])
    assert anvil.http_url.startswith("http://127.0.0.1:")


async def test_anvil__two_at_once__have_their_own_ports() -> None:
    async with Anvil() as one, Anvil() as two:
        await one.mine(3)
        assert one.http_url != two.http_url
        assert (await one.block_number(), await two.block_number()) == (3, 0)


async def test_anvil__stopped__leaves_no_process_and_no_port() -> None:
    node = Anvil()
    await node.start()
    pid, port = node.pid, port_of(node)
    await node.stop()
    assert not node.alive
    assert not runs(pid)
    assert refuses(port)
    await node.stop()
    with pytest.raises(Unreachable):
        await node.rpc("eth_chainId")


async def test_anvil__started_twice__is_one_process(anvil: Anvil) -> None:
    pid = anvil.pid
    await anvil.start()
    assert anvil.pid == pid


async def test_anvil__body_raises__is_stopped_all_the_same() -> None:
    pids: list[int] = []

    async def body() -> None:
        async with Anvil() as node:
            pids.append(node.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert not runs(pids[0])


async def test_anvil__start_cancelled__leaves_no_process() -> None:
    node = Anvil(binary=Path("/bin/sleep"), extra=["60"])
    node._command = lambda: ["/bin/sleep", "60"]  # type: ignore[method-assign]
    task = asyncio.create_task(node.start())
    while not node.alive:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    pid = node.pid
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not runs(pid)


async def test_anvil__killed__is_unreachable_and_can_be_started_again_on_its_port() -> None:
    node = Anvil()
    await node.start()
    await node.mine(5)
    url = node.http_url
    node.kill()
    assert not node.alive
    with pytest.raises(Unreachable):
        await node.rpc("eth_chainId")
    await node.start()
    try:
        assert node.http_url == url
        assert await node.block_number() == 0
    finally:
        await node.stop()


async def test_anvil__frozen__answers_no_one_until_thawed(anvil: Anvil) -> None:
    anvil.freeze()
    async with httpx.AsyncClient(trust_env=False, timeout=0.2) as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        with pytest.raises(httpx.ReadTimeout):
            await client.post(anvil.http_url, json=body)
        anvil.thaw()
        assert (await client.post(anvil.http_url, json=body, timeout=10)).status_code == 200


async def test_anvil__frozen_and_stopped__ends() -> None:
    node = Anvil()
    await node.start()
    pid = node.pid
    node.freeze()
    await node.stop()
    assert not runs(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_anvil__its_owner_dies__dies_too(number: signal.Signals) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert owner.stdout is not None
    with owner.stdout:
        pid = int(owner.stdout.readline())
        assert runs(pid)
        os.kill(owner.pid, number)
        owner.wait()
    async with asyncio.timeout(10):
        while runs(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_anvil__port_taken__says_so_in_the_nodes_words() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        node = Anvil(port=other.getsockname()[1])
        with pytest.raises(SetupError, match="Address already in use"):
            await node.start()
    assert not node.alive


async def test_anvil__port_freed_meanwhile__is_taken_at_the_second_try() -> None:
    other = socket.socket()
    other.bind(("127.0.0.1", 0))
    other.listen()
    node = Anvil(port=other.getsockname()[1])
    once = node._start_once

    async def first_fails() -> None:
        try:
            await once()
        finally:
            other.close()

    node._start_once = first_fails  # type: ignore[method-assign]
    await node.start()
    try:
        assert await node.block_number() == 0
    finally:
        await node.stop()


async def test_anvil__wrong_argument__shows_the_nodes_last_words() -> None:
    node = Anvil(extra=["--no-such-option"])
    with pytest.raises(SetupError, match="--no-such-option") as caught:
        await node.start()
    assert caught.value.remedy
    assert not node.alive


async def test_anvil__never_ready__gives_up() -> None:
    node = Anvil(start_timeout_s=0.1)
    node._command = lambda: ["/bin/sleep", "60"]  # type: ignore[method-assign]
    with pytest.raises(SetupError, match=r"not ready within 0\.1 s"):
        await node.start()
    assert not node.alive


async def test_anvil__no_such_binary__is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="anvil"):
        await Anvil(binary=tmp_path / "anvil").start()


async def test_anvil__ipc__answers_on_the_socket_and_takes_it_away_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a node.ipc"
    async with Anvil(ipc_path=path, chain_id=77) as node:
        assert node.ipc_path == path
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}')
        assert b'"0x4d"' in await reader.readuntil(b"}")
        writer.close()
        await writer.wait_closed()
    assert not path.exists()


async def test_rpc__an_error_answer__is_refused_with_its_code(anvil: Anvil) -> None:
    with pytest.raises(Refused, match="eth_noSuchMethod") as caught:
        await anvil.rpc("eth_noSuchMethod")
    assert caught.value.code == -32601


async def test_rpc__environment_names_a_proxy__is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Anvil() as node:
        assert await node.block_number() == 0


async def test_mining__automatic__mines_each_transaction_at_once(anvil: Anvil) -> None:
    assert anvil.mining is Mining.AUTO
    one, two = anvil.accounts[:2]
    await anvil.rpc("eth_sendTransaction", {"from": one.address, "to": two.address, "value": "0x1"})
    assert await anvil.wait_for_block(1) == 1


async def test_mining__by_the_clock__brings_blocks_unasked_and_asked(anvil_blocks: Anvil) -> None:
    assert anvil_blocks.mining is Mining.INTERVAL
    before = await anvil_blocks.block_number()
    assert await anvil_blocks.wait_for_block(before + 1) > before
    assert await anvil_blocks.mine(2) >= before + 3


async def test_mining__by_fractions_of_a_second__is_taken() -> None:
    async with Anvil(block_time_s=0.1) as node:
        assert await node.wait_for_block(3) >= 3


async def test_mining__on_demand__holds_transactions_until_told(anvil_manual: Anvil) -> None:
    assert anvil_manual.mining is Mining.MANUAL
    one, two = anvil_manual.accounts[:2]
    tx_hash = await anvil_manual.rpc(
        "eth_sendTransaction", {"from": one.address, "to": two.address, "value": "0x1", "gas": "0x5208"}
    )
    assert await anvil_manual.rpc("eth_getTransactionReceipt", tx_hash) is None
    assert await anvil_manual.mine(2) == 2
    assert (await anvil_manual.rpc("eth_getTransactionReceipt", tx_hash))["blockNumber"] == "0x1"


async def test_wait_for_block__that_never_comes__is_unreachable(anvil: Anvil) -> None:
    with pytest.raises(Unreachable, match="block 1 did not come"):
        await anvil.wait_for_block(1, timeout_s=0.05)


async def test_set_code_and_balance__are_there(anvil: Anvil) -> None:
    address = "0x00000000000000000000000000000000000000Aa"
    await anvil.set_code(address, "0x6001")
    await anvil.set_balance(address, 12345)
    assert await anvil.rpc("eth_getCode", address, "latest") == "0x6001"
    assert int(await anvil.rpc("eth_getBalance", address, "latest"), 16) == 12345


async def test_impersonate__an_address_without_a_key__sends_until_stopped(anvil: Anvil) -> None:
    address = "0x00000000000000000000000000000000000000AA"
    await anvil.set_balance(address, 10**18)
    transfer = {"from": address, "to": anvil.accounts[0].address, "value": "0x1"}
    with pytest.raises(Refused):
        await anvil.rpc("eth_sendTransaction", transfer)
    await anvil.impersonate(address)
    assert await anvil.rpc("eth_sendTransaction", transfer)
    await anvil.stop_impersonating(address)
    with pytest.raises(Refused):
        await anvil.rpc("eth_sendTransaction", transfer)


async def test_anvil__quiet__writes_nothing_after_it_started() -> None:
    async with Anvil() as node:
        before = node.log_tail()
        await node.mine(3)
        assert node.log_tail() == before
        assert "Listening" in before
    async with Anvil(quiet=False) as loud:
        await loud.rpc("eth_gasPrice")
        assert "eth_gasPrice" in loud.log_tail()


async def test_child__ignores_being_asked__is_killed() -> None:
    child = Child(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"])
    while "ready" not in child.output():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await child.stop()
    assert child.returncode == -signal.SIGKILL
    await child.stop()
    assert (child.output(), child.tail()) == ("", "")


async def test_child__its_own_children__end_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = Child(["/bin/sh", "-c", f"sleep 60 & echo $! > '{note}'; wait"])
    while not note.is_file() or not note.read_text().strip():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    grandchild = int(note.read_text())
    assert runs(grandchild)
    await child.stop()
    async with asyncio.timeout(10):
        while runs(grandchild):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_child__writes_more_than_a_pipe_holds__is_not_blocked() -> None:
    child = Child([sys.executable, "-c", "print('x' * 300_000); print('\\033[31mthe end\\033[0m')"])
    async with asyncio.timeout(20):
        while child.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert child.tail(1) == "the end"
    assert len(child.output()) == 65_536
    await child.stop()
