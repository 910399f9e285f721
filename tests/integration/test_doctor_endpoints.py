"""The doctor on real nodes that lie, refuse, lag or are gone: each endpoint is named, with what it says and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.app.doctor import Check, Health, examine
from keeper.app.doctor.comparing import TOLD, outvoted
from keeper.config import load
from tests.support.hostile_node import Behaviour, closing, hostile_node, silent
from tests.support.keeper_stage import MARKET, OTHER, Setup, Stage, staged
from tests.support.lying_node import FAKE_HASH, Json, LyingNode, altered_hash, altered_value, lying_node

pytestmark = pytest.mark.integration

DOWN = Decimal("0.00000001")
"""An answer of 1: as an uptime feed says that the sequencer is down."""
ACTION = f"action pause-market on {MARKET}"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


async def examined(
    stage: Stage, *verify: str, primary: str = "", second: str = "", sources: str = ""
) -> dict[str, Check]:
    """Each check by its name, without the address of the endpoint; whatever failed says what to do."""
    more = f'    - {{url: "{second}", role: primary}}\n' if second else ""
    more += "".join(f'    - {{url: "{url}", role: verify}}\n' for url in verify)
    config = load(stage.write(Setup(node_url=primary, more_endpoints=more, more_sources=sources)))
    found = [check async for check in examine(config)]
    for check in found:
        assert check.remedy or check.health is not Health.FAIL, check
    named = {short(check.name): check for check in found}
    assert len(named) == len(found), "no two checks have one name"
    return named


def short(name: str) -> str:
    """``endpoint ws://... (verify-1)`` -> ``endpoint verify-1``."""
    words = name.split()
    return f"{words[0]} {words[-1][1:-1]}" if words[0] == "endpoint" else name


def failed(found: dict[str, Check]) -> list[str]:
    return [name for name, check in found.items() if check.health is Health.FAIL]


def refused_call(request: Json, result: Any) -> Any:
    return "0x" if request["method"] == "eth_call" else result


def nonsense(request: Json, result: Any) -> Any:
    return "yes" if request["method"] == "eth_call" else result


# -- comparing ----------------------------------------------------------------------------------------------------------------


