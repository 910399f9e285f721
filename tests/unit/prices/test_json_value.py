"""One number out of JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.adapters.prices.json_value import NotAValue, at_path, number_at, parse_json

pytestmark = pytest.mark.unit


def number(body: str, path: str = "p") -> Decimal:
    return number_at(parse_json(body.encode()), path)


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ('{"p": 1}', "p", "1"),
        ('{"p": "1"}', "p", "1"),
        ('{"p": 0.1}', "p", "0.1"),
        ('{"p": "3000.12345678"}', "p", "3000.12345678"),
        ('{"p": 3000.123456789012345678901234567890}', "p", "3000.123456789012345678901234567890"),
        ('{"p": 1e-18}', "p", "1E-18"),
        ('{"p": "1E+30"}', "p", "1E+30"),
        ('{"p": 0}', "p", "0"),
        ('{"p": -0.0}', "p", "0"),
        ('{"data": [{"price": "7"}]}', "data.0.price", "7"),
        ("[[1, 2], [3, 4]]", "1.0", "3"),
        ('{"0": 5}', "0", "5"),
        ('{"p": 5, "other": 1e999999999, "id": ' + "9" * 5000 + "}", "p", "5"),
    ],
)
def test_number__where_the_path_leads__is_exact(body: str, path: str, expected: str) -> None:
    assert str(number(body, path)) == expected


@pytest.mark.parametrize("digits", ["1" * 40, "0." + "1" * 40])
def test_number__of_forty_digits__is_taken_and_one_more_is_not(digits: str) -> None:
    assert str(number(f'{{"p": {digits}}}')) == digits
    with pytest.raises(NotAValue):
        number(f'{{"p": {digits}1}}')


@pytest.mark.parametrize(
    ("text", "good"),
    [("1e60", True), ("1e61", False), ("1e-60", True), ("1e-61", False), ("0e99", True), ("1e999", False)],
)
def test_number__beyond_all_sense__is_refused(text: str, good: bool) -> None:
    if good:
        assert number(f'{{"p": {text}}}') == Decimal(text)
    else:
        with pytest.raises(NotAValue):
            number(f'{{"p": {text}}}')


@pytest.mark.parametrize(
    "value",
    [
        "null",
        "true",
        "false",
        "[]",
        "{}",
        '""',
        '" 1"',
        '"1 "',
        '"1,000"',
        '"1_000"',
        '"0x1"',
        '"+1"',
        '".5"',
        '"5."',
        '"NaN"',
        '"Infinity"',
        '"-Infinity"',
        '"sNaN"',
        '"٣"',
        "-1",
        '"-0.0000001"',
        '"1e"',
        '"--1"',
        '"1\\n"',
    ],
)
def test_number__what_is_not_plainly_one__is_refused(value: str) -> None:
    with pytest.raises(NotAValue):
        number(f'{{"p": {value}}}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b"\xff\xfe",
        b'{"p": NaN}',
        b'{"p": Infinity}',
        b'{"p": -Infinity}',
        b'{"q": NaN, "p": 1}',
        b"[" * 60_000,
        b'{"p": 1}x',
        b'{"p": 01}',
    ],
)
def test_body__not_json__is_refused(body: bytes) -> None:
    with pytest.raises(NotAValue):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "twice"),
    [
        ('{"p": 1, "p": 2}', "p"),
        ('{"p": 1, "p": 1}', "p"),
        ('{"p": 1, "\\u0070": 2}', "p"),
        ('{"p": 1, "other": [{"q": 1, "r": {}, "q": null}]}', "q"),
    ],
)
def test_body__a_name_twice_in_one_object__is_refused(body: str, twice: str) -> None:
    with pytest.raises(NotAValue, match=f"has '?{twice}'? twice in one object"):
        parse_json(body.encode())


def test_body__the_same_name_in_two_objects__is_taken() -> None:
    assert number('{"p": {"p": 7}, "l": [{"p": 1}, {"p": 2}]}', "p.p") == Decimal(7)


@pytest.mark.parametrize("path", ["q", "p.q", "p.0", "l.2", "l.-1", "l.x", "l.999999999", "", "l.", ".p", "p.", "l.٠"])
def test_path__that_leads_nowhere__is_refused(path: str) -> None:
    with pytest.raises(NotAValue, match="there is no"):
        at_path(parse_json(b'{"p": 1, "l": [1, 2]}'), path)
