"""A remote signer over HTTP: only what was asked for is taken, and every other answer is an error that says what to do."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_account import Account

from keeper.adapters.signing.remote import RemoteSigner, open_remote
from keeper.domain.errors import SignerAway, SigningError
from keeper.domain.evm import UnsignedTransaction
from tests.support.remote_signer import Answer, RemoteEndpoint, error, remote_endpoint, result

pytestmark = pytest.mark.integration

KEY = "7c85211829498cd04a93dd1a2c6f1c7e5cf6c5c0c1e47e3a3bdaf9f0c2a6d2b1"
ADDRESS = Account.from_key(KEY).address
OTHER_KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TOKEN = "remoteSignerToken51c7"
URL_KEY = "remoteSignerUrlKey90ab"
PATIENCE_S = 60.0
PAUSE = UnsignedTransaction(31337, 7, "0x5FbDB2315678afecb367f032d93F642f64180aa3", b"\x8d\x5b\xcb\x1e", 90_000, 9, 2)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def remote() -> Iterator[RemoteEndpoint]:
    with remote_endpoint(KEY) as endpoint:
        yield endpoint


def signer_of(remote: RemoteEndpoint, timeout_s: float = PATIENCE_S) -> RemoteSigner:
    return RemoteSigner(f"{remote.url}/{URL_KEY}", ADDRESS, token=TOKEN, timeout_s=timeout_s)


async def refusal(remote: RemoteEndpoint, timeout_s: float = PATIENCE_S) -> SigningError:
    """How signing fails: with a remedy, and without address key or token, even where the service repeats them."""
    with pytest.raises(SigningError) as caught:
        await signer_of(remote, timeout_s).sign(PAUSE)
    shown = f"{caught.value} {caught.value.remedy} {caught.value!r} {caught.value.__cause__!r}"
    assert TOKEN not in shown
    assert URL_KEY not in shown
    assert caught.value.remedy
    assert "127.0.0.1" in caught.value.message, "which one it was is said"
    return caught.value


async def test_open__it_knows_the_address_in_any_case__is_a_signer(remote: RemoteEndpoint) -> None:
    remote.accounts = [OTHER, ADDRESS.lower()]
    signer = await open_remote(remote.url, ADDRESS.lower(), timeout_s=PATIENCE_S)
    assert signer.address == ADDRESS
    assert repr(signer) == f"RemoteSigner({ADDRESS})"


@pytest.mark.parametrize("accounts", [[], [OTHER]], ids=["none", "another"])
async def test_open__it_has_not_the_key__says_so(remote: RemoteEndpoint, accounts: list[str]) -> None:
    remote.accounts = accounts
    with pytest.raises(SigningError, match=f"has no key of {ADDRESS}") as caught:
        await open_remote(remote.url, ADDRESS, timeout_s=PATIENCE_S)
    assert "`address`" in caught.value.remedy


@pytest.mark.parametrize("accounts", [None, {}, "0x", [1, None]])
async def test_open__accounts_that_are_no_list_of_addresses__hold_no_key(remote: RemoteEndpoint, accounts: Any) -> None:
    remote.answer = lambda _: result(accounts)
    with pytest.raises(SigningError, match="has no key of"):
        await open_remote(remote.url, ADDRESS, timeout_s=PATIENCE_S)


async def test_open__a_service_that_lists_no_accounts__is_taken_at_its_signature(remote: RemoteEndpoint) -> None:
    remote.answer = lambda method: error(-32601, "Method not found") if method == "eth_accounts" else None
    signer = await open_remote(remote.url, ADDRESS, timeout_s=PATIENCE_S)
    assert Account.recover_transaction((await signer.sign(PAUSE)).raw) == ADDRESS


async def test_sign__what_is_asked__is_as_web3signer_takes_it(remote: RemoteEndpoint) -> None:
    signed = await signer_of(remote).sign(PAUSE)
    assert Account.recover_transaction(signed.raw) == ADDRESS
    headers, document = remote.requests[0]
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert document["method"] == "eth_signTransaction"
    assert document["params"] == [
        {
            "from": ADDRESS,
            "to": PAUSE.to,
            "value": "0x0",
            "data": "0x8d5bcb1e",
            "nonce": "0x7",
            "gas": hex(90_000),
            "maxFeePerGas": "0x9",
            "maxPriorityFeePerGas": "0x2",
            "chainId": hex(31337),
        }
    ]


async def test_sign__an_answer_with_raw_inside__is_taken_as_geth_and_clef_have_it(remote: RemoteEndpoint) -> None:
    plain = await signer_of(remote).sign(PAUSE)
    remote.answer = lambda _: result({"raw": plain.raw, "tx": {}})
    assert await signer_of(remote).sign(PAUSE) == plain


def changed(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.update(changes)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"chainId": 1}, "chain id"),
        ({"nonce": 8}, "nonce"),
        ({"maxPriorityFeePerGas": 3}, "priority fee"),
        ({"maxFeePerGas": 10}, "fee cap"),
        ({"gas": 90_001}, "gas limit"),
        ({"to": OTHER}, "recipient"),
        ({"value": 1}, "value"),
        ({"data": "0x8d5bcb1f"}, "data"),
        ({"data": "0x"}, "data"),
        ({"accessList": [{"address": OTHER, "storageKeys": []}]}, "access list"),
    ],
)
async def test_sign__any_field_is_another__is_refused_by_its_name(
    remote: RemoteEndpoint, change: dict[str, Any], name: str
) -> None:
    remote.twist = changed(**change)
    assert f"signed another {name} than" in (await refusal(remote)).message


async def test_sign__with_another_key__names_both(remote: RemoteEndpoint) -> None:
    remote.key = OTHER_KEY
    found = await refusal(remote)
    assert OTHER in found.message
    assert ADDRESS in found.message


async def test_sign__the_upper_s__is_refused(remote: RemoteEndpoint) -> None:
    """Two transactions of one meaning and two hashes: whoever looked for ours would not find it."""
    import rlp

    plain = await signer_of(remote).sign(PAUSE)
    fields = rlp.decode(bytes.fromhex(plain.raw[4:]))
    fields[-3] = b"" if fields[-3] else b"\x01"
    fields[-1] = (ORDER - int.from_bytes(fields[-1], "big")).to_bytes(32, "big")
    remote.answer = lambda _: result("0x02" + rlp.encode(fields).hex())
    assert "no chain takes" in (await refusal(remote)).message


@pytest.mark.parametrize(
    "answer",
    [None, 7, "", "0x", "0xzz", "0x02", "0x02c0", "0x01c0", "02" * 40, "0x02" + "c0" * 50, [], {"raw": None}, "naïve"],
)
async def test_sign__a_result_that_is_no_transaction__is_refused(remote: RemoteEndpoint, answer: Any) -> None:
    remote.answer = lambda _: result(answer)
    assert "no EIP-1559 transaction" in (await refusal(remote)).message


async def test_sign__a_legacy_transaction__is_refused(remote: RemoteEndpoint) -> None:
    """What a signer that knows no EIP-1559 answers."""
    legacy = {
        "nonce": 7,
        "gasPrice": 9,
        "gas": 90_000,
        "to": PAUSE.to,
        "value": 0,
        "data": "0x8d5bcb1e",
        "chainId": 31337,
    }
    remote.answer = lambda _: result(Account.sign_transaction(legacy, KEY).raw_transaction.to_0x_hex())
    assert "no EIP-1559 transaction" in (await refusal(remote)).message


SECRETIVE = f"no {TOKEN} at /{URL_KEY}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error(-32000, f"From address does not match {SECRETIVE}"), "refuses: From address does not match"),
        (error(-32602, "Invalid params", 400), "refuses: Invalid params"),
        (error(-32601, f"Method not found {SECRETIVE}"), "no such method"),
        ((200, f"<html>{SECRETIVE}</html>".encode()), "no JSON-RPC"),
        ((200, b""), "no JSON-RPC"),
        ((200, b"\xff\xfe"), "no JSON-RPC"),
        ((200, b"[1]"), "no JSON-RPC"),
        ((200, b"[" * 100_000), "no JSON-RPC"),
        ((200, b'{"error": "text"}'), "refuses: text"),
        ((302, b""), "HTTP 302"),
        ((404, b"nothing here"), "HTTP 404 and no JSON-RPC: nothing here"),
        ((401, SECRETIVE.encode()), "HTTP 401"),
        ((403, b"{}"), "HTTP 403"),
        ((200, b"x" * 1_000_001), "more than any transaction has"),
    ],
)
async def test_sign__an_answer_that_says_no__is_an_error_with_its_words(
    remote: RemoteEndpoint, answer: Answer, words: str
) -> None:
    remote.answer = lambda _: answer
    found = await refusal(remote)
    assert words in found.message
    assert not isinstance(found, SignerAway)


@pytest.mark.parametrize("answer", [(503, b"gateway"), (429, b""), error(-32603, "Internal", 500)])
async def test_sign__not_now__may_be_asked_again(remote: RemoteEndpoint, answer: Answer) -> None:
    remote.answer = lambda _: answer
    assert isinstance(await refusal(remote), SignerAway)


async def test_sign__it_hangs__ends_after_its_time(remote: RemoteEndpoint) -> None:
    remote.hang = True
    found = await refusal(remote, timeout_s=0.2)
    assert isinstance(found, SignerAway)
    assert "does not answer" in found.message


async def test_open__nobody_listens__is_away() -> None:
    with remote_endpoint(KEY) as gone:
        pass
    with pytest.raises(SignerAway, match="does not answer") as caught:
        await open_remote(gone.url, ADDRESS, timeout_s=PATIENCE_S)
    assert "`url`" in caught.value.remedy


async def test_sign__a_proxy_is_set__it_is_not_asked(remote: RemoteEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    remote.accounts = [ADDRESS]
    assert Account.recover_transaction((await signer_of(remote).sign(PAUSE)).raw) == ADDRESS


@pytest.mark.parametrize("filling", [480, 486, 492])
async def test_sign__its_words_are_long__what_is_cut_holds_no_piece_of_the_token(
    remote: RemoteEndpoint, filling: int
) -> None:
    remote.answer = lambda _: (500, b" " * filling + TOKEN.encode())
    assert TOKEN[:7] not in (await refusal(remote)).message


async def test_sign__it_repeats_the_token_encoded__that_is_not_shown(remote: RemoteEndpoint) -> None:
    form = base64.b64encode(TOKEN.encode()).decode()
    remote.answer = lambda _: error(-32000, f"not for {form}")
    assert form[:8] not in (await refusal(remote)).message
