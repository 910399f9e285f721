"""The address of a PostgreSQL database, read in one way by everybody: the configuration, SQLAlchemy and the driver differ in theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

SCHEME: Final = "postgresql+psycopg"
_OPTIONS: Final = """
application_name channel_binding connect_timeout gssencmode host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval
krbsrvname load_balance_hosts options passfile port require_auth sslcert sslcrl sslkey sslmode sslnegotiation sslrootcert
ssl_max_protocol_version ssl_min_protocol_version target_session_attrs tcp_user_timeout
"""
OPTIONS: Final = frozenset(_OPTIONS.split())
"""What may stand after the ``?``; the driver's own words."""
FILES: Final = frozenset({"passfile", "sslcert", "sslcrl", "sslkey", "sslrootcert"})
"""Those that name a file."""

_SCHEME: Final = re.compile(r"(?i)postgres(?:ql)?(?:\+(\w+))?:")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%[\w.]+)?\]")
_LARGEST_PORT: Final = 65_535


class NotPostgres(ValueError):
    """The text is not such an address. The message holds nothing of it."""


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """``host`` None: the socket of this machine, or what ``options`` say. Nothing here is percent-encoded any more."""

    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, str]:
        """The driver's keywords."""
        named = {
            "dbname": self.database,
            "user": self.user,
            "password": self.password,
            "host": self.host,
            "port": None if self.port is None else str(self.port),
        }
        return {name: value for name, value in named.items() if value is not None} | dict(self.options)

    def text(self) -> str:
        """The address with everything encoded that may be read in two ways."""
        user = "" if self.user is None else quote(self.user, safe="")
        password = "" if self.password is None else ":" + quote(self.password, safe="")
        host = self.host or ""
        if ":" in host:
            host = f"[{host}]"
        at = "@" if user or password else ""
        port = "" if self.port is None else f":{self.port}"
        query = "?" + urlencode(self.options, safe="/", quote_via=quote) if self.options else ""
        return f"{SCHEME}://{user}{password}{at}{host}{port}/{quote(self.database, safe='')}{query}"


def is_postgres(text: str) -> bool:
    """Whether it is meant as one, well written or not."""
    return _SCHEME.match(text) is not None


def read_postgres(text: str) -> PostgresUrl:
    """``postgresql+psycopg://user:password@host:port/database?option=value``, and the same with ``postgresql://``. Raises NotPostgres.

    A password may hold an ``@`` that is not encoded; other special characters need ``%`` and their code.
    """
    match = _SCHEME.match(text)
    if match is None:
        raise NotPostgres("it does not begin with postgresql://")
    if (match.group(1) or "psycopg").lower() != "psycopg":
        raise NotPostgres(f"the driver is psycopg: write {SCHEME}://")
    rest = text[match.end() :]
    if not rest.startswith("//"):
        raise NotPostgres("two slashes follow the colon")
    if "#" in rest:
        raise NotPostgres("a # in it is written %23")
    before, _, query = rest[2:].partition("?")
    userinfo, at, place = before.rpartition("@")
    if "/" in userinfo:
        raise NotPostgres("a / in user or password is written %2F")
    authority, slash, database = place.partition("/")
    if not slash or not database:
        raise NotPostgres("it names no database: user@host/DATABASE")
    if "/" in database:
        raise NotPostgres("a / in the name of the database is written %2F")
    host, port = _host_and_port(authority)
    user, colon, password = userinfo.partition(":")
    if at and not user:
        raise NotPostgres("the user is missing before the @")
    options = _options(query)
    if host is not None and options.keys() & {"host", "hostaddr"}:
        raise NotPostgres("the host stands there twice")
    return PostgresUrl(
        database=_decoded(database),
        user=_decoded(user) if user else None,
        password=_decoded(password) if colon and password else None,
        host=host,
        port=port,
        options=options,
    )


def _host_and_port(authority: str) -> tuple[str | None, int | None]:
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    elif not port:
        raise NotPostgres("the port is missing after the colon")
    if host and not _HOST.fullmatch(host):
        raise NotPostgres(
            "the host is not the name or the address of a machine; special characters of a password are written with %"
        )
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _LARGEST_PORT):
        raise NotPostgres(f"the port is not a number from 1 to {_LARGEST_PORT}")
    return host.strip("[]") or None, int(port) if port else None


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict") if query else []
    except ValueError:
        raise NotPostgres("what follows the ? is not name=value&name=value") from None
    options: dict[str, str] = {}
    for name, value in pairs:
        if name == "password":
            raise NotPostgres("the password stands before the host: user:password@host")
        if name not in OPTIONS:
            raise NotPostgres("after the ? is a word that the driver does not know")
        if name in options:
            raise NotPostgres(f"{name} stands there twice")
        if "\0" in value:
            raise NotPostgres(f"{name} holds a character that cannot be there")
        options[name] = value
    return options


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise NotPostgres("it holds an encoded character that cannot be there")
    return decoded
