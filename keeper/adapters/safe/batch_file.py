"""A batch for the Transaction Builder of the Safe web app: whoever has no service loads it there.

Source: format 1.0 of the app's own files, and its checksum (keccak-256 over its own form of JSON, in which the name of the batch counts as null).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from keeper.domain.address import keccak256, parse_address
from keeper.domain.errors import UnitError
from keeper.domain.record import Json
from keeper.domain.text import printable

VERSION = "1.0"
_BUILDER = "1.17.0"
"""The version of the app whose files look like this."""


def batch_file(
    chain_id: int,
    safe: str,
    calls: Sequence[tuple[str, int, bytes]],
    *,
    name: str,
    created_ms: int,
    description: str = "",
) -> str:
    """The text of the file, for these (to, value in wei, data), each a plain call of the Safe. Raises UnitError."""
    parse_address(safe)
    if not calls:
        raise UnitError("a batch without calls")
    transactions: list[Json] = []
    for to, value_wei, data in calls:
        parse_address(to)
        if not 0 <= value_wei < 1 << 256:
            raise UnitError(f"{value_wei} wei is no value of a call")
        transactions.append(
            {
                "to": to,
                "value": str(value_wei),
                "data": "0x" + data.hex(),
                "contractMethod": None,
                "contractInputsValues": None,
            }
        )
    meta: dict[str, Json] = {
        "name": printable(name),
        "description": printable(description, 1_000),
        "txBuilderVersion": _BUILDER,
        "createdFromSafeAddress": safe,
        "createdFromOwnerAddress": "",
    }
    document: dict[str, Json] = {
        "version": VERSION,
        "chainId": str(chain_id),
        "createdAt": created_ms,
        "meta": meta,
        "transactions": transactions,
    }
    meta["checksum"] = checksum(document)
    return json.dumps(document, indent=2) + "\n"


def checksum(document: dict[str, Json]) -> str:
    """As the web app computes it; 0x and 64 digits. ``checksum`` itself must not stand in ``meta`` yet."""
    meta = document["meta"]
    named = {**document, "meta": {**meta, "name": None}} if isinstance(meta, dict) else document
    return "0x" + keccak256(_serialized(named).encode()).hex()


def _serialized(value: Json) -> str:
    """The app's own form: an object is its sorted names as a list, and then its values, each followed by a comma."""
    if isinstance(value, list):
        return "[" + ",".join(map(_serialized, value)) + "]"
    if isinstance(value, dict):
        names = sorted(value)
        return "{" + _text(names) + "".join(_serialized(value[name]) + "," for name in names) + "}"
    return _text(value)


def _text(value: object) -> str:
    """As JavaScript writes it: no spaces, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
