"""The local relay, asked by hand: whose requests it takes, what it refuses in which shape, what it keeps, and how it breaks."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from keeper.devnet.anvil import Anvil
from keeper.devnet.relay import DOCUMENTED, Builder, Fault, FaultKind, Relay, Shape
from keeper.devnet.relay.builders import SEND_RAW
from keeper.domain.errors import SetupError
from tests.support.relay_client import Client, Signed, signature_of, signed
from tests.support.relay_stage import FIFO, Stage, always, relay_stage

# One node and one relay for the whole file: the tests share its event loop. Each has keys of its own.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

BUILDERS = (*DOCUMENTED, Builder("gateway", shape=Shape.PLAIN))
NAMES = [builder.name for builder in BUILDERS]
INVALID = {
    "titan": (200, {"code": -32600, "message": "invalid signature provided"}),
    "buildernet": (400, {"code": -32603, "message": "Invalid signature"}),
    "quasar": (403, "invalid signature provided"),
    "flashbots": (200, {"code": -32600, "message": "invalid signature provided"}),
    "gateway": (400, None),
}
"""What each says to a wrong signature: HTTP status, and ``error`` (None: no JSON)."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Stage]:
    async with relay_stage(BUILDERS, always("titan", *BUILDERS)) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(opened: Stage) -> AsyncIterator[Stage]:
    yield opened
    opened.relay.heal()


def error_of(answer: httpx.Response) -> Any:
    """None where it is no JSON."""
    return answer.json()["error"] if answer.headers["content-type"].startswith("application/json") else None


async def ask(stage: Stage, builder: str, **headers: str) -> httpx.Response:
    """For a bundle that is right."""
    purse = await stage.purse()
    asked = {"txs": [purse.pay().raw], "blockNumber": hex(await stage.newest() + 1)}
    return await stage.client(builder).post("eth_sendBundle", asked, **headers)


# --- the header


@pytest.mark.parametrize("builder", NAMES)
async def test_header__signed_as_written__is_taken(stage: Stage, builder: str) -> None:
    answer = await ask(stage, builder)
    assert answer.status_code == 200
    assert answer.json()["result"]["bundleHash"].startswith("0x")
    assert stage.relay.asked[-1].signer == Account.from_key(stage.identity).address


@pytest.mark.parametrize("builder", NAMES)
async def test_header__nonsense__is_refused_in_the_builders_shape(stage: Stage, builder: str) -> None:
    answer = await ask(stage, builder, signature="nonsense")
    assert (answer.status_code, error_of(answer)) == INVALID[builder]


@pytest.mark.parametrize(
    "damage",
    ["hash without 0x", "signature without 0x", "address without 0x", "another body", "another address", "cut", "longer", "v of 2", "no colon"],
)  # fmt: skip
async def test_header__damaged__is_refused(stage: Stage, damage: str) -> None:
    purse = await stage.purse()
    asked = {"txs": [purse.pay().raw], "blockNumber": hex(await stage.newest() + 1)}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": [asked]}).encode()
    right = signature_of(stage.identity, body)
    address, _, signature = right.partition(":")
    bare = Account.sign_message(encode_defunct(text=keccak(body).hex()), stage.identity)
    damaged = {
        "hash without 0x": f"{address}:0x{bytes(bare.signature).hex()}",
        "signature without 0x": f"{address}:{signature[2:]}",
        "address without 0x": f"{address[2:]}:{signature}",
        "another body": signature_of(stage.identity, body + b" "),
        "another address": f"{purse.address}:{signature}",
        "cut": right[:-2],
        "longer": right + "00",
        "v of 2": right[:-2] + "02",
        "no colon": right.replace(":", ""),
    }[damage]
    headers = {"Content-Type": "application/json"}
    url = stage.relay.url("flashbots")
    answer = await stage.http.post(url, content=body, headers=headers | {"X-Flashbots-Signature": damaged})
    assert error_of(answer) == {"code": -32600, "message": "invalid signature provided"}
    answer = await stage.http.post(url, content=body, headers=headers | {"X-Flashbots-Signature": right})
    assert "result" in answer.json(), "the same with the right header"


