"""The pure parts of reading a deployment back: the first block, the step that is rehearsed, reasons in words, the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from keeper.domain.breaker_registration import Side
from keeper.domain.errors import Refused, SetupError
from scripts.breaker_chain import Chain, calldata, errors_of
from scripts.breaker_model import ZERO, Bound, Called
from scripts.breaker_readback import deployed_block, order_digest
from scripts.breaker_record import known, write
from scripts.breaker_rehearsal import NotSo, tightened

pytestmark = pytest.mark.unit

NOWHERE = "http://127.0.0.1:1"
ABI: list[dict[str, Any]] = [
    {"type": "error", "name": "CallFailed", "inputs": [{"type": "address"}, {"type": "bytes"}]},
    {"type": "error", "name": "NotArmed", "inputs": [{"type": "bytes32"}]},
]


class Codes:
    """A chain on which an address has code from a block on, asked of a node that keeps the last states only."""

    def __init__(self, first: int, oldest: int = 0) -> None:
        self.first, self.oldest, self.asked = first, oldest, 0

    def code(self, _address: str, block: int) -> bytes:
        self.asked += 1
        if block < self.oldest:
            raise Refused("missing trie node")
        return b"\x60" if block >= self.first else b""


@pytest.mark.parametrize("newest", [1, 2, 3, 1000, 20_000_000])
@pytest.mark.parametrize("age", [0, 1, 2, 3, 127, 128, 999_999])
def test_deployed_block__of_any_age__is_found_in_few_questions(newest: int, age: int) -> None:
    codes = Codes(max(1, newest - age))
    assert deployed_block(cast(Chain, codes), ZERO, newest) == codes.first
    assert codes.asked <= 2 * newest.bit_length() + 2


def test_deployed_block__on_a_node_that_keeps_a_few_states__is_found_right_after_deploying() -> None:
    assert deployed_block(cast(Chain, Codes(first=9_960, oldest=9_872)), ZERO, 10_000) == 9_960


def test_deployed_block__older_than_the_states_that_are_kept__is_unknown() -> None:
    assert deployed_block(cast(Chain, Codes(first=9_000, oldest=9_872)), ZERO, 10_000) is None


def bound(side: Side, step_bps: int, minimum: int, maximum: int) -> Bound:
    return Bound(ZERO, Called("", b""), 0, 0, side, step_bps, minimum, maximum)


@pytest.mark.parametrize(
    ("one", "current", "value"),
    [
        (bound(Side.LOWER, 5000, 1, 100), 100, 50),
        (bound(Side.LOWER, 5000, 1, 100), 99, 50),  # half of 99, rounded down, is the step
        (bound(Side.LOWER, 5000, 60, 100), 100, 60),
        (bound(Side.LOWER, 10_000, 1, 100), 100, 1),
        (bound(Side.HIGHER, 1000, 0, 1000), 100, 110),
        (bound(Side.HIGHER, 1000, 0, 105), 100, 105),
        (bound(Side.KEPT, 0, 0, 0), 100, 0),
    ],
)
def test_tightened__each_side__is_the_largest_step_that_is_allowed(one: Bound, current: int, value: int) -> None:
    assert tightened(one, current) == value


@pytest.mark.parametrize(
    ("one", "current"),
    [
        (bound(Side.LOWER, 5000, 100, 200), 100),
        (bound(Side.LOWER, 5000, 1, 100), 0),
        (bound(Side.LOWER, 5000, 1, 100), 1),
        (bound(Side.HIGHER, 5000, 0, 100), 100),
        (bound(Side.HIGHER, 5000, 0, 100), 1),
    ],
)
def test_tightened__no_room__says_so(one: Bound, current: int) -> None:
    with pytest.raises(NotSo, match=f"no step is possible from the present value {current}"):
        tightened(one, current)


def test_reason__inside_of_the_protocols_refusal__is_told_in_words() -> None:
    chain = Chain(NOWHERE, errors_of(ABI))
    inner = calldata("Error(string)", "market is closed")
    assert chain.reason(calldata("CallFailed(address,bytes)", ZERO, inner)) == (
        "the protocol refused: reverted: market is closed"
    )
    role = calldata("AccessControlUnauthorizedAccount(address,bytes32)", ZERO, bytes(31) + b"\1")
    assert chain.reason(role) == f"AccessControlUnauthorizedAccount({ZERO}, 0x{63 * '0'}1)"
    assert chain.reason(calldata("NotArmed(bytes32)", b"pause".ljust(32, b"\0"))) == "NotArmed(pause)"


def test_reason__nested_without_end_or_cut_off__is_no_crash() -> None:
    chain = Chain(NOWHERE, errors_of(ABI))
    data = b""
    for _ in range(50):
        data = calldata("CallFailed(address,bytes)", ZERO, data)
    assert chain.reason(data).startswith("the protocol refused: CallFailed(")
    assert "custom error" in chain.reason(data[:40])
    assert chain.reason(b"") == "reverted without a reason"


def test_calldata__lists_and_tuples__are_split_at_the_outer_commas() -> None:
    data = calldata("f((bytes32,uint256[],bytes32),uint256,bytes[])", (bytes(32), [7], bytes(32)), 1, [b"\2"])
    assert data[4:36] == (96).to_bytes(32, "big")
    assert len(calldata("f()")) == 4


def test_order_digest__each_part__changes_it() -> None:
    base: tuple[Any, ...] = (1, ZERO, bytes(32), [1], bytes(32), 1, 1)
    other = (2, "0x" + 39 * "0" + "1", b"\1" * 32, [2], b"\1" * 32, 2, 2)
    changed = [[*base[:at], other[at], *base[at + 1 :]] for at in range(len(base))]
    digests = {order_digest(*one) for one in changed}
    assert len(digests | {order_digest(*base)}) == len(base) + 1


def test_record__written_and_read__is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "1.json"
    assert known(path) is None
    write(path, {"address": "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", "deployed_block": 7})
    assert known(path) == ("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", 7)
    assert [one.name for one in path.parent.iterdir()] == ["1.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"address": "0x1", "deployed_block": 1}', "\x00"])
def test_record__damaged__is_an_error_with_a_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "1.json"
    path.write_text(text)
    with pytest.raises(SetupError, match="cannot be read"):
        known(path)
