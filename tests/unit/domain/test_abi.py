"""Signatures, arguments and results: what people write, what the chain answers."""

from __future__ import annotations

import pytest

from keeper.domain.abi import (
    canonical_text,
    check_call,
    decode_results,
    describe_revert,
    encode_arg,
    encode_call,
    encode_function,
    parse_signature,
    to_text,
)
from keeper.domain.abi_codec import canonical_type, encode_values, integer_range
from keeper.domain.action import AbiValue, FunctionCall
from keeper.domain.errors import MalformedAnswer, UnitError

pytestmark = pytest.mark.unit

MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11"
MARKET = "0x" + b"ETH-PERP".ljust(32, b"\0").hex()


def word(number: int) -> bytes:
    return (number % 2**256).to_bytes(32, "big")


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("transfer(address,uint256)", "a9059cbb"),
        ("transfer( address , uint )", "a9059cbb"),
        ("latestRoundData()(uint80,int256,uint256,uint256,uint80)", "feaf968c"),
        ("decimals() (uint8)", "313ce567"),
        ("balanceOf(address)(uint256)", "70a08231"),
    ],
)
def test_signature__well_known_function__has_its_selector(text: str, selector: str) -> None:
    assert parse_signature(text).selector.hex() == selector


def test_signature__aliases__become_canonical() -> None:
    function = parse_signature("f(uint,int,byte)(bool)")
    assert (function.inputs, function.outputs) == (("uint256", "int256", "bytes1"), ("bool",))
    assert function.signature == "f(uint256,int256,bytes1)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "paused",
        "paused(",
        "paused)",
        "1f()",
        "f(bool",
        "f(bool))",
        "f()()()",
        "f(,)",
        "f(bool,)",
        "f(bool x)",
        "f(uint0)",
        "f(uint7)",
        "f(uint264)",
        "f(uint08)",
        "f(bytes0)",
        "f(bytes33)",
        "f(bytes01)",
        "f(fixed)",
        "f(BOOL)",
        "função()",
        "f()\x00",
    ],
)
def test_signature__not_one__is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_signature(text)


@pytest.mark.parametrize(
    "text", ["f(uint256[])", "f(bool[2])(bool)", "f((uint256,bool))", "f(tuple)", "f()(uint256[])"]
)
def test_signature__lists_and_tuples__are_refused_by_name(text: str) -> None:
    with pytest.raises(UnitError, match="lists and tuples are not supported"):
        parse_signature(text)


@pytest.mark.parametrize(
    "name", ["uint8", "uint256", "int8", "int256", "bytes1", "bytes32", "bool", "address", "bytes", "string"]
)
def test_type__at_the_edges__is_supported(name: str) -> None:
    assert canonical_type(name) == name


