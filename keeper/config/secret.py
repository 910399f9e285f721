"""Values that must not be shown, and texts made safe to show."""

from __future__ import annotations

import re

HIDDEN = "***"

_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://).*@")
_SEGMENT = re.compile(r"(?<=/)[^/#]+")
_LONGEST_SEGMENT = 15
_QUERY_PART = re.compile(r"[^&;]+")
_LOCAL = ("sqlite:", "ipc:", "file:")
_TELLING = re.compile(r"key|token|secret|pass|auth|sig|access|credential", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_TEMPLATE = re.compile(r"\$?\{[A-Za-z_][A-Za-z0-9_]*\}")
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")
_MNEMONIC = re.compile(r"(?<![a-z])(?:[a-z]{3,8}[\s,_-]+){11}[a-z]{3,8}(?![a-z])")
"""The words of BIP 39 have 3 to 8 letters, and the fewest that make a key are 12."""
_LEAD = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]{0,30}://|(?:Bearer|Basic|Token) )")


class Secret:
    """A text that prints as ``***``. ``reveal()`` is the only way to it, so that every use can be found."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def looks_like_key(text: str) -> bool:
    """Whether a private key or the words of one may be in this text, wherever it stands."""
    return bool(_HEX_KEY.search(text) or _MNEMONIC.search(text))


def redact_for_record(url: str) -> str:
    """The address without credentials, long path segments (provider keys), nameless and telling parts of the query, and fragments.

    ``${NAME}`` stays.

    For the record of the configuration, where an auditor must still see which symbol of which venue was asked for. Messages use the
    stricter ``keeper.domain.redact.redact_url``.
    """
    if url.startswith(_LOCAL):
        return url
    url = _USERINFO.sub(lambda match: match.group(1) + HIDDEN + "@", url)
    scheme, separator, rest = url.partition("://")
    rest, hash_sign, fragment = rest.partition("#")
    path, question, query = rest.partition("?")
    host, slash, path = path.partition("/")
    path = _SEGMENT.sub(lambda match: _segment(match.group(0)), slash + path)
    shown = (
        scheme + separator + host + path + question + _QUERY_PART.sub(lambda match: _query_part(match.group(0)), query)
    )
    return shown + hash_sign + (redact_all(fragment) if fragment else "")


def _segment(text: str) -> str:
    """A long one without all that is neither ``${NAME}`` nor a ``{name}`` that is filled in later."""
    return _but(_TEMPLATE, text) if len(_TEMPLATE.sub("", text)) > _LONGEST_SEGMENT else text


def _query_part(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return _but(_TEMPLATE, text)
    if _PLACEHOLDER.fullmatch(value):
        return text
    return f"{name}={HIDDEN}" if _TELLING.search(name) or len(value) > _LONGEST_SEGMENT else text


def _but(kept: re.Pattern[str], text: str) -> str:
    """The text with all hidden that is not ``kept``."""
    shown, position = "", 0
    for match in kept.finditer(text):
        shown += (HIDDEN if match.start() > position else "") + match.group(0)
        position = match.end()
    return shown + (HIDDEN if len(text) > position else "")


def redact_all(text: str) -> str:
    """Hides every part that is not ``${NAME}``, but for a scheme (``json://``) or a word such as ``Bearer`` at the start."""
    lead = _LEAD.match(text)
    shown, rest = (lead.group(0), text[lead.end() :]) if lead else ("", text)
    return shown + _but(_PLACEHOLDER, rest)
