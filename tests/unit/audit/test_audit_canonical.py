from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest
import rfc8785

from keeper.adapters.audit.canonical import DEEPEST, LARGEST_INT, canonical, record_hash
from keeper.adapters.audit.errors import DraftRefused
from keeper.domain.record import GENESIS, RecordKind

pytestmark = pytest.mark.unit


def test_canonical__keys_in_any_order__are_sorted() -> None:
    assert canonical({"b": 1, "a": {"d": None, "c": [True, False]}}) == '{"a":{"c":[true,false],"d":null},"b":1}'


def test_canonical__control_characters__escaped_as_the_rfc_says() -> None:
    # RFC 8785, 3.2.2.2: \b \t \n \f \r \" \\ have short forms, other control characters \u00xx; nothing else is escaped
    text = canonical({"t": '\x08\t\n\x0c\r"\\/\x0f\x7f€\U0001f600'})

    assert text == '{"t":"\\b\\t\\n\\f\\r\\"\\\\/\\u000f\x7f€\U0001f600"}'


def test_canonical__keys_of_the_rfc_example__sorted_by_utf16_units() -> None:
    # RFC 8785, 3.2.3: the emoji (a surrogate pair, D83D) sorts before U+FB33
    keys = {"\u20ac": 0, "\r": 0, "\ufb33": 0, "1": 0, "\U0001f600": 0, "\u0080": 0, "\u00f6": 0}

    order = [part.split('"')[1] for part in canonical(dict(keys)).split(",")]

    assert order == ["\\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_canonical__enum_of_text__written_as_its_value() -> None:
    assert canonical({"kind": RecordKind.TICK}) == '{"kind":"tick"}'


def test_canonical__word_of_an_enumeration_as_a_key__written_as_its_value() -> None:
    body: dict[str, Any] = {RecordKind.TICK: 1, "a": (2, RecordKind.STOP)}

    assert canonical(body) == '{"a":[2,"stop"],"tick":1}'


@pytest.mark.parametrize("plane", range(0x11))
def test_canonical__every_character__as_the_reference_writes_it(plane: int) -> None:
    first = plane << 16
    text = "".join(chr(code) for code in range(first, first + 0x10000) if not 0xD800 <= code < 0xE000)

    assert canonical({"t": text}).encode() == rfc8785.dumps({"t": text})


@pytest.mark.parametrize("number", [LARGEST_INT, -LARGEST_INT, 0])
def test_canonical__largest_exact_integers__written_in_full(number: int) -> None:
    assert canonical({"n": number}) == f'{{"n":{number}}}'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (LARGEST_INT + 1, "beyond 2**53"),
        (-LARGEST_INT - 1, "beyond 2**53"),
        (1.0, "a float"),
        (float("nan"), "a float"),
        (Decimal("1.5"), "a Decimal"),
        (b"raw", "a bytes"),
        ({1: "x"}, "the key 1 is not text"),
        ("\ud800", "not Unicode"),
        ({"\ud800": 1}, "not Unicode"),
    ],
)
def test_canonical__value_without_an_exact_form__refused_with_its_place(value: Any, words: str) -> None:
    with pytest.raises(DraftRefused) as caught:
        canonical({"a": [{"deep": value}]})

    assert words in caught.value.message
    assert caught.value.message.startswith("body")


@pytest.mark.parametrize("value", [{"a": [{"ä": 1}, 0.5]}, {"ä": 1, "b": 0.5}])
def test_canonical__float_after_a_key_beyond_ascii__still_refused(value: Any) -> None:
    with pytest.raises(DraftRefused):
        canonical(value)


def test_canonical__nested_to_the_limit__written_and_one_deeper_refused() -> None:
    def nest(levels: int) -> dict[str, Any]:
        value: Any = []
        for _ in range(levels):
            value = [value]
        return {"a": value}

    assert canonical(nest(DEEPEST - 1)).count("[") == DEEPEST
    with pytest.raises(DraftRefused, match="nested deeper"):
        canonical(nest(DEEPEST))


COLUMNS: dict[str, Any] = {
    "seq": 1,
    "at": "2026-11-21T04:40:00.000Z",
    "kind": "tick",
    "market": "ETH-PERP",
    "action": None,
    "incident": None,
    "intent": None,
    "body": '{"block":7}',
    "prev_hash": GENESIS,
}


def test_record_hash__known_record__is_sha256_of_the_documented_text() -> None:
    preimage = (
        '{"action":null,"at":"2026-11-21T04:40:00.000Z","body":{"block":7},"incident":null,"intent":null,"kind":"tick",'
        f'"market":"ETH-PERP","prev_hash":"{GENESIS}","seq":1}}'
    )

    assert record_hash(**COLUMNS) == "0x" + hashlib.sha256(preimage.encode()).hexdigest()
    # the answer itself, so that nobody can change text and formula together
    assert record_hash(**COLUMNS) == "0x3ab7b79ea9c1027c565239b38d8c47866f8daa6628b5fd628f1ee798004e7120"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seq", 2),
        ("at", "2026-11-21T04:40:00.001Z"),
        ("kind", "stop"),
        ("market", None),
        ("market", "null"),
        ("market", ""),
        ("action", "x"),
        ("incident", "x"),
        ("intent", "x"),
        ("body", '{"block":8}'),
        ("prev_hash", "0x" + "01" * 32),
    ],
)
def test_record_hash__any_column_changed__is_another(column: str, value: object) -> None:
    assert record_hash(**{**COLUMNS, column: value}) != record_hash(**COLUMNS)


def test_record_hash__text_moved_between_columns__is_another() -> None:
    # the text of one column cannot pretend to be the end of another
    moved = {**COLUMNS, "body": '{"block":7},"incident":"x"', "incident": None}

    assert record_hash(**moved) != record_hash(**{**COLUMNS, "incident": "x"})


def test_record_hash__column_that_is_not_unicode__refused() -> None:
    with pytest.raises(DraftRefused):
        record_hash(**{**COLUMNS, "market": "\ud800"})
