"""Revert data in words: what is known by name, and that nothing a contract sends can break or paint the terminal."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.domain.address import keccak256
from keeper.execution.reverts import AUTHORITY_ERRORS, ERROR_STRING, PANIC, Revert, explain

pytestmark = pytest.mark.unit

WHO = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
ROLE = b"\x11" * 32


def error_string(text: str) -> bytes:
    return ERROR_STRING + encode(["string"], [text])


@pytest.mark.parametrize(
    ("data", "words", "text", "lacks"),
    [
        (error_string("no money"), "", '"no money"', False),
        (error_string("AccessControl: account 0xab is missing role 0x11"), "", '"AccessControl: acc', True),
        (error_string("Ownable: caller is not the owner"), "", '"Ownable: caller is not', True),
        (error_string("UNAUTHORIZED"), "", '"UNAUTHORIZED"', True),
        (PANIC + encode(["uint256"], [0x11]), "", "Panic(0x11)", False),
        (PANIC + encode(["uint256"], [2**256 - 1]), "", "Panic(0xff", False),
        (b"\xde\xad\xbe\xef", "execution reverted", "custom error 0xdeadbeef", False),
        (b"\xde", "", "custom error 0xde", False),
        (b"", "execution reverted: odd", "execution reverted: odd", False),
        (b"", "", "no reason given", False),
        (bytes.fromhex("e2517d3f") + encode(["address", "bytes32"], [WHO, ROLE]), "", f"Account({WHO}, 0x1111", True),
        (bytes.fromhex("068ca9d8") + encode(["address"], [WHO]), "", f"AccessManagedUnauthorized({WHO})", True),
        (bytes.fromhex("118cdaa7") + encode(["address"], [WHO]), "", f"OwnableUnauthorizedAccount({WHO})", True),
    ],
)
def test_explain__each_kind__is_named(data: bytes, words: str, text: str, lacks: bool) -> None:
    revert = explain(data, words)
    assert text in revert.text
    assert revert.lacks_authority is lacks


@pytest.mark.parametrize(
    "selector", [ERROR_STRING, PANIC, *(key for key, (_, types) in AUTHORITY_ERRORS.items() if types)]
)
@pytest.mark.parametrize("body", [b"", b"\x00" * 31, b"\xff" * 32, b"\xff" * 96])
def test_explain__known_selector_with_a_broken_body__is_shown_as_hex(selector: bytes, body: bytes) -> None:
    revert = explain(selector + body)
    if selector == PANIC and len(body) >= 32:
        assert revert.text.startswith("Panic(")
    else:
        assert revert == Revert(f"custom error 0x{(selector + body)[:68].hex()}", lacks_authority=False)


def test_explain__text_that_is_not_utf8__is_shown_as_hex() -> None:
    body = encode(["bytes"], [b"\xff\xfe\xfd"])
    assert explain(ERROR_STRING + body).text.startswith("custom error 0x08c379a0")


@pytest.mark.parametrize("bad", ["\x1b[2J", "\r\n", "\x00", "\u202e", "\x9b", "\u2028"])
def test_explain__control_characters__are_removed(bad: str) -> None:
    for revert in (explain(error_string(f"a{bad}b")), explain(b"", f"a{bad}b")):
        assert revert.text.isprintable()
        assert "a" in revert.text


@pytest.mark.parametrize(("length", "shown"), [(200, 200), (201, 200), (100_000, 200)])
def test_explain__long_words__are_cut(length: int, shown: int) -> None:
    text = explain(b"", "x" * length).text
    assert len(text) == shown
    assert text.endswith("..." if length > 200 else "xxx")


@given(st.binary(max_size=200), st.text(max_size=50))
@example(ERROR_STRING + (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big"), "")
@example(ERROR_STRING + (2**256 - 1).to_bytes(32, "big") * 3, "")
def test_explain__garbage__never_raises_and_is_one_printable_line(data: bytes, words: str) -> None:
    for given_data in (data, *(selector + data for selector in (ERROR_STRING, PANIC, *AUTHORITY_ERRORS))):
        text = explain(given_data, words).text
        assert text
        assert text.isprintable()


@pytest.mark.parametrize("selector", [key for key, (_, types) in AUTHORITY_ERRORS.items() if not types])
def test_explain__an_error_without_arguments__is_read_when_it_has_none(selector: bytes) -> None:
    name, _ = AUTHORITY_ERRORS[selector]
    assert explain(selector) == Revert(f"{name}()", lacks_authority=True)
    assert not explain(selector + b"\x01").lacks_authority


@pytest.mark.parametrize("selector", AUTHORITY_ERRORS)
def test_explain__selectors__are_those_of_the_errors(selector: bytes) -> None:
    name, types = AUTHORITY_ERRORS[selector]
    assert keccak256(f"{name}({','.join(types)})".encode())[:4] == selector


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("3", True),
        ("4", True),
        ("96", True),
        ("29", False),  # the reserve is paused
        ("only pause guardian and admin can pause", True),
        ("GS104", True),
        ("GS013", False),
    ],
)
def test_explain__what_protocols_say_to_a_caller_without_the_right__is_known(text: str, lacks: bool) -> None:
    assert explain(error_string(text)).lacks_authority is lacks
