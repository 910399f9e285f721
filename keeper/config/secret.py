"""Values that must not be shown, and texts made safe to show."""

from __future__ import annotations

import re

HIDDEN = "***"

_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://).*@")
_LONG_SEGMENT = re.compile(r"(?<=/)[^/?#${}]{16,}(?=[/?#]|$)")
_QUERY_VALUE = re.compile(r"(?<=[?&])([^=&#]+)=([^&#]*)")
_LOCAL = ("sqlite:", "ipc:", "file:")
_TELLING = re.compile(r"key|token|secret|pass|auth|sig|access|credential", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
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


def redact_for_record(url: str) -> str:
    """The address without credentials, long path segments (provider keys) and telling query values. ``${NAME}`` stays.

    For the record of the configuration, where an auditor must still see which symbol of which venue was asked for. Messages use the
    stricter ``keeper.domain.redact.redact_url``.
    """
    if url.startswith(_LOCAL):
        return url
    url = _USERINFO.sub(lambda match: match.group(1) + HIDDEN + "@", url)
    scheme, separator, rest = url.partition("://")
    path, question, query = rest.partition("?")
    path = _LONG_SEGMENT.sub(HIDDEN, path)
    return scheme + separator + path + _QUERY_VALUE.sub(_query_value, question + query)


def _query_value(match: re.Match[str]) -> str:
    name, value = match.group(1), match.group(2)
    if _PLACEHOLDER.fullmatch(value):
        return match.group(0)
    return f"{name}={HIDDEN}" if _TELLING.search(name) or len(value) >= 16 else match.group(0)


def redact_all(text: str) -> str:
    """Hides every part that is not ``${NAME}``, but for a scheme (``json://``) or a word such as ``Bearer`` at the start."""
    lead = _LEAD.match(text)
    shown, rest = (lead.group(0), text[lead.end() :]) if lead else ("", text)
    position = 0
    for match in _PLACEHOLDER.finditer(rest):
        shown += (HIDDEN if match.start() > position else "") + match.group(0)
        position = match.end()
    return shown + (HIDDEN if len(rest) > position else "")
