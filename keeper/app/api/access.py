"""Who may read the log over HTTP: bearer tokens, known by their hashes alone, and sessions for browsers that gave one."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from keeper.app.pages.guard import RateLimit, host_name
from keeper.app.pages.problem import PageProblem
from keeper.ports.clock import Clock

TOKEN_BYTES: Final = 32
TOKEN_MAX: Final = 256
"""Characters of a token that is looked at; hashing a longer one would be work for nothing."""
SESSION_MS: Final = 12 * 3_600_000
SESSIONS_MAX: Final = 256
SESSIONS_OF_ONE: Final = 32
"""Of one token: the oldest ends, so that nobody ends those of others."""
HANDED_ON: Final = frozenset({"forwarded", "via", "x-real-ip"})
"""Beside x-forwarded-*: what proxies write."""
PREFIX: Final = "sha256:"
CLOSED: Final = "This log is read on this machine only: no token is configured."
CLOSED_REMEDY: Final = "make one with `keeper audit CONFIG token NAME` and put what it prints under `http: tokens:`"
UNKNOWN: Final = "A token that is known here is needed."
UNKNOWN_REMEDY: Final = (
    "send it as `Authorization: Bearer TOKEN`; who runs the keeper makes tokens with `keeper audit CONFIG token NAME`"
)


def new_token() -> str:
    """256 bits of the system's randomness, as text that needs no quotes."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """As the configuration holds it. A token is random and long, so a plain hash is enough: there is nothing to guess."""
    return PREFIX + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """``tokens``: hashes by name. ``rate``: requests in a minute, of one token, and of one address without. ``url`` is where people reach it."""

    listen_host: str = "127.0.0.1"
    tokens: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rate: int = 120
    url: str = ""


class Access:
    """Decides for every request, pages and API alike. Raises PageProblem: 401, 403 or 429.

    Who has a token is never kept out by others of the same address: only what fails is counted by address.
    """

    def __init__(self, settings: AccessSettings, clock: Clock) -> None:
        self._tokens = dict(settings.tokens)
        near = is_loopback(settings.listen_host) and (not settings.url or is_loopback(_host_of(settings.url)))
        self._open = not self._tokens and near
        self._clock = clock
        self._addresses = RateLimit(clock, settings.rate)
        self._names = RateLimit(clock, settings.rate)
        self._logins = RateLimit(clock, min(settings.rate, 10))
        self._sessions: dict[str, tuple[str, float]] = {}

    @property
    def asks_for_tokens(self) -> bool:
        return bool(self._tokens)

    @property
    def closed(self) -> bool:
        """Nobody reads the log here: others reach the address, and no token is configured."""
        return not self._tokens and not self._open

    def of_api(self, headers: Headers, address: str) -> str:
        """Who it is: a token's name, or the address."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        name = self._name_of(token.strip()) if scheme.lower() == "bearer" else None
        return self._admitted(name, headers, address, UNKNOWN_REMEDY)

    def of_page(self, session: str, headers: Headers, address: str) -> str:
        """The same for a page."""
        return self._admitted(self._named_by(session), headers, address, "give it below")

    def still(self, session: str) -> bool:
        """Whether whoever was let in with this session still is: it has not ended, or none is asked for."""
        return not self._tokens or self._named_by(session) is not None

    def log_in(self, token: str, address: str) -> str:
        """The session's secret, for a cookie."""
        name = self._name_of(token) if self._tokens else None
        if name is None:
            self._logins.take(_block(address))
            raise PageProblem(401, "This token is not known here.", "give one that is")
        self._names.take(name, "with this token")
        session = secrets.token_urlsafe(TOKEN_BYTES)
        own = [key for key, (whose, _) in self._sessions.items() if whose == name]
        if len(own) >= SESSIONS_OF_ONE:
            del self._sessions[own[0]]
        self._remember(_key(session), name)
        return session

    def adopt(self, session: str) -> None:
        """A session that another process of this keeper has opened; whose it is is not known here."""
        key = _key(session)
        self._remember(key, f"session {key}")

    def log_out(self, session: str) -> None:
        self._sessions.pop(_key(session), None)

    def _admitted(self, name: str | None, headers: Headers, address: str, remedy: str) -> str:
        if name is not None:
            self._names.take(name, "with this token")
            return name
        self._addresses.take(_block(address))
        if self._tokens:
            raise PageProblem(401, UNKNOWN, remedy)
        if not self._open or not _asked_here(headers):
            raise PageProblem(403, CLOSED, CLOSED_REMEDY)
        return _block(address)

    def _remember(self, key: str, name: str) -> None:
        self._sessions[key] = name, self._clock.monotonic_ms() + SESSION_MS
        if len(self._sessions) > SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]

    def _name_of(self, token: str) -> str | None:
        """Every known hash is compared in full, whether one before fits or not."""
        given = token_hash(token[:TOKEN_MAX] if token else "")
        found = None
        for name, known in self._tokens.items():
            if hmac.compare_digest(given, known):
                found = name
        return found if 0 < len(token) <= TOKEN_MAX else None

    def _named_by(self, session: str) -> str | None:
        name, until_ms = self._sessions.get(_key(session), (None, 0.0))
        if name is None or until_ms <= self._clock.monotonic_ms():
            self._sessions.pop(_key(session), None)
            return None
        return name


def _asked_here(headers: Headers) -> bool:
    """Whether the request comes from this machine itself, as far as it says: what a proxy hands on comes from anywhere."""
    named = host_name(headers.get("host", ""))
    handed_on = any(name in HANDED_ON or name.startswith("x-forwarded-") for name in headers)
    return named is not None and is_loopback(named) and not handed_on


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _block(address: str) -> str:
    """One subscriber: an address of IPv4, a /64 of IPv6, of which each has all."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def _key(session: str) -> str:
    """Kept hashed: nothing that opens a page lies in memory, and finding one takes the same time whatever its text."""
    return hashlib.sha256(session[:TOKEN_MAX].encode("utf-8", "surrogateescape")).hexdigest()