async def test_header__missing__is_refused_where_it_is_required(stage: Stage) -> None:
    purse = await stage.purse()
    asked = {"txs": [purse.pay().raw], "blockNumber": hex(await stage.newest() + 1)}
    answer = await stage.client("flashbots", key=None).post("eth_sendBundle", asked)
    assert (answer.status_code, error_of(answer)) == (200, {"code": -32600, "message": "signature is required"})
    answer = await stage.client("buildernet", key=None).post("eth_sendBundle", asked)
    assert (answer.status_code, error_of(answer)) == INVALID["buildernet"]
    assert "result" in (await stage.client("titan", key=None).post("eth_sendBundle", asked)).json()


async def test_header__of_buildernet__is_buildernets_alone(stage: Stage) -> None:
    purse = await stage.purse()
    asked = {"txs": [purse.pay().raw], "blockNumber": hex(await stage.newest() + 1)}
    there = stage.client("buildernet", header="X-BuilderNet-Signature")
    assert "result" in (await there.post("eth_sendBundle", asked)).json()
    elsewhere = stage.client("flashbots", header="X-BuilderNet-Signature")
    assert error_of(await elsewhere.post("eth_sendBundle", asked))["message"] == "signature is required"


# --- HTTP and JSON-RPC


async def test_http__wrong_method_type_or_path__has_its_status(stage: Stage) -> None:
    url = stage.relay.url("titan")
    assert (await stage.http.get(url)).status_code == 405
    assert (await stage.http.put(url, json={})).status_code == 405
    assert (await stage.http.post(url, content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 415
    assert (await stage.http.post(url, content=b"{}")).status_code == 415
    assert (await stage.http.post(stage.relay.base_url + "/nobody", json={})).status_code == 404
    charset = {"Content-Type": "application/json; charset=utf-8"}
    assert (await stage.http.post(url, content=b"{}", headers=charset)).status_code == 200


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b"7", b"{", b"\xff"])
async def test_rpc__batch_or_nonsense__is_refused(stage: Stage, body: bytes) -> None:
    answer = await stage.http.post(stage.relay.url("titan"), content=body, headers={"Content-Type": "application/json"})
    assert error_of(answer)["code"] == -32600


