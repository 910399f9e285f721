"""The records of one trip, as a keeper writes them: really signed, with the hash of the decision in the call."""

from __future__ import annotations

from eth_account import Account

from keeper.app.evidence_hash import evidence_hash
from keeper.app.onchain.telling import Told
from keeper.domain.action import BreakerTrip
from keeper.domain.address import checksum_address
from keeper.domain.circuit_breaker import breaker_id, breaker_name, trip_call
from keeper.domain.evm import Receipt
from keeper.domain.record import GENESIS, Json, Record, RecordKind

KEY = b"\x11" * 32
SENDER = str(Account.from_key(KEY).address)
CONTRACT = checksum_address(b"\xbe" * 20)
BREAKER = breaker_id("pause ETH-PERP")


def record(seq: int, kind: RecordKind, body: dict[str, Json], intent: str | None = "i-1") -> Record:
    at = "2026-03-10T12:00:00.000Z"
    return Record(seq, at, kind, "ETH-PERP", "pause-market", "ETH-PERP@1", intent, body, GENESIS, GENESIS)


DECISION = record(1, RecordKind.DECISION, {"id": "i-1", "kind": "act", "reason": "tripped"}, None)
EVIDENCE = evidence_hash(DECISION)
CALL = trip_call(BreakerTrip(CONTRACT, BREAKER), EVIDENCE)


def attempt(**changes: Json) -> Record:
    fields = {"chainId": 31337, "nonce": 3, "to": CONTRACT, "data": "0x" + CALL.data.hex(), "gas": 500_000, "value": 0}
    fields |= {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9, "type": 2}
    done = Account.sign_transaction(fields, KEY)
    body: dict[str, Json] = {
        "number": 1,
        "chain_id": 31337,
        "sender": SENDER,
        "nonce": 3,
        "max_fee_wei": str(10**10),
        "priority_fee_wei": str(10**9),
        "gas_limit": 500_000,
        "to": CONTRACT,
        "data": "0x" + CALL.data.hex(),
        "tx_hash": "0x" + bytes(done.hash).hex(),
        "raw": "0x" + bytes(done.raw_transaction).hex(),
    }
    return record(3, RecordKind.ATTEMPT, body | changes)


RECEIPT = Receipt(str(attempt().body["tx_hash"]), 1, 10, "0x" + "1a" * 32, 100_000, 2 * 10**9)


def told_of(*, mined: bool = True, intent: dict[str, Json] | None = None) -> Told:
    """The intent with its decision and its attempt; ``mined``: and its receipt. It has ended."""
    body: dict[str, Json] = {
        "to": CONTRACT,
        "data": "0x" + CALL.data.hex(),
        "evidence": "0x" + EVIDENCE.hex(),
        "breaker": {"contract": CONTRACT, "id": BREAKER, "name": breaker_name(BREAKER)},
    }
    told = Told(record(2, RecordKind.INTENT, body | (intent or {})), DECISION, "0x" + EVIDENCE.hex())
    told.attempts = [attempt()]
    ended: dict[str, Json] = {"kind": "expired", "tx_hash": None, "block": None}
    if mined:
        receipt: dict[str, Json] = {
            "tx_hash": RECEIPT.tx_hash,
            "status": 1,
            "block": 10,
            "block_hash": RECEIPT.block_hash,
            "gas_used": 100_000,
            "effective_gas_price_wei": str(2 * 10**9),
        }
        told.receipts[RECEIPT.tx_hash] = record(4, RecordKind.RECEIPT, receipt)
        ended = {"kind": "included", "tx_hash": RECEIPT.tx_hash, "block": 10}
    told.outcome = record(5, RecordKind.OUTCOME, ended)
    return told
