from __future__ import annotations

import pytest

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.times import FORM_ASCII, LAST_MS, from_iso, is_date, to_iso

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (1_700_000_000_120, "2023-11-14T22:13:20.120Z"),
        (LAST_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_to_iso__time_in_range__written_with_milliseconds_and_read_back(ms: int, text: str) -> None:
    assert to_iso(ms) == text
    assert from_iso(text) == ms


@pytest.mark.parametrize("ms", [-1, LAST_MS + 1])
def test_to_iso__time_out_of_range__refused(ms: int) -> None:
    with pytest.raises(DraftRefused):
        to_iso(ms)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20.123",
        "2023-11-14T22:13:20.123+00:00",
        "2023-11-14 22:13:20.123Z",
        "2023-02-30T22:13:20.123Z",
        "2023-11-14T22:13:20.123Z\n",
        "1969-12-31T23:59:59.999Z",
        "٢٠٢٣-11-14T22:13:20.123Z",
    ],
)
def test_from_iso__any_other_form__refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time|before 1970|out of range|must be in"):
        from_iso(text)


def read_in_bytes(text: str) -> bool:
    found = FORM_ASCII.fullmatch(text.encode())
    return found is not None and is_date(text.encode()[:10])


@pytest.mark.parametrize(
    "clock", [f"{h:02}:{m:02}:{s:02}" for h in (0, 9, 19, 23, 24, 29) for m in (0, 59, 60) for s in (0, 59, 60)]
)
def test_form_ascii__hours_minutes_seconds__what_from_iso_reads(clock: str) -> None:
    assert read_in_bytes(f"2023-11-14T{clock}.123Z") == reads(f"2023-11-14T{clock}.123Z")


@pytest.mark.parametrize(
    "day",
    [
        f"{y}-{m:02}-{d:02}"
        for y in ("0000", "1969", "1970", "2023", "2024", "9999")
        for m in (0, 1, 2, 12, 13)
        for d in (0, 1, 28, 29, 30, 31, 32)
    ],
)
def test_is_date__years_months_days__what_from_iso_reads(day: str) -> None:
    assert read_in_bytes(f"{day}T00:00:00.000Z") == reads(f"{day}T00:00:00.000Z")


def reads(text: str) -> bool:
    try:
        from_iso(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-11-14T22:13:20.123Z\n",
        "2023-11-14T22:13:20.123z",
        "٢٠٢٣-11-14T22:13:20.123Z",
        "2023-W01-1T22:13:20.123Z",
    ],
)
def test_form_ascii__any_other_form__refused(text: str) -> None:
    assert FORM_ASCII.fullmatch(text.encode()) is None
