"""A frame as JSON: quick where it can be, and never stricter or looser than Python's own parser about what a node may say."""

from __future__ import annotations

import pytest

from keeper.adapters.chain.link import decoded
from keeper.domain.errors import MalformedAnswer

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("frame", "value"),
    [
        ('{"id":7,"result":"0x1f"}', {"id": 7, "result": "0x1f"}),
        (b'{"id":7,"result":"0x1f"}', {"id": 7, "result": "0x1f"}),
        ('{"a":1,"a":2}', {"a": 2}),
        ('{"id":1,"error":{"code":3,"message":"\\ud800"}}', {"id": 1, "error": {"code": 3, "message": "\ud800"}}),
    ],
    ids=["text", "bytes", "twice", "half-a-surrogate-pair-in-the-words-of-a-revert"],
)
def test_decoded__json__is_its_value(frame: bytes | str, value: object) -> None:
    assert decoded(frame) == value


@pytest.mark.parametrize("frame", ["", "{", "0x1f", b"\xff\xfe", "[" * 201 + "]" * 201, "[" * 100_000])
def test_decoded__no_json_or_too_deep__is_malformed(frame: bytes | str) -> None:
    with pytest.raises(MalformedAnswer):
        decoded(frame)
