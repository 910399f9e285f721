"""EIP-55."""

from __future__ import annotations

import pytest

from keeper.domain.address import checksum_address, keccak256, parse_address
from keeper.domain.errors import UnitError

pytestmark = pytest.mark.unit

# The examples of EIP-55.
EXAMPLES = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_address__example_of_the_standard__is_its_own_checksum(text: str) -> None:
    raw = bytes.fromhex(text[2:])
    assert checksum_address(raw) == text
    assert parse_address(text) == raw


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLES[4].swapcase().replace("X", "x"),
        EXAMPLES[5][:-1] + "8",
        EXAMPLES[7].lower(),
        "",
        "0x",
        EXAMPLES[0] + "0",
    ],
)
def test_address__anything_else__is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_address(text)


@pytest.mark.parametrize("value", [None, 5, b"0x", ["0x"]])
def test_address__not_text__is_refused(value: object) -> None:
    with pytest.raises(UnitError):
        parse_address(value)


@pytest.mark.parametrize("size", [19, 21])
def test_address__of_another_length__is_refused(size: int) -> None:
    with pytest.raises(UnitError):
        checksum_address(bytes(size))


def test_hash__of_nothing__is_keccak_and_not_sha3() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