@pytest.mark.parametrize(
    ("type_name", "text", "value", "canonical"),
    [
        ("bool", "true", True, "true"),
        ("bool", "false", False, "false"),
        ("uint8", "0", 0, "0"),
        ("uint8", "255", 255, "255"),
        ("uint8", "0xff", 255, "255"),
        ("uint256", "0250000", 250_000, "250000"),
        ("uint256", str(2**256 - 1), 2**256 - 1, str(2**256 - 1)),
        ("int8", "-128", -128, "-128"),
        ("int8", "127", 127, "127"),
        ("int256", str(-(2**255)), -(2**255), str(-(2**255))),
        ("bytes2", "0xAbCd", b"\xab\xcd", "0xabcd"),
        ("bytes", "0x", b"", "0x"),
        ("bytes", "0xFF", b"\xff", "0xff"),
        ("string", "Grüße", "Grüße", "Grüße"),
        ("string", "", "", ""),
        ("address", MULTICALL, MULTICALL, MULTICALL),
    ],
)
def test_argument__fits__has_one_value_and_one_text(type_name: str, text: str, value: AbiValue, canonical: str) -> None:
    assert encode_arg(type_name, text) == value
    assert type(encode_arg(type_name, text)) is type(value)
    assert to_text(type_name, value) == canonical
    assert canonical_text(type_name, text) == canonical


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("bool", "True"),
        ("bool", "1"),
        ("uint8", "256"),
        ("uint8", "0x100"),
        ("uint8", "-1"),
        ("uint256", str(2**256)),
        ("uint256", "1e6"),
        ("uint256", "1_000"),
        ("uint256", " 1"),
        ("uint256", "1.0"),
        ("uint256", "٣"),
        ("uint256", ""),
        ("uint256", "0x"),
        ("uint256", "9" * 5000),
        ("int8", "128"),
        ("int8", "-129"),
        ("int256", "-0x1"),
        ("bytes2", "0xab"),
        ("bytes2", "0xabcdef"),
        ("bytes2", "abcd"),
        ("bytes2", "0xab cd"),
        ("bytes", "0xa"),
        ("bytes", "hello"),
        ("address", MULTICALL.lower()),
        ("address", MULTICALL[:-1]),
        ("address", "0xCA11bde05977b3631167028862bE2a173976CA11"),
        ("uint256[]", "1"),
    ],
)
def test_argument__does_not_fit__is_refused(type_name: str, text: str) -> None:
    with pytest.raises(UnitError):
        encode_arg(type_name, text)


def test_argument__address_without_checksum__is_told_its_checksum() -> None:
    with pytest.raises(UnitError) as caught:
        encode_arg("address", MULTICALL.lower())
    assert MULTICALL in caught.value.remedy


def test_argument__address_with_a_wrong_checksum__is_not_told_another() -> None:
    with pytest.raises(UnitError, match="wrong checksum") as caught:
        encode_arg("address", MULTICALL[:-2] + "1F")
    assert "0x" not in caught.value.remedy


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("bool", 1),
        ("uint8", True),
        ("uint8", 256),
        ("uint8", "1"),
        ("bytes2", b"a"),
        ("bytes", "0x"),
        ("string", b""),
        ("address", 5),
    ],
)
def test_text__value_of_another_type__is_refused(type_name: str, value: AbiValue) -> None:
    with pytest.raises(UnitError):
        to_text(type_name, value)


def test_call__market_and_amount__is_selector_and_words() -> None:
    call = encode_call(FunctionCall(MULTICALL, "setWithdrawalLimit(bytes32,uint256)", (MARKET, "250000")))
    assert call.to == MULTICALL
    assert call.data == parse_signature("setWithdrawalLimit(bytes32,uint256)").selector + bytes.fromhex(
        MARKET[2:]
    ) + word(250_000)


def test_call__dynamic_arguments__stand_in_the_tail() -> None:
    data = encode_function(parse_signature("f(string,bool,bytes)"), ("dave", "true", "0x0102"))
    expected = (
        word(0x60) + word(1) + word(0xA0) + word(4) + b"dave".ljust(32, b"\0") + word(2) + b"\1\2".ljust(32, b"\0")
    )
    assert data[4:] == expected


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (FunctionCall(MULTICALL, "f(bool)"), "takes 1 arguments, 0 are given"),
        (FunctionCall(MULTICALL, "f()", ("1",)), "takes 0 arguments, 1 are given"),
        (FunctionCall(MULTICALL, "f(bool,uint8)", ("true", "256")), r"argument 2 of f\(bool,uint8\)"),
        (FunctionCall("0x0", "f()"), "not an address"),
        (FunctionCall(MULTICALL.upper().replace("0X", "0x"), "f()"), "no checksum"),
    ],
)
def test_call__does_not_encode__says_where(call: FunctionCall, says: str) -> None:
    with pytest.raises(UnitError, match=says):
        encode_call(call)


def test_check__view_without_a_result__is_refused() -> None:
    assert check_call(FunctionCall(MULTICALL, "paused()(bool)"), results=1).outputs == ("bool",)
    with pytest.raises(UnitError, match="does not name its result"):
        check_call(FunctionCall(MULTICALL, "paused()"), results=1)


