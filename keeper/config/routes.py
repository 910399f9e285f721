"""The section ``routes``: how transactions reach the chain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from keeper.config import breaker, safe
from keeper.config.chain import node_of
from keeper.config.kinds import REFERENCE, choice, duration
from keeper.config.model import BreakerRoute, RouteConfig, SafeRoute
from keeper.config.problems import nearest
from keeper.config.secret import Secret
from keeper.config.sending import BuilderConfig, Cancel, PrivateRoute, PublicRoute, RaceRoute
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.signers import REQUESTS, KeyPlace, read_identity
from keeper.config.tree import Scalar
from keeper.config.urls import SAFE_URL, shown_url
from keeper.domain.errors import UnitError
from keeper.domain.record import Json
from keeper.domain.units import Span, parse_span

DEFAULT_ROUTE: Final = "public"
NEVER: Final = "never"
NO_HEADER: Final = "none"
MAX_ALONE: Final = 1_000
MAX_BUILDERS: Final = 32
MAX_ENDPOINTS: Final = 32
MAX_TIMEOUT_MS: Final = 12_000
MAX_PROVE_MS: Final = 3_600_000
_HEADER = re.compile(r"[Xx](?:-[A-Za-z0-9]{1,32}){1,4}")
_ALONE_HINT = f"a number of blocks, from 0 blocks to {MAX_ALONE} blocks, or never"


def _alone(given: Given) -> Span | None:
    if given.text == NEVER:
        return None
    try:
        span = parse_span(given.text)
    except UnitError:
        raise Bad("neither a number of blocks nor never", _ALONE_HINT) from None
    if span.blocks is None:
        raise Bad("this is a time; a number of blocks is needed", _ALONE_HINT)
    if span.blocks > MAX_ALONE:
        raise Bad("the number is too large", _ALONE_HINT)
    return span


def _header(given: Given) -> str:
    if given.text == NO_HEADER:
        return ""
    if not _HEADER.fullmatch(given.text):
        raise Bad(
            "not the name of a header for signatures", "X-Flashbots-Signature, or none where the builder wants none"
        )
    return given.text


ALONE: Kind[Span | None] = Kind(_alone, None, {"type": "string", "pattern": rf"^\s*({NEVER}|\d{{1,4}}\s*blocks?)\s*$"})
_ENDPOINTS_SCHEMA: dict[str, Json] = {"type": "array", "minItems": 1, "items": dict(SAFE_URL.schema)}

ENDPOINTS = Part(
    "endpoints",
    "Where it is sent in place of the endpoints of chain, such as the sequencer of a layer-2 chain.",
    _ENDPOINTS_SCHEMA,
    required=False,
)
PUBLIC = Shape("The public mempool, through the endpoints of chain or through its own.", (ENDPOINTS,), kind="public")

BUILDER_URL = Field("url", SAFE_URL, "Where the builder or relay takes bundles.")
HEADER = Field(
    "header",
    Kind(_header, "", {"type": "string", "pattern": rf"^({NO_HEADER}|{_HEADER.pattern})$"}),
    "The header that carries our signature; none: it wants none.",
    "X-Flashbots-Signature",
)
PRIVATE_TRANSACTIONS = Field(
    "private_transactions", safe.FLAG, "Whether it takes eth_sendPrivateTransaction too.", False
)
CANCEL = Field(
    "cancel",
    choice(Cancel, Cancel.METHOD),
    "How it is asked to forget a bundle: method (eth_cancelBundle), empty (the same again without transactions), none.",
    Cancel.METHOD,
)
STATUS = Field("status", SAFE_URL, "The base URL that answers /tx/HASH; left out: it has none.", Secret(""))
BUILDER = Shape("One builder or relay.", (BUILDER_URL, HEADER, PRIVATE_TRANSACTIONS, CANCEL, STATUS))

BUILDERS = Part("builders", "The builders that get every bundle, by name.", {})
IDENTITY = Part("identity", "The key that signs requests to builders, and nothing else: no funds, no rights.", {})
FALLBACK = Field("fallback", REFERENCE, "The public route that is used when builders do not include it.", DEFAULT_ROUTE)
PUBLIC_AFTER = Field(
    "public_after",
    ALONE,
    "After so many blocks without inclusion it goes to the fallback as well; 0 blocks: at once; never: not at all.",
    Span(blocks=2),
)
TIMEOUT = Field("timeout", duration(50), "How long a builder may take for its answer.", 2_000)
PROVE = Field("prove", duration(1_000), "How often every builder is asked whether it takes our signature.", 300_000)
PRIVATE = Shape(
    "Block builders, which keep it to themselves until it is in a block.",
    (BUILDERS, IDENTITY, FALLBACK, PUBLIC_AFTER, TIMEOUT, PROVE),
    kind="private",
)

RACE_PRIVATE = Field("private", REFERENCE, "The private route of the two.")
RACE_PUBLIC = Field("public", REFERENCE, "The public route of the two.", DEFAULT_ROUTE)
RACE = Shape("Builders and the public mempool at once.", (RACE_PRIVATE, RACE_PUBLIC), kind="race")

ROUTES = {
    "public": PUBLIC,
    "private": PRIVATE,
    "race": RACE,
    "breaker": breaker.ROUTE,
    "safe": safe.ROUTE,
}


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes that could be read, and every name that an action may use (those of broken routes too, so that one mistake counts once).

    ``identities`` are the keys of private routes.
    """

    all: tuple[RouteConfig, ...]
    names: tuple[str, ...]
    identities: tuple[KeyPlace, ...] = ()

    @property
    def breakers(self) -> Mapping[str, str]:
        """The address of the contract of each route to one."""
        return {route.name: route.address for route in self.all if isinstance(route, BreakerRoute)}

    @property
    def councils(self) -> frozenset[str]:
        """The routes to a Safe."""
        return frozenset(route.name for route in self.all if isinstance(route, SafeRoute))