async def test_http__client_killed_in_the_middle_of_its_request__is_no_error(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    address = httpx.URL(stage.client("titan").url)
    _, writer = await asyncio.open_connection(address.host, address.port)
    head = f"POST {address.path} HTTP/1.1\r\nHost: {address.host}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    writer.write(head.encode() + b"{")
    await writer.drain()
    await asyncio.sleep(0.2)  # it reads the body by now
    writer.transport.abort()
    await asyncio.sleep(0.3)
    assert (await stage.client("titan").post("eth_blockNumber")).status_code == 200
    assert "Exception" not in caplog.text


@pytest.mark.parametrize(
    "envelope",
    [
        b'"id": 1', b'"jsonrpc": "2.0"', b'"jsonrpc": "1.0", "id": 1', b'"jsonrpc": "2.0", "id": null', b'"jsonrpc": "2.0", "id": true',
        b'"jsonrpc": "2.0", "id": 1.5', b'"jsonrpc": "2.0", "id": NaN', b'"jsonrpc": "2.0", "id": 1e999', b'"jsonrpc": "2.0", "id": "\\ud800"',
        b'"jsonrpc": "2.0", "id": 1, "more": ' + b"[" * 100_000,
    ],
)  # fmt: skip
async def test_rpc__without_version_or_a_proper_id__is_refused(stage: Stage, envelope: bytes) -> None:
    body = b"{" + envelope + b', "method": "eth_sendBundle", "params": []}'
    answer = await stage.http.post(stage.relay.url("titan"), content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, error_of(answer)["code"]) == (200, -32600)


async def test_rpc__method_that_a_builder_does_not_offer__is_refused(stage: Stage) -> None:
    for builder, method in (
        ("buildernet", "eth_sendPrivateTransaction"),
        ("buildernet", "eth_cancelBundle"),
        ("titan", "eth_callBundle"),
        ("flashbots", "eth_blockNumber"),
    ):
        answer = await stage.client(builder).post(method, {})
        assert error_of(answer)["code"] == -32601, (builder, method)
    answer = await stage.client("flashbots").post("flashbots_getUserStatsV2", {"blockNumber": "0x1"})
    assert error_of(answer)["message"] == "this method is no longer offered"


# --- what a bundle may be


async def test_bundle__wrong_fields__are_refused(stage: Stage) -> None:
    purse = await stage.purse()
    newest = await stage.newest()
    good: dict[str, Any] = {"txs": [purse.pay().raw], "blockNumber": hex(newest + 1)}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"txs": []}, "bundle missing txs"),
        ({"txs": None}, "txs is not a list"),
        ({"txs": [purse.pay().raw[2:]]}, "not a signed transaction"),
        ({"txs": ["0x02"]}, "not a signed transaction"),
        ({"txs": [purse.pay().raw[:-2]]}, "not a signed transaction"),
        ({"txs": [purse.pay(chain_id=1).raw]}, "invalid chain id: 1, want 31337"),
        ({"txs": [purse.pay(tip_gwei=0).raw]}, "pays no tip"),
        ({"blockNumber": None}, "blockNumber"),
        ({"blockNumber": newest + 1}, "blockNumber"),
        ({"blockNumber": "0x0" + hex(newest + 1)[2:]}, "blockNumber"),
        ({"blockNumber": hex(newest)}, "in the past"),
        ({"replacementUuid": "1"}, "not a UUID"),
        ({"replacementUuid": "c9bf9e57-1685-1c89-bafb-ff5af830be8a"}, "not a UUIDv4"),
        ({"minTimestamp": "0x1"}, "minTimestamp"),
        ({"minTimestamp": 9, "maxTimestamp": 8}, "minTimestamp is later than maxTimestamp"),
        ({"revertingTxHashes": "0x"}, "revertingTxHashes"),
        ({"revertingTxHashes": ["0x" + "11" * 31]}, "revertingTxHashes"),
        ({"builders": "titan"}, "builders"),
        ({"builders": [7]}, "builders"),
        ({"blockNumber": hex(newest + 26)}, "more than 25 blocks ahead"),
    ]
    client = stage.client("flashbots")
    for change, words in cases:
        error = error_of(await client.post("eth_sendBundle", good | change))
        assert words in error["message"], change
    taken: list[dict[str, Any]] = [
        {},
        {"blockNumber": hex(newest + 25)},
        {"minTimestamp": 9, "maxTimestamp": 9, "builders": ["titan"], "revertingTxHashes": ["0x" + "1A" * 32]},
        {"minTimestamp": 9, "maxTimestamp": 0, "nobodyKnowsThis": 7},
    ]
    for change in taken:
        await client.result("eth_sendBundle", good | change)
    assert error_of(await client.post("eth_sendBundle"))["code"] == -32602
    assert error_of(await client.post("eth_sendBundle", []))["code"] == -32602


async def test_bundle__without_its_block__is_for_the_next_at_titan(stage: Stage) -> None:
    purse = await stage.purse()
    one = purse.pay()
    await stage.client("titan").result("eth_sendBundle", {"txs": [one.raw]})
    slot = await stage.relay.slots.next()
    assert one.hash in slot.private


