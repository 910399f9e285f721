"""A Safe, its protocol and what the configuration knows of both, for tests of what is read out of calldata."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_abi.abi import encode
from eth_account import Account

from keeper.app.council.decoding import argument_types, decode
from keeper.app.council.known import Known, known_from
from keeper.app.council.matter import Decoded
from keeper.app.council.remarks import remarks
from keeper.config.model import BreakerRoute, Config, ProposeAs, SafeRoute
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.multisend import MULTI_SEND_CALL_ONLY, encode_multisend
from keeper.domain.proposal import Confirmation, Level, Queued, SafeState
from keeper.domain.safe import ZERO_ADDRESS, Operation, SafeTransaction


def place(number: int) -> str:
    return checksum_address(number.to_bytes(20))


OWNERS = [Account.from_key(bytes([number]) * 32) for number in (1, 2, 3)]
ALICE, BOB, CAROL = (one.address for one in OWNERS)
SAFE, OTHER_SAFE, EXCHANGE, BREAKER = place(0x5AFE), place(0x5AFE2), place(0xE8), place(0xB4EA)
TOKEN, STRANGER = place(0x70), place(0xBAD)
MULTI_SEND = MULTI_SEND_CALL_ONLY["1.4.1"]
ETH, BTC = "0x" + b"ETH-PERP".ljust(32, b"\0").hex(), "0x" + b"BTC-PERP".ljust(32, b"\0").hex()

ROUTE = SafeRoute(
    "council", SAFE, None, "", None, ProposeAs.DELEGATE, False, "/proposals", 1, 2, "", {ALICE: "Alice"}, MULTI_SEND
)
STATE = SafeState(1, SAFE, "1.4.1", (ALICE, BOB, CAROL), 2, 7, (BREAKER,), ZERO_ADDRESS, ZERO_ADDRESS, 100)


def action(name: str, market: str, identifier: str, call: str, undo: str, *more: str) -> Action:
    read = FunctionCall(EXCHANGE, f"{name}(bytes32)(uint256)", (identifier,))
    calls = [FunctionCall(EXCHANGE, each, (identifier, *more)) for each in (call, undo)]
    return Action(name, market, ActionKind.PAUSE, calls[0], Effect(read, "1"), "council", 1, calls[1])


ACTIONS = tuple(
    each
    for market, identifier, limit in (("ETH", ETH, "5"), ("BTC", BTC, "6"))
    for each in (
        action("paused", market, identifier, "pauseMarket(bytes32)", "unpauseMarket(bytes32)"),
        action("limit", market, identifier, "setWithdrawalLimit(bytes32,uint256)", "setLimits(bytes32,uint256)", limit),
    )
)


class Part:
    """As much of a configuration as is asked for what is known."""

    actions = ACTIONS
    routes = (ROUTE, BreakerRoute("breaker", BREAKER, 1, None))


def known() -> Known:
    part: Any = Part()
    config: Config = part
    return known_from(config, ROUTE)


def calldata(signature: str, *values: Any) -> bytes:
    """Of any function, lists and tuples included."""
    return keccak256(signature.encode("ascii"))[:4] + encode(argument_types(signature), values)


def transaction(to: str = EXCHANGE, data: bytes = b"", value: int = 0, **more: Any) -> SafeTransaction:
    return replace(SafeTransaction(1, SAFE, 7, to, data, value), **more)


def batch(*calls: tuple[str, int, bytes]) -> SafeTransaction:
    return transaction(MULTI_SEND, encode_multisend(calls), operation=Operation.DELEGATECALL)


def decoded(of: SafeTransaction) -> Decoded:
    return decode(of, known())


def said(of: SafeTransaction, state: SafeState = STATE) -> list[tuple[Level, str]]:
    """The remarks on it."""
    knows = known()
    found = remarks(of, state, decode(of, knows), knows.multisend, known=knows.names)
    return [(one.level, one.text) for one in found]


def signed(of: SafeTransaction, place: int) -> Confirmation:
    key = OWNERS[place]
    return Confirmation(key.address, bytes(Account.unsafe_sign_hash(of.hash, key.key).signature))


def queued(of: SafeTransaction, *confirmations: Confirmation, **more: Any) -> Queued:
    return replace(Queued(of, of.hash_text, confirmations), **more)
