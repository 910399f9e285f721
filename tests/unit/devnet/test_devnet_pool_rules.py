"""What the pool asks of a transaction before it looks at the chain: geth's numbers, on both sides of each boundary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_account import Account

from keeper.devnet.pool_rules import (
    FEE_CAP_WEI,
    MAX_BYTES,
    MAX_GAS,
    PoolRefusal,
    RawTransaction,
    check_alone,
    check_funds,
    check_replacement,
    read_raw,
)
from keeper.execution.fees import Fees, bump, escalate

pytestmark = pytest.mark.unit

KEY = "0x" + "11" * 32
SENDER = Account.from_key(KEY).address
GWEI = 10**9


def offering(max_fee_wei: int, tip_wei: int) -> RawTransaction:
    return RawTransaction("0x", "0x", SENDER, 0, max_fee_wei, tip_wei, 1, 0, True)


def taken(old: tuple[int, int], new: tuple[int, int]) -> str:
    try:
        check_replacement(offering(*old), offering(*new))
    except PoolRefusal as refusal:
        return refusal.message
    return "taken"


# The old field, and the least that replaces it: one less does not.
LEAST = [
    (1, 2),
    (2, 3),
    (9, 10),
    (10, 11),
    (11, 12),
    (19, 20),
    (20, 22),
    (29, 31),
    (30, 33),
    (99, 108),
    (100, 110),
    (GWEI, 1_100_000_000),
    (GWEI + 9, 1_100_000_009),
    (GWEI + 10, 1_100_000_011),
    (10**30 + 1, 11 * 10**29 + 1),
]


@pytest.mark.parametrize(("old", "least"), LEAST)
def test_replacement__each_field_at_its_boundary__is_taken_there_and_refused_one_wei_below(
    old: int, least: int
) -> None:
    enough = 2 * max(least, old)
    assert taken((old, old), (least, least)) == "taken"
    for short in ((least - 1, least), (least, least - 1), (least - 1, enough), (enough, least - 1)):
        assert taken((old, old), short) == "replacement transaction underpriced"


def test_replacement__of_a_tip_of_nothing__needs_one_wei() -> None:
    assert taken((10, 0), (11, 0)) == "replacement transaction underpriced"
    assert taken((10, 0), (11, 1)) == "taken"


@pytest.mark.parametrize("replaced", [bump, escalate])
@pytest.mark.parametrize("tip", [*range(1, 40), GWEI - 1, GWEI, GWEI + 1])
def test_replacement__that_the_keeper_makes__is_always_taken(
    replaced: Callable[[Fees, int, int], Fees], tip: int
) -> None:
    """Also where nothing else than the old offer asks for more: base fee and market's tip are nothing."""
    old = Fees(tip, tip)
    for _ in range(5):
        new = replaced(old, 0, 0)
        assert taken((old.max_fee_wei, old.priority_fee_wei), (new.max_fee_wei, new.priority_fee_wei)) == "taken"
        old = new


def said_alone(one: RawTransaction, fee_cap_wei: int = FEE_CAP_WEI) -> str:
    try:
        check_alone(one, fee_cap_wei)
    except PoolRefusal as refusal:
        return refusal.message
    return ""


