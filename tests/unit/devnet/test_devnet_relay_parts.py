"""The parts of the local relay that need no server: the header, reading transactions, the book, faults."""

from __future__ import annotations

import pytest
from eth_account import Account
from hexbytes import HexBytes

from keeper.devnet.relay.book import LIFE_BLOCKS, Book, Bundle, Private
from keeper.devnet.relay.builders import Shape
from keeper.devnet.relay.decoded import Decoded, NotATransaction, decode
from keeper.devnet.relay.faults import Fault, FaultKind, Faults
from keeper.devnet.relay.header import verified
from keeper.devnet.relay.refusing import INTERNAL, NO_SIGNATURE, Refusal, refused, too_many
from tests.support.relay_client import signature_of, signed, transaction

pytestmark = pytest.mark.unit

KEY = "0x" + "11" * 32
ADDRESS = str(Account.from_key(KEY).address)
TO = "0x" + "22" * 20


# --- the header


def test_verified__right_signature__is_the_address_in_any_case() -> None:
    header = signature_of(KEY, b"{}")
    assert verified(header, b"{}") == ADDRESS
    assert verified(header.replace(ADDRESS, ADDRESS.lower()), b"{}") == ADDRESS


@pytest.mark.parametrize("shift", [-27, 0, 8, 10, 35])
def test_verified__last_byte__is_0_1_27_or_28(shift: int) -> None:
    header = signature_of(KEY, b"{}")
    v = int(header[-2:], 16)
    assert verified(f"{header[:-2]}{v + shift:02x}", b"{}") == (ADDRESS if shift in (-27, 0) else None)


@pytest.mark.parametrize("body", [b"{} ", b"", b"{}\n"])
def test_verified__one_byte_more_or_less__is_nobodys(body: bytes) -> None:
    assert verified(signature_of(KEY, b"{}"), body) is None


NONSENSE = [
    ":",
    "0x",
    f"{ADDRESS}:",
    f"{ADDRESS}:0x" + "00" * 65,
    f"{ADDRESS}:0x" + "ff" * 65,
    f" {ADDRESS}:0x" + "11" * 65,
]


@pytest.mark.parametrize("header", ["", *NONSENSE])
def test_verified__nonsense__is_nobodys(header: str) -> None:
    assert verified(header, b"{}") is None


# --- transactions


def test_decode__each_kind__has_its_fields() -> None:
    new = transaction(KEY, 7, TO, b"\x01\x02", tip_gwei=2, max_fee_gwei=20, gas=50_000, value=3)
    found = decode(bytes(HexBytes(new.raw)))
    assert (found.tx_hash, found.sender, found.nonce, found.to) == (new.hash, ADDRESS, 7, TO)
    assert (found.data, found.gas, found.value_wei, found.chain_id) == (b"\x01\x02", 50_000, 3, 31337)
    assert (found.max_fee_wei, found.tip_wei) == (20 * 10**9, 2 * 10**9)
    price = {"nonce": 1, "gas": 21_000, "gasPrice": 9, "to": TO, "value": 0, "data": b"", "chainId": 5}
    for fields in (price, price | {"type": 1, "accessList": [{"address": TO, "storageKeys": ["0x" + "00" * 32]}]}):
        found = decode(bytes(HexBytes(signed(KEY, fields).raw)))
        assert (found.max_fee_wei, found.tip_wei, found.chain_id, found.sender) == (9, 9, 5, ADDRESS)
    assert decode(bytes(HexBytes(transaction(KEY, 0, None, b"\x00").raw))).to is None


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x02", b"\x03\xc0", b"\x02\xc0", b"\xc0", b"\xff" * 40])
def test_decode__what_is_none__is_refused(raw: bytes) -> None:
    with pytest.raises(NotATransaction):
        decode(raw)


def test_decode__byte_left_over__is_refused() -> None:
    for one in (
        transaction(KEY, 0, TO),
        signed(KEY, {"nonce": 1, "gas": 21_000, "gasPrice": 9, "to": TO, "value": 0, "data": b"", "chainId": 5}),
    ):
        with pytest.raises(NotATransaction):
            decode(bytes(HexBytes(one.raw)) + b"\x00")


@pytest.mark.parametrize(("base_fee", "tip"), [(0, 2), (18, 2), (19, 1), (20, 0), (21, -1)])
def test_effective_tip__at_each_base_fee__is_what_is_left(base_fee: int, tip: int) -> None:
    one = decode(bytes(HexBytes(transaction(KEY, 0, TO, tip_gwei=2, max_fee_gwei=20).raw)))
    assert one.effective_tip_wei(base_fee * 10**9) == tip * 10**9


