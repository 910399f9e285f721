"""The stand-in of Safe's Transaction Service, asked by Safe's own client and by hand: what it takes, refuses, sees on chain, and how it breaks."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from eth_account import Account as Signer
from eth_account.messages import encode_defunct
from safe_eth.eth import EthereumClient, EthereumNetwork
from safe_eth.safe import SafeTx
from safe_eth.safe.api.base_api import SafeAPIException
from safe_eth.safe.api.transaction_service_api import TransactionServiceApi, transaction_service_messages

from keeper.adapters.clock import SystemClock
from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.safe import DevSafe, SafeContracts, deploy_safe_contracts
from keeper.devnet.safe_service import Fault, FaultKind, SafeService, faults
from keeper.devnet.safe_service.book import Entry
from keeper.devnet.transactions import calldata
from keeper.domain.address import keccak256
from keeper.domain.safe import SafeTransaction, rejection

# One node and one service for the whole file: the tests share its event loop. Each has a Safe of its own.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

SOMEBODY = "0x" + "11" * 20
HOUR_MS = 3_600_000
NETWORK = EthereumNetwork(31337)
SALTS = itertools.count(1)


@dataclass
class Clock:
    """The machine's time, until a test stops it."""

    stopped_ms: int | None = None

    def now_ms(self) -> int:
        return SystemClock().now_ms() if self.stopped_ms is None else self.stopped_ms


@dataclass
class Scene:
    """One Safe of two of three, and the ways to the service."""

    safe: DevSafe
    service: SafeService
    http: httpx.AsyncClient
    clock: Clock
    delegate: Account
    stranger: Account
    api: Any

    @property
    def queue(self) -> str:
        return f"/api/v2/safes/{self.safe.address}/multisig-transactions/"

    def one(self, nonce: int = 0, data: bytes = b"\x01\x02") -> SafeTransaction:
        return self.safe.transaction(SOMEBODY, data, nonce)

    def body(self, one: SafeTransaction, sender: Account, **changes: Any) -> dict[str, Any]:
        return {
            "to": one.to,
            "value": one.value,
            "data": "0x" + one.data.hex() if one.data else None,
            "operation": int(one.operation),
            "gasToken": one.gas_token,
            "safeTxGas": one.safe_tx_gas,
            "baseGas": one.base_gas,
            "gasPrice": one.gas_price,
            "refundReceiver": one.refund_receiver,
            "nonce": one.nonce,
            "contractTransactionHash": one.hash_text,
            "sender": sender.address,
            "signature": "0x" + self.safe.sign(sender, one.hash).hex(),
            "origin": "a note",
        } | changes

    async def propose(self, one: SafeTransaction, sender: Account | None = None, **changes: Any) -> httpx.Response:
        body = self.body(one, sender or self.safe.owners[0], **changes)
        return await self.http.post(self.queue, json=body)

    async def confirm(self, one: SafeTransaction, signature: bytes) -> httpx.Response:
        path = f"/api/v1/multisig-transactions/{one.hash_text}/confirmations/"
        return await self.http.post(path, json={"signature": "0x" + signature.hex()})

    async def known(self, one: SafeTransaction) -> dict[str, Any]:
        """What the service says of it."""
        answer = await self.http.get(f"/api/v2/multisig-transactions/{one.hash_text}/")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def listed(self, **asked: Any) -> list[dict[str, Any]]:
        """By Safe's own client: one page."""
        return list(await asyncio.to_thread(self.api.get_transactions, self.safe.address, **asked))

    async def add_delegate(self, delegator: Account, *, everywhere: bool = False) -> None:
        """By Safe's own client."""
        digest = self.api.create_delegate_message_hash(self.delegate.address)
        signature = bytes(Signer.unsafe_sign_hash(digest, delegator.private_key).signature)
        place = None if everywhere else self.safe.address
        await asyncio.to_thread(
            self.api.add_delegate, self.delegate.address, delegator.address, "keeper", signature, place
        )

    async def withdraw(self, one: SafeTransaction, signer: Account) -> None:
        """By Safe's own client."""
        get_message: Any = transaction_service_messages.get_remove_transaction_message
        message = get_message(self.safe.address, one.hash, self.safe.node.chain_id)
        signature = "0x" + bytes(Signer.sign_typed_data(signer.private_key, full_message=message).signature).hex()
        await asyncio.to_thread(self.api.delete_transaction, one.hash_text, signature)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def contracts() -> AsyncIterator[SafeContracts]:
    async with Anvil() as node:
        yield await deploy_safe_contracts(node, node.accounts[0].address)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(contracts: SafeContracts, clock: Clock) -> AsyncIterator[SafeService]:
    node = contracts.node
    async with SafeService.open(node.http_url, node.chain_id, clock.now_ms, index_delay_s=0) as service:
        yield service


