from __future__ import annotations

import pytest

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.times import LAST_MS, from_iso, to_iso

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
