"""Addresses of services without their secrets, for messages and logs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlsplit

_HIDDEN = "***"
_VERSION = re.compile(r"v[0-9]{1,2}")
_LEAST_ENCODED = 8
"""Characters: less of an encoding may be found in words that mean nothing."""
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
    """Foreign text in which every one of these strings (a whole address, a key) is replaced by ``***``; empty ones are ignored.

    The same for what they look like in a URL, in JSON, as hex and as base64. Redact first and cut after: a secret that is cut is not found.
    """
    forms = {secret for secret in secrets if secret}
    forms |= {form for secret in forms for form in _encoded(secret) if len(form) >= _LEAST_ENCODED}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _HIDDEN)
    return text


def _encoded(secret: str) -> Iterator[str]:
    for plain in (secret, secret.replace("/", "\\/")):
        yield json.dumps(plain)[1:-1].replace("\\\\/", "\\/")
    for safe in ("", "/", ":/"):
        url = quote(secret, safe=safe, errors="replace")
        yield url
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match.group(0).lower(), url)
    raw = secret.encode("utf-8", "replace")
    yield raw.hex()
    yield raw.hex().upper()
    for before in range(3):  # where it begins within a group of three bytes
        whole = (len(raw) + before) // 3 * 3 - before
        first = -(-before * 4 // 3)
        text = base64.b64encode(bytes(before) + raw[:whole]).decode()[first:]
        yield text
        yield text.replace("+", "-").replace("/", "_")