# --- the book


def some(nonce: int = 0) -> Decoded:
    return decode(bytes(HexBytes(transaction(KEY, nonce, TO).raw)))


def bundle(block: int = 5, uuid: str = "", signer: str = "s", nonce: int = 0, builder: str = "b") -> Bundle:
    return Bundle(builder, signer, (some(nonce),), block, uuid)


def test_book__same_block_uuid_and_signer__replaces_and_all_else_stands_beside() -> None:
    book = Book()
    for one in (
        bundle(uuid="u"), bundle(uuid="u", nonce=1), bundle(6, uuid="u"), bundle(uuid="v"), bundle(uuid="u", signer="t"),
        bundle(uuid="u", builder="c"), bundle(), bundle(),
    ):  # fmt: skip
        book.add(one)
    assert len(book.bundles) == 6
    assert [
        one.transactions[0].nonce for one in book.bundles_for("b", 5, 0) if (one.uuid, one.signer) == ("u", "s")
    ] == [1]
    assert len(book.cancel("b", "u", "s")) == 2
    assert book.cancel("b", "u", "s") == []
    assert len(book.bundles) == 4


def test_book__bundles_for_a_block__those_of_these_builders_at_this_time() -> None:
    book = Book()
    times = Bundle("b", "", (some(),), 5, "t", min_timestamp_s=10, max_timestamp_s=20)
    for one in (bundle(), bundle(6), bundle(builder="c"), times, Bundle("b", "", (some(),), 5, "x", buried=True)):
        book.add(one)
    assert [len(book.bundles_for("b", 5, at)) for at in (9, 10, 20, 21)] == [1, 2, 2, 1]
    book.forget_before(6)
    assert [one.block for one in book.bundles.values()] == [6]


def test_book__private_transaction__lives_until_its_last_block() -> None:
    book = Book()
    private = Private("b", "s", some(), 30)
    book.add_private(private)
    assert [len(book.privates_for("b", block)) for block in (29, 30, 31)] == [1, 1, 0]
    book.add_private(Private("b", "s", some(), 30 + LIFE_BLOCKS))
    assert book.privates_for("b", 31) == [], "sent again while it is alive: its life is not longer"
    book.add_private(Private("b", "s", some(), 31 + LIFE_BLOCKS))
    assert len(book.privates_for("b", 31)) == 1, "its life was over"
    assert not book.cancel_private("b", some().tx_hash, "another")
    assert not book.cancel_private("b", some(1).tx_hash, "s")
    assert book.cancel_private("b", some().tx_hash, "s")
    assert book.privates_for("b", 31) == []


# --- faults, and saying no


def test_faults__newest_that_fits__counts_and_is_used_up() -> None:
    faults = Faults()
    faults.inject(Fault(FaultKind.HANG))
    faults.inject(Fault(FaultKind.REFUSES, builder="b", times=2))
    faults.inject(Fault(FaultKind.LOST, method="m", times=1))
    kinds = []
    for builder, method in (("b", "m"), ("b", "m"), ("c", "x"), ("b", "x"), ("b", "x")):
        fault = faults.take(builder, method)
        kinds.append(fault.kind if fault else None)
    assert kinds == ["lost", "refuses", "hang", "refuses", "hang"]
    faults.heal()
    assert faults.take("b", "m") is None


@pytest.mark.parametrize(
    ("shape", "status", "body"),
    [
        (Shape.RPC, 200, b'"code":-32603,"message":"words"'),
        (Shape.RPC_WITH_STATUS, 500, b'"code":-32603,"message":"words"'),
        (Shape.BARE, 403, b'{"error":"words"}'),
        (Shape.PLAIN, 400, b"<h1>400 Bad Request</h1>words"),
    ],
)
def test_refused__in_each_shape__has_its_status_and_words(shape: Shape, status: int, body: bytes) -> None:
    answer = refused(shape, 7, Refusal(INTERNAL, "words"))
    assert answer.status_code == status
    assert body in answer.body
    assert too_many(shape, 7, 3).status_code == 429
    assert too_many(shape, 7, 3).headers["Retry-After"] == "3"


def test_refused__signature_with_status__is_400_in_words_of_its_own() -> None:
    answer = refused(Shape.RPC_WITH_STATUS, 7, Refusal(-32600, NO_SIGNATURE))
    assert (answer.status_code, b"Invalid signature" in answer.body) == (400, True)