def travels_by(routes: Iterable[RouteConfig], name: str) -> RouteConfig | None:
    """The route of this name, or the one that it leads through; None where there is none."""
    by_name = {route.name: route for route in routes}
    route = by_name.get(name)
    return by_name.get(route.through) if isinstance(route, BreakerRoute) else route


def read_routes(cursor: Cursor | None) -> Routes:
    """Every named route, and ``public``, which is always there."""
    found: list[RouteConfig] = []
    names: list[str] = []
    broken: set[str] = set()
    places: dict[str, tuple[str, Secret]] = {}
    identities: list[KeyPlace] = []
    sections: dict[str, Section] = {}
    for name, below in cursor.named() if cursor else ():
        names.append(name)
        if _is_taken(name, below):
            broken.add(name)
            continue
        chosen = below.choose(ROUTES, implied=name)
        route = _read(name, *chosen, places, identities) if chosen else None
        if route is None or chosen is None:
            broken.add(name)
            continue
        sections[name] = chosen[1]
        found.append(route)
    if DEFAULT_ROUTE not in names:
        names.append(DEFAULT_ROUTE)
        found.append(PublicRoute(DEFAULT_ROUTE))
    kinds = {route.name: route for route in found}
    for name, section in sections.items():
        _check_names(kinds[name], section, kinds, broken)
    return Routes(tuple(found), tuple(names), tuple(identities))


def _is_taken(name: str, below: Cursor) -> bool:
    """Whether the built-in name is that of another kind. Notes it; what else that section says would be about another route."""
    at = below.written("kind")
    if name != DEFAULT_ROUTE or at is None or not isinstance(at.node, Scalar):
        return False
    if str(at.node.value) not in ROUTES or at.node.value == "public":
        return False
    at.problem("`public` is the built-in name", "choose another for this route")
    return True


def _read(
    name: str, kind: str, section: Section, places: dict[str, tuple[str, Secret]], identities: list[KeyPlace]
) -> RouteConfig | None:
    match kind:
        case "breaker":
            return breaker.read_breaker(name, section, places)
        case "safe":
            return safe.read_safe(name, section)
        case "race":
            return RaceRoute(name, section.get(RACE_PRIVATE), section.get(RACE_PUBLIC))
        case "private":
            return _private(name, section, identities)
        case _:
            return _public(name, section.at(ENDPOINTS.key))


