"""Retry-After."""

from __future__ import annotations

import pytest

from keeper.adapters.retry_after import DEFAULT_WAIT_MS, MAX_WAIT_MS, wait_ms

pytestmark = pytest.mark.unit

NOW_MS = 1_445_412_480_000  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("0", 0),
        ("7", 7_000),
        (" 7 ", 7_000),
        ("3600", MAX_WAIT_MS),
        ("3601", MAX_WAIT_MS),
        ("999999999", MAX_WAIT_MS),
        ("Wed, 21 Oct 2015 07:28:05 GMT", 5_000),
        ("Wed, 21 Oct 2015 07:28:05", 5_000),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Fri, 21 Oct 2095 07:28:05 GMT", MAX_WAIT_MS),
    ],
)
def test_wait__seconds_or_a_date__is_how_long(header: str, expected: int) -> None:
    assert wait_ms(header, NOW_MS) == expected


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1.5", "9" * 10, "٣", "Wed, 99 Oct 2015 07:28:05 GMT", "\x00"]
)
def test_wait__nonsense__is_the_default(header: str | None) -> None:
    assert wait_ms(header, NOW_MS) == DEFAULT_WAIT_MS
