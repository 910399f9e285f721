"""What ``keeper init`` reads out of code, and its table of functions."""

from __future__ import annotations

import pytest

from keeper.app.drafting.dispatcher import minimal_proxy, selectors
from keeper.app.drafting.draft import market_id
from keeper.app.drafting.known import PATTERNS, Where
from keeper.devnet.toolchain import load_artifact
from keeper.domain.abi import parse_signature
from keeper.domain.abi_codec import integer_range

pytestmark = pytest.mark.unit

PAUSE = bytes.fromhex("8456cb59")
"""pause()"""


def code(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80 63 8456cb59 14 61 0042 57", {PAUSE}),  # DUP1 PUSH4 EQ PUSH2 JUMPI
        ("63 8456cb59 81 14", {PAUSE}),  # PUSH4 DUP2 EQ, as the newer pipeline writes it
        ("62 56cb59 14", {b"\0" + PAUSE[1:]}),  # PUSH3: a selector that begins with a zero byte
        ("80 63 8456cb59 11 57", {PAUSE}),  # PUSH4 GT: half of the functions are beyond it
        ("63 8456cb59 81 18", {PAUSE}),  # PUSH4 DUP2 XOR, as Vyper writes it
        ("80 63 8456cb59 14 63 3f4ba83a 60e01b", {PAUSE}),  # PUSH4 224 SHL: a call of another contract
        ("63 8456cb59 60e01c", {PAUSE}),  # nothing is compared in a way that is known: all count
        ("7f" + "63 8456cb59 14".replace(" ", "").ljust(64, "0"), set()),  # inside of what PUSH32 pushes
        ("60 63 8456cb59", set()),  # the byte 0x63 is pushed here
        ("63 8456cb", set()),  # cut off
        ("63", set()),
        ("", set()),
    ],
)
def test_selectors__what_a_dispatcher_compares_with__and_nothing_else(text: str, expected: set[bytes]) -> None:
    assert selectors(code(text)) == expected


@pytest.mark.parametrize(
    "contract", ["RoleVault", "CometFlags", "ComptrollerFlags", "PauserBreaker", "ParameterConfig"]
)
def test_selectors__of_compiled_contracts__hold_all_their_functions(contract: str) -> None:
    artifact = load_artifact(contract, file="Guarded")
    functions = {
        parse_signature(f"{one['name']}({','.join(each['type'] for each in one['inputs'])})").selector
        for one in artifact.abi
        if one["type"] == "function"
    }
    found = selectors(bytes.fromhex(artifact.deployed_bytecode[2:]))
    assert functions <= found
    assert found == functions


def test_selectors__of_a_contract_that_calls_another__do_not_hold_what_it_calls() -> None:
    found = selectors(bytes.fromhex(load_artifact("PauserBreaker", file="Guarded").deployed_bytecode[2:]))
    assert parse_signature("pauseFor(uint256)").selector not in found
    assert parse_signature("pause(address)").selector in found


def test_minimal_proxy__leads_to_its_address__and_other_code_to_none() -> None:
    whole = code("363d3d373d3d3d363d73 00112233445566778899aabbccddeeff00112233 5af43d82803e903d91602b57fd5bf3")
    assert minimal_proxy(whole) == bytes.fromhex("00112233445566778899aabbccddeeff00112233")
    for other in (whole[:-1], whole + b"\0", b"", whole[1:] + b"\0"):
        assert minimal_proxy(other) is None


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: f"{pattern.name}:{pattern.call}")
def test_table__each_function__fits_its_arguments_its_view_and_its_undo(pattern: object) -> None:
    from keeper.app.drafting.known import Pattern

    assert isinstance(pattern, Pattern)
    assert len(parse_signature(pattern.call).inputs) == len(pattern.args)
    view = parse_signature(pattern.view)
    assert len(view.inputs) == len(pattern.view_args)
    counts = view.outputs[pattern.index]
    assert (counts == "bool") is not bool(pattern.share or pattern.new)
    assert bool(integer_range(counts)) is bool(pattern.share or pattern.new)
    undo = parse_signature(pattern.undo)
    assert len(undo.inputs) == len(pattern.undo_args)
    assert (pattern.aave is not None) is (pattern.where is Where.AAVE_DATA)
    assert pattern.words


def test_table__a_call__is_there_once() -> None:
    calls = [pattern.call for pattern in PATTERNS]
    assert len(calls) == len(set(calls))


def test_market_id__is_the_name_left_aligned() -> None:
    assert market_id("ETH-PERP") == "0x4554482d50455250000000000000000000000000000000000000000000000000"
    assert len(market_id("x" * 40)) == 66
