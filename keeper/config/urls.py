"""Addresses of services that the keeper sends something to: http(s), and encrypted unless they are on this machine."""

from __future__ import annotations

import ipaddress
from typing import Final

from keeper.config.kinds import HTTP_URL, split_url
from keeper.config.secret import Secret, redact_for_record
from keeper.config.shape import Bad, Cursor, Given, Kind
from keeper.config.tree import Scalar

SCHEMES: Final = ("https", "http")


def _url(given: Given) -> Secret:
    parts = split_url(given.text, SCHEMES)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise Bad("plain http lets anybody on the way read and change what is sent", "write https://")
    return Secret(given.text)


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself, by its address or as ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


SAFE_URL = Kind(_url, Secret(""), dict(HTTP_URL.schema), env=True)


def shown_url(at: Cursor | None) -> str:
    """The address at this place as written, without its credentials; empty where there is none."""
    node = at.node if at is not None else None
    return redact_for_record(node.text) if isinstance(node, Scalar) else ""
