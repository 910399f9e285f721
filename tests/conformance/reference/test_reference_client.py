"""Our client of block builders held against the `flashbots` package 2.0.0: the same requests, field by field, to the same relay.

The package needs web3 below 7, so it runs in an environment of its own, which `make conformance` makes. Without it these tests are left out.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from eth_account import Account

from keeper.adapters.clock import SystemClock
from keeper.adapters.routes.relay_client import Builder, Cancelling, RelayClient
from keeper.adapters.signing.local import LocalSigner
from keeper.devnet.anvil import Anvil
from keeper.devnet.relay import Builder as RelayBuilder
from keeper.devnet.relay import Lottery, Relay, Slot
from keeper.devnet.relay.header import verified
from keeper.ports.route import Answer, SubmissionKind
from tests.support.recording_server import Recorded, RecordingServer

ROOT: Final = Path(__file__).resolve().parents[3]
PYTHON: Final = ROOT / ".venv-reference" / "bin" / "python"
SET_UP: Final = ROOT / ".setup" / "reference-packages.stamp"
CLIENT: Final = Path(__file__).with_name("client.py")

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(
        not (PYTHON.exists() and SET_UP.exists()),
        reason="LEFT OUT: the reference client is not installed; to hold our client against it, run: make conformance",
    ),
]

IDENTITY: Final = bytes.fromhex("5e" * 32)
UUID: Final = "b8f5a6c4-3f3e-4c43-9a55-0d5f6c1e2a77"
GWEI: Final = 10**9
SEND, PRIVATE = "eth_sendBundle", "eth_sendPrivateTransaction"
CANCEL, CANCEL_PRIVATE, SIMULATE = "eth_cancelBundle", "eth_cancelPrivateTransaction", "eth_callBundle"

ABSENT: Final = "(not there)"
# What our requests say otherwise than the reference's: method, field, ours, theirs. Anything else is a fault, and so is one of these that is gone.
NO_LIMIT = "a bundle without a time is for any time, and 0 is how the package writes that"
ALLOWED: Final[dict[tuple[str, str], tuple[object, object, str]]] = {
    (SEND, "minTimestamp"): (ABSENT, 0, NO_LIMIT),
    (SEND, "maxTimestamp"): (ABSENT, 0, NO_LIMIT),
    (SEND, "revertingTxHashes"): (ABSENT, [], "a bundle without this list may not revert, as with an empty one"),
    (PRIVATE, "maxBlockNumber"): ("0x19", 25, "hex since the relay's documentation says so; the package is older"),
    (PRIVATE, "preferences"): (
        {"fast": True, "privacy": {"hints": ["hash"]}},
        ABSENT,
        "the default tells searchers logs as well, so a pause says what it shares",
    ),
}
# Of the envelope: `id` only has to be a number, since each client counts for itself. Of the HTTP headers:
OWN_HEADERS: Final = frozenset({"user-agent", "accept", "accept-encoding", "connection", "host", "content-length"})
"""Who asks, and how the connection is used: nothing that a relay looks at. The length is that of the bytes: each client signs what it wrote."""

MISTAKES: Final = ("hash-without-0x", "signature-without-0x", "both-without-0x")
BUILDERS: Final = ("flashbots", "buildernet", "quasar", "titan")


@dataclass(frozen=True)
class Talk:
    """What both clients asked of one relay, and what came of it."""

    identity: str
    ours: dict[str, Recorded]
    theirs: dict[str, Recorded]
    empty: tuple[Recorded, Recorded]
    """A bundle without transactions to BuilderNet, ours and theirs: its way to cancel."""
    answers: list[Answer]
    results: list[dict[str, Any]]
    resigned: dict[str, dict[str, str]]
    """The headers that our client would send with the reference's bytes."""
    signings: dict[tuple[str, str], dict[str, Any]]
    """By builder and way of signing: the answer to the reference client."""
    refused: list[tuple[str, str, str]]
    """Builder, method and reason of all that the relay refused."""
    slot: Slot
    cancelled: list[str]
    meant: list[str]
    """The hashes of bundles that were to be in the block: theirs, ours."""


class Maker:
    """Signed transactions of the node's accounts."""

    def __init__(self, node: Anvil) -> None:
        self._node = node

    def __call__(self, account: int, nonce: int = 0) -> tuple[str, str]:
        """Its bytes and its hash."""
        to = self._node.accounts[9].address
        fields = {"type": 2, "chainId": self._node.chain_id, "to": to, "gas": 21_000, "value": 1, "nonce": nonce}
        fees = {"maxFeePerGas": 5 * GWEI, "maxPriorityFeePerGas": GWEI}
        signed = Account.sign_transaction(fields | fees, self._node.accounts[account].private_key)
        return f"0x{signed.raw_transaction.hex()}", f"0x{signed.hash.hex()}"


