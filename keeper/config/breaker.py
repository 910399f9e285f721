"""The breaker contract in the configuration: the route to it, and what of it an action trips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from keeper.config.calls import BREAKER_NAME
from keeper.config.kinds import CONTRACT, RAW, REFERENCE, duration, file_in
from keeper.config.model import BreakerRoute
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.slots import Slot, Variables, bind_slot, read_slot
from keeper.domain.action import BreakerTrip
from keeper.domain.adjustment import NEW
from keeper.domain.record import Json

_SQLITE = "sqlite:///"
_POSTGRES = "postgresql+psycopg://"
_PLACES = f"a folder that the keepers share, {_SQLITE}orders.db, or {_POSTGRES}..."


def _orders(given: Given) -> Secret:
    """A folder or a database; paths made absolute. A database's address may hold a password, so all of it is one."""
    text = given.text
    if not text.isprintable():
        raise Bad("no place for orders", _PLACES)
    if text.startswith(_SQLITE) and text != _SQLITE:
        return Secret(_SQLITE + quote(file_in(given.folder, unquote(text.removeprefix(_SQLITE)))))
    if text.startswith(_POSTGRES):
        return Secret(text)
    if "://" in text or text.startswith("sqlite:"):
        raise Bad("no place for orders", _PLACES)
    return Secret(file_in(given.folder, text))


ORDERS_PLACE = Kind(_orders, Secret(""), {"type": "string", "minLength": 1}, env=True)

ADDRESS = Field("address", CONTRACT, "The contract CircuitBreaker; an EIP-55 address.")
HEARTBEAT = Field(
    "heartbeat",
    duration(60_000),
    "How often the keeper proves to it that it lives; well below its silence limit.",
    6 * 3_600_000,
)
ORDERS = Field(
    "orders",
    ORDERS_PLACE,
    "Where keepers leave what several of them must sign: a folder, or the address of a database.",
    Secret(""),
)
THROUGH = Field("through", REFERENCE, "The route by which its transactions travel: public, private or race.", "public")
ROUTE = Shape(
    "The contract CircuitBreaker, which bounds what the key can do.",
    (ADDRESS, HEARTBEAT, ORDERS, THROUGH),
    kind="breaker",
)


def read_breaker(name: str, section: Section, known: dict[str, tuple[str, Secret]]) -> BreakerRoute:
    """The route; what is wrong is noted. ``known`` as ``check_orders`` says."""
    orders = section.get(ORDERS)
    check_orders(section, name, known)
    return BreakerRoute(
        name,
        section.get(ADDRESS),
        section.get(HEARTBEAT),
        orders if orders.reveal() else None,
        section.get(THROUGH),
    )


def check_orders(section: Section, name: str, known: dict[str, tuple[str, Secret]]) -> None:
    """Notes another place for orders of the same contract than that of a route before: a contract has one, and it would be left to chance which.

    ``known`` has the first route's name and place by contract, and is added to.
    """
    contract, orders = section.get(ADDRESS), section.get(ORDERS)
    if not section.clean or not orders.reveal():
        return
    first, place = known.setdefault(contract, (name, orders))
    if place.reveal() != orders.reveal():
        section.problem(
            ORDERS.key,
            f"the route {first} has other orders for the same contract",
            f"write the same `orders` in both, or use the route {first}",
        )


_ID_SCHEMA: dict[str, Json] = {"type": "string", "minLength": 1}
_VALUES_SCHEMA: dict[str, Json] = {"type": "array", "items": dict(RAW.schema)}
ID = Part(
    "breaker", "The registered breaker of a route breaker: its name, or 0x and 64 digits.", _ID_SCHEMA, required=False
)
VALUES = Part(
    "breaker_values",
    'A value for each bound of the breaker; left out: "{new}" where there is a `new`, else none.',
    _VALUES_SCHEMA,
    required=False,
)


@dataclass(frozen=True, slots=True)
class TripDraft:
    """What an action trips, before it is bound to a market. ``contract`` is the route's."""

    contract: str
    id: Slot
    values: tuple[Slot, ...]


def read_trip(section: Section, route: str, breakers: Mapping[str, str], *, adjusts: bool) -> TripDraft | None:
    """None for an action on another route, or after noting what is wrong. ``breakers`` has the address of each route to a breaker contract."""
    named, listed = section.at(ID.key), section.at(VALUES.key)
    if route not in breakers:
        for at in (named, listed):
            if at:
                at.problem("this belongs to a route breaker", "set `route` of the action, or leave it out")
        return None
    if named is None:
        section.problem(ID.key, "breaker is missing", "name the breaker as it is registered with the contract")
        return None
    identifier = read_slot(named, BREAKER_NAME)
    if listed is None:
        values = [Slot(NEW, "uint256", named)] if adjusts else []
    else:
        values = [read_slot(item, "uint256") for item in listed.items()]
        _check_new(listed, values, adjusts=adjusts)
    return TripDraft(breakers[route], identifier, tuple(values)) if section.clean else None


def _check_new(at: Cursor, values: Sequence[Slot], *, adjusts: bool) -> None:
    holding = [value for value in values if NEW in value.text]
    if adjusts and (len(holding) != 1 or holding[0].text != NEW):
        at.problem(
            'one of the values is "{new}", where the new value goes', 'write ["{new}"] for a breaker with one bound'
        )
    if not adjusts and holding:
        holding[0].at.problem("{new} means nothing here", "it goes together with `new` of the action")


def bind_trip(draft: TripDraft, market: str, variables: Variables) -> BreakerTrip:
    """The breaker in this market; what does not fit is noted."""
    identifier = bind_slot(draft.id, market, variables)
    values = tuple(value.text if value.text == NEW else bind_slot(value, market, variables) for value in draft.values)
    return BreakerTrip(draft.contract, identifier, values)