def test_alone__fees_up_to_the_cap__are_taken_and_one_wei_more_refused() -> None:
    one = replace(offering(FEE_CAP_WEI // 10, 1), gas=10)
    assert said_alone(one) == said_alone(replace(one, value_wei=10**24)) == ""
    more = replace(offering(15 * FEE_CAP_WEI // 100, 1), gas=10)
    assert said_alone(more) == "tx fee (1.50 ether) exceeds the configured cap (1.00 ether)"
    assert said_alone(more, more.fee_wei) == said_alone(more, 0) == ""
    assert said_alone(more, more.fee_wei - 1) == "tx fee (1.50 ether) exceeds the configured cap (1.50 ether)"


def test_alone__size_and_gas_at_and_above_the_limit__are_taken_and_refused() -> None:
    one = offering(1, 1)
    assert said_alone(replace(one, raw="0x" + "00" * MAX_BYTES, gas=MAX_GAS)) == ""
    large, greedy = replace(one, raw="0x" + "00" * (MAX_BYTES + 1)), replace(one, gas=MAX_GAS + 1)
    assert said_alone(large) == "oversized data: transaction size 131073, limit 131072"
    assert said_alone(greedy) == "transaction gas limit too high (cap: 16777216, tx: 16777217)"


def test_alone__without_its_chain__is_refused() -> None:
    signed = Account.sign_transaction({name: BASE[name] for name in BASE if name != "chainId"} | {"gasPrice": 11}, KEY)
    read = read_raw("0x" + signed.raw_transaction.hex())
    assert read is not None
    assert said_alone(read) == "only replay-protected (EIP-155) transactions allowed over RPC"


def costing(nonce: int, value_wei: int) -> RawTransaction:
    return RawTransaction("0x", "0x", SENDER, nonce, 1, 1, 0, value_wei, True)


def said_of_funds(balance_wei: int, pending: list[RawTransaction], new: RawTransaction) -> str:
    try:
        check_funds(balance_wei, {one.nonce: one for one in pending}, new)
    except PoolRefusal as refusal:
        return refusal.message
    return ""


SHORT = "insufficient funds for gas * price + value"


@pytest.mark.parametrize(
    ("pending", "new", "enough", "words"),
    [
        ([], (0, 60), 60, "balance 59, tx cost 60, overshot 1"),
        ([(0, 60)], (1, 60), 120, "balance 119, queued cost 60, tx cost 60, overshot 1"),
        ([(0, 60), (1, 30)], (0, 66), 96, "balance 95, queued cost 90, tx bumped 6, overshot 1"),
        ([(0, 60), (1, 30)], (1, 20), 80, "balance 79, queued cost 90, tx bumped -10, overshot 1"),
    ],
)
def test_funds__all_of_the_senders_together__are_paid_for_and_what_is_replaced_is_not(
    pending: list[tuple[int, int]], new: tuple[int, int], enough: int, words: str
) -> None:
    there = [costing(*one) for one in pending]
    assert said_of_funds(enough, there, costing(*new)) == ""
    assert said_of_funds(enough - 1, there, costing(*new)) == f"{SHORT}: {words}"


@pytest.mark.parametrize(
    ("cap", "tip", "words"),
    [
        (1, 1, ""),
        (1, 0, "transaction gas price below minimum: gas tip cap 0, minimum needed 1"),
        (
            1,
            2,
            f"max priority fee per gas higher than max fee per gas: address {SENDER}, maxPriorityFeePerGas: 2, maxFeePerGas: 1",
        ),
    ],
)
def test_alone__tip_between_the_limits__is_taken(cap: int, tip: int, words: str) -> None:
    if not words:
        check_alone(offering(cap, tip))
        return
    with pytest.raises(PoolRefusal) as caught:
        check_alone(offering(cap, tip))
    assert (caught.value.message, caught.value.code) == (words, -32000)


BASE = {"nonce": 7, "to": SENDER, "value": 5, "gas": 21_000, "data": b"", "chainId": 31337}


@pytest.mark.parametrize(
    ("prices", "cap", "tip"),
    [
        ({"gasPrice": 11}, 11, 11),
        ({"gasPrice": 11, "type": 1, "accessList": []}, 11, 11),
        ({"maxFeePerGas": 22, "maxPriorityFeePerGas": 3, "type": 2}, 22, 3),
    ],
)
def test_read__each_kind__has_its_fields(prices: dict[str, object], cap: int, tip: int) -> None:
    signed = Account.sign_transaction(BASE | prices, KEY)
    read = read_raw("0x" + signed.raw_transaction.hex())
    assert read is not None
    assert (read.tx_hash, read.sender, read.nonce) == ("0x" + signed.hash.hex(), SENDER, 7)
    assert (read.max_fee_wei, read.tip_wei, read.cost_wei) == (cap, tip, 21_000 * cap + 5)
    assert (read.gas, read.size_bytes, read.has_chain) == (21_000, len(signed.raw_transaction), True)
    with pytest.raises(PoolRefusal, match="rlp: input contains more than one value"):
        read_raw("0x" + signed.raw_transaction.hex() + "00")


SIGNED = "0x" + Account.sign_transaction(BASE | {"gasPrice": 11}, KEY).raw_transaction.hex()


@pytest.mark.parametrize(
    "text",
    [None, 7, "", "0x", "0xzz", SIGNED[2:], SIGNED[:-2], SIGNED[:-64] + "ff" * 32, "0x02c0", "0x03" + SIGNED[2:], "0xf8", "0xc0"],
)  # fmt: skip
def test_read__what_is_no_transaction__is_left_to_the_node(text: object) -> None:
    assert read_raw(text) is None
