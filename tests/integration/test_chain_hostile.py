"""A node that lies, babbles, hangs or goes away: typed errors, at once, and a client that goes on afterwards."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from keeper.adapters.chain.link import MAX_MESSAGE_BYTES, Link
from keeper.adapters.chain.node import NodeClient
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, UnitError, Unreachable
from tests.support.hostile_node import (
    HEADER,
    Behaviour,
    HostileNode,
    closing,
    dropping,
    hostile_node,
    replying,
    sending,
    silent,
)

pytestmark = pytest.mark.integration

BLOCK = BlockStamp(1, "0x" + "aa" * 32, "0x" + "bb" * 32, 1)
CALL = Call("0xcA11bde05977b3631167028862bE2a173976CA11", b"")
KEY = "0123456789abcdef0123456789abcdef"


async def ask(behaviour: Behaviour, timeout_s: float = 5.0) -> OutsideError:
    """The error of one request to a node that behaves so; the client must be of use afterwards."""
    async with hostile_node(behaviour) as node:
        client = NodeClient(node.url, request_timeout_s=timeout_s)
        try:
            with pytest.raises(OutsideError) as caught:
                await client.chain_id()
            node.behaviour = replying("0x7a69")
            assert await client.chain_id() == 31337
        finally:
            await client.close()
    return caught.value


@pytest.mark.parametrize(
    "frame",
    [
        "garbage",
        "",
        b"\xff\xfe",
        "[]",
        "5",
        "null",
        '{"id": ID}',
        '{"id": ID, "result": 31337}',
        '{"id": ID, "result": null}',
        '{"id": ID, "result": "0x"}',
        '{"id": ID, "result": "0x1' + "0" * 64 + '"}',
        '{"id": ID, "error": "no"}',
        '{"id": ID, "error": {"code": "x", "message": "y"}}',
        '{"id": null, "error": {"code": -32700, "message": "parse error"}}',
        "[" * 100_000,
    ],
)
async def test_answer__that_is_none__is_malformed_with_a_short_excerpt(frame: str | bytes) -> None:
    error = await ask(sending(frame))
    assert type(error) is MalformedAnswer
    assert len(error.message) < 250


async def test_answer__error__is_refused_with_code_words_and_data() -> None:
    error = await ask(sending('{"id": ID, "error": {"code": 3, "message": "execution reverted", "data": "0x01"}}'))
    assert isinstance(error, Refused)
    assert (error.code, error.message, error.data) == (3, "execution reverted", "0x01")


@pytest.mark.parametrize("behaviour", [closing, dropping])
async def test_connection__that_ends_instead_of_an_answer__is_unreachable_at_once(behaviour: Behaviour) -> None:
    async with asyncio.timeout(10):
        error = await ask(behaviour, timeout_s=30)
    assert type(error) is Unreachable


async def test_answer__that_never_comes__is_unreachable_after_the_time_out() -> None:
    error = await ask(silent, timeout_s=0.1)
    assert type(error) is Unreachable
    assert "no answer within 0.1 s" in error.message


async def test_answer__that_comes_too_late__harms_nobody() -> None:
    gate = asyncio.Event()

    async def late(_: HostileNode, connection: ServerConnection, request: dict[str, Any]) -> None:
        if not gate.is_set():
            await gate.wait()
            error = {"code": 1, "message": "too late"}
            await connection.send(json.dumps({"id": request["id"], "error": error}))
        else:
            await connection.send(json.dumps({"id": request["id"], "result": "0x7a69"}))

    async with hostile_node(late) as node:
        client = NodeClient(node.url, request_timeout_s=0.1)
        with pytest.raises(Unreachable):
            await client.chain_id()
        gate.set()
        client._request_timeout_s = 10  # only new connections take it: there must be none
        assert await asyncio.wait_for(client.chain_id(), 10) == 31337
        assert node.connections == 1
        await client.close()


async def test_answers__in_another_order_and_unasked__reach_who_asked() -> None:
    held: list[int] = []

    async def backwards(_: HostileNode, connection: ServerConnection, request: dict[str, Any]) -> None:
        held.append(request["id"])
        if len(held) == 3:
            await connection.send('{"id": 999, "result": "0x1"}')
            await connection.send('{"id": "text", "result": "0x1"}')
            await connection.send('{"method": "eth_subscription", "params": {"subscription": "0xnone", "result": 1}}')
            await connection.send('{"method": "eth_subscription", "params": 5}')
            for number in reversed(held):
                await connection.send(json.dumps({"id": number, "result": hex(number)}))

    async with hostile_node(backwards) as node:
        client = NodeClient(node.url)
        assert await asyncio.gather(*(client.chain_id() for _ in range(3))) == [0, 1, 2]
        await client.close()


async def test_requests__in_flight_when_the_connection_ends__all_fail_at_once() -> None:
    async def close_on_third(node: HostileNode, connection: ServerConnection, _: dict[str, Any]) -> None:
        if len(node.requests) == 3:
            await connection.close(1000)

    async with hostile_node(close_on_third) as node, asyncio.timeout(10):
        client = NodeClient(node.url, request_timeout_s=30)
        results = await asyncio.gather(*(client.chain_id() for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [Unreachable] * 3
        assert len({id(result) for result in results}) == 3
        await client.close()


async def test_requests__at_once_on_a_new_client__share_one_connection() -> None:
    async with hostile_node(replying("0x1")) as node:
        client = NodeClient(node.url)
        await asyncio.gather(*(client.chain_id() for _ in range(20)))
        assert (node.connections, client.requests_made) == (1, 20)
        await client.close()


async def test_reads__hostile_multicall_answers__are_malformed() -> None:
    for result in ("0x00", "0x" + "ff" * 32, "0x" + "00" * 64, "zz", None, {"a": 1}):
        async with hostile_node(replying(result)) as node:
            client = NodeClient(node.url)
            with pytest.raises(MalformedAnswer):
                await client.read([CALL], BLOCK)
            await client.close()


@pytest.mark.parametrize("result", ["0x1", "zz", 5, {"blockHash": 5}, [5], [[]], [{"address": CALL.to}]])
async def test_contracts__hostile_answers__are_malformed(result: object) -> None:
    async with hostile_node(replying(result)) as node:
        client = NodeClient(node.url)
        for question in (client.code(CALL.to), client.logs(CALL.to, (None,), 0, 5), client.logs_of(BLOCK.hash)):
            with pytest.raises(MalformedAnswer):
                await question
        await client.close()


async def test_contracts__node_that_refuses_so_many_blocks__is_refused_in_its_words() -> None:
    limited = '{"id": ID, "error": {"code": -32005, "message": "query exceeds max block range 1000"}}'
    async with hostile_node(sending(limited)) as node:
        client = NodeClient(node.url)
        with pytest.raises(Refused, match="max block range 1000"):
            await client.logs(CALL.to, (), 0, 10_000)
        await client.close()


async def test_reads__node_that_refuses__are_refused_and_not_read_as_reverts() -> None:
    limited = '{"id": ID, "error": {"code": -32005, "message": "rate limit exceeded"}}'
    async with hostile_node(sending(limited)) as node:
        client = NodeClient(node.url)
        with pytest.raises(Refused, match="rate limit"):
            await client.read([CALL], BLOCK)
        with pytest.raises(Refused, match="rate limit"):
            await client.simulate(CALL, CALL.to)
        await client.close()


async def test_request__as_it_is_sent__is_plain_json_rpc_without_chatter() -> None:
    async with hostile_node(replying("0x")) as node:
        client = NodeClient(node.url)
        await client.simulate(CALL, CALL.to, BLOCK)
        await client.close()
    call = {"from": CALL.to, "to": CALL.to, "data": "0x"}
    expected = {"jsonrpc": "2.0", "id": 0, "method": "eth_call", "params": [call, {"blockHash": BLOCK.hash}]}
    assert node.requests == [expected]


async def test_heads__first_announcement_right_behind_the_answer__is_not_lost() -> None:
    note = json.dumps({"method": "eth_subscription", "params": {"subscription": "0xsub", "result": HEADER}})
    async with hostile_node(sending('{"id": ID, "result": "0xsub"}' + "", note)) as node:
        client = NodeClient(node.url)
        heads = client.heads()
        assert (await asyncio.wait_for(anext(heads), 10)).number == 16
        await heads.aclose()
        await client.close()


@pytest.mark.parametrize("header", [None, {}, "0x1", {**HEADER, "hash": "0x"}, {**HEADER, "number": -1}])
async def test_heads__announcement_that_is_no_header__is_malformed_and_a_new_subscription_works(header: object) -> None:
    def note(result: object) -> str:
        return json.dumps({"method": "eth_subscription", "params": {"subscription": "0xsub", "result": result}})

    async with hostile_node(sending('{"id": ID, "result": "0xsub"}', note(header))) as node:
        client = NodeClient(node.url)
        with pytest.raises(MalformedAnswer):
            await asyncio.wait_for(anext(client.heads()), 10)
        node.behaviour = sending('{"id": ID, "result": "0xsub"}', note(HEADER))
        heads = client.heads()
        assert (await asyncio.wait_for(anext(heads), 10)).number == 16
        await heads.aclose()
        await client.close()


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ('{"id": ID, "error": {"code": -32601, "message": "no subscriptions"}}', Refused),
        ('{"id": ID, "result": 5}', MalformedAnswer),
        ('{"id": ID}', MalformedAnswer),
        ("garbage", MalformedAnswer),
    ],
)
async def test_heads__node_that_gives_no_subscription__raises(frame: str, error: type[OutsideError]) -> None:
    async with hostile_node(sending(frame)) as node:
        client = NodeClient(node.url)
        with pytest.raises(error):
            await asyncio.wait_for(anext(client.heads()), 10)
        await client.close()


async def test_heads__consumer_that_is_cancelled__leaves_nothing_behind() -> None:
    async with hostile_node(replying("0xsub")) as node:
        client = NodeClient(node.url)
        task = asyncio.ensure_future(anext(client.heads()))
        for _ in range(20):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(client._link, Link)
        assert client._link._subscriptions == {}
        await client.close()


async def test_message__larger_than_the_limit__ends_the_connection_and_not_the_client() -> None:
    error = await ask(sending(b"x" * (MAX_MESSAGE_BYTES + 1)), timeout_s=30)
    assert isinstance(error, Unreachable | MalformedAnswer)


async def test_message__larger_than_a_megabyte__is_read() -> None:
    async with hostile_node(replying("0x" + "ab" * 1_000_000)) as node:
        client = NodeClient(node.url)
        assert len((await client.simulate(CALL, CALL.to)).data) == 1_000_000
        await client.close()


async def test_server__that_takes_connections_and_says_nothing__is_unreachable_after_the_time_out() -> None:
    ended = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        client = NodeClient(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", connect_timeout_s=0.2)
        with pytest.raises(Unreachable, match=r"no connection within 0\.2 s"):
            await client.chain_id()
        await client.close()
        await asyncio.wait_for(ended.wait(), 10)  # the client let go of the connection


async def test_server__that_speaks_http_only__is_unreachable_with_its_status() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        client = NodeClient(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v3/{KEY}")
        with pytest.raises(Unreachable, match="HTTP 401") as caught:
            await client.chain_id()
        assert KEY not in caught.value.message
        await client.close()


async def test_secrets__of_the_address__are_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with hostile_node(
        sending(f'{{"id": ID, "error": {{"code": 1, "message": "key {KEY} is blocked"}}}}')
    ) as node:
        client = NodeClient(f"{node.url}/v3/{KEY}?token={KEY}")
        errors: list[OutsideError] = []
        for frame in (None, "garbage " + KEY, b"\xff"):
            if frame is not None:
                node.behaviour = sending(frame)
            with pytest.raises(OutsideError) as caught:
                await client.chain_id()
            errors.append(caught.value)
        await client.close()
    with pytest.raises(OutsideError) as caught:
        await NodeClient(f"{node.url}/v3/{KEY}").chain_id()
    errors.append(caught.value)
    for error in errors:
        assert KEY not in f"{error!r} {error.__cause__!r} {error.remedy}"
        assert error.__suppress_context__
    assert KEY not in caplog.text


@pytest.mark.parametrize("url", ["file:///127.0.0.1:8545", "htps://x.example/" + KEY, "ftp://x"])
def test_client__address_that_cannot_be_subscribed_to__is_refused(url: str) -> None:
    with pytest.raises(UnitError) as caught:
        NodeClient(url)
    assert KEY not in caught.value.message


async def test_client__nobody_there__is_unreachable_with_a_remedy(tmp_path: Any) -> None:
    for url in ("ws://127.0.0.1:1", str(tmp_path / "no.ipc"), "ws://[", "ws://no-such-host.invalid"):
        with pytest.raises(Unreachable) as caught:
            await NodeClient(url).chain_id()
        assert caught.value.remedy
