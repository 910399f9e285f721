"""One builder: what is signed is what is posted, every answer is an answer, and nothing secret is repeated."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from keeper.adapters.routes.relay_client import MAX_BODY_BYTES, RETRY_AFTER_MS, Builder, Cancelling, RelayClient
from keeper.domain.address import keccak256
from keeper.domain.errors import SigningError, UnitError
from keeper.ports.route import Answer, SubmissionKind
from tests.support.scripted_relay import (
    BUNDLE_HASH,
    HASH,
    RAW,
    URL,
    Posted,
    QuickClock,
    Script,
    ScriptedRelay,
    fails,
    identity,
    result,
    says,
)

pytestmark = pytest.mark.unit

UUID = "123e4567-e89b-42d3-a456-426614174000"
ACCEPTED, REFUSED, UNREACHABLE = SubmissionKind.ACCEPTED, SubmissionKind.REFUSED, SubmissionKind.UNREACHABLE


async def bundle(*scripts: Script, **settings: Any) -> tuple[Answer, ScriptedRelay]:
    relay = ScriptedRelay(list(scripts))
    client = relay.client(**settings)
    answer = await client.send_bundle([RAW], 11, UUID)
    await client.close()
    return answer, relay


# -- what is sent -------------------------------------------------------------------------------------------------------------


async def test_bundle__as_posted__has_what_the_protocol_asks_for() -> None:
    _, relay = await bundle(result({"bundleHash": BUNDLE_HASH}))
    (posted,) = relay.posted
    assert posted.url == URL
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["accept-encoding"] == "identity"
    assert posted.document == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "eth_sendBundle",
        "params": [{"txs": [RAW], "blockNumber": "0xb", "replacementUuid": UUID}],
    }


async def test_private__as_posted__shares_the_least_and_names_no_builders() -> None:
    relay = ScriptedRelay([result(HASH)])
    answer = await relay.client().send_private(RAW, HASH, 36)
    assert relay.posted[0].params == {
        "tx": RAW,
        "maxBlockNumber": "0x24",
        "preferences": {"fast": True, "privacy": {"hints": ["hash"]}},
    }
    assert (answer.kind, answer.method) == (ACCEPTED, "eth_sendPrivateTransaction")


def signer_of(posted: Posted, header: str) -> str:
    """As a relay does it, from the bytes that came."""
    address, signature = posted.headers[header.lower()].split(":")
    assert re.fullmatch(r"0x[0-9a-f]{130}", signature)
    message = encode_defunct(text="0x" + keccak256(posted.body).hex())
    assert Account.recover_message(message, signature=signature) == address
    return address


@pytest.mark.parametrize("header", ["X-Flashbots-Signature", "X-BuilderNet-Signature"])
async def test_header__configured__is_signed_over_exactly_the_bytes_that_are_posted(header: str) -> None:
    _, relay = await bundle(result(200), header=header)
    assert signer_of(relay.posted[0], header) == identity().address


async def test_header__the_second_time__is_signed_as_well() -> None:
    _, relay = await bundle(says(502, b"<html>"), result(200))
    first, second = relay.posted
    assert first.body == second.body
    assert signer_of(second, "X-Flashbots-Signature") == identity().address


async def test_header__none_wanted__none_is_sent() -> None:
    _, relay = await bundle(result(200), header="")
    assert not [name for name in relay.posted[0].headers if "signature" in name]


async def test_signature__cannot_be_had__nothing_is_sent_and_it_is_an_answer() -> None:
    class Broken:
        address = "0x" + "11" * 20

        async def sign_text(self, text: str) -> str:
            raise SigningError("the key is gone")

    relay = ScriptedRelay()
    transport = relay.client()._client._transport
    client = RelayClient(Builder("one", URL), Broken(), QuickClock(), timeout_ms=1_000, transport=transport)
    answer = await client.send_bundle([RAW], 11, UUID)
    assert (answer.kind, relay.posted) == (UNREACHABLE, [])


# -- what is answered ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [{"bundleHash": BUNDLE_HASH}, {"bundleHash": BUNDLE_HASH, "smart": False}, BUNDLE_HASH, 200, "200"]
)
async def test_bundle__result_that_fits__is_accepted(value: object) -> None:
    answer, _ = await bundle(result(value))
    assert (answer.to, answer.method, answer.kind) == ("one", "eth_sendBundle", ACCEPTED)
    assert answer.message.startswith("block 11: ")
    assert answer.ms > 0


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        201,
        200.0,
        "",
        "ok",
        [],
        {},
        {"bundleHash": None},
        {"bundleHash": "0x12"},
        [BUNDLE_HASH],
        BUNDLE_HASH + "00",
    ],
)
async def test_bundle__result_that_does_not_fit__is_not_accepted(value: object) -> None:
    answer, _ = await bundle(result(value))
    assert answer.kind is UNREACHABLE


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (HASH, ACCEPTED),
        (HASH.upper().replace("0X", "0x"), ACCEPTED),
        (200, ACCEPTED),
        ("0x" + "cd" * 32, UNREACHABLE),
        ({"bundleHash": BUNDLE_HASH}, UNREACHABLE),
        (None, UNREACHABLE),
    ],
)
async def test_private__result__must_be_its_own_hash_or_200(value: object, kind: SubmissionKind) -> None:
    answer = await ScriptedRelay([result(value)]).client().send_private(RAW, HASH, 36)
    assert answer.kind is kind


ERRORS: list[tuple[Script, SubmissionKind]] = [
    (says(200, {"error": {"code": -32600, "message": "signature is required"}}), REFUSED),
    (says(200, {"error": {"code": -32600, "message": "invalid signature provided"}, "id": None}), REFUSED),
    (says(400, {"error": {"code": -32603, "message": "Invalid signature"}}), REFUSED),
    (says(500, {"error": {"code": -32603, "message": "Invalid signature"}}), REFUSED),
    (says(403, {"error": "invalid signature"}), REFUSED),
    (says(403, b"<html>forbidden</html>"), REFUSED),
    (says(404, b""), REFUSED),
    (says(405, b"method not allowed"), REFUSED),
    (says(415, b"{}"), REFUSED),
    (says(200, {"error": {"code": -32000, "message": "nonce too low"}}), SubmissionKind.NONCE_TOO_LOW),
    (says(400, {"error": {"message": "already known"}}), SubmissionKind.KNOWN),
    (says(403, {"error": "insufficient funds for gas"}), SubmissionKind.INSUFFICIENT_FUNDS),
    (says(429, {"error": {"code": -32005, "message": "already known"}}), UNREACHABLE),
    (says(429, {"error": "rate limited"}), UNREACHABLE),
    (says(429, b"Too Many Requests"), UNREACHABLE),
    (says(502, b"<html>bad gateway</html>"), UNREACHABLE),
    (says(503, {"error": "later"}), UNREACHABLE),
    (says(500, b"oops"), UNREACHABLE),
    (says(301, b"", location="https://elsewhere.example/"), UNREACHABLE),
    (says(302, {"result": 200, "id": 1}, location="https://elsewhere.example/"), UNREACHABLE),
    (says(200, b""), UNREACHABLE),
    (says(200, b"nonsense"), UNREACHABLE),
    (says(200, b"\xff\xfe\x00"), UNREACHABLE),
    (says(200, [1]), UNREACHABLE),
    (says(200, {}), UNREACHABLE),
    (says(200, {"id": 99, "result": 200}), UNREACHABLE),
    (says(500, {"id": 1, "result": 200}), UNREACHABLE),
    (says(200, {"id": 1, "result": 200, "error": {"message": "no"}}), REFUSED),
    (says(200, {"error": {}}), REFUSED),
    (says(200, {"error": ""}), REFUSED),
    (says(200, {"error": [1], "result": 200}), REFUSED),
    (says(200, {"error": False, "result": 200}), REFUSED),
    (says(200, {"error": {"message": {"deep": 1}, "code": "text"}}), REFUSED),
    (says(200, b'{"error":' + b"[" * 30_000), UNREACHABLE),
    (says(200, b'{"id":1,"result":' + b"9" * 10_000 + b"}"), UNREACHABLE),
    (says(200, {"id": 1, "result": 200}, **{"content-encoding": "gzip"}), UNREACHABLE),
    (fails(httpx.ConnectError("https://builder.example/secret-path-1234")), UNREACHABLE),
    (fails(httpx.ReadError("x")), UNREACHABLE),
    (fails(httpx.RemoteProtocolError("x")), UNREACHABLE),
    (fails(OSError("x")), UNREACHABLE),
    (fails(ValueError("x")), UNREACHABLE),
]


@pytest.mark.parametrize(("script", "kind"), ERRORS)
async def test_bundle__every_other_answer__is_told_for_what_it_is(script: Script, kind: SubmissionKind) -> None:
    answer, _ = await bundle(script)
    assert answer.kind is kind
    assert answer.message.startswith("block 11: ")
    assert len(answer.message) < 300


async def test_bundle__null_beside_the_result__is_no_error() -> None:
    answer, _ = await bundle(says(200, {"result": 200, "error": None, "id": 1}))
    assert answer.kind is ACCEPTED


@pytest.mark.parametrize(("size", "kind"), [(MAX_BODY_BYTES, ACCEPTED), (MAX_BODY_BYTES + 1, UNREACHABLE)])
async def test_answer__size__has_a_limit(size: int, kind: SubmissionKind) -> None:
    body = b'{"id":1,"result":200}'
    answer, _ = await bundle(says(200, body + b" " * (size - len(body))))
    assert answer.kind is kind


async def test_answer__without_end__is_cut_off() -> None:
    read = 0

    async def endless(_: Posted) -> httpx.Response:
        async def parts() -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 1
                yield b" " * 1024

        return httpx.Response(200, content=parts())

    answer, _ = await bundle(endless)
    assert answer.kind is UNREACHABLE
    assert read == MAX_BODY_BYTES // 1024 + 1


# -- time-outs and the second time --------------------------------------------------------------------------------------------


async def hanging(_: Posted) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def test_no_answer__twice__is_given_up() -> None:
    answer, relay = await bundle(hanging, timeout_ms=20)
    assert (answer.kind, answer.message) == (UNREACHABLE, "block 11: no answer within 20 ms")
    assert len(relay.posted) == 2


@pytest.mark.parametrize(
    "script", [says(502, b""), says(429, {"error": "slow down"}), says(500, b"x"), fails(httpx.ReadError("x"))]
)
async def test_failed_in_passing__is_asked_once_more(script: Script) -> None:
    answer, relay = await bundle(script, result(200))
    assert answer.kind is ACCEPTED
    assert len(relay.posted) == 2
    assert relay.clock.slept_s == [RETRY_AFTER_MS / 1000]


async def test_failed_in_passing__twice__is_not_asked_a_third_time() -> None:
    answer, relay = await bundle(says(502, b""), says(502, b""), result(200))
    assert answer.kind is UNREACHABLE
    assert len(relay.posted) == 2


@pytest.mark.parametrize(
    "script",
    [says(200, {"error": {"message": "invalid signature"}}), says(403, {"error": "no"}), says(404, b""), result("ok")],
)
async def test_a_clear_answer__is_not_asked_for_again(script: Script) -> None:
    _, relay = await bundle(script)
    assert len(relay.posted) == 1


@pytest.mark.parametrize(("seconds", "requests"), [("1", 2), ("2", 1), ("7", 1)])
async def test_asked_to_wait__longer_than_a_request_may_take__is_not_asked_again(seconds: str, requests: int) -> None:
    _, relay = await bundle(says(429, b"", **{"retry-after": seconds}), result(200), timeout_ms=1_500)
    assert len(relay.posted) == requests
    assert relay.clock.slept_s == [1.0] * (requests - 1)


async def test_closed__is_an_answer_and_sends_nothing() -> None:
    relay = ScriptedRelay()
    client = relay.client()
    await client.close()
    await client.close()
    assert (await client.send_bundle([RAW], 11, UUID)).kind is UNREACHABLE
    assert relay.posted == []


@pytest.mark.parametrize(
    "url", ["", "builder.example", "ws://builder.example", "http://", "http://[::1", "file:///etc/passwd"]
)
def test_client__no_http_address__is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UnitError):
        RelayClient(Builder("one", url), identity(), QuickClock(), timeout_ms=1)
    with pytest.raises(UnitError):
        RelayClient(Builder("one", URL, status=url), identity(), QuickClock(), timeout_ms=1)


# -- secrets ------------------------------------------------------------------------------------------------------------------


async def test_answers__echo_everything__nothing_secret_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scripts: list[Script] = []
    for shape in ("rpc", "bare", "page", "result"):

        def echo(posted: Posted, shape: str = shape) -> httpx.Response:
            words = f"{posted.url} {posted.body.decode()} {posted.headers} {RAW[2:]}"
            documents: dict[str, dict[str, Any]] = {
                "rpc": {"error": {"code": 1, "message": words}},
                "bare": {"error": words},
                "result": {"id": posted.document["id"], "result": words},
                "page": {},
            }
            return httpx.Response(400, text=words) if shape == "page" else httpx.Response(200, json=documents[shape])

        scripts.append(echo)
    relay = ScriptedRelay(scripts)
    client = relay.client()
    shown = [repr(client), repr(client.builder), client.shown, repr(client.figures)]
    for _ in scripts[:]:
        shown.append(repr(await client.send_bundle([RAW], 11, UUID)))
    signature = relay.posted[0].headers["x-flashbots-signature"].split(":")[1]
    text = "\n".join([*shown, caplog.text])
    for secret in (RAW[2:100], signature[2:100], "secret-path-1234", "hidden-key-5678"):
        assert secret not in text


# -- cancelling, proving, status ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cancel", "method", "params"),
    [
        (Cancelling.METHOD, "eth_cancelBundle", {"replacementUuid": UUID}),
        (Cancelling.EMPTY, "eth_sendBundle", {"txs": [], "replacementUuid": UUID, "blockNumber": "0xb"}),
    ],
)
async def test_cancel__is_asked_for_in_the_builders_own_way(
    cancel: Cancelling, method: str, params: dict[str, object]
) -> None:
    relay = ScriptedRelay()
    answer = await relay.client(cancel=cancel).cancel_bundle(UUID, 11)
    assert (answer.kind, answer.method) == (ACCEPTED, method)
    assert relay.posted[0].params == params


async def test_cancel__empty_bundle__its_answer_need_not_have_a_hash() -> None:
    relay = ScriptedRelay([result({"bundleHash": None})])
    assert (await relay.client(cancel=Cancelling.EMPTY).cancel_bundle(UUID, 11)).kind is ACCEPTED


async def test_cancel__no_way__sends_nothing() -> None:
    relay = ScriptedRelay()
    answer = await relay.client(cancel=Cancelling.NONE).cancel_bundle(UUID, 11)
    assert (answer.kind, relay.posted) == (REFUSED, [])


async def test_cancel_private__names_the_hash() -> None:
    relay = ScriptedRelay()
    await relay.client().cancel_private(HASH)
    assert relay.posted[0].document["method"] == "eth_cancelPrivateTransaction"
    assert relay.posted[0].params == {"txHash": HASH}


PROOFS: list[tuple[Script, SubmissionKind]] = [
    (result(200), ACCEPTED),
    (result(None), ACCEPTED),
    (says(200, {"error": {"code": -32000, "message": "unknown replacementUuid"}}), ACCEPTED),
    (says(400, {"error": {"code": -32602, "message": "bundle not found"}}), ACCEPTED),
    (says(500, {"error": {"code": -32603, "message": "bundle is empty"}}), ACCEPTED),
    (says(403, {"error": "no such bundle"}), ACCEPTED),
    (says(200, {"error": {"code": -32602, "message": "invalid argument 0"}}), ACCEPTED),
    (says(403, {"error": "not accepted at this time"}), REFUSED),
    (says(200, {"error": {"code": -32000, "message": "your address is blocked"}}), REFUSED),
    (says(200, {"error": {"code": -32600, "message": "signature is required"}}), REFUSED),
    (says(200, {"error": {"code": -32600, "message": "invalid signature provided"}}), REFUSED),
    (says(500, {"error": {"code": -32603, "message": "Invalid signature"}}), REFUSED),
    (says(403, {"error": "invalid signature"}), REFUSED),
    (says(403, {"error": "Unauthorized"}), REFUSED),
    (says(401, b""), REFUSED),
    (says(401, {"error": "no such bundle"}), REFUSED),
    (says(403, {"error": "authentication required for eth_cancelBundle"}), REFUSED),
    (says(403, b"<html>"), REFUSED),
    (says(200, {"error": {"code": -32601, "message": "the method is not offered"}}), REFUSED),
    (says(404, {"error": "not found"}), REFUSED),
    (says(405, b"x"), REFUSED),
    (says(500, {"error": {"code": -32603, "message": "internal error"}}), UNREACHABLE),
    (says(429, {"error": {"message": "bundle limit"}}), UNREACHABLE),
    (says(502, b"<html>"), UNREACHABLE),
    (says(200, b"nonsense"), UNREACHABLE),
    (says(200, {}), UNREACHABLE),
    (fails(httpx.ConnectError("x")), UNREACHABLE),
]


@pytest.mark.parametrize(("script", "kind"), PROOFS)
@pytest.mark.parametrize("cancel", list(Cancelling))
async def test_prove__tells_a_refused_signature_from_everything_else(
    cancel: Cancelling, script: Script, kind: SubmissionKind
) -> None:
    relay = ScriptedRelay([script])
    answer = await relay.client(cancel=cancel).prove()
    assert answer.kind is kind
    assert answer.message


@pytest.mark.parametrize("cancel", list(Cancelling))
async def test_prove__moves_nothing_and_names_nothing_that_exists(cancel: Cancelling) -> None:
    relay = ScriptedRelay()
    client = relay.client(cancel=cancel)
    await client.prove()
    await client.prove()
    assert all(not one.params.get("txs") for one in relay.posted)
    names = [one.params.get("replacementUuid") for one in relay.posted]
    assert len(relay.posted) == 2
    assert (names == [None, None]) if cancel is Cancelling.NONE else names[0] != names[1]
    signer_of(relay.posted[0], "X-Flashbots-Signature")


@pytest.mark.parametrize("answer", [says(405, b"POST only"), fails(httpx.ConnectError("x"))])
async def test_warm__whatever_is_answered__is_no_matter_and_counts_for_nothing(answer: Script) -> None:
    relay = ScriptedRelay(on_get=answer)
    client = relay.client()
    await client.warm()
    assert (len(relay.posted), len(relay.got)) == (0, 3)
    assert client.figures.answers == {}
    assert "x-flashbots-signature" not in relay.got[0].headers


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (says(200, {"status": "PENDING", "hash": HASH}), "PENDING"),
        (says(200, {"status": "INCLUDED"}), "INCLUDED"),
        (says(200, {"status": "FAILED", "simError": "reverted"}), "FAILED"),
        (says(200, {"status": "CANCELLED"}), "CANCELLED"),
        (says(200, {"status": "UNKNOWN"}), ""),
        (says(200, {"status": ["PENDING"]}), ""),
        (says(200, [1]), ""),
        (says(200, b"nonsense"), ""),
        (says(302, {"status": "PENDING"}, location="https://elsewhere.example"), ""),
        (fails(httpx.ReadError("x")), ""),
    ],
)
async def test_status__only_known_words_are_repeated(script: Script, word: str) -> None:
    relay = ScriptedRelay(on_get=script)
    assert await relay.client(status="https://status.example/base/?k=v").status(HASH) == word
    assert relay.got[0].url == f"https://status.example/base/tx/{HASH}?k=v"
    assert "x-flashbots-signature" not in relay.got[0].headers


async def test_status__nowhere_to_ask__is_empty() -> None:
    relay = ScriptedRelay()
    assert await relay.client().status(HASH) == ""
    assert relay.got == []


# -- figures ------------------------------------------------------------------------------------------------------------------


async def test_figures__count_answers_by_method_and_kind() -> None:
    relay = ScriptedRelay([result(200), says(403, {"error": "no"}), says(502, b""), result(HASH)])
    client = relay.client()
    assert client.figures.answers == {}
    await client.send_bundle([RAW], 11, UUID)
    await client.send_bundle([RAW], 12, UUID)
    await client.send_private(RAW, HASH, 36)
    figures = client.figures
    assert figures.builder == "one"
    assert figures.answers == {
        ("eth_sendBundle", ACCEPTED): 1,
        ("eth_sendBundle", REFUSED): 1,
        ("eth_sendPrivateTransaction", ACCEPTED): 1,
    }
    assert figures.retried == 1
    assert 0 < figures.last_ms <= figures.longest_ms < figures.total_ms


async def test_ids__are_never_used_twice() -> None:
    relay = ScriptedRelay([lambda posted: httpx.Response(200, content=json.dumps({"result": 200}))])
    client = relay.client()
    for block in (11, 12, 13):
        assert (await client.send_bundle([RAW], block, UUID)).kind is ACCEPTED
    assert [one.document["id"] for one in relay.posted] == [1, 2, 3]
