"""What is made of an HTTP answer that says no, or not now."""

from __future__ import annotations

import json

import pytest

from keeper.adapters.safe.refusals import refusal
from keeper.domain.errors import Busy, Refused, Unreachable

pytestmark = pytest.mark.unit

NOW_MS = 1_445_412_480_000  # Wed, 21 Oct 2015 07:28:00 GMT


def said(body: object, status: int = 422, *secrets: str) -> Refused:
    error = refusal(status, json.dumps(body).encode(), None, NOW_MS, secrets)
    assert isinstance(error, Refused)
    assert error.code == status
    return error


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_refusal__busy_or_broken__is_busy_and_so_unreachable(status: int) -> None:
    error = refusal(status, b'{"detail": "slow down"}', None, NOW_MS)
    assert isinstance(error, Busy)
    assert isinstance(error, Unreachable)
    assert error.retry_after_s is None
    assert str(status) in error.message


@pytest.mark.parametrize(
    ("header", "expected"),
    [("0", 0.0), ("7", 7.0), ("Wed, 21 Oct 2015 07:28:05 GMT", 5.0), ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0), ("999999", 3600.0)],
)  # fmt: skip
def test_refusal__retry_after__is_seconds_or_a_date_and_bounded(header: str, expected: float) -> None:
    for status in (429, 503):
        error = refusal(status, b"", header, NOW_MS)
        assert isinstance(error, Busy)
        assert error.retry_after_s == expected


@pytest.mark.parametrize("status", [300, 400, 401, 404, 422, 428, 430, 499])
def test_refusal__any_other_status__is_refused(status: int) -> None:
    assert said({"detail": "no"}, status).data == "no"


def test_refusal__words__are_told_with_the_field_they_stand_under() -> None:
    assert said({"nonFieldErrors": ["Tx with nonce=1 already executed"]}).message == (
        "the Safe service refuses (HTTP 422): Tx with nonce=1 already executed"
    )
    assert (
        said({"signature": ["too short", "odd"], "to": ["no"]}).data == "signature: too short; signature: odd; to: no"
    )
    body = {"code": 1, "message": "Checksum address validation failed", "arguments": ["0xab"]}
    assert said(body).data == "Checksum address validation failed; 0xab"
    assert said({}).data == "no reason given"


def test_refusal__hostile_words__are_printable_and_short() -> None:
    for body in ({"detail": "\x1b[31m" + "x" * 100_000}, {"a" * 100_000: "x"}, {str(n): "x" for n in range(10_000)}):
        error = said(body)
        assert error.message.isprintable()
        assert len(error.message) < 300
    deep: object = "x"
    for _ in range(50):
        deep = [deep]
    assert said({"detail": deep}).data == "no reason given"


def test_refusal__the_key_in_its_words__is_hidden() -> None:
    error = said({"detail": "bad token sk-1234567890 for https://host/sk-path"}, 401, "sk-1234567890", "sk-path", "")
    assert error.data == "bad token *** for https://host/***"
    assert "sk-" not in error.message
    assert "api_key" in error.remedy


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"[1]", b"{", b"[" * 100_000])
def test_refusal__no_json_object__has_no_words_and_points_to_the_address(content: bytes) -> None:
    error = refusal(404, content, None, NOW_MS)
    assert isinstance(error, Refused)
    assert (error.data, error.message) == ("", "the Safe service refuses (HTTP 404)")
    assert "`service`" in error.remedy


def test_refusal__a_redirect__says_that_it_is_not_followed() -> None:
    error = refusal(301, b"", None, NOW_MS)
    assert isinstance(error, Refused)
    assert "redirect, which is not followed" in error.message
    assert "`service`" in error.remedy
