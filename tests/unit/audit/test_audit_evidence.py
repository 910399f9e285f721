"""Evidence packed and unpacked: everything that can be packed comes back, nothing else does."""

from __future__ import annotations

import hashlib
import json
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from keeper.adapters.audit import evidence as evidence_module
from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import ENCODING, LARGEST, NotEvidence, named, pack, unpack
from keeper.domain.evidence import Evidence
from keeper.domain.record import Json

pytestmark = pytest.mark.unit

DEEP: Any = "bottom"
for _ in range(61):
    DEEP = [DEEP]

CONTENTS: dict[str, dict[str, Any]] = {
    "empty": {},
    "empty parts": {"a": [], "b": {}, "c": "", "d": None},
    "table": {"rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
    "one row": {"rows": [{"a": 1}]},
    "empty rows": {"rows": [{}, {}]},
    "other keys": {"rows": [{"a": 1}, {"b": 1}]},
    "rows in another order": {"rows": [{"a": 1, "b": 2}, {"b": 3, "a": 4}]},
    "looks like columns": {"rows": {"#columns": {"a": [1, 2]}}},
    "looks like columns of nothing": {"rows": {"#columns": None}},
    "looks as it is": {"rows": {"#as-is": {"#as-is": {"#columns": {}}}}},
    "columns among others": {"rows": {"#columns": {"a": [1]}, "more": 1}},
    "rows of a column": {"rows": [{"#columns": 1}, {"#columns": 2}]},
    "rows as they are": {"rows": [{"#as-is": [1]}, {"#as-is": [2]}]},
    "named columns": {"#columns": {"a": [1, 2]}, "#as-is": [1]},
    "hostile text": {"text": '\u0000 \u2028 \U0001f600 " \\', "\u0000": "\x7f"},
    "deep": {"rows": [{"a": DEEP}, {"a": DEEP}]},
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_pack__any_content__comes_back_under_its_own_hash(content: dict[str, Any]) -> None:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    packed = pack(content)

    assert unpack(packed) == content
    assert packed.size == len(text)
    if "hostile" not in str(content):
        assert packed.hash == "0x" + hashlib.sha256(text).hexdigest()


def test_pack__like_objects__are_smaller_than_compressed_text() -> None:
    rows: list[Json] = [
        {"source": f"feed-{index}", "value": str(index * 7), "block": 19_000_000} for index in range(500)
    ]

    assert len(pack({"rows": rows}).packed) < len(zlib.compress(json.dumps(rows).encode(), 6))


@pytest.mark.parametrize("content", [{"a": 0.5}, {"a": 2**53}, {"a": "\ud800"}, {"a": b"x"}])
def test_pack__what_has_no_exact_form__refused(content: Any) -> None:
    with pytest.raises(DraftRefused):
        pack(content)


def test_pack__largest_content__is_packed_and_one_byte_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_module, "LARGEST", 1_000)
    most = {"a": "x" * (1_000 - len('{"a":""}'))}

    assert unpack(pack(most)) == most
    with pytest.raises(DraftRefused, match="more than 1000 bytes"):
        pack({"a": most["a"] + "x"})


GOOD = pack({"rows": [{"a": 1}, {"a": 2}], "text": "x" * 100})


def _of(text: bytes, size: int = LARGEST) -> Evidence:
    return Evidence("0x" + "00" * 32, ENCODING, size, zlib.compress(text, 9))


def _bomb(times: int) -> bytes:
    """Blanks, so many times the largest content, as zlib would compress them; made without having them all, in no time."""
    piece, stream = b" " * LARGEST, zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    again = stream.compress(piece) + stream.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    check = 1
    for _ in range(times):
        check = zlib.adler32(piece, check)
    return b"\x78\xda" + again * times + stream.flush() + check.to_bytes(4, "big")


BOMB = _bomb(64)
HOSTILE: dict[str, Evidence] = {
    "no bytes": replace(GOOD, packed=b""),
    "cut": replace(GOOD, packed=GOOD.packed[:-1]),
    "more behind": replace(GOOD, packed=GOOD.packed + b"x"),
    "two streams": replace(GOOD, packed=GOOD.packed * 2),
    "another hash": replace(GOOD, hash="0x" + "00" * 32),
    "another size": replace(GOOD, size=GOOD.size + 1),
    "size 0": replace(GOOD, size=0),
    "negative size": replace(GOOD, size=-1),
    "huge size": replace(GOOD, size=2**62),
    "size as text": replace(GOOD, size="1"),  # type: ignore[arg-type]
    "no size": replace(GOOD, size=None),  # type: ignore[arg-type]
    "number for bytes": replace(GOOD, packed=2**40),  # type: ignore[arg-type]
    "text for bytes": replace(GOOD, packed="x"),  # type: ignore[arg-type]
    "nothing for bytes": replace(GOOD, packed=None),  # type: ignore[arg-type]
    "another encoding": replace(GOOD, encoding="columns+zlib/2"),
    "no encoding": replace(GOOD, encoding=None),  # type: ignore[arg-type]
    "bomb": replace(GOOD, packed=BOMB),
    "bomb in a bomb": replace(GOOD, packed=zlib.compress(BOMB, 9)),
    "no json": _of(b"{"),
    "no utf-8": _of(b'{"a":"\xff"}'),
    "no object": _of(b"[1]"),
    "not a number": _of(b'{"a":NaN}'),
    "fraction": _of(b'{"a":0.1}'),
    "deep": _of(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "columns of nothing": _of(b'{"a":{"#columns":null}}'),
    "columns of text": _of(b'{"a":{"#columns":{"b":"xyz"}}}'),
    "columns of two lengths": _of(b'{"a":{"#columns":{"b":[1,2],"c":[1]}}}'),
    "columns that unfold to more than it says": _of(b'{"a":{"#columns":{"b":[' + b"0," * 1_000_000 + b"0]}}}", 1_000),
    "columns of a long name": _of(b'{"a":{"#columns":{"' + b"b" * 1_000_000 + b'":[' + b"0," * 1_000 + b"0]}}}"),
}


def test_bomb__small_enough_to_look_at__is_what_it_says() -> None:
    assert zlib.decompress(_bomb(2)) == b" " * (2 * LARGEST)
    assert len(BOMB) < LARGEST


@pytest.mark.parametrize("evidence", HOSTILE.values(), ids=HOSTILE)
def test_unpack__anything_else__is_refused(evidence: Evidence) -> None:
    with pytest.raises(NotEvidence) as caught:
        unpack(evidence)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("at", range(0, len(GOOD.packed), 7))
def test_unpack__one_byte_changed__is_refused_or_the_same(at: int) -> None:
    changed = bytearray(GOOD.packed)
    changed[at] ^= 0x10
    with suppress(NotEvidence):
        assert unpack(replace(GOOD, packed=bytes(changed))) == unpack(GOOD)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GOOD.hash, GOOD.hash),
        (GOOD.hash.upper(), None),
        (GOOD.hash[:-1], None),
        (GOOD.hash + "\n", None),
        ("\ud800" * 66, None),
        ("\0" * 66, None),
        (66, None),
        (None, None),
    ],
)
def test_named__value_of_a_body__is_a_hash_or_nothing(value: Any, expected: str | None) -> None:
    assert named({"evidence": value}) == expected
    assert named({}) is None


def test_pack__most_values__are_packed_and_one_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # two brackets, and a comma between each two
    content: dict[str, Json] = {"a": [1, 2, 3]}
    monkeypatch.setattr("keeper.adapters.audit.evidence.MOST_VALUES", 4)
    packed = pack(content)
    assert unpack(packed) == content
    with pytest.raises(DraftRefused, match="values"):
        pack({"a": [1, 2, 3, 4]})
    monkeypatch.setattr("keeper.adapters.audit.evidence.MOST_VALUES", 3)
    with pytest.raises(NotEvidence, match="more values"):
        unpack(packed)