@pytest.fixture(scope="module")
def api(contracts: SafeContracts, service: SafeService) -> Any:
    """Safe's own client, which asks the node for the Safe's version."""
    client = EthereumClient(contracts.node.http_url)  # type: ignore[arg-type]
    return TransactionServiceApi(NETWORK, ethereum_client=client, base_url=service.url, api_key=None)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(contracts: SafeContracts, service: SafeService, clock: Clock, api: Any) -> AsyncIterator[Scene]:
    accounts = contracts.node.accounts
    safe = await contracts.create(accounts[1:4], 2, salt=next(SALTS))
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as http:
        yield Scene(safe, service, http, clock, accounts[5], accounts[6], api)
    service.heal()
    service.index_delay_s = 0
    clock.stopped_ms = None
    for key in [key for key in service.book.delegates if key[1] == accounts[5].address]:
        del service.book.delegates[key]


# --- proposing


async def test_propose__by_an_owner__counts_as_confirmation(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[0]
    answer = await scene.propose(one)
    assert (answer.status_code, answer.content) == (201, b"")
    found = await scene.known(one)
    assert (found["proposer"], found["proposedByDelegate"]) == (owner.address, None)
    assert [(c["owner"], c["signatureType"]) for c in found["confirmations"]] == [(owner.address, "EOA")]
    assert found["confirmations"][0]["signature"] == "0x" + scene.safe.sign(owner, one.hash).hex()
    assert (found["safeTxHash"], found["isExecuted"], found["origin"]) == (one.hash_text, False, "a note")
    assert (found["confirmationsRequired"], found["trusted"], found["signatures"]) == (2, True, None)


async def test_propose__numbers__come_back_as_text(scene: Scene) -> None:
    one = scene.one(nonce=3)
    await scene.propose(one)
    found = await scene.known(one)
    assert [found[name] for name in ("nonce", "value", "safeTxGas", "baseGas", "gasPrice")] == ["3", "0", "0", "0", "0"]
    assert (found["operation"], found["data"]) == (0, "0x0102")


async def test_propose__without_data__none_comes_back(scene: Scene) -> None:
    one = scene.one(data=b"")
    await scene.propose(one)
    assert (await scene.known(one))["data"] is None


async def test_propose__by_a_delegate__in_the_owners_name_and_confirmed_by_nobody(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[1]
    assert (await scene.propose(one, scene.delegate)).status_code == 422
    await scene.add_delegate(owner)
    assert (await scene.propose(one, scene.delegate)).status_code == 201
    found = await scene.known(one)
    assert (found["proposer"], found["proposedByDelegate"]) == (owner.address, scene.delegate.address)
    assert (found["confirmations"], found["trusted"]) == ([], True)


async def test_propose__by_a_delegate_for_all_safes__taken(scene: Scene) -> None:
    await scene.add_delegate(scene.safe.owners[1], everywhere=True)
    assert (await scene.propose(scene.one(), scene.delegate)).status_code == 201


async def test_propose__by_safes_own_client__read_back_by_it(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[2]
    # fmt: off
    theirs = SafeTx(
        None, scene.safe.address, one.to, 0, one.data, 0, 0, 0, 0, None, None,  # type: ignore[arg-type]
        safe_nonce=0, safe_version="1.4.1", chain_id=31337,
    )
    # fmt: on
    theirs.sign(owner.private_key)
    await asyncio.to_thread(scene.api.post_transaction, theirs)
    found, executed = await asyncio.to_thread(scene.api.get_safe_transaction, one.hash_text)
    assert (bytes(found.safe_tx_hash), executed) == (one.hash, None)
    assert list(found.signers) == [owner.address]
    assert (await scene.known(one))["origin"] == "Safe-CLI"


NOT_FIT: Sequence[tuple[dict[str, Any], str, str]] = (
    ({"to": SOMEBODY[:-1]}, "to", "checksumed"),
    ({"to": "0x" + "ab" * 20}, "to", "checksumed"),
    ({"to": "eth:" + SOMEBODY}, "to", "checksumed"),
    ({"nonce": -1}, "nonce", "integer"),
    ({"nonce": 1 << 256}, "nonce", "integer"),
    ({"operation": 2}, "operation", "integer"),
    ({"signature": "0x" + "11" * 64}, "signature", "65"),
    ({"data": "0x1"}, "data", "hexadecimal"),
    ({"origin": "x" * 201}, "origin", "200"),
    ({"nonce": 1}, "nonFieldErrors", "Contract-transaction-hash="),
    ({"to": "0x" + "22" * 20}, "nonFieldErrors", "does not match provided contract-tx-hash"),
    ({"gasPrice": 1}, "nonFieldErrors", "Contract-transaction-hash="),
    ({"contractTransactionHash": "0x" + "aa" * 32}, "nonFieldErrors", "Contract-transaction-hash="),
)


async def test_propose__what_does_not_fit__422_with_the_reason(scene: Scene) -> None:
    for changes, field_name, words in NOT_FIT:
        answer = await scene.propose(scene.one(), **changes)
        assert answer.status_code == 422, changes
        assert words in answer.json()[field_name][0]
    assert await scene.listed() == []
    assert (await scene.http.post(scene.queue, content=b"{")).status_code == 400
    assert (await scene.http.post(scene.queue, json=[])).status_code == 422


async def test_propose__a_note_of_200_characters__taken(scene: Scene) -> None:
    assert (await scene.propose(scene.one(), origin="x" * 200)).status_code == 201


async def test_propose__a_note_of_json__comes_back_reordered(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one, origin='{"url":"u","name":"n","a":1}')
    assert (await scene.known(one))["origin"] == '{"a": 1, "url": "u", "name": "n"}'


async def test_propose__by_a_stranger_or_with_anothers_signature__422(scene: Scene) -> None:
    one, (first, second, _) = scene.one(), scene.safe.owners
    assert "is not an owner or delegate" in (await scene.propose(one, scene.stranger)).text
    foreign = await scene.propose(one, first, signature="0x" + scene.safe.sign(scene.stranger, one.hash).hex())
    assert (foreign.status_code, "Signer=" in foreign.text) == (422, True)
    other = await scene.propose(one, first, signature="0x" + scene.safe.sign(second, one.hash).hex())
    assert (other.status_code, "Signature does not match sender" in other.text) == (422, True)


async def test_propose__to_what_is_no_safe__422(scene: Scene) -> None:
    one = scene.one()
    answer = await scene.http.post(
        f"/api/v2/safes/{SOMEBODY}/multisig-transactions/", json=scene.body(one, scene.safe.owners[0])
    )
    assert answer.status_code == 422


async def test_propose__without_a_signature__taken_but_not_listed_until_somebody_signs(scene: Scene) -> None:
    one = scene.one()
    assert (await scene.propose(one, signature=None)).status_code == 201
    assert await scene.listed() == []
    assert len(await scene.listed(trusted=False)) == 1
    await scene.confirm(one, scene.safe.sign(scene.safe.owners[0], one.hash))
    assert len(await scene.listed()) == 1


async def test_propose__again__201_and_no_second_one(scene: Scene) -> None:
    one = scene.one()
    assert [(await scene.propose(one)).status_code for _ in range(2)] == [201, 201]
    assert len(await scene.listed()) == 1
    assert (await scene.propose(one, scene.safe.owners[1])).status_code == 201
    found = await scene.known(one)
    assert (found["proposer"], len(found["confirmations"])) == (scene.safe.owners[0].address, 2)


async def test_propose__several_at_one_nonce_and_behind_a_gap__all_taken(scene: Scene) -> None:
    ones = [scene.one(0), scene.one(0, b"\x03"), scene.one(9)]
    assert [(await scene.propose(one)).status_code for one in ones] == [201, 201, 201]
    answer = (await scene.http.get(scene.queue)).json()
    assert (answer["count"], answer["countUniqueNonce"]) == (3, 2)


async def test_propose__at_an_executed_nonce__422(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one)
    await scene.safe.execute(one, scene.safe.owners[:2])
    await scene.service.caught_up()
    again, other = await scene.propose(one), await scene.propose(scene.one(data=b"\x07"))
    assert (again.status_code, other.status_code) == (422, 422)
    assert "was already executed in tx-hash=0x" in again.text
    assert "Tx with nonce=0" in other.text
    assert (await scene.propose(scene.one(1))).status_code == 201


# --- confirming and taking back


async def test_confirm__by_owners__added_once_each(scene: Scene) -> None:
    one, (first, second, third) = scene.one(), scene.safe.owners
    await scene.propose(one, first)
    answer = await scene.confirm(one, scene.safe.sign(second, one.hash))
    assert (answer.status_code, answer.content) == (201, b"")
    assert (await scene.confirm(one, scene.safe.sign(second, one.hash))).status_code == 201
    await asyncio.to_thread(scene.api.post_signatures, one.hash, scene.safe.sign(third, one.hash))
    found = await scene.known(one)
    assert [c["owner"] for c in found["confirmations"]] == [first.address, second.address, third.address]


async def test_confirm__by_eth_sign__kept_with_its_kind(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[1]
    await scene.propose(one)
    signed = Signer.sign_message(encode_defunct(one.hash), owner.private_key)
    raw = bytes(signed.signature)
    assert (await scene.confirm(one, raw[:64] + bytes([raw[64] + 4]))).status_code == 201
    said = (await scene.known(one))["confirmations"][1]
    assert (said["owner"], said["signatureType"]) == (owner.address, "ETH_SIGN")


async def test_confirm__by_a_hash_approved_on_chain__only_once_it_is(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[1]
    await scene.propose(one)
    word = bytes(12) + bytes.fromhex(owner.address[2:]) + bytes(32) + b"\x01"
    assert (await scene.confirm(one, word)).status_code == 400
    await scene.safe.approve_hash(owner, one.hash)
    await scene.service.caught_up()
    said = (await scene.known(one))["confirmations"][1]
    assert (said["owner"], said["signatureType"], said["transactionHash"][:2]) == (owner.address, "APPROVED_HASH", "0x")
    assert (await scene.confirm(one, word)).status_code == 201


async def test_propose__what_an_owner_approved_on_chain_before__confirmed_at_once(scene: Scene) -> None:
    one, (first, second, _) = scene.one(), scene.safe.owners
    await scene.propose(scene.one(1))
    await scene.safe.approve_hash(second, one.hash)
    await scene.service.caught_up()
    await scene.propose(one, first)
    assert {c["owner"] for c in (await scene.known(one))["confirmations"]} == {first.address, second.address}


async def test_confirm__by_a_safe_that_is_an_owner__its_own_owners_sign(scene: Scene, contracts: SafeContracts) -> None:
    inner_owner = scene.stranger
    inner = await contracts.create([inner_owner], 1, salt=next(SALTS))
    outer = await contracts.create([Account(inner.address, ""), scene.safe.owners[0]], 2, salt=next(SALTS))
    mine = replace(scene, safe=outer)
    one = mine.one()
    assert (await mine.propose(one, scene.safe.owners[0])).status_code == 201
    # EIP-712 of the inner Safe over the 66 bytes that the outer one hashes
    preimage = b"\x19\x01" + one.domain_hash + one.message_hash
    inner_domain = rejection(31337, inner.address, 0).domain_hash
    message = keccak256(keccak256(b"SafeMessage(bytes message)") + keccak256(preimage))
    theirs = inner.sign(inner_owner, keccak256(b"\x19\x01" + inner_domain + message))
    head = bytes(12) + bytes.fromhex(inner.address[2:]) + (65).to_bytes(32, "big") + b"\x00"
    behind = len(theirs).to_bytes(32, "big") + theirs
    forged = (65).to_bytes(32, "big") + inner.sign(scene.delegate, one.hash)
    assert (await mine.confirm(one, head + forged)).status_code == 400
    assert (await mine.confirm(one, head + behind)).status_code == 201
    said = (await mine.known(one))["confirmations"][1]
    assert (said["owner"], said["signatureType"]) == (inner.address, "CONTRACT_SIGNATURE")
    assert said["signature"] == "0x" + (head + behind).hex()


async def test_confirm__by_who_may_not_or_over_another_hash__400(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[1]
    await scene.add_delegate(owner)
    await scene.propose(one)
    for signature in (
        scene.safe.sign(scene.stranger, one.hash),
        scene.safe.sign(scene.delegate, one.hash),
        scene.safe.sign(owner, scene.one(5).hash),
        scene.safe.sign(owner, one.hash)[:64],
        scene.safe.sign(owner, one.hash) * 2,
        b"\x00" * 65,
    ):
        assert (await scene.confirm(one, signature)).status_code == 400
    assert len((await scene.known(one))["confirmations"]) == 1


async def test_confirm__unknown_or_executed__404_or_400(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[2]
    assert (await scene.confirm(one, scene.safe.sign(owner, one.hash))).status_code == 404
    await scene.propose(one)
    await scene.safe.execute(one, scene.safe.owners[:2])
    await scene.service.caught_up()
    assert (await scene.confirm(one, scene.safe.sign(owner, one.hash))).status_code == 400


async def test_delete__by_the_proposer_or_its_delegate__gone(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[0]
    await scene.propose(one, owner)
    await scene.withdraw(one, owner)
    await scene.add_delegate(owner)
    await scene.propose(one, scene.delegate)
    await scene.withdraw(one, scene.delegate)
    assert (await scene.http.get(f"/api/v2/multisig-transactions/{one.hash_text}/")).status_code == 404


async def test_delete__by_another_owner_or_a_delegate_no_more__400(scene: Scene) -> None:
    one, (owner, other, _) = scene.one(), scene.safe.owners
    await scene.add_delegate(owner)
    await scene.propose(one, scene.delegate)
    with pytest.raises(SafeAPIException, match="not the proposer"):
        await scene.withdraw(one, other)
    scene.service.book.delegates.clear()
    with pytest.raises(SafeAPIException, match="not the proposer"):
        await scene.withdraw(one, scene.delegate)
    await scene.withdraw(one, owner)


async def test_delete__executed__400(scene: Scene) -> None:
    one, owner = scene.one(), scene.safe.owners[0]
    await scene.propose(one, owner)
    await scene.safe.execute(one, scene.safe.owners[:2])
    await scene.service.caught_up()
    with pytest.raises(SafeAPIException, match="Executed transactions"):
        await scene.withdraw(one, owner)


# --- delegates


async def test_delegates__added_listed_and_removed_by_either__as_safes_client_does(scene: Scene) -> None:
    owner, safe = scene.safe.owners[0], scene.safe.address
    for signer in (owner, scene.delegate):
        await scene.add_delegate(owner)
        said = await asyncio.to_thread(scene.api.get_delegates, safe)
        wanted = {"safe": safe, "delegate": scene.delegate.address, "delegator": owner.address, "label": "keeper"}
        assert said == [wanted | {"expiryDate": None}]
        digest = scene.api.create_delegate_message_hash(scene.delegate.address)
        signature = bytes(Signer.unsafe_sign_hash(digest, signer.private_key).signature)
        remove = scene.api.remove_delegate
        await asyncio.to_thread(remove, scene.delegate.address, owner.address, signature, safe)
        assert await asyncio.to_thread(scene.api.get_delegates, safe) == []
        with pytest.raises(SafeAPIException, match="Not found"):
            await asyncio.to_thread(remove, scene.delegate.address, owner.address, signature, safe)


async def test_delegates__for_all_safes__listed_by_delegator_not_by_safe(scene: Scene) -> None:
    owner = scene.safe.owners[0]
    await scene.add_delegate(owner, everywhere=True)
    assert await asyncio.to_thread(scene.api.get_delegates, scene.safe.address) == []
    said = (await scene.http.get("/api/v2/delegates/", params={"delegator": owner.address})).json()
    assert [(one["safe"], one["delegate"]) for one in said["results"]] == [(None, scene.delegate.address)]


async def test_delegates__listed_by_nothing_or_lower_case__400(scene: Scene) -> None:
    assert (await scene.http.get("/api/v2/delegates/")).status_code == 400
    lower = {"safe": scene.safe.address.lower()}
    assert (await scene.http.get("/api/v2/delegates/", params=lower)).status_code == 400


async def test_delegates__by_who_is_no_owner_or_did_not_sign__400(scene: Scene) -> None:
    with pytest.raises(SafeAPIException, match="is not an owner of Safe"):
        await scene.add_delegate(scene.stranger)
    digest = scene.api.create_delegate_message_hash(scene.delegate.address)
    signature = bytes(Signer.unsafe_sign_hash(digest, scene.stranger.private_key).signature)
    with pytest.raises(SafeAPIException, match="does not match provided delegator"):
        await asyncio.to_thread(
            scene.api.add_delegate, scene.delegate.address, scene.safe.owners[0].address, "x", signature
        )


@pytest.mark.parametrize(("later_ms", "taken"), [(0, True), (2 * HOUR_MS - 1, True), (2 * HOUR_MS, False), (-1, False)])
async def test_delegates__signature_of_an_hour__good_in_it_and_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, later_ms: int, taken: bool
) -> None:
    hour = 400_000
    monkeypatch.setattr(transaction_service_messages, "get_totp", lambda: hour)
    scene.clock.stopped_ms = hour * HOUR_MS + later_ms
    if taken:
        await scene.add_delegate(scene.safe.owners[0])
    else:
        with pytest.raises(SafeAPIException, match="does not match"):
            await scene.add_delegate(scene.safe.owners[0])


# --- lists


async def test_list__more_than_a_page__next_leads_through_all(scene: Scene) -> None:
    owner = scene.safe.owners[0]
    # straight into the book, at once as its thread goes on reading it: two hundred signatures would take long
    many = [scene.one(nonce) for nonce in range(205)]
    entries = {one.hash_text: Entry(one, owner.address, None, {}, True, one.nonce, one.nonce) for one in many}
    scene.service.book.entries = scene.service.book.entries | entries
    assert len(await scene.listed()) == 100
    assert len(await scene.listed(limit=500)) == 200
    url: str | None = scene.queue + "?ordering=nonce&executed=false"
    seen: list[str] = []
    previous = None
    while url is not None:
        page = (await scene.http.get(url)).json()
        assert (page["count"], page["previous"] is None) == (205, previous is None)
        seen += [one["nonce"] for one in page["results"]]
        previous, url = url, page["next"]
    assert seen == [str(nonce) for nonce in range(205)]


async def test_list__filters_and_order__as_asked(scene: Scene) -> None:
    for one in (scene.one(0), scene.one(1), scene.one(1, b"\x09"), scene.one(2), scene.one(3)):
        await scene.propose(one)
    await scene.safe.execute(scene.one(0), scene.safe.owners[:2])
    await scene.service.caught_up()
    cases: Sequence[tuple[dict[str, Any], list[int]]] = (
        ({}, [3, 2, 1, 1, 0]),
        ({"executed": False}, [3, 2, 1, 1]),
        ({"executed": "true"}, [0]),
        ({"executed": "False", "nonce__gte": 2}, [3, 2]),
        ({"nonce": 1}, [1, 1]),
        ({"nonce__lt": 2, "ordering": "nonce"}, [0, 1, 1]),
        ({"ordering": "nonce", "limit": 2, "offset": 3}, [2, 3]),
        ({"ordering": "-created", "limit": 1}, [3]),
        ({"has_confirmations": False}, []),
        ({"safe_tx_hash": scene.one(2).hash_text}, [2]),
    )
    for asked, nonces in cases:
        assert [int(one["nonce"]) for one in await scene.listed(**asked)] == nonces, asked
    same_nonce = [one["data"] for one in await scene.listed(nonce=1)]
    assert same_nonce == ["0x09", "0x0102"], "of one nonce the newest is first"
    assert (await scene.http.get(scene.queue, params={"nonce__gte": "x"})).status_code == 400


async def test_list__lower_case_safe__422(scene: Scene) -> None:
    answer = await scene.http.get(f"/api/v2/safes/{scene.safe.address.lower()}/multisig-transactions/")
    assert answer.status_code == 422
    assert answer.json()["message"] == "Checksum address validation failed"


async def test_safe__asked_for__as_the_chain_says(scene: Scene, contracts: SafeContracts) -> None:
    found = (await scene.http.get(f"/api/v1/safes/{scene.safe.address}/")).json()
    assert sorted(found["owners"]) == sorted(one.address for one in scene.safe.owners)
    assert (found["threshold"], found["nonce"], found["version"], found["modules"]) == (2, 0, "1.4.1", [])
    assert (found["masterCopy"], found["fallbackHandler"]) == (contracts.singleton, contracts.fallback_handler)
    assert found["guard"] is None
    assert (await scene.http.get(f"/api/v1/safes/{SOMEBODY}/")).status_code == 404
    owned = await asyncio.to_thread(scene.api.get_safes_for_owner, scene.safe.owners[0].address)
    assert scene.safe.address in owned


async def test_about__asked_for__says_what_it_is(scene: Scene) -> None:
    assert "stand-in" in (await scene.http.get("/api/v1/about/")).json()["name"]
    assert (await scene.http.get("/api/v1/about/ethereum-rpc/")).json()["chainId"] == 31337


# --- the chain


async def test_execution__of_a_proposal__marked_with_everything(scene: Scene) -> None:
    one, (first, _, third) = scene.one(), scene.safe.owners
    await scene.propose(one, first)
    receipt = await scene.safe.execute(one, [first, third])
    await scene.service.caught_up()
    found = await scene.known(one)
    assert (found["isExecuted"], found["isSuccessful"]) == (True, True)
    assert found["transactionHash"] == receipt["transactionHash"]
    assert found["blockNumber"] == int(receipt["blockNumber"], 16)
    assert found["signatures"] == "0x" + scene.safe.signatures(one, [first, third]).hex()
    assert [c["owner"] for c in found["confirmations"]] == [first.address, third.address]
    _, executed = await asyncio.to_thread(scene.api.get_safe_transaction, one.hash)
    assert executed is not None
    assert "0x" + bytes(executed).hex() == receipt["transactionHash"]


async def test_execution__of_what_nobody_proposed__appears_and_the_replaced_one_stays_open(scene: Scene) -> None:
    replaced = scene.one()
    await scene.propose(replaced)
    no = rejection(scene.safe.node.chain_id, scene.safe.address, 0)
    await scene.safe.execute(no, scene.safe.owners[1:])
    await scene.service.caught_up()
    found = await scene.known(no)
    assert (found["isExecuted"], found["proposer"], len(found["confirmations"])) == (True, None, 2)
    assert (await scene.known(replaced))["isExecuted"] is False
    more = await scene.confirm(replaced, scene.safe.sign(scene.safe.owners[1], replaced.hash))
    assert more.status_code == 201
    assert await scene.listed(executed=False, nonce__gte=1) == []


async def test_execution__of_a_safe_of_1_3_0__marked_too(scene: Scene, contracts: SafeContracts) -> None:
    older = await deploy_safe_contracts(contracts.node, contracts.sender, "1.3.0")
    mine = replace(scene, safe=await older.create(scene.safe.owners, 2, salt=next(SALTS)))
    proposed, unknown = mine.one(0), mine.one(1)
    assert (await mine.propose(proposed)).status_code == 201
    for one in (proposed, unknown):
        await mine.safe.execute(one, mine.safe.owners[:2])
    await mine.service.caught_up()
    assert [(found["nonce"], found["isExecuted"]) for found in await mine.listed()] == [("1", True), ("0", True)]
    assert (await mine.http.get(f"/api/v1/safes/{mine.safe.address}/")).json()["version"] == "1.3.0"


async def test_node__that_is_gone__503(clock: Clock) -> None:
    # port 9 of loopback: nobody listens there
    async with (
        SafeService.open("http://127.0.0.1:9", 31337, clock.now_ms) as service,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        assert (await http.get(f"{service.url}/api/v1/safes/{SOMEBODY}/")).status_code == 503
        assert (await http.get(f"{service.url}/api/v1/about/")).status_code == 200


async def test_execution__whose_call_fails__marked_as_failed(scene: Scene) -> None:
    # a threshold of zero, which the Safe refuses itself; with gas set aside only the call fails, and the nonce is used
    refused = calldata("changeThreshold(uint256)", 0)
    one = replace(scene.one(), to=scene.safe.address, data=refused, safe_tx_gas=100_000)
    await scene.propose(one)
    await scene.safe.execute(one, scene.safe.owners[:2])
    await scene.service.caught_up()
    found = await scene.known(one)
    assert (found["isExecuted"], found["isSuccessful"]) == (True, False)


async def test_execution__within_the_delay__not_told_yet(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one)
    scene.service.index_delay_s = 3_600
    await scene.safe.execute(one, scene.safe.owners[:2])
    assert (await scene.known(one))["isExecuted"] is False
    # the real one takes such a proposal too: it is dead before it is there
    assert (await scene.propose(scene.one(data=b"\x05"))).status_code == 201
    scene.service.index_delay_s = 0
    await scene.service.caught_up()
    assert (await scene.known(one))["isExecuted"] is True


async def test_reorg__that_takes_the_execution__unmarked_and_marked_again(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one)
    await scene.safe.execute(one, scene.safe.owners[:2])
    await scene.service.caught_up()
    assert (await scene.known(one))["isExecuted"] is True
    await scene.safe.node.rpc("anvil_reorg", 1, [])
    await scene.service.caught_up()
    found = await scene.known(one)
    assert (found["isExecuted"], found["transactionHash"], found["isSuccessful"]) == (False, None, None)
    assert await scene.safe.nonce() == 0
    again = await scene.safe.execute(one, scene.safe.owners[1:])
    await scene.service.caught_up()
    assert (await scene.known(one))["transactionHash"] == again["transactionHash"]


async def test_execution__long_ago__still_marked_until_the_chain_goes_far_back(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one)
    snapshot = await scene.safe.node.rpc("evm_snapshot")
    await scene.safe.execute(one, scene.safe.owners[:2])
    await scene.safe.node.mine(200)
    await scene.service.caught_up()
    await scene.safe.node.mine(3)
    await scene.service.caught_up()
    assert (await scene.known(one))["isExecuted"] is True
    assert await scene.safe.node.rpc("evm_revert", snapshot)
    await scene.service.caught_up()
    assert (await scene.known(one))["isExecuted"] is False


# --- faults


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(FaultKind.HTTP_500, times=1), 500),
        (Fault(FaultKind.RATE_LIMITED, times=1, retry_after_s=42), 429),
        (Fault(FaultKind.SLOW, times=1, delay_s=0.01), 200),
    ],
)
async def test_fault__asked_for__once_and_then_well(scene: Scene, fault: Fault, status: int) -> None:
    scene.service.inject(fault)
    broken = await scene.http.get(scene.queue)
    assert broken.status_code == status
    assert broken.headers.get("retry-after") == ("42" if status == 429 else None)
    assert (await scene.http.get(scene.queue)).status_code == 200


async def test_fault__of_one_method__spares_the_others(scene: Scene) -> None:
    scene.service.inject(Fault(FaultKind.HTTP_500, method="POST"))
    assert (await scene.http.get(scene.queue)).status_code == 200
    assert (await scene.propose(scene.one())).status_code == 500
    assert await scene.listed() == []
    scene.service.heal()
    assert (await scene.propose(scene.one())).status_code == 201


async def test_fault__answer_lost__was_done_all_the_same(scene: Scene) -> None:
    scene.service.inject(Fault(FaultKind.LOST, method="POST", times=1))
    assert (await scene.propose(scene.one())).status_code == 500
    assert len(await scene.listed()) == 1


async def test_fault__malformed__is_no_json(scene: Scene) -> None:
    scene.service.inject(Fault(FaultKind.MALFORMED, times=1))
    with pytest.raises(ValueError, match="Expecting value"):
        (await scene.http.get(scene.queue)).json()


async def test_fault__hanging__never_answers_until_it_goes_down(scene: Scene) -> None:
    scene.service.inject(Fault(FaultKind.HANG, times=1))
    with pytest.raises(httpx.ReadTimeout):
        await scene.http.get(scene.queue, timeout=0.2)
    assert (await scene.http.get(scene.queue)).status_code == 200
    scene.service.inject(Fault(FaultKind.HANG, times=1))
    before = len(scene.service.asked)
    waiting = asyncio.create_task(scene.http.get(scene.queue))
    while len(scene.service.asked) == before:  # noqa: ASYNC110 - another thread counts
        await asyncio.sleep(0.005)
    await scene.service.go_down()
    assert (await waiting).status_code == 503
    await scene.service.come_up()


async def test_down__refuses_connections__and_knows_everything_afterwards(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one)
    url = scene.service.url
    await scene.service.go_down()
    await scene.service.go_down()
    with pytest.raises(httpx.ConnectError):
        await scene.http.get(scene.queue)
    await scene.service.come_up()
    assert scene.service.url == url
    assert (await scene.known(one))["safeTxHash"] == one.hash_text


async def test_key__asked_for__401_without_it(scene: Scene, contracts: SafeContracts, clock: Clock) -> None:
    node = contracts.node
    async with SafeService.open(node.http_url, node.chain_id, clock.now_ms, api_key="right") as service:
        path = f"/api/v1/safes/{scene.safe.address}/"
        async with httpx.AsyncClient(base_url=service.url, trust_env=False) as http:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "right"}):
                assert (await http.get(path, headers=headers)).status_code == 401
            assert (await http.get(path, headers={"Authorization": "Bearer right"})).status_code == 200
        api: Any = TransactionServiceApi(NETWORK, base_url=service.url, api_key="right")
        assert await asyncio.to_thread(api.get_transactions, scene.safe.address) == []
        assert service.asked[-1] == f"GET /api/v2/safes/{scene.safe.address}/multisig-transactions/"


async def test_program__by_hand__prints_its_address_and_ends_on_interrupt(contracts: SafeContracts) -> None:
    command = (sys.executable, "-m", "keeper.devnet.safe_service", "--node", contracts.node.http_url)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.get("/api/v1/about/")).status_code == 200
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


# --- lies


async def test_lie__in_any_field__in_list_and_alone_and_nothing_else(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one)
    honest = await scene.known(one)
    for name, lie in faults.FIELD_LIES.items():
        scene.service.alter = lie
        for said in (await scene.known(one), (await scene.listed())[0]):
            assert {key for key in honest if said[key] != honest[key]} == {name}
    scene.service.heal()
    assert await scene.known(one) == honest


@pytest.mark.parametrize(
    ("lie", "shown"),
    [
        (faults.confirmation_dropped, lambda said: said["confirmations"] == []),
        (faults.confirmation_by(SOMEBODY, b"\x01" * 65), lambda said: said["confirmations"][1]["owner"] == SOMEBODY),
        (faults.executed(), lambda said: said["isExecuted"] and said["transactionHash"] == "0x" + 64 * "e"),
        (faults.signature_of_another(b"\x02" * 65), lambda said: said["confirmations"][0]["signature"][:4] == "0x02"),
    ],
)
async def test_lie__about_who_signed_or_what_was_done__told(
    scene: Scene, lie: faults.Alter, shown: Callable[[dict[str, Any]], bool]
) -> None:
    one = scene.one()
    await scene.propose(one)
    assert not (await scene.known(one))["isExecuted"]
    scene.service.alter = lie
    assert shown(await scene.known(one))


async def test_lie__that_it_is_still_open__told(scene: Scene) -> None:
    one = scene.one()
    await scene.propose(one)
    await scene.safe.execute(one, scene.safe.owners[:2])
    await scene.service.caught_up()
    scene.service.alter = faults.not_executed
    said = await scene.known(one)
    assert (said["isExecuted"], said["transactionHash"]) == (False, None)