async def test_bundle__at_the_caps__is_taken_and_beyond_refused(stage: Stage) -> None:
    purse = await stage.purse()
    client, block = stage.client("flashbots"), hex(await stage.newest() + 5)
    many = [purse.pay(nonce).raw for nonce in range(101)]
    await client.result("eth_sendBundle", {"txs": many[:100], "blockNumber": block})
    error = error_of(await client.post("eth_sendBundle", {"txs": many, "blockNumber": block}))
    assert error["message"] == "more than 100 transactions"

    def paid(size: int) -> Signed:
        """Of exactly so many bytes; a signature that begins with a zero is a byte shorter, so it is tried until one is not."""
        around = [purse.pay(data=bytes(size - 200) + bytes([last])) for last in range(9)]
        room = size - max(len(one.raw) // 2 - 1 for one in around)
        tries = (purse.pay(data=bytes(size - 200 + room) + bytes([last])) for last in range(99))
        return next(one for one in tries if len(one.raw) == 2 + 2 * size)

    full, over = paid(300_000), paid(300_001)
    await client.result("eth_sendBundle", {"txs": [full.raw], "blockNumber": block})
    error = error_of(await client.post("eth_sendBundle", {"txs": [over.raw], "blockNumber": block}))
    assert error["message"] == "more than 300000 bytes"


async def test_bundle__of_an_old_transaction__is_read(stage: Stage) -> None:
    purse = await stage.purse()
    fields = {
        "nonce": 0,
        "gasPrice": 20 * 10**9,
        "gas": 21_000,
        "to": stage.world.trader.address,
        "value": 1,
        "data": b"",
    }
    old = signed(purse.key, fields | {"chainId": 31337})
    await stage.client("titan").bundle(await stage.newest() + 1, old)
    assert old.hash in (await stage.relay.slots.next()).private
    error = error_of(
        await stage.client("titan").post(
            "eth_sendBundle", {"txs": [signed(purse.key, fields).raw], "blockNumber": "0xffff"}
        )
    )
    assert "not a signed transaction" in error["message"], "it would be valid on every chain"


# --- replacing and taking back


async def test_replacement__same_uuid_block_and_signer__the_newer_counts(stage: Stage) -> None:
    purse, uuid = await stage.purse(), str(uuid4())
    first, second = purse.pay(value=1), purse.pay(value=2)
    client, block = stage.client("titan"), await stage.newest() + 1
    await client.bundle(block, first, replacementUuid=uuid)
    await client.bundle(block, second, replacementUuid=uuid)
    slot = await stage.relay.slots.next()
    assert second.hash in slot.private
    assert first.hash not in [one.name for one in slot.left_out]


@pytest.mark.parametrize("how", ["method", "empty"])
async def test_cancel__with_its_uuid__takes_it_back_in_every_block(stage: Stage, how: str) -> None:
    purse, uuid = await stage.purse(), str(uuid4())
    one, client, newest = purse.pay(), stage.client("titan"), await stage.newest()
    for block in (newest + 1, newest + 2):
        await client.bundle(block, one, replacementUuid=uuid)
    if how == "method":
        assert await client.result("eth_cancelBundle", {"replacementUuid": uuid}) == 200
    else:
        await client.result("eth_sendBundle", {"txs": [], "replacementUuid": uuid, "blockNumber": hex(newest + 1)})
    for _ in range(2):
        assert one.hash not in (await stage.relay.slots.next()).transactions


async def test_cancel__by_another_or_elsewhere__takes_nothing_back(stage: Stage) -> None:
    purse, uuid = await stage.purse(), str(uuid4())
    one, block = purse.pay(), await stage.newest() + 1
    await stage.client("titan").bundle(block, one, replacementUuid=uuid)
    await stage.client("titan", key="0x" + "78" * 32).result("eth_cancelBundle", {"replacementUuid": uuid})
    await stage.client("titan", key=None).result("eth_cancelBundle", {"replacementUuid": uuid})
    assert await stage.client("flashbots").result("eth_cancelBundle", {"replacementUuid": uuid}) == []
    assert one.hash in (await stage.relay.slots.next()).private


async def test_cancel__where_empty_bundles_do_not__is_refused(stage: Stage) -> None:
    asked = {"txs": [], "replacementUuid": str(uuid4()), "blockNumber": hex(await stage.newest() + 1)}
    assert error_of(await stage.client("quasar").post("eth_sendBundle", asked)) == "bundle missing txs"
    answer = await stage.client("flashbots").post("eth_cancelBundle", {})
    assert "replacementUuid" in error_of(answer)["message"]


# --- private transactions


async def status(stage: Stage, builder: str, tx_hash: str) -> dict[str, Any]:
    answer = await stage.http.get(f"{stage.relay.url(builder)}/tx/{tx_hash}")
    assert answer.status_code == 200
    return dict(answer.json())


async def test_private__tried_until_a_block_takes_it__its_status_says_so(stage: Stage) -> None:
    purse = await stage.purse()
    one = purse.pay()
    assert (await status(stage, "titan", one.hash))["status"] == "UNKNOWN"
    assert await stage.client("titan").result("eth_sendPrivateTransaction", {"tx": one.raw}) == 200
    said = await status(stage, "titan", one.hash)
    assert (said["status"], said["maxBlockNumber"]) == ("PENDING", await stage.newest() + 25)
    assert (said["transaction"]["from"], said["transaction"]["nonce"]) == (purse.address, "0")
    slot = await stage.relay.slots.next()
    assert one.hash in slot.private
    assert (await status(stage, "titan", one.hash))["status"] == "INCLUDED"


async def test_private__wrong_preferences__are_refused(stage: Stage) -> None:
    purse, client = await stage.purse(), stage.client("flashbots")
    asked = {"tx": purse.pay().raw}
    wrong: list[tuple[Any, str]] = [
        (7, "preferences"),
        ("fast", "preferences"),
        ({"fast": "yes"}, "fast"),
        ({"fast": 1}, "fast"),
        ({"privacy": "none"}, "privacy"),
        ({"privacy": {"hints": "hash"}}, "hints"),
        ({"privacy": {"hints": ["hash", "everything"]}}, "invalid hint intent: everything"),
        ({"privacy": {"builders": "titan"}}, "builders"),
    ]
    for preferences, words in wrong:
        error = error_of(await client.post("eth_sendPrivateTransaction", asked | {"preferences": preferences}))
        assert error["code"] == -32602, preferences
        assert words in error["message"], preferences
    right: list[Any] = [
        None,
        {},
        {"fast": True, "privacy": {"hints": ["hash", "logs"], "builders": ["titan"]}, "validity": {}},
    ]
    for preferences in right:
        await client.result("eth_sendPrivateTransaction", asked | {"preferences": preferences})


async def test_private__that_would_fail__is_held_back_with_its_reason(stage: Stage) -> None:
    purse = await stage.purse()
    one = purse.fails()
    await stage.client("titan").result("eth_sendPrivateTransaction", {"tx": one.raw})
    slot = await stage.relay.slots.next()
    assert one.hash not in slot.transactions
    said = await status(stage, "titan", one.hash)
    assert said["status"] == "PENDING"
    assert "would fail" in said["simError"]
    assert await stage.client("titan").post("eth_cancelPrivateTransaction", {"txHash": one.hash})


async def test_private__after_its_life__has_failed(stage: Stage) -> None:
    purse = await stage.purse()
    client, newest = stage.client("flashbots"), await stage.newest()
    long, short = purse.pay(value=1), purse.pay(value=2)  # nobody wins flashbots' blocks here
    assert (
        await client.result("eth_sendPrivateTransaction", {"tx": long.raw, "maxBlockNumber": hex(newest + 99)})
        == long.hash
    )
    await client.result("eth_sendPrivateTransaction", {"tx": short.raw, "maxBlockNumber": hex(newest + 2)})
    assert (await status(stage, "flashbots", long.hash))["maxBlockNumber"] == newest + 25
    seen = []
    for _ in range(25):
        seen.append([(await status(stage, "flashbots", one.hash))["status"] for one in (long, short)])
        await stage.relay.slots.next()
    assert seen == [["PENDING", "PENDING"]] * 2 + [["PENDING", "FAILED"]] * 23
    assert (await status(stage, "flashbots", long.hash))["status"] == "FAILED"


async def test_private__taken_back__is_not_tried_unless_another_asks(stage: Stage) -> None:
    purse = await stage.purse()
    one, client = purse.pay(), stage.client("flashbots")
    await client.result("eth_sendPrivateTransaction", {"tx": one.raw})
    other = stage.client("flashbots", key="0x" + "79" * 32)
    assert await other.result("eth_cancelPrivateTransaction", {"txHash": one.hash}) is False
    assert (await status(stage, "flashbots", one.hash))["status"] == "PENDING"
    assert await client.result("eth_cancelPrivateTransaction", {"txHash": one.hash}) is True
    assert (await status(stage, "flashbots", one.hash))["status"] == "CANCELLED"


async def test_private__nonce_used_by_another__has_failed(stage: Stage) -> None:
    purse = await stage.purse()
    one, other = purse.pay(value=1), purse.pay(value=2)
    await stage.client("flashbots").result("eth_sendPrivateTransaction", {"tx": one.raw})
    await stage.publish(other)
    await stage.relay.slots.next()
    assert (await status(stage, "flashbots", one.hash))["status"] == "FAILED"


async def test_private__without_tip__is_refused(stage: Stage) -> None:
    purse = await stage.purse()
    raw = purse.pay(tip_gwei=0).raw
    answer = await stage.client("flashbots").post("eth_sendPrivateTransaction", {"tx": raw})
    assert error_of(answer)["message"] == "tip must be above zero"
    assert error_of(await stage.client("quasar").post(SEND_RAW, raw)) == "tip must be above zero"
    assert error_of(await stage.client("flashbots").post(SEND_RAW, {}))["code"] == -32602


# --- simulating


async def test_call_bundle__of_several__tells_each(stage: Stage) -> None:
    purse = await stage.purse()
    asked = {
        "txs": [purse.pay(0).raw, purse.fails(1).raw],
        "blockNumber": hex(await stage.newest() + 1),
        "stateBlockNumber": "latest",
    }
    said = await stage.client("flashbots").result("eth_callBundle", asked)
    assert [one["txHash"] for one in said["results"]] == [purse.pay(0).hash, purse.fails(1).hash]
    assert said["results"][0]["gasUsed"] == 21_000
    assert said["results"][1]["error"] == "execution reverted"
    assert said["results"][1]["revert"].startswith("0x")
    assert said["stateBlockNumber"] == await stage.newest()
    assert await purse.count("latest") == 0
    answer = await stage.client("flashbots").post("eth_callBundle", asked | {"txs": [purse.pay(1).raw]})
    assert error_of(answer)["message"] == "err: nonce too high"


# --- breaking


async def test_fault__each__answers_as_it_says_and_is_used_up(stage: Stage) -> None:
    relay = stage.relay
    relay.inject(Fault(FaultKind.RATE_LIMITED, builder="titan", times=1, retry_after_s=3))
    answer = await ask(stage, "titan")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    relay.inject(Fault(FaultKind.BAD_GATEWAY, builder="titan", times=1))
    answer = await ask(stage, "titan")
    assert (answer.status_code, error_of(answer)) == (502, None)
    relay.inject(Fault(FaultKind.REFUSES, method="eth_sendBundle"))
    assert (await ask(stage, "quasar")).status_code == 403
    assert error_of(await ask(stage, "titan"))["code"] == -32000
    relay.heal()
    relay.inject(Fault(FaultKind.WRONG_SIGNATURE, builder="buildernet", times=2))
    for _ in range(2):
        answer = await ask(stage, "buildernet")
        assert (answer.status_code, error_of(answer)) == INVALID["buildernet"]
    assert "result" in (await ask(stage, "buildernet")).json()
    relay.inject(Fault(FaultKind.SLOW, builder="titan", times=1, delay_s=0.01))
    assert "result" in (await ask(stage, "titan")).json()


async def test_fault__hangs__the_client_gives_up(stage: Stage) -> None:
    stage.relay.inject(Fault(FaultKind.HANG, builder="titan", times=1))
    before = len(stage.relay.book.bundles)
    purse = await stage.purse()
    asked = {"txs": [purse.pay().raw], "blockNumber": hex(await stage.newest() + 1)}
    async with httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(60, read=0.05)) as hurried:
        with pytest.raises(httpx.ReadTimeout):
            await Client(hurried, stage.relay.url("titan"), None).post("eth_sendBundle", asked)
    assert len(stage.relay.book.bundles) == before