def test_values__count_differs__is_refused() -> None:
    with pytest.raises(UnitError, match="2 values are expected"):
        encode_values(("bool", "bool"), (True,))


@pytest.mark.parametrize(
    ("outputs", "data", "expected"),
    [
        ("bool", word(1), (True,)),
        ("bool", word(0), (False,)),
        ("uint8", word(255), (255,)),
        ("int8", word(-128), (-128,)),
        ("int256", word(-1), (-1,)),
        ("bytes2", b"\xab\xcd".ljust(32, b"\0"), (b"\xab\xcd",)),
        ("address", bytes(12) + bytes.fromhex(MULTICALL[2:]), (MULTICALL,)),
        ("bool", word(1) + b"extra bytes that a newer contract returns", (True,)),
        ("string", word(32) + word(2) + b"hi".ljust(32, b"\0"), ("hi",)),
        ("string", word(32) + word(2) + b"hi", ("hi",)),
        ("bytes", word(32) + word(0), (b"",)),
        ("", b"", ()),
    ],
)
def test_results__as_the_signature_says__are_values(outputs: str, data: bytes, expected: tuple[AbiValue, ...]) -> None:
    assert decode_results(parse_signature(f"f()({outputs})"), data) == expected


@pytest.mark.parametrize(
    ("outputs", "data"),
    [
        ("bool", b""),
        ("bool", word(1)[:31]),
        ("bool", word(2)),
        ("uint8", word(256)),
        ("int8", word(128)),
        ("int8", word(-129)),
        ("bytes2", b"\xab\xcd\x01".ljust(32, b"\0")),
        ("address", word(1 << 160)),
        ("string", word(0) + word(2)),
        ("string", word(64) + word(2)),
        ("string", word(33) + word(2)),
        ("string", word(-1) + word(2)),
        ("string", word(32) + word(3) + b"hi"),
        ("string", word(32) + word(-1) + b"hi"),
        ("string", word(32) + word(2) + b"\xff\xfe"),
        ("uint8,uint8", word(1)),
    ],
)
def test_results__hostile_bytes__are_malformed(outputs: str, data: bytes) -> None:
    with pytest.raises(MalformedAnswer, match=r"f\(\)"):
        decode_results(parse_signature(f"f()({outputs})"), data)


def test_results__nothing__asks_whether_there_is_a_contract() -> None:
    with pytest.raises(MalformedAnswer) as caught:
        decode_results(parse_signature("f()(bool)"), b"")
    assert "contract" in caught.value.remedy


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "reverted without a reason"),
        (bytes.fromhex("08c379a0") + word(32) + word(5) + b"nope!".ljust(32, b"\0"), "reverted: nope!"),
        (bytes.fromhex("08c379a0") + word(32) + word(5) + b"a\x1b\n\x00b".ljust(32, b"\0"), "reverted: a b"),
        (bytes.fromhex("4e487b71") + word(0x11), "panicked: arithmetic overflow"),
        (bytes.fromhex("4e487b71") + word(0x99), "panicked: 0x99"),
        (bytes.fromhex("08c379a0") + word(-1), "custom error 0x08c379a0"),
        (bytes.fromhex("e2517d3f") + word(1) + word(2), "custom error 0xe2517d3f with 64 bytes of arguments"),
        (b"\x01", "custom error 0x01"),
    ],
)
def test_revert__data__is_put_in_words(data: bytes, words: str) -> None:
    assert words in describe_revert(data)


@pytest.mark.parametrize(
    ("name", "bounds"), [("uint8", (0, 255)), ("int8", (-128, 127)), ("bool", None), ("bytes32", None)]
)
def test_range__of_a_type__is_known(name: str, bounds: tuple[int, int] | None) -> None:
    assert integer_range(name) == bounds
