"""Cursors of keyset pages: opaque to who hands them back, and only good for the question that they were made for."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Final

from keeper.app.pages.problem import PageProblem

LONGEST: Final = 64
LARGEST_KEY: Final = 2**63 - 1
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{24,64}")
_VERSION: Final = 1
_CHECK: Final = 12


def cursor_after(question: object, key: int) -> str:
    """``question`` is everything that was asked but the cursor and the limit; ``key`` the number of the last row."""
    raw = bytes([_VERSION]) + key.to_bytes(8, "big")
    return base64.urlsafe_b64encode(raw + _check(question, raw)).decode().rstrip("=")


def key_of(cursor: str, question: object) -> int:
    """Raises PageProblem (400) for what is no cursor of this question."""
    raw = b""
    if _FORM.fullmatch(cursor):
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raw = b""
    key = int.from_bytes(raw[1:9], "big")
    if len(raw) != 9 + _CHECK or key > LARGEST_KEY or cursor_after(question, key) != cursor:
        raise PageProblem(
            400,
            "cursor: this is no cursor of this question.",
            "send `next_cursor` of the page before, with the same filters and the same order; or leave it out",
        )
    return key


def _check(question: object, raw: bytes) -> bytes:
    """No secret: it keeps a cursor of another question, or a mistyped one, from giving a page that looks right."""
    text = json.dumps(question, sort_keys=True, default=str)
    return hashlib.sha256(text.encode() + b"\0" + raw).digest()[:_CHECK]
