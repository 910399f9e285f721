"""Each cause has a remedy of its own; the messages are those that the adapters really give."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import httpx
import pytest

from keeper.adapters.chain.http_link import HttpLink
from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.adapters.prices.contract_call import ContractCallSource
from keeper.adapters.prices.http import HttpSource
from keeper.adapters.prices.pyth import PythSource
from keeper.adapters.prices.sequencer import SequencerUptimeSource
from keeper.app.faults import Faults
from keeper.app.remedies import CHECK_NODE, CHECK_SOURCE, HOLDS, MANY, of_fault, of_node, of_source
from keeper.domain.action import FunctionCall
from keeper.domain.consensus import Member, consensus
from keeper.domain.errors import OutsideError, Refused, Unreachable
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.record import Draft
from keeper.domain.units import Unit
from keeper.engine.gate import gated
from keeper.engine.grade import grade
from keeper.engine.spec import SourceSpec
from keeper.ports.prices import ChainSource
from tests.support.source_fakes import BLOCK, RECEIVED_MS, ManualClock, T, returned, round_data

pytestmark = pytest.mark.unit

FEED = "0x000000000000000000000000000000000000dEaD"
EIGHT = returned(["uint8"], 8)
VIEW = FunctionCall(FEED, "price()(uint256)")


# -- nodes --------------------------------------------------------------------------------------------------------------------


async def refused(status: int, body: bytes = b"") -> OutsideError:
    """What a node behind this HTTP answer is told to be."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, stream=httpx.ByteStream(body)))
    link = HttpLink("http://node.example/key", request_timeout_s=5, transport=transport)
    try:
        with pytest.raises(OutsideError) as caught:
            await link.request("eth_chainId", "[]")
    finally:
        await link.disconnect()
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (200, b"<html>hello</html>", "does not talk JSON-RPC"),
        (200, b"[]", "does not talk JSON-RPC"),
        (301, b"", "final address"),
        (302, b"", "final address"),
        (401, b"", "key"),
        (403, b"", "key"),
        (404, b"", "at this path"),
        (405, b"", "not a JSON-RPC server"),
        (429, b"", "too many requests"),
        (500, b"", "in trouble"),
        (503, b"", "in trouble"),
    ],
)
async def test_of_node__http_answer__has_its_own_remedy(status: int, body: bytes, remedy: str) -> None:
    assert remedy in of_node(await refused(status, body))


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (Unreachable("ws://x:1: connection refused"), "nothing listens"),
        (Unreachable("ws://x: the name of the host is not known"), "DNS"),
        (Unreachable("ws://x: no connection within 5 s"), "firewall"),
        (Unreachable("ws://x: no answer within 5 s"), "overloaded"),
        (Unreachable("ws://x: the node answered HTTP 200 instead of a WebSocket"), "http(s)://"),
        (Unreachable("ws://x: the node answered HTTP 403 instead of a WebSocket"), "key"),
        (Unreachable("ws://x: the node closed the connection (1008)"), "limits"),
        (Unreachable("/run/x.ipc: no such file or directory"), "IPC"),
        (Unreachable("/run/x.ipc: permission denied"), "group"),
        (Unreachable("the certificate is not good: self-signed certificate"), "authorities"),
        (Unreachable("no TLS is spoken there"), "http://"),
        (Refused("limit reached", code=429), "too many requests"),
        (Refused("daily request count exceeded, request rate limited", code=-32005), "too many requests"),
        (Refused("the method eth_call does not exist/is not available", code=-32601), "allow it"),
        (Refused("header not found", code=-32000), "EIP-1898"),
        (Unreachable("https://denied.method.example: odd", remedy="its own"), "its own"),
        (Unreachable("odd"), CHECK_NODE),
    ],
)
def test_of_node__error__has_its_own_remedy(error: OutsideError, remedy: str) -> None:
    assert remedy in of_node(error)


# -- sources on the chain -----------------------------------------------------------------------------------------------------


def seen(source: ChainSource, *results: CallResult) -> Observation:
    return source.decode(results, BLOCK, RECEIVED_MS)


