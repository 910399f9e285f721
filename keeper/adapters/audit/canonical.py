"""The one form in which a record is hashed.

``body`` is stored as its RFC 8785 text. A record's hash is ``0x`` + sha256 over the UTF-8 bytes of the RFC 8785 form of ::

    {"action": .., "at": .., "body": .., "incident": .., "intent": .., "kind": .., "market": .., "prev_hash": .., "seq": ..}

where ``body`` is the object itself (not a text in a text), absent columns are ``null``, ``seq`` is a number and everything
else is text as it stands in the row. ``sha256sum`` and any JCS library recompute it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final

import orjson
import rfc8785

from keeper.adapters.audit.errors import DraftRefused
from keeper.domain.record import Json

LARGEST_INT: Final = 2**53 - 1
"""The largest whole number that every JSON reader holds exactly."""
DEEPEST: Final = 64
"""Levels of nesting; what is deeper is a mistake, and must not overflow a reader's stack."""

_WORDS: Final = frozenset({str, bool, type(None)})


def canonical(value: Mapping[str, Json]) -> str:
    """RFC 8785 text of an object.

    Raises DraftRefused, naming the place, for floats, whole numbers beyond 2**53 - 1, keys that are not text, text that is
    not Unicode, and anything that JSON does not know.
    """
    plain = dict(value)
    # the look that names the place of what it refuses takes three times as long
    ascii_keys = _is_plain((plain,), -1) or _inspect(plain, "body", 0)
    # orjson is 50 to 100 times faster than the rfc8785 package and writes the same bytes for what is let through here. Only the order of
    # keys can differ (bytes of UTF-8 here, UTF-16 units in the RFC), which plain ASCII rules out.
    if ascii_keys:
        with suppress(orjson.JSONEncodeError):  # a word of an enumeration as a key, or no Unicode: the reference knows
            return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode()
    try:
        return rfc8785.dumps(plain).decode()
    except (UnicodeEncodeError, rfc8785.CanonicalizationError):
        raise DraftRefused("body: a text in it is not Unicode (a lone surrogate)") from None


def record_hash(
    *,
    seq: int,
    at: str,
    kind: str,
    market: str | None,
    action: str | None,
    incident: str | None,
    intent: str | None,
    body: str,
    prev_hash: str,
) -> str:
    """The hash of a record whose ``body`` is already canonical text. Raises DraftRefused when a column is not Unicode."""
    try:
        preimage = (
            f'{{"action":{_word(action)},"at":{_word(at)},"body":{body},"incident":{_word(incident)},"intent":{_word(intent)},'
            f'"kind":{_word(kind)},"market":{_word(market)},"prev_hash":{quoted(prev_hash)},"seq":{seq}}}'
        )
        return "0x" + hashlib.sha256(preimage.encode()).hexdigest()
    except (UnicodeEncodeError, orjson.JSONEncodeError):
        raise DraftRefused("a column is not Unicode (a lone surrogate)") from None


def quoted(value: str | None) -> str:
    """A column as it stands in the hashed text."""
    return "null" if value is None else orjson.dumps(value).decode()


_word: Final = lru_cache(maxsize=256)(quoted)
"""For the words that many records share."""


def _is_plain(values: Iterable[object], depth: int) -> bool:
    """Whether these are of JSON's own types, with an exact form, and all keys in them ASCII; if not, ``_inspect`` has the last word.

    ``depth`` is that of what holds them, as ``_inspect`` counts.
    """
    if depth > DEEPEST:
        return False
    for value in values:
        kind = type(value)
        if kind in _WORDS:
            continue
        if isinstance(value, dict):
            if kind is not dict or not _has_ascii_keys(value) or not _is_plain(value.values(), depth + 1):
                return False
        elif isinstance(value, list):
            if kind is not list or not _is_plain(value, depth + 1):
                return False
        elif isinstance(value, str):  # a word of an enumeration
            continue
        elif kind is not int or not -LARGEST_INT <= value <= LARGEST_INT:  # type: ignore[operator]
            return False
    return True


def _has_ascii_keys(value: dict[object, object]) -> bool:
    try:
        return "".join(value).isascii()  # type: ignore[arg-type]
    except TypeError:  # a key that is not text
        return False


def _inspect(value: object, path: str, depth: int) -> bool:
    """Whether all keys are ASCII; raises DraftRefused at the first thing without an exact form."""
    if value is None or isinstance(value, (str, bool)):
        return True
    if isinstance(value, int):
        if not -LARGEST_INT <= value <= LARGEST_INT:
            raise DraftRefused(f"{path}: {value} is beyond 2**53; write it as text")
        return True
    if depth > DEEPEST:
        raise DraftRefused(f"{path}: nested deeper than {DEEPEST} levels")
    if isinstance(value, dict):
        return _inspect_object(value, path, depth)
    if isinstance(value, (list, tuple)):
        # all are looked at: what follows the first key beyond ASCII may still be refused
        return not [item for item in value if not _inspect(item, f"{path}[]", depth + 1)]
    raise DraftRefused(f"{path}: a {type(value).__name__} has no exact JSON form; write it as text")


def _inspect_object(value: dict[object, object], path: str, depth: int) -> bool:
    ascii_keys = True
    for key, item in value.items():
        if not isinstance(key, str):
            raise DraftRefused(f"{path}: the key {key!r} is not text")
        inside = _inspect(item, f"{path}.{key}", depth + 1)
        ascii_keys = ascii_keys and inside and key.isascii()
    return ascii_keys