async def reference(sessions: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What the package was answered, for each session and each of its steps. Without a proxy, whatever the environment says."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, "-I", CLIENT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"NO_PROXY": "*"},
    )  # fmt: skip
    said, complaints = await process.communicate(json.dumps(sessions).encode())
    assert process.returncode == 0, complaints.decode()
    found: list[list[dict[str, Any]]] = json.loads(said)
    return found


async def talk() -> Talk:
    lottery = Lottery(1, [RelayBuilder("buildernet", 100)], empty_percent=0)  # it gets what Flashbots gets
    async with (
        Anvil(no_mining=True, extra=("--order", "fifo")) as node,
        Relay.open(node.http_url, lottery=lottery) as relay,
    ):
        with RecordingServer(relay.base_url) as recorder:
            return await _talk(node, relay, recorder)


async def _talk(node: Anvil, relay: Relay, recorder: RecordingServer) -> Talk:
    make, identity = Maker(node), LocalSigner(IDENTITY)
    first, second, private = make(0), make(0, 1), make(1)
    bundle = [first[0], second[0]]
    theirs, ours = make(2), make(3)
    common: dict[str, Any] = {"node": node.http_url, "key": f"0x{IDENTITY.hex()}", "header": "as-it-is"}
    flashbots, buildernet = f"{recorder.url}/flashbots", f"{recorder.url}/buildernet"

    def client(url: str, cancel: Cancelling) -> RelayClient:
        builder = Builder("relay", url, private_transactions=True, cancel=cancel)
        return RelayClient(builder, identity, SystemClock(), timeout_ms=30_000)

    # ours: 1 to 4 as the package does it, and the builder that cancels in another way
    one, other = client(flashbots, Cancelling.METHOD), client(buildernet, Cancelling.EMPTY)
    answers = [
        await one.send_bundle(bundle, 1, UUID),
        await one.send_private(*private, 25),
        await one.cancel_bundle(UUID, 1),
        await one.cancel_private(private[1]),
        await other.cancel_bundle(UUID, 1),
    ]
    our_requests = list(recorder.requests)
    recorder.requests.clear()

    steps: list[dict[str, Any]] = [
        {"do": "send_bundle", "txs": bundle, "block": 1, "uuid": UUID},
        {"do": "send_private", "tx": private[0], "last_block": 25},
        {"do": "cancel_bundle", "uuid": UUID},
        {"do": "cancel_private", "tx_hash": private[1]},
        {"do": "simulate", "txs": bundle, "block": 1},
    ]
    signings = [(builder, header) for builder in BUILDERS for header in ("as-it-is", "by-hand", *MISTAKES)]
    signed = [
        common | {"relay": relay.url(builder), "header": header}
        | {"steps": [{"do": "send_bundle_without_uuid", "txs": [make(4)[0]], "block": 1}]}
        for builder, header in signings
    ]  # fmt: skip
    mined = {"do": "send_bundle_without_uuid", "txs": [theirs[0]], "block": 1}
    results, emptied, meant, *tried = await reference(
        [
            common | {"relay": flashbots, "steps": steps},
            common | {"relay": buildernet, "steps": [{"do": "send_empty_bundle", "block": 1, "uuid": UUID}]},
            common | {"relay": flashbots, "steps": [mined]},
            *signed,
        ]
    )
    their_requests = list(recorder.requests)
    resigned = {json.loads(request.body)["method"]: await one._signed(request.body) for request in their_requests[:5]}
    answers.append(await one.send_bundle([ours[0]], 1, UUID))
    await one.close()
    await other.close()
    slot = await relay.slots.next()
    return Talk(
        identity=identity.address,
        ours=by_method(our_requests[:4]),
        theirs=by_method(their_requests[:5]),
        empty=(our_requests[4], their_requests[5]),
        answers=answers,
        results=[*results, *emptied, *meant],
        resigned=resigned,
        signings=dict(zip(signings, [one[0] for one in tried], strict=True)),
        refused=[(asked.builder, asked.method, asked.refusal) for asked in relay.asked if asked.refusal],
        slot=slot,
        cancelled=[first[1], second[1], private[1]],
        meant=[theirs[1], ours[1]],
    )


def by_method(requests: list[Recorded]) -> dict[str, Recorded]:
    found = {json.loads(request.body)["method"]: request for request in requests}
    assert len(found) == len(requests)
    return found


@pytest.fixture(scope="module")
def both() -> Talk:
    """One talk for all tests: the package alone takes two seconds to start."""
    return asyncio.run(talk())


# ------------------------------------------------------------------------------------------------------------ requests


def envelope(request: Recorded) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(request.body)
    return document


def differences(ours: Recorded, theirs: Recorded) -> dict[str, tuple[object, object]]:
    """The fields of the one parameter that are not the same in both."""
    (mine,), (reference,) = envelope(ours)["params"], envelope(theirs)["params"]
    return {
        name: (mine.get(name, ABSENT), reference.get(name, ABSENT))
        for name in sorted({*mine, *reference})
        if json.dumps(mine.get(name, ABSENT)) != json.dumps(reference.get(name, ABSENT))
    }