REVERTED = CallResult(False, b"")
NOBODY = CallResult(True, b"")


@pytest.mark.parametrize(
    ("source", "results", "remedy"),
    [
        (ChainlinkSource("x", FEED), [NOBODY, NOBODY], "no contract with this view"),
        (ChainlinkSource("x", FEED), [REVERTED, EIGHT], "refuses the call"),
        (ChainlinkSource("x", FEED), [CallResult(True, b"\1" * 32), EIGHT], "does not fit the view"),
        (ChainlinkSource("x", FEED), [round_data(0), EIGHT], "no price is zero"),
        (ChainlinkSource("x", FEED), [round_data(5, 0), EIGHT], "nothing was ever reported"),
        (ChainlinkSource("x", FEED), [round_data(5, T + 999), EIGHT], "times of the future"),
        (ChainlinkSource("x", FEED), [round_data(5), returned(["uint8"], 200)], "no token or feed has so many"),
        (ChainlinkSource("x", FEED), [round_data(5, answered_in=6), EIGHT], "next one"),
        (ChainlinkSource("x", FEED, heartbeat_ms=1000), [round_data(5), EIGHT], "`heartbeat`"),
        (ChainlinkSource("x", FEED, bounds=(Decimal(1), Decimal(2))), [round_data(5), EIGHT], "`bounds`"),
        (ContractCallSource("x", VIEW, Unit.PRICE), [NOBODY], "no contract with this view"),
        (ContractCallSource("x", VIEW, Unit.PRICE), [CallResult(True, b"\1")], "types of `call`"),
        (ContractCallSource("x", VIEW, Unit.PRICE), [returned(["uint256"], 0)], "no price is zero"),
        (SequencerUptimeSource("x", FEED), [round_data(5)], "no uptime feed"),
        (SequencerUptimeSource("x", FEED), [round_data(0)], "`grace`"),
        (PythSource("x", FEED, "0x" + "ff" * 32), [NOBODY], "no contract with this view"),
        (
            PythSource("x", FEED, "0x" + "ff" * 32),
            [returned(["int64", "uint64", "int32", "uint256"], 10, 9, -8, T)],
            "`max_confidence`",
        ),
    ],
)
def test_of_source__answer_of_a_contract__has_its_own_remedy(
    source: ChainSource, results: Sequence[CallResult], remedy: str
) -> None:
    observation = seen(source, *results)
    assert observation.quality is not Quality.OK
    assert remedy in of_source(observation.reason), observation.reason


