"""Quantities and bytes of JSON-RPC."""

from __future__ import annotations

import pytest

from keeper.adapters.chain import hexes
from keeper.domain.errors import MalformedAnswer

pytestmark = pytest.mark.unit

NOT_TEXT: list[object] = [None, 1, 1.5, True, b"0x1", ["0x1"], {"a": 1}]


@pytest.mark.parametrize(
    ("text", "number"), [("0x0", 0), ("0x1f", 31), ("0xFF", 255), ("0x00ff", 255), ("0x" + "f" * 64, 2**256 - 1)]
)
def test_quantity__hexadecimal__is_a_number(text: str, number: int) -> None:
    assert hexes.quantity(text) == number


@pytest.mark.parametrize(
    "value",
    [*NOT_TEXT, "", "0x", "31", "0xg", "-0x1", "0x-1", "0x1.8", " 0x1", "0x1\n", "0x1_0", "1e3", "0x1" + "0" * 64],
)
def test_quantity__anything_else__is_malformed(value: object) -> None:
    with pytest.raises(MalformedAnswer, match="the nonce"):
        hexes.quantity(value, "the nonce")


@pytest.mark.parametrize(("text", "raw"), [("0x", b""), ("0x00", b"\0"), ("0xAbCd", b"\xab\xcd")])
def test_data__hexadecimal__is_bytes(text: str, raw: bytes) -> None:
    assert hexes.data(text) == raw


@pytest.mark.parametrize("value", [*NOT_TEXT, "", "0", "0x0", "0xzz", "0x00 00", "0x 0000", "00ff", "0X00"])
def test_data__anything_else__is_malformed(value: object) -> None:
    with pytest.raises(MalformedAnswer):
        hexes.data(value)


def test_hash__thirty_two_bytes__is_lower_case() -> None:
    assert hexes.hash32("0x" + "AB" * 32) == "0x" + "ab" * 32


@pytest.mark.parametrize("size", [0, 31, 33])
def test_hash__another_length__is_malformed(size: int) -> None:
    with pytest.raises(MalformedAnswer):
        hexes.hash32("0x" + "00" * size)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_fields__not_an_object__is_malformed(value: object) -> None:
    with pytest.raises(MalformedAnswer):
        hexes.fields(value, "the header")


def test_error__long_nonsense__is_shown_in_short() -> None:
    with pytest.raises(MalformedAnswer) as caught:
        hexes.quantity("x" * 10_000)
    assert len(caught.value.message) < 120
