"""The section ``http``: the pages and the API that a running keeper serves."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from keeper.config.environment import Environment
from keeper.config.file import read_bytes
from keeper.config.model import HttpConfig
from keeper.config.problems import Report
from keeper.config.safe import FLAG, WEB_URL
from keeper.config.shape import Bad, Context, Cursor, Field, Given, Kind, Part, Shape
from keeper.config.tree import parse
from keeper.domain.record import Json

_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):(?P<port>[0-9]{1,5})")
_HINT = "write host:port, such as 127.0.0.1:8642"
_TOKEN = r"sha256:[0-9a-f]{64}"  # noqa: S105 - the form of a token's hash
_TOKEN_HINT = "the hash that `keeper audit CONFIG token NAME` prints, never the token itself"  # noqa: S105 - words
_RATE = (1, 100_000)


def _listen(given: Given) -> tuple[str, int]:
    return listen_address(given.text)


def listen_address(text: str) -> tuple[str, int]:
    """``127.0.0.1:8642`` as host (without brackets) and port. Raises Bad."""
    match = _LISTEN.fullmatch(text.strip())
    if match is None or int(match["port"]) > 65_535:
        raise Bad("not an address to listen at", _HINT)
    host = match["host"].strip("[]")
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise Bad("a name is no address to listen at", _HINT) from None
    return host, int(match["port"])


def _token(given: Given) -> str:
    if not re.fullmatch(_TOKEN, given.text):
        raise Bad("not the hash of a token", _TOKEN_HINT)
    return given.text


def _rate(given: Given) -> int:
    if type(given.value) is not int or not _RATE[0] <= given.value <= _RATE[1]:
        raise Bad("not a number of requests in a minute", f"a whole number from {_RATE[0]} to {_RATE[1]}")
    return given.value


DEFAULT_LISTEN: Final = ("127.0.0.1", 8642)
LISTEN = Field(
    "listen",
    Kind(_listen, DEFAULT_LISTEN, {"type": "string", "pattern": r"^\s*.+:\d{1,5}\s*$"}, env=True),
    "Where the pages are served: host:port, 127.0.0.1:8642 when left out, for this machine alone. "
    "The council's pages have no password: put a proxy with one in front of anything else.",
    DEFAULT_LISTEN,
    implied=True,
)
URL = Field("url", WEB_URL, "The address at which people reach the pages, for links in notices.", "")
APPROVE = Field(
    "approve", FLAG, "Whether owners may hand in signatures there, with the wallet of their browser.", False
)
TOKEN_HASH: Kind[str] = Kind(_token, "", {"type": "string", "pattern": f"^{_TOKEN}$"}, env=True)
_TOKENS_SCHEMA: dict[str, Json] = {"type": "object", "additionalProperties": dict(TOKEN_HASH.schema)}
TOKENS = Part(
    "tokens",
    "Who may ask the API and see the pages of the log: a name for each token, with sha256: and the token's hash. Without any, only this machine may.",
    _TOKENS_SCHEMA,
    required=False,
)
RATE = Field(
    "rate",
    Kind(_rate, 120, {"type": "integer", "minimum": _RATE[0], "maximum": _RATE[1]}),
    "How many requests of one token, and of one address, are answered in a minute.",
    120,
)
HTTP = Shape("The pages for council, operators and auditors, and the API.", (LISTEN, URL, APPROVE, TOKENS, RATE))


def read_http(cursor: Cursor) -> HttpConfig | None:
    section = cursor.open(HTTP)
    if section is None:
        return None
    host, port = section.get(LISTEN)
    tokens = _tokens(section.at(TOKENS.key))
    return HttpConfig(host, port, section.get(URL), section.get(APPROVE), tokens, section.get(RATE))


def http_settings(
    path: str | Path, *, environ: Mapping[str, str] | None = None, stdin: BinaryIO | None = None
) -> HttpConfig | None:
    """The section ``http`` alone, None where there is none: looks at no other section and needs no other secret. Raises ConfigurationError."""
    data, folder = read_bytes(path, stdin)
    report, elsewhere = Report(), Report()
    tree = parse(data, elsewhere)
    report.take(elsewhere, "http")
    root = Cursor(tree, "", 1, Context(report, Environment.of(environ), folder))
    found = read_http(root.child("http")) if "http" in tree.entries else None
    report.raise_any()
    return found


def _tokens(cursor: Cursor | None) -> dict[str, str]:
    """Hashes by name."""
    found: dict[str, str] = {}
    for name, below in cursor.named() if cursor else ():
        digest = below.read(TOKEN_HASH)
        if digest and digest in found.values():
            below.problem("another name has this token already", "make a token for each")
        elif digest:
            found[name] = digest
    return found