async def test_fault__lost__it_was_done_all_the_same(stage: Stage) -> None:
    purse = await stage.purse()
    one = purse.pay()
    stage.relay.inject(Fault(FaultKind.LOST, builder="titan", times=1))
    asked = {"txs": [one.raw], "blockNumber": hex(await stage.newest() + 1)}
    assert (await stage.client("titan").post("eth_sendBundle", asked)).status_code == 502
    assert one.hash in (await stage.relay.slots.next()).private


async def test_fault__buries__accepted_and_never_mined(stage: Stage) -> None:
    purse = await stage.purse()
    one, client = purse.pay(), stage.client("titan")
    stage.relay.inject(Fault(FaultKind.BURIES, builder="titan", times=2))
    await client.bundle(await stage.newest() + 1, one)
    await client.result("eth_sendPrivateTransaction", {"tx": one.raw})
    assert one.hash not in (await stage.relay.slots.next()).transactions
    assert (await status(stage, "titan", one.hash))["status"] == "PENDING"
    await client.bundle(await stage.newest() + 1, one)
    assert one.hash in (await stage.relay.slots.next()).private


async def test_down__and_up_again__knows_what_it_knew(stage: Stage) -> None:
    purse = await stage.purse()
    one = purse.pay()
    await stage.client("titan").bundle(await stage.newest() + 1, one)
    await stage.relay.go_down()
    await stage.relay.go_down()
    with pytest.raises(httpx.ConnectError):
        await ask(stage, "titan")
    await stage.relay.come_up()
    assert one.hash in (await stage.relay.slots.next()).private