# -- sources off the chain ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, b"", "`headers`"),
        (403, b"", "`headers`"),
        (404, b"", "path in `url`"),
        (429, b"", "raise `every`"),
        (302, b"", "final address"),
        (500, b"", "in trouble"),
        (418, b"", "refuses the request"),
        (200, b"<html>", "plain JSON"),
        (200, b'{"a": 1}', "path in `value`"),
        (200, b'{"price": "much", "at": 1}', "not a price"),
        (200, b'{"price": -1, "at": 1}', "not a price"),
        (200, b'{"price": 0, "at": 1}', "not a price"),
        (200, b'{"price": 5, "at": 99999999999999}', "`time_unit`"),
    ],
)
async def test_of_source__answer_of_a_service__has_its_own_remedy(status: int, body: bytes, remedy: str) -> None:
    source = HttpSource(
        "x",
        "http://prices.example/x",
        clock=ManualClock(),
        value_path="price",
        time_path="at",
        transport=httpx.MockTransport(lambda _: httpx.Response(status, stream=httpx.ByteStream(body))),
    )
    observation = await source.poll()
    await source.close()
    assert remedy in of_source(observation.reason), observation.reason


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (httpx.ConnectError("no"), "DNS"),
        (httpx.ReadTimeout("no"), "raise `timeout`"),
    ],
)
async def test_of_source__no_answer_of_a_service__has_its_own_remedy(error: Exception, remedy: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    source = HttpSource(
        "x", "http://prices.example/x", clock=ManualClock(), value_path="p", transport=httpx.MockTransport(fail)
    )
    observation = await source.poll()
    await source.close()
    assert remedy in of_source(observation.reason), observation.reason


# -- what the engine finds ----------------------------------------------------------------------------------------------------


def observed(name: str, value: int | None = 1, quality: Quality = Quality.OK, reason: str = "") -> Observation:
    return Observation(name, None if value is None else Decimal(value), Unit.FLAG, 0, quality=quality, reason=reason)


def test_of_source__too_old__says_max_age() -> None:
    old = grade(SourceSpec("x", Unit.FLAG, 1000), observed("x"), 1001)
    assert old.quality is Quality.STALE
    assert "`max_age`" in of_source(old.reason)


@pytest.mark.parametrize(
    ("needed", "remedy"),
    [
        (observed("up", 0), "source that it needs says 1"),
        (observed("up", None, Quality.MISSING, "latestRoundData() answered nothing"), "line of the source"),
        (observed("up", 1, Quality.STALE, "the sequencer came back at noon"), "line of the source"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "price: "])
def test_of_source__its_gate_is_shut__points_to_what_it_needs(needed: Observation, remedy: str, prefix: str) -> None:
    assert remedy in of_source(prefix + gated(observed("price"), needed).reason)


def test_of_source__several_members__each_has_its_own() -> None:
    found = consensus(
        [
            Member("kraken", None, Quality.MISSING, "does not trade ETH/USD"),
            Member("gate", None, Quality.MISSING, "cannot be reached (ClientError)"),
            Member("okx", None, Quality.MISSING, "cannot be reached (ClientError)"),
            Member("mexc", Decimal(1)),
        ],
        2,
    )
    remedy = of_source(found.reason)
    assert "kraken: correct `symbol`" in remedy
    assert "gate, okx: check host" in remedy
    assert "mexc" not in remedy


def test_of_source__very_many_members__only_some_are_told() -> None:
    reasons = ["does not trade X", "cannot be reached (E)", "asked to wait 5 s", "older than 1s"]
    members = [Member(f"m{number}", None, Quality.MISSING, reason) for number, reason in enumerate(reasons)]
    assert sum(f"m{number}: " in of_source(consensus(members, 2).reason) for number in range(4)) == MANY


def test_of_source__members_apart__says_outlier() -> None:
    found = consensus([Member("a", Decimal(1)), Member("b", Decimal(2))], 2, Decimal("0.1"))
    assert found.quality is Quality.DISAGREE
    assert "`outlier`" in of_source(found.reason)


def test_of_source__unheard_of__says_something() -> None:
    assert of_source("blue") == CHECK_SOURCE


# -- faults -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "reason", "message", "remedy"),
    [
        ("source:x", "missing", "x: prices.example answered HTTP 401", "`headers`"),
        ("source:x", "missing", "x: prices.example answered HTTP 401", HOLDS),
        ("grade:x", "stale", "x: older than 10h", "`max_age`"),
        ("endpoint:primary-1", "connection-lost", "ws://x: connection refused", "nothing listens"),
        ("endpoint:verify-1", "wrong-chain", "it serves chain 5", "`chain.id`"),
        ("endpoint:verify-1", "lagging", "5 blocks behind", "syncs"),
        ("reads", "unreachable", "ws://x: no answer within 5 s", "overloaded"),
        ("effect:M/pause", "malformed", "reverted", "`read`"),
    ],
)
def test_faults__down_without_a_remedy__gets_the_one_of_its_cause(
    part: str, reason: str, message: str, remedy: str
) -> None:
    drafts: list[Draft] = []
    Faults(ManualClock(), drafts.append, lambda _: None).down(part, reason, message)
    assert remedy in str(drafts[0].body["remedy"])


def test_faults__down_with_a_remedy__keeps_it() -> None:
    drafts: list[Draft] = []
    Faults(ManualClock(), drafts.append, lambda _: None).down("source:x", "missing", "HTTP 401", "pray")
    assert drafts[0].body["remedy"] == "pray"


def test_of_fault__nothing_to_say__is_empty() -> None:
    assert of_fault("feed:x", "crashed", "feed failed") == ""
