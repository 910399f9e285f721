"""The section ``http``: the pages that a running keeper serves."""

from __future__ import annotations

import ipaddress
import re

from keeper.config.model import HttpConfig
from keeper.config.safe import FLAG, WEB_URL
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Shape

_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):(?P<port>[0-9]{1,5})")
_HINT = "write host:port, such as 127.0.0.1:8642"


def _listen(given: Given) -> tuple[str, int]:
    match = _LISTEN.fullmatch(given.text.strip())
    if match is None or int(match["port"]) > 65_535:
        raise Bad("not an address to listen at", _HINT)
    host = match["host"].strip("[]")
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise Bad("a name is no address to listen at", _HINT) from None
    return host, int(match["port"])


LISTEN = Field(
    "listen",
    Kind(_listen, ("127.0.0.1", 0), {"type": "string", "pattern": r"^\s*.+:\d{1,5}\s*$"}, env=True),
    "Where the pages are served: host:port, 127.0.0.1 for this machine alone. There is no password: put a proxy with one in front of anything else.",
)
URL = Field("url", WEB_URL, "The address at which people reach the pages, for links in notices.", "")
APPROVE = Field(
    "approve", FLAG, "Whether owners may hand in signatures there, with the wallet of their browser.", False
)
HTTP = Shape("The pages for council and operators.", (LISTEN, URL, APPROVE))


def read_http(cursor: Cursor) -> HttpConfig | None:
    section = cursor.open(HTTP)
    if section is None:
        return None
    host, port = section.get(LISTEN)
    return HttpConfig(host, port, section.get(URL), section.get(APPROVE))
