"""Arrays as text and back: little-endian bytes one behind the other, compressed, as base64.

What is read must have the names, types and shapes of what is there to be filled; nothing that was written says how much memory to take.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import numpy as np

from keeper.domain.record import Json
from keeper.engine.plain import NotPlain

LEVEL = 1
"""Windows of prices are noise to a compressor: more effort takes ten times as long for a few percent."""

Arrays = list[tuple[str, Any]]


def packed(arrays: Arrays) -> dict[str, Json]:
    """All of them as text, and what they are."""
    data = b"".join(np.ascontiguousarray(one, dtype=_little(one.dtype)).tobytes() for _, one in arrays)
    return {
        "arrays": [_described(name, one) for name, one in arrays],
        "data": base64.b64encode(zlib.compress(data, LEVEL)).decode("ascii"),
    }


def unpack(body: Any, into: Arrays) -> None:
    """Fills the arrays ``into`` with what was packed. Raises NotPlain where that is not of the same names, types and shapes."""
    if not isinstance(body, dict) or body.get("arrays") != [_described(name, one) for name, one in into]:
        raise NotPlain("memory: these arrays are not those of this engine")
    size = sum(one.nbytes for _, one in into)
    data = _bytes(body.get("data"), size)
    begin = 0
    for _, one in into:
        end = begin + one.nbytes
        one[...] = np.frombuffer(data[begin:end], dtype=_little(one.dtype)).reshape(one.shape)
        begin = end


def _bytes(text: Any, size: int) -> bytes:
    """Exactly so many, whatever the text says: a small one may stand for more than there is memory."""
    try:
        packing = zlib.decompressobj()
        data = packing.decompress(base64.b64decode(text, validate=True), size + 1)
    except (TypeError, ValueError, binascii.Error, zlib.error):
        raise NotPlain("memory.data: not compressed bytes in base64") from None
    if len(data) != size or (size > 0 and not packing.eof) or packing.unused_data:
        raise NotPlain(f"memory.data: not {size} bytes")
    return data


def _described(name: str, array: Any) -> Json:
    dtype = _little(array.dtype)
    fields = dtype.names
    kind = dtype.str if fields is None else ",".join(f"{field}:{dtype[field].str}" for field in fields)
    return [name, kind, [str(each) for each in array.shape]]


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")
