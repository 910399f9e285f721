"""An HTTP answer that is none, as an error of the keeper: busy, or no, with the service's own words and nobody's secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from keeper.adapters.retry_after import wait_ms
from keeper.domain.errors import Busy, OutsideError, Refused
from keeper.domain.redact import redact_text
from keeper.domain.text import printable

_DEPTH = 6
_WORDS = 20
_TEXT = 4_000
"""Characters of an answer that are looked at for words."""


def refusal(
    status: int, content: bytes, retry_after: str | None, now_ms: int, secrets: Sequence[str] = ()
) -> OutsideError:
    """``retry_after`` is the header, None where there is none. Never raises.

    ``data`` of a Refused holds the service's words, and is empty when the answer is no JSON object, so not the service's own.
    """
    if status == 429 or status >= 500:
        wait_s = None if retry_after is None else wait_ms(retry_after, now_ms) / 1000
        later = "" if wait_s is None else f", and asks to wait {wait_s:g} s"
        return Busy(f"the Safe service answered HTTP {status}{later}", retry_after_s=wait_s, remedy="it is asked again")
    words = _words(content)
    words = printable(redact_text(words, *secrets)) if words is not None else ""
    text = f"the Safe service refuses (HTTP {status})"
    if 300 <= status < 400:
        text = f"the Safe service answered HTTP {status}, a redirect, which is not followed"
    return Refused(text + (f": {words}" if words else ""), code=status, data=words, remedy=_remedy(status, words))


def _remedy(status: int, words: str) -> str:
    if status in (401, 403):
        return "look at `api_key` of the route"
    if 300 <= status < 400 or not words:
        return "look at `service` of the route: is it the address of the Safe service for this chain?"
    return ""


def _words(content: bytes) -> str | None:
    """What the service says, None when it is no JSON object; errors stand in lists under the names of fields."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    words = [word for word, _ in zip(_texts(found, _DEPTH), range(_WORDS), strict=False)]
    return "; ".join(words) or "no reason given"


def _texts(found: object, depth: int) -> Iterator[str]:
    if isinstance(found, str):
        yield found[:_TEXT]
    elif isinstance(found, dict) and depth:
        for name, value in found.items():
            inner = _texts(value, depth - 1)
            plain = name in ("nonFieldErrors", "detail", "message", "arguments")
            yield from inner if plain else (f"{name}: {text}" for text in inner)
    elif isinstance(found, list) and depth:
        for value in found:
            yield from _texts(value, depth - 1)
