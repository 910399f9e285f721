"""What builders and relays answer, taken apart and judged. They agree on no shape.

``{"error": {"code", "message"}}`` comes with HTTP 200 as well as with 400, 429 and 500; ``{"error": "text"}`` with 403; gateways before them send
pages. A result is a bundle's hash in an object, a hash by itself, or the number 200. Only what is clearly one of these counts as taken.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from keeper.adapters.routes.words import classify
from keeper.domain.redact import redact_text
from keeper.domain.text import printable
from keeper.ports.route import SubmissionKind

SEND_BUNDLE: Final = "eth_sendBundle"
SEND_PRIVATE: Final = "eth_sendPrivateTransaction"
CANCEL_BUNDLE: Final = "eth_cancelBundle"
CANCEL_PRIVATE: Final = "eth_cancelPrivateTransaction"

STATES: Final = ("INCLUDED", "PENDING", "FAILED", "CANCELLED")
"""Of a private transaction, that which says most first. UNKNOWN is no news."""

PASSING: Final = frozenset({408, 425, 429, 502, 503, 504})
"""The builder, or what stands before it, has too much to do: another time the answer may be another one."""
_NO_METHOD: Final = -32601
_NO_PARAMS: Final = -32602
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_LONG_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{65,}")
"""Longer than a hash: a transaction that is not public, or a signature."""
_SIGNATURE = re.compile(
    r"signature|signer|unauthori[sz]ed|authenticat|api.?key|forbidden|denied|verif|x-flashbots|x-buildernet",
    re.IGNORECASE,
)
_BUNDLE = re.compile(r"bundle|uuid|transactions|txs|not found|empty|cancel", re.IGNORECASE)
_NOWHERE: Final = frozenset({404, 405, 415})
"""No builder is at this address, or none that takes what is posted."""
_TAKEN_NUMBERS: Final = (200, "200")
_SHOWN: Final = 240
NO_SIGNATURE: Final = "it does not take our signature"
WANTS_SIGNATURE: Final = "it wants a signature, and gets none"


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer taken apart. ``status`` 0: there was none, and ``nonsense`` says why.

    ``nonsense`` says in what way it is no answer of the protocol; without it, ``words`` are those of an error; without both there is a ``result``.
    ``wait_ms``: it asked to be left alone for so long.
    """

    status: int
    result: object = None
    words: str = ""
    code: int = 0
    nonsense: str = ""
    wait_ms: int | None = None

    @property
    def passing(self) -> bool:
        """Whether it is worth while to ask once more."""
        return self.status in PASSING or (bool(self.nonsense) and (self.status == 0 or self.status >= 500))

    @property
    def message(self) -> str:
        """What went wrong."""
        if self.status in (0, 200):
            return self.nonsense or self.words
        return f"HTTP {self.status}: {self.nonsense or self.words}"


def take_apart(status: int, body: bytes, number: int) -> Heard:
    """``number`` is the request's id. Never raises. What it quotes is as it came: ``presentable`` makes it fit to be shown."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Heard(status, nonsense=f"not JSON: {body.decode('utf-8', 'replace')}" if body else "an empty answer")
    if not isinstance(document, dict):
        return Heard(status, nonsense=f"not an object: {document!r}")
    error = document.get("error")
    if isinstance(error, dict):
        code, words = error.get("code"), error.get("message")
        text = words if isinstance(words, str) and words else f"an error without words: {error!r}"
        return Heard(status, words=text, code=code if type(code) is int else 0)
    if error is not None:
        return Heard(status, words=error if isinstance(error, str) and error else f"an error without words: {error!r}")
    if "result" not in document:
        return Heard(status, nonsense="neither a result nor an error")
    if document.get("id") not in (None, number, str(number)):
        return Heard(status, nonsense="the answer to another request than this one")
    if status != 200:
        return Heard(status, nonsense="a result, with a status that says otherwise")
    return Heard(status, result=document["result"])


def presentable(message: str, *secrets: str) -> str:
    """On one line, without these secrets and without anything that may be a transaction or a signature."""
    return printable(_LONG_HEX.sub("***", redact_text(message, *secrets)), _SHOWN)


def judged(method: str, heard: Heard, tx_hash: str = "") -> tuple[SubmissionKind, str]:
    """What it means for what was sent. ``tx_hash`` is the private transaction's own."""
    if heard.nonsense or heard.status in PASSING:
        refused = 400 <= heard.status < 500 and heard.status not in PASSING
        return SubmissionKind.REFUSED if refused else SubmissionKind.UNREACHABLE, heard.message
    if heard.words:
        return classify(heard.words), heard.message
    if _fits(method, heard.result, tx_hash):
        return SubmissionKind.ACCEPTED, _result(heard.result)
    # nonsense tells as little as silence whether it was taken
    return SubmissionKind.UNREACHABLE, f"an answer that does not fit: {heard.result!r}"


def proven(heard: Heard, *, signed: bool = True) -> tuple[SubmissionKind, str]:
    """What it means for our signature that a bundle which nobody ever sent was to be cancelled. ``judged`` says what it means for the bundle.
    ``signed``: whether there was a signature.

    A result is good news, and so are words about the bundle: whoever looks for it has taken the signature. Any other refusal may meet a real
    bundle as well.
    """
    if heard.status == 401 or (heard.nonsense and heard.status == 403) or _SIGNATURE.search(heard.words):
        return SubmissionKind.REFUSED, f"{NO_SIGNATURE if signed else WANTS_SIGNATURE}: {heard.message}"
    if heard.nonsense or heard.status in PASSING:
        return judged("", heard)
    if not heard.words:
        return SubmissionKind.ACCEPTED, f"it answers {_result(heard.result)}"
    if heard.code == _NO_METHOD:
        return SubmissionKind.REFUSED, f"it does not offer this way to cancel: {heard.message}"
    about = heard.code == _NO_PARAMS or _BUNDLE.search(heard.words)
    if about and heard.status not in _NOWHERE:
        return SubmissionKind.ACCEPTED, f"it answers: {heard.words}"
    return SubmissionKind.UNREACHABLE if heard.status >= 500 else SubmissionKind.REFUSED, heard.message


def state_in(body: bytes) -> str:
    """The word for a private transaction in a status answer; empty where there is none that says anything."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    word = document.get("status") if isinstance(document, dict) else None
    return word if isinstance(word, str) and word in STATES else ""


def _fits(method: str, result: object, tx_hash: str) -> bool:
    if type(result) in (int, str) and result in _TAKEN_NUMBERS:
        return True
    if method == SEND_BUNDLE:
        found = result.get("bundleHash") if isinstance(result, dict) else result
        return isinstance(found, str) and _HASH.fullmatch(found) is not None
    if method == SEND_PRIVATE:
        return isinstance(result, str) and result.lower() == tx_hash.lower()
    return True  # that something is forgotten is answered in many ways, and none of them is believed anyway


def _result(result: object) -> str:
    if isinstance(result, dict) and isinstance(result.get("bundleHash"), str):
        return str(result["bundleHash"])
    return result if isinstance(result, str) else repr(result)