def allowed(method: str) -> dict[str, tuple[object, object]]:
    return {name: (ours, theirs) for (of, name), (ours, theirs, _) in ALLOWED.items() if of == method}


@pytest.mark.parametrize("method", [SEND, PRIVATE, CANCEL, CANCEL_PRIVATE])
def test_params__of_each_method__differ_only_where_it_is_allowed_by_name(both: Talk, method: str) -> None:
    assert differences(both.ours[method], both.theirs[method]) == allowed(method)


def test_params__of_an_empty_bundle__differ_as_those_of_any_bundle(both: Talk) -> None:
    assert differences(*both.empty) == allowed(SEND)


def test_allowed__every_difference__has_its_reason() -> None:
    assert all(reason.strip() for *_, reason in ALLOWED.values())


@pytest.mark.parametrize("method", [SEND, PRIVATE, CANCEL, CANCEL_PRIVATE])
def test_envelope__of_each_method__is_the_same_but_for_its_number(both: Talk, method: str) -> None:
    ours, theirs = envelope(both.ours[method]), envelope(both.theirs[method])
    assert set(ours) == set(theirs) == {"jsonrpc", "id", "method", "params"}
    assert ours["jsonrpc"] == theirs["jsonrpc"] == "2.0"
    assert type(ours["id"]) is type(theirs["id"]) is int
    assert len(ours["params"]) == len(theirs["params"]) == 1


@pytest.mark.parametrize("method", [SEND, PRIVATE, CANCEL, CANCEL_PRIVATE])
def test_http__of_each_method__has_the_same_path_and_headers(both: Talk, method: str) -> None:
    ours, theirs = both.ours[method], both.theirs[method]
    assert (ours.method, ours.path) == (theirs.method, theirs.path) == ("POST", "/flashbots")
    names = [{name.lower() for name, _ in request.headers} - OWN_HEADERS for request in (ours, theirs)]
    assert names[0] == names[1] == {"content-type", "x-flashbots-signature"}
    assert ours.header("content-type") == theirs.header("content-type") == "application/json"


@pytest.mark.parametrize("method", [SEND, PRIVATE, CANCEL, CANCEL_PRIVATE])
def test_signature__of_each_method__has_the_same_form_and_signer(both: Talk, method: str) -> None:
    for request in (both.ours[method], both.theirs[method]):
        header = request.header("x-flashbots-signature")
        assert re.fullmatch(rf"{both.identity}:0x[0-9a-f]{{130}}", header)
        assert verified(header, request.body) == both.identity


def test_signature__of_the_same_bytes__is_the_same_text(both: Talk) -> None:
    assert set(both.theirs) == set(both.resigned) == {SEND, PRIVATE, CANCEL, CANCEL_PRIVATE, SIMULATE}
    for method, headers in both.resigned.items():
        theirs = both.theirs[method].header("x-flashbots-signature")
        assert headers == {"X-Flashbots-Signature": theirs}, method


def test_simulation__which_ours_never_asks_for__has_the_fields_of_the_protocol(both: Talk) -> None:
    """A pause never waits for a relay's simulation: the keeper simulates on its own nodes. So there is nothing to compare it with."""
    assert SIMULATE not in both.ours
    (params,) = envelope(both.theirs[SIMULATE])["params"]
    assert set(params) == {"txs", "blockNumber", "stateBlockNumber", "timestamp"}
    assert (params["blockNumber"], params["stateBlockNumber"]) == ("0x1", "0x0")
    assert both.results[4]["result"]["gas"] == 42_000
    assert both.results[4]["result"]["errors"] == [None, None]


# ------------------------------------------------------------------------------------------------------------ the relay


def test_relay__takes__what_both_send(both: Talk) -> None:
    assert [answer.kind for answer in both.answers] == [SubmissionKind.ACCEPTED] * 6, both.answers
    assert len(both.results) == 7
    assert [answer for answer in both.results if "error" in answer] == []


def test_relay__the_bundles_of_both__are_mined_and_what_was_cancelled_is_not(both: Talk) -> None:
    assert both.slot.winner == "buildernet"
    assert set(both.meant) <= set(both.slot.private)
    assert not set(both.cancelled) & set(both.slot.transactions)


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("header", ["as-it-is", "by-hand"])
def test_relay__reference_client_that_signs_rightly__is_taken(both: Talk, builder: str, header: str) -> None:
    assert "error" not in both.signings[builder, header]


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("header", MISTAKES)
def test_relay__client_without_the_0x__is_refused(both: Talk, builder: str, header: str) -> None:
    error = both.signings[builder, header]["error"]
    assert "signature" in json.dumps(error).lower()


def test_relay__nothing_else__was_refused(both: Talk) -> None:
    assert len(both.refused) == len(BUILDERS) * len(MISTAKES)
    assert {method for _, method, _ in both.refused} == {SEND}
