"""Evidence packed and unpacked: lists of like objects as columns, then compressed. The hash is over the content, not over the packing."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.errors import DraftRefused
from keeper.domain.evidence import KEY, Evidence
from keeper.domain.record import Json
from keeper.domain.text import shown

ENCODING: Final = "columns+zlib/1"
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of content, also of its columns; a tick has a thousandth of it. What unfolds to more was not written by a keeper."""
MOST_VALUES: Final = 250_000
"""Of the content, by its commas and brackets; a tick has a thousandth of it. A few kB may unfold to many more, each of which takes time."""
_COLUMNS: Final = "#columns"
_AS_IS: Final = "#as-is"
"""Around a value that looks like one of these two itself."""
_MARKED: Final = ({_COLUMNS}, {_AS_IS})
_LEAST: Final = len('"":0,')
"""Bytes that a member of an object has at least, besides its name."""
_HASH: Final = re.compile(r"0x[0-9a-f]{64}")


class NotEvidence(ValueError):
    """The bytes are not what was packed."""


def pack(content: Mapping[str, Json]) -> Evidence:
    """Takes the longer the more there is (about 20 MB/s), and may be done in another thread. Raises DraftRefused."""
    raw = canonical(content).encode()
    columns = orjson.dumps({name: _folded(value) for name, value in orjson.loads(raw).items()})
    if max(len(raw), len(columns)) > LARGEST:
        raise DraftRefused(f"evidence of more than {LARGEST} bytes")
    if _values(columns) > MOST_VALUES:
        raise DraftRefused(f"evidence of more than {MOST_VALUES} values")
    return Evidence("0x" + hashlib.sha256(raw).hexdigest(), ENCODING, len(raw), zlib.compress(columns, 6))


def unpack(evidence: Evidence) -> dict[str, Any]:
    """The content, checked against the hash. Raises NotEvidence: whatever the bytes are, in bounded time and memory."""
    if evidence.encoding != ENCODING:
        raise NotEvidence(f"packed as {shown(evidence.encoding)}, which this version does not know")
    if not isinstance(evidence.size, int) or not 0 < evidence.size <= LARGEST:
        raise NotEvidence("its size is not one of evidence")
    # a number here would be taken for so many bytes by whoever copies it
    if not isinstance(evidence.packed, bytes):
        raise NotEvidence("it holds no bytes")
    unfolding = zlib.decompressobj()
    try:
        text = unfolding.decompress(evidence.packed, LARGEST)
        if unfolding.unconsumed_tail or not unfolding.eof or unfolding.unused_data:
            raise NotEvidence("the bytes are damaged")
        if _values(text) > MOST_VALUES:
            raise NotEvidence("it holds more values than evidence has")
        columns = orjson.loads(text)
        content = {name: _unfolded(value, evidence.size) for name, value in columns.items()}
        raw = canonical(content).encode()
    except NotEvidence:
        raise
    except (zlib.error, ValueError, TypeError, AttributeError, RecursionError):
        raise NotEvidence("the bytes are damaged") from None
    if "0x" + hashlib.sha256(raw).hexdigest() != evidence.hash or len(raw) != evidence.size:
        raise NotEvidence("the content has another hash")
    return content


def named(body: Mapping[str, Any]) -> str | None:
    """The hash of the evidence that a body names."""
    value = body.get(KEY)
    return value if isinstance(value, str) and _HASH.fullmatch(value) else None


def _values(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _folded(value: Any) -> Any:
    """A list of objects with the same keys as an object of lists; anything else as it is."""
    if isinstance(value, dict) and value.keys() in _MARKED:
        return {_AS_IS: value}
    if not isinstance(value, list) or len(value) < 2:
        return value
    first = value[0]
    if (
        not isinstance(first, dict)
        or not first
        or not all(isinstance(one, dict) and one.keys() == first.keys() for one in value)
    ):
        return value
    return {_COLUMNS: {key: [one[key] for one in value] for key in first}}


def _unfolded(value: Any, size: int) -> Any:
    """``size`` is what the whole content says it has: nothing is made that is larger. Raises NotEvidence."""
    if not isinstance(value, dict) or value.keys() not in _MARKED:
        return value
    if _AS_IS in value:
        return value[_AS_IS]
    columns = value[_COLUMNS]
    if not all(isinstance(column, list) for column in columns.values()):
        raise NotEvidence("the bytes are damaged")
    if sum(len(column) * (len(key) + _LEAST) for key, column in columns.items()) > size:
        raise NotEvidence("its size is not one of evidence")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
