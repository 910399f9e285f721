"""Addresses of services without their secrets, for messages and logs."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

_HIDDEN = "***"
_VERSION = re.compile(r"v[0-9]{1,2}")
_HARMLESS = """
api arbitrum archive avalanche base bsc eth ethereum evm gnosis holesky hoodi http https json-rpc jsonrpc linea mainnet
optimism polygon public rpc scroll sepolia ticker ticker24hr unichain ws wss zksync
"""
_WORDS = frozenset(_HARMLESS.split())


def redact_url(url: str) -> str:
    """The address with user, password, query, fragment and every path segment that may be a key replaced by ``***``.

    Providers put the key in the path (``/v3/KEY``), in a query or before the host. A segment is kept only when it is a
    version (``v2``) or one of a short list of harmless words (``rpc``); a local path (IPC) is kept as it is. Never raises.
    """
    if "://" not in url:
        return url if url.startswith(("/", "./", "../", "~")) else _HIDDEN
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{url.split(':', 1)[0]}://{_HIDDEN}"
    if ":" in host:
        host = f"[{host}]"
    user = f"{_HIDDEN}@" if "@" in parts.netloc else ""
    path = "/".join(_segment(segment) for segment in parts.path.split("/"))
    tail = (f"?{_HIDDEN}" if parts.query else "") + (f"#{_HIDDEN}" if parts.fragment else "")
    return f"{parts.scheme}://{user}{host}{f':{port}' if port else ''}{path}{tail}"


def _segment(segment: str) -> str:
    harmless = not segment or segment.lower() in _WORDS or _VERSION.fullmatch(segment)
    return segment if harmless else _HIDDEN


def secret_parts(url: str) -> tuple[str, ...]:
    """What ``redact_url`` would hide of this address, and the whole address, for ``redact_text``. Never raises."""
    parts = [url]
    try:
        split = urlsplit(url)
        parts += [split.username or "", split.password or "", split.query, split.fragment]
        parts += [value for _, value in parse_qsl(split.query)]
        parts += [segment for segment in split.path.split("/") if "://" in url and _segment(segment) == _HIDDEN]
    except ValueError:
        pass
    return tuple(part for part in parts if len(part) > 3)


def redact_text(text: str, *secrets: str) -> str:
    """Foreign text in which every one of these strings (a whole address, a key) is replaced by ``***``; empty ones are ignored."""
    for secret in sorted((one for one in secrets if one), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text