def _public(name: str, at: Cursor | None) -> PublicRoute:
    if at is None:
        return PublicRoute(name)
    items = at.items()
    if at.is_list and not items:
        at.problem("there is no endpoint", "name one, or leave it out: then those of chain are used", found="")
    if len(items) > MAX_ENDPOINTS:
        at.problem(f"there are {len(items)} endpoints", f"{MAX_ENDPOINTS} at most", found="")
    seen: dict[tuple[str, int, str], str] = {}
    urls = [_own_url(item, item.read(SAFE_URL), str(number), seen) for number, item in enumerate(items)]
    return PublicRoute(name, tuple(urls), tuple(shown_url(item) for item in items))


def _private(name: str, section: Section, identities: list[KeyPlace]) -> PrivateRoute | None:
    builders_at, identity_at = section.at(BUILDERS.key), section.at(IDENTITY.key)
    builders = _builders(builders_at) if builders_at else ()
    identity = read_identity(identity_at) if identity_at else None
    alone, timeout_ms, prove_ms = section.get(PUBLIC_AFTER), section.get(TIMEOUT), section.get(PROVE)
    if timeout_ms > MAX_TIMEOUT_MS:
        section.problem(TIMEOUT.key, "longer than a block takes", f"{MAX_TIMEOUT_MS // 1000}s at most")
    if prove_ms > MAX_PROVE_MS:
        hint = f"{MAX_PROVE_MS // 3_600_000}h at most: a builder that refuses must not go unnoticed"
        section.problem(PROVE.key, "the duration is too large", hint)
    if identity is None or identity_at is None:
        return None
    identities.append(KeyPlace(f"the route {name}", identity, identity_at, texts=REQUESTS))
    return PrivateRoute(
        name=name,
        builders=builders,
        identity=identity,
        fallback=section.get(FALLBACK),
        public_after=None if alone is None else alone.blocks,
        timeout_ms=timeout_ms,
        prove_ms=prove_ms,
    )


def _builders(cursor: Cursor) -> tuple[BuilderConfig, ...]:
    found: list[BuilderConfig] = []
    if cursor.empty:
        cursor.problem("there is no builder", "name one at least: docs/operator/routes.md", found="")
    named = cursor.named()
    if len(named) > MAX_BUILDERS:
        cursor.problem(f"there are {len(named)} builders", f"{MAX_BUILDERS} at most", found="")
    seen: dict[tuple[str, int, str], str] = {}
    for name, below in named:
        section = below.open(BUILDER)
        if section is None:
            continue
        url_at, status = section.at(BUILDER_URL.key), section.get(STATUS)
        url = section.get(BUILDER_URL)
        found.append(
            BuilderConfig(
                name=name,
                url=_own_url(url_at, url, name, seen) if url_at else url,
                shown=shown_url(url_at),
                header=section.get(HEADER),
                private_transactions=section.get(PRIVATE_TRANSACTIONS),
                cancel=section.get(CANCEL),
                status=status if status.reveal() else None,
            )
        )
    return tuple(found)


def _own_url(at: Cursor, url: Secret, name: str, seen: dict[tuple[str, int, str], str]) -> Secret:
    """The address, after noting that another of the list has it too."""
    offline = at.context.environment.offline  # what the log keeps of two addresses may be alike
    if url.reveal() and not offline and seen.setdefault(node_of(url.reveal()), name) != name:
        at.problem("this address is there twice", "name each once: it would be asked twice for the same thing")
    return url


def _check_names(route: RouteConfig, section: Section, routes: Mapping[str, RouteConfig], broken: set[str]) -> None:
    """Notes a name of another route that is not there, or that is of the wrong kind."""

    def check(key: str, name: str, kinds: tuple[type[RouteConfig], ...], words: str) -> None:
        fits = [one.name for one in routes.values() if isinstance(one, kinds)]
        if not name or name in broken or name in fits:
            return
        hint = nearest(name, fits) if fits else f"there is no {words} route yet"
        section.problem(key, f"this route is not {words}" if name in routes else "no route has this name", hint)

    match route:
        case PrivateRoute():
            check(FALLBACK.key, route.fallback, (PublicRoute,), "public")
        case RaceRoute():
            check(RACE_PRIVATE.key, route.private, (PrivateRoute,), "private")
            check(RACE_PUBLIC.key, route.public, (PublicRoute,), "public")
        case BreakerRoute():
            check(breaker.THROUGH.key, route.through, (PublicRoute, PrivateRoute, RaceRoute), "public, private or race")
