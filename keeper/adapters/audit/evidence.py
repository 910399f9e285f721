"""Evidence packed and unpacked: lists of like objects as columns, then compressed. The hash is over the content, not over the packing."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from keeper.adapters.audit.canonical import canonical
from keeper.domain.evidence import KEY, Evidence
from keeper.domain.record import Json

ENCODING: Final = "columns+zlib/1"
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of content; a blob that unfolds to more was not written by a keeper."""
_COLUMNS: Final = "#columns"


class NotEvidence(ValueError):
    """The bytes are not what was packed."""


def pack(content: Mapping[str, Json]) -> Evidence:
    """Takes the longer the more there is (about 20 MB/s), and may be done in another thread. Raises DraftRefused."""
    text = canonical(content)
    columns = {name: _folded(value) for name, value in content.items()}
    packed = zlib.compress(canonical(columns).encode(), 6)
    raw = text.encode()
    return Evidence("0x" + hashlib.sha256(raw).hexdigest(), ENCODING, len(raw), packed)


def unpack(evidence: Evidence) -> dict[str, Any]:
    """The content, checked against the hash. Raises NotEvidence."""
    if evidence.encoding != ENCODING:
        raise NotEvidence(f"packed as {evidence.encoding!r}, which this version does not know")
    unfolding = zlib.decompressobj()
    try:
        text = unfolding.decompress(evidence.packed, LARGEST)
        columns = json.loads(text)
        content = {name: _unfolded(value) for name, value in columns.items()}
        raw = canonical(content).encode()
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NotEvidence("the bytes are damaged") from None
    if unfolding.unconsumed_tail or not unfolding.eof or unfolding.unused_data:
        raise NotEvidence("the bytes are damaged")
    if "0x" + hashlib.sha256(raw).hexdigest() != evidence.hash or len(raw) != evidence.size:
        raise NotEvidence("the content has another hash")
    return content


def named(body: Mapping[str, Any]) -> str | None:
    """The hash of the evidence that a body names."""
    value = body.get(KEY)
    return value if isinstance(value, str) and len(value) == 66 else None


def _folded(value: Json) -> Json:
    """A list of objects with the same keys as an object of lists; anything else as it is."""
    if not isinstance(value, list) or len(value) < 2:
        return value
    first = value[0]
    if (
        not isinstance(first, dict)
        or not first
        or not all(isinstance(one, dict) and one.keys() == first.keys() for one in value)
    ):
        return value
    return {_COLUMNS: {key: [one[key] for one in value] for key in first}}  # type: ignore[index,call-overload]


def _unfolded(value: Any) -> Any:
    if not isinstance(value, dict) or value.keys() != {_COLUMNS}:
        return value
    columns = value[_COLUMNS]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