# --- control, and by hand


async def test_control__over_http__breaks_heals_mines_and_tells(stage: Stage) -> None:
    control = stage.relay.base_url + "/control"
    fault = {"kind": "bad-gateway", "builder": "quasar"}
    assert (await stage.http.post(control + "/faults", json=fault)).status_code == 204
    assert (await ask(stage, "quasar")).status_code == 502
    assert (await stage.http.delete(control + "/faults")).status_code == 204
    assert (await ask(stage, "quasar")).status_code == 200
    wrongs: list[Any] = [{"kind": "nonsense"}, {"builder": "titan"}, {"kind": "hang", "what": 1}, []]
    for wrong in wrongs:
        assert (await stage.http.post(control + "/faults", json=wrong)).status_code == 400
    newest = await stage.newest()
    assert (await stage.http.post(control + "/slots")).json()["number"] == newest + 1
    last = (await stage.http.get(control + "/asked")).json()[-1]
    assert (last["builder"], last["method"], last["refusal"]) == ("quasar", "eth_sendBundle", "")
    assert json.loads(last["body"])["method"] == "eth_sendBundle"


async def test_asked__every_request__is_kept_as_it_came(stage: Stage) -> None:
    await ask(stage, "flashbots", signature="0x")
    asked = stage.relay.asked[-1]
    assert (asked.builder, asked.signature, asked.signer) == ("flashbots", "0x", "")
    assert asked.refusal == "invalid signature provided"
    assert asked.document["method"] == "eth_sendBundle"


async def test_open__node_that_mines_by_itself_or_by_fees__is_refused() -> None:
    for node in (Anvil(extra=FIFO), Anvil(no_mining=True), Anvil(block_time_s=60, extra=FIFO)):
        async with node:
            with pytest.raises(SetupError, match="must not mine"):
                async with Relay.open(node.http_url):
                    pass


async def test_by_hand__started__prints_its_addresses_and_makes_blocks() -> None:
    async with Anvil(no_mining=True, extra=FIFO) as node:
        command = ["-m", "keeper.devnet.relay", "--node", node.http_url, "--slot", "0.05", "--seed", "7"]
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        try:
            urls = [(await process.stdout.readline()).decode().strip() for _ in DOCUMENTED]
            assert [url.rpartition("/")[2] for url in urls] == [builder.name for builder in DOCUMENTED]
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(urls[0])).status_code == 405
            await node.wait_for_block(2)
        finally:
            process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def test_open__with_a_slot_time__blocks_come_by_themselves() -> None:
    async with Anvil(no_mining=True, extra=FIFO) as node, Relay.open(node.http_url, slot_s=0.01):
        await node.wait_for_block(3)