async def test_compare__all_the_same__says_so(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as honest:
        found = await examined(stage, honest.url)
        assert failed(found) == []
        assert found["endpoints agree"].message.startswith("2 endpoints say the same of block")
        assert "all 3 reads" in found["endpoints agree"].message


async def test_compare__one_of_two_alters_a_value__both_words_and_nobody_is_blamed(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as liar:
        liar.lie = altered_value
        found = await examined(stage, liar.url)
        check = found[f"endpoints disagree on {ACTION}"]
        assert check.health is Health.FAIL
        assert stage.world.exchange in check.message, "the contract"
        assert "(primary-1) says paused(bytes32)(bool) is false" in check.message
        assert "(verify-1) says paused(bytes32)(bool) is true" in check.message
        assert "nobody can tell" in check.remedy
        assert "alone" not in check.message
        assert "endpoints agree" not in found


async def test_compare__a_price_is_altered__names_the_source_and_both_prices(stage: Stage) -> None:
    feed = (3000 * 10**8).to_bytes(32, "big").hex()
    lie = (3001 * 10**8).to_bytes(32, "big").hex()

    def other_price(request: Json, result: Any) -> Any:
        return result.replace(feed, lie, 1) if request["method"] == "eth_call" else result

    async with lying_node(stage.node.http_url) as liar, lying_node(stage.node.http_url) as honest:
        liar.lie = other_price
        found = await examined(stage, liar.url, honest.url)
        assert failed(found) == ["endpoints disagree on source oracle"]
        check = found["endpoints disagree on source oracle"]
        assert "(verify-1) is alone: it says 3001; the 2 others say 3000" in check.message
        assert stage.world.feeds[MARKET] in check.message
        assert "take verify-1 out" in check.remedy


@pytest.mark.parametrize("place", ["primary", "verify"])
async def test_compare__one_of_three_lies__is_alone_also_when_it_is_the_primary(stage: Stage, place: str) -> None:
    async with lying_node(stage.node.http_url) as liar, lying_node(stage.node.http_url) as honest:
        liar.lie = altered_value
        if place == "primary":
            found = await examined(stage, honest.url, stage.node.ws_url, primary=liar.url)
        else:
            found = await examined(stage, honest.url, liar.url)
        check = found[f"endpoints disagree on {ACTION}"]
        name = "primary-1" if place == "primary" else "verify-2"
        assert f"({name}) is alone: it says paused(bytes32)(bool) is true" in check.message
        assert f"take {name} out" in check.remedy
        assert ("another primary first" in check.remedy) is (place == "primary")


async def test_compare__other_hash_at_one_height__is_named_and_its_reads_are_left_out(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as liar, lying_node(stage.node.http_url) as honest:
        liar.lie = altered_hash
        found = await examined(stage, liar.url, honest.url)
        (name,) = failed(found)
        assert name.startswith("endpoints disagree on block ")
        assert f"(verify-1) is alone: its hash is {FAKE_HASH}" in found[name].message


async def test_compare__other_hash_of_two__nobody_can_tell(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as liar:
        liar.lie = altered_hash
        found = await examined(stage, liar.url)
        (name,) = failed(found)
        assert "nobody can tell" in found[name].remedy
        assert FAKE_HASH in found[name].message


async def test_compare__calls_answered_by_nothing__every_source_is_named(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as liar, lying_node(stage.node.http_url) as honest:
        liar.lie = refused_call
        found = await examined(stage, liar.url, honest.url)
        for subject in ("source oracle", "source spot", ACTION):
            check = found[f"endpoints disagree on {subject}"]
            assert "(verify-1) is alone" in check.message
            assert "[0x]" in check.message
        assert found["source oracle"].health is Health.OK


async def test_compare__malformed_answers__the_endpoint_is_named(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as liar:
        liar.lie = nonsense
        found = await examined(stage, liar.url)
        (name,) = failed(found)
        assert name == f"reads of {liar.url} (verify-1)"
        assert "not bytes" in found[name].message
        assert "not what a node says" in found[name].remedy


class Refusing(LyingNode):
    """Refuses every eth_call."""

    async def _single(self, request: Json) -> Json:
        if request["method"] != "eth_call":
            return await LyingNode._single(self, request)
        error = {"code": -32601, "message": "the method eth_call is not available"}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}


class Hurried(LyingNode):
    """Takes its time: before it says what the newest block is, five more are made."""

    async def _single(self, request: Json) -> Json:
        if request["method"] == "eth_getBlockByNumber" and request["params"][0] == "latest":
            for _ in range(5):
                await self._forward({"jsonrpc": "2.0", "id": 0, "method": "evm_mine", "params": []})
        return await LyingNode._single(self, request)


async def test_compare__eth_call_is_refused__the_endpoint_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.lying_node.LyingNode", Refusing)
    async with lying_node(stage.node.http_url) as refusing:
        found = await examined(stage, refusing.url)
        (name,) = failed(found)
        assert name == f"reads of {refusing.url} (verify-1)"
        assert "no answer to any read: the method eth_call is not available" in found[name].message
        assert "allow it" in found[name].remedy


async def test_compare__primary_refuses_calls__the_second_is_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.lying_node.LyingNode", Refusing)
    async with lying_node(stage.node.http_url) as refusing:
        found = await examined(stage, primary=refusing.url, second=stage.node.ws_url)
        assert failed(found) == [f"reads of {refusing.url} (primary-1)"]
        assert "primary-1 cannot be: does not answer the reads" in found["asked instead"].message
        assert found["source oracle"].health is Health.OK


class Picky(LyingNode):
    """Refuses every eth_call in which this address stands."""

    address = ""

    async def _single(self, request: Json) -> Json:
        if request["method"] != "eth_call" or self.address not in str(request["params"]).lower():
            return await LyingNode._single(self, request)
        error = {"code": -32000, "message": "header not found"}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}


async def test_compare__one_read_is_refused__is_found_among_all(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picky, "address", stage.world.feeds[MARKET][2:].lower())
    monkeypatch.setattr("tests.support.lying_node.LyingNode", Picky)
    async with lying_node(stage.node.http_url) as picky:
        found = await examined(stage, picky.url)
        (name,) = failed(found)
        assert name == f"reads of {picky.url} (verify-1)"
        assert found[name].message == "no answer to source oracle: header not found"
        assert "EIP-1898" in found[name].remedy


async def test_compare__very_many_reads_differ__the_rest_is_counted(stage: Stage) -> None:
    feed = stage.world.feeds[MARKET]
    sources = "".join(
        f'  more-{number}: {{kind: chainlink, address: "{feed}", unit: price, max_age: 10h}}\n' for number in range(12)
    )
    async with lying_node(stage.node.http_url) as liar:
        liar.lie = refused_call
        found = await examined(stage, liar.url, sources=sources)
        assert sum(name.startswith("endpoints disagree on ") for name in found) == TOLD + 1
        assert found["endpoints disagree on more"].message.startswith(f"{12 + 3 - TOLD} more reads differ")


@pytest.mark.parametrize(
    ("told", "odd"),
    [
        ({}, ()),
        ({"a": 1}, ()),
        ({"a": 1, "b": 2}, ()),
        ({"a": 1, "b": 1, "c": 2}, ("c",)),
        ({"a": 1, "b": 2, "c": 3}, ()),
        ({"a": 1, "b": 1, "c": 2, "d": 2}, ()),
        ({"a": 1, "b": 1, "c": 1, "d": 2}, ("d",)),
        ({"a": 1, "b": 1, "c": 1, "d": 2, "e": 3}, ("d", "e")),
    ],
)
def test_outvoted__more_than_half_say_the_same__names_the_others(told: dict[str, int], odd: tuple[str, ...]) -> None:
    assert outvoted(told) == odd


# -- who lags -----------------------------------------------------------------------------------------------------------------


async def test_survey__slow_verify_endpoint_sees_newer_blocks__the_primary_does_not_lag(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.lying_node.LyingNode", Hurried)
    async with lying_node(stage.node.http_url) as slow:
        found = await examined(stage, slow.url)
        assert "behind" not in found["endpoint primary-1"].message
        assert "ahead" not in found["endpoint verify-1"].message
        assert found["endpoints agree"].health is Health.OK


@pytest.mark.parametrize(("lag", "behind"), [(2, False), (3, True)])
async def test_survey__verify_endpoint_lacks_blocks__lags_from_the_configured_number_on(
    stage: Stage, lag: int, behind: bool
) -> None:
    await stage.node.mine(5)
    async with lying_node(stage.node.http_url) as lagging:
        lagging.lag = lag
        found = await examined(stage, lagging.url)
        assert ("behind" in found["endpoint verify-1"].message) is behind
        assert "behind" not in found["endpoint primary-1"].message
        assert found["endpoints agree"].health is Health.OK, "at a block that both have"


@pytest.mark.parametrize(("lag", "compared"), [(100, True), (101, False)])
async def test_compare__one_of_two_is_far_behind__is_not_asked_for_old_state(
    stage: Stage, lag: int, compared: bool
) -> None:
    await stage.node.mine(102)
    async with lying_node(stage.node.http_url) as lagging:
        lagging.lag = lag
        check = (await examined(stage, lagging.url))["endpoints agree"]
        assert (check.health is Health.OK) is compared
        assert ("not compared" in check.message) is not compared


class Late(LyingNode):
    """Says what the newest block is after longer than the quorum waits."""

    async def _single(self, request: Json) -> Json:
        if request["method"] == "eth_getBlockByNumber" and request["params"][0] == "latest":
            await asyncio.sleep(0.6)
        return await LyingNode._single(self, request)


async def test_survey__verify_endpoint_answers_after_the_deadline__is_warned_of(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.lying_node.LyingNode", Late)
    async with lying_node(stage.node.http_url) as late:
        found = await examined(stage, late.url)
        assert found["endpoint verify-1"].health is Health.WARN
        assert "the quorum's deadline is 500 ms" in found["endpoint verify-1"].message
        assert "`deadline`" in found["endpoint verify-1"].remedy
        assert failed(found) == []


async def test_survey__one_of_three_claims_a_higher_block__is_the_odd_one(stage: Stage) -> None:
    def ahead(request: Json, result: Any) -> Any:
        if request["method"] != "eth_getBlockByNumber" or request["params"][0] != "latest":
            return result
        return {**result, "number": hex(int(result["number"], 16) + 50)}

    async with lying_node(stage.node.http_url) as liar, lying_node(stage.node.http_url) as honest:
        liar.lie = ahead
        found = await examined(stage, liar.url, honest.url)
        assert "50 ahead of every other" in found["endpoint verify-1"].message
        assert "behind" not in found["endpoint primary-1"].message + found["endpoint verify-2"].message


# -- who is away --------------------------------------------------------------------------------------------------------------


async def test_examine__first_primary_is_gone__the_second_is_asked_and_said_so(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as second:
        found = await examined(stage, primary="ws://127.0.0.1:1", second=second.url)
        assert failed(found) == ["endpoint primary-1"]
        assert "connection refused" in found["endpoint primary-1"].message
        assert "nothing listens" in found["endpoint primary-1"].remedy
        assert f"asked of {second.url} (primary-2)" in found["asked instead"].message
        assert "primaries only" not in found["asked instead"].remedy
        assert found["source oracle"].health is found[ACTION].health is Health.OK


async def test_examine__every_primary_is_gone__a_verify_endpoint_is_asked(stage: Stage) -> None:
    found = await examined(stage, stage.node.ws_url, primary="ws://127.0.0.1:1")
    assert "(verify-1)" in found["asked instead"].message
    assert "primaries only" in found["asked instead"].remedy
    assert found["source oracle"].health is Health.OK


async def test_examine__everything_is_gone__each_line_says_why(stage: Stage) -> None:
    found = await examined(stage, "ws://127.0.0.1:2", primary="ws://127.0.0.1:1")
    assert found["source oracle"].message == ("not asked: the primary endpoint is away, and no other one can be asked")
    assert "asked instead" not in found


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: str = ""
    headers: str = ""


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """The host and port of a server that gives this answer to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(4096)  # a request, or whatever TLS begins with
            head = f"HTTP/1.1 {answer.status} x\r\ncontent-length: {len(answer.body)}\r\nconnection: close\r\n"
            writer.write(f"{head}{answer.headers}\r\n{answer.body}".encode())
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("scheme", "answer", "says", "remedy"),
    [
        ("http", Answer(401), "HTTP 401", "key"),
        ("http", Answer(403), "HTTP 403", "key"),
        ("http", Answer(404), "HTTP 404", "path"),
        ("http", Answer(429), "HTTP 429", "too many requests"),
        ("http", Answer(302, headers="location: https://other.example/\r\n"), "redirect", "final address"),
        ("http", Answer(503), "HTTP 503", "in trouble"),
        ("http", Answer(200, "<html>welcome</html>"), "not JSON", "does not talk JSON-RPC"),
        ("https", Answer(200), "no TLS", "http://"),
        ("wss", Answer(200), "no TLS", "ws://"),
        ("ws", Answer(200), "instead of a WebSocket", "http(s)://"),
        ("ws", Answer(404), "HTTP 404", "path"),
        ("ws", Answer(401), "HTTP 401", "key"),
    ],
)
async def test_survey__what_answers_there_is_no_node__says_what_it_is(
    stage: Stage, scheme: str, answer: Answer, says: str, remedy: str
) -> None:
    async with answering(answer) as place:
        found = await examined(stage, f"{scheme}://{place}")
        assert failed(found) == ["endpoint verify-1"]
        check = found["endpoint verify-1"]
        assert says in check.message
        assert remedy in check.remedy


@pytest.mark.parametrize(("behaviour", "remedy"), [(closing, "closes connections"), (silent, "overloaded")])
async def test_survey__node_that_does_not_answer__says_so(stage: Stage, behaviour: Behaviour, remedy: str) -> None:
    async with hostile_node(behaviour) as node:
        found = await examined(stage, node.url)
        assert failed(found) == ["endpoint verify-1"]
        assert remedy in found["endpoint verify-1"].remedy


async def test_survey__host_without_a_name__says_so(stage: Stage) -> None:
    found = await examined(stage, "https://nobody.invalid/x")
    assert "name of the host is not known" in found["endpoint verify-1"].message
    assert "DNS" in found["endpoint verify-1"].remedy


async def test_survey__other_chain__says_which(stage: Stage) -> None:
    async with lying_node(stage.node.http_url) as other:
        other.lie = lambda request, result: "0x5" if request["method"] == "eth_chainId" else result
        found = await examined(stage, other.url)
        assert "serves chain 5" in found["endpoint verify-1"].message
        assert "`chain.id`" in found["endpoint verify-1"].remedy


# -- sources ------------------------------------------------------------------------------------------------------------------


async def test_sources__derived_gated_and_broken__each_has_its_line(stage: Stage) -> None:
    feed = stage.world.feeds[MARKET]
    sources = f"""\
  cross: {{kind: derived, how: ratio, of: [oracle, spot]}}
  middle: {{kind: derived, how: median, of: [oracle, old], min_fresh: 2}}
  fixed: {{kind: constant, value: 1, unit: ratio}}
  old: {{kind: chainlink, address: "{feed}", unit: price, max_age: 1ms}}
  nobody: {{kind: chainlink, address: "0x000000000000000000000000000000000000dEaD", unit: price, max_age: 1h}}
  web: {{kind: http, url: "http://127.0.0.1:1/x", value: a, unit: price, every: 1s, timeout: 1s, max_age: 10s}}
  up: {{kind: sequencer-uptime, address: "{feed}", max_age: 10h}}
  gated: {{kind: chainlink, address: "{stage.world.feeds[OTHER]}", unit: price, max_age: 10h, needs: up}}
"""
    found = await examined(stage, sources=sources)
    assert found["source cross"].message == "1 (ratio); ratio of oracle 3000, spot 3000"
    assert found["source fixed"].message == "1 (ratio), a constant"
    middle = found["source middle"]
    assert middle.message.startswith("not usable: stale:")
    assert middle.message.endswith("its value is 3000; median of oracle 3000, old 3000 (stale)")
    assert "`max_age`" in middle.remedy
    assert "max_age is 1ms; its value is 3000" in found["source old"].message
    assert "`max_age`" in found["source old"].remedy
    assert "no contract" in found["source nobody"].remedy
    assert "connection refused" in found["source web"].message
    assert "nothing listens" in found["source web"].remedy
    assert "no uptime feed" in found["source up"].remedy
    gated = found["source gated"]
    assert gated.message.startswith("not usable: stale: needs up: the feed answers 300000000000")
    assert "line of the source that it needs" in gated.remedy
    assert sorted(failed(found)) == [f"source {name}" for name in ("gated", "middle", "nobody", "old", "up", "web")]


async def test_sources__sequencer_is_down__what_needs_it_is_not_usable(stage: Stage) -> None:
    await stage.world.push_price(OTHER, DOWN, wait=False)
    await stage.node.mine()
    sources = f"""\
  up: {{kind: sequencer-uptime, address: "{stage.world.feeds[OTHER]}", max_age: 10h}}
  gated: {{kind: chainlink, address: "{stage.world.feeds[MARKET]}", unit: price, max_age: 10h, needs: up}}
"""
    found = await examined(stage, sources=sources)
    assert (found["source up"].health, found["source up"].message) == (
        Health.WARN,
        "0 (flag): the sequencer is down",
    )
    assert found["source gated"].message == "not usable: stale: up is down; its value is 3000"
    assert "says 1" in found["source gated"].remedy
