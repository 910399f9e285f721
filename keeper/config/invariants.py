"""The section ``invariants``: what must be true after a change, read once, then bound to the markets whose variables it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from keeper.config import templates
from keeper.config.actions import KEEP, ActionDraft
from keeper.config.calls import ACTING, VIEW, Signature
from keeper.config.invariant_drafts import (
    MAX_ACCOUNTS,
    AccountsDraft,
    BoundDraft,
    CallDraft,
    InvariantDraft,
    LimitDraft,
    LiquidatableDraft,
    PriceDraft,
    ViewDraft,
)
from keeper.config.kinds import NUMBER, RAW, REFERENCE, SHARE, check_address, choice, whole
from keeper.config.model import Source
from keeper.config.problems import nearest
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.slots import Slot, Variables, bind_slot, misfit, read_slot
from keeper.config.sources import DECIMALS
from keeper.config.sources import INDEX as RESULT
from keeper.config.targets import TARGET_KIND
from keeper.config.tree import Table
from keeper.domain.abi_codec import integer_range
from keeper.domain.action import Action
from keeper.domain.invariant import (
    ACCOUNT,
    INDEX,
    BoundInvariant,
    Invariant,
    Limit,
    LiquidatableInvariant,
    Otherwise,
    PriceInvariant,
)
from keeper.domain.units import Unit

_LIST = re.compile(r"\(\s*address\s*\[\s*\]\s*\)\s*$")


def _listing(given: Given) -> Signature:
    found = _LIST.search(given.text)
    if found is None:
        raise Bad("the view of accounts answers a list of addresses", "write for example: owners()(address[])")
    without = Given(given.text[: found.start()], given.value, given.from_env, given.folder)
    return ACTING.parse(without)


LISTING = Kind(_listing, ACTING.blank, {"type": "string", "pattern": r"\(\s*address\s*\[\s*\]\s*\)\s*$"})

TARGET = Field("target", TARGET_KIND, "The contract; an EIP-55 address.")
TARGET_AGAIN = Field("target", TARGET_KIND, "The contract, when it is another than the invariant's.", "")
CALL = Field("call", VIEW, "The view, with its results: priceOf(bytes32)(uint256).")
ARGS = Part(
    "args",
    'The arguments as texts; "{id}" is the variable id of the market, "{account}" the account asked about, "{index}" its place.',
    {"type": "array", "items": dict(RAW.schema)},
    required=False,
)
LABEL = Field("label", RAW, "What people call this number, such as: the price the exchange uses.", "")
OTHERWISE = Field(
    "otherwise",
    choice(Otherwise, Otherwise.BLOCK),
    "What happens to an automatic action when this cannot be judged: block, or act.",
    Otherwise.BLOCK,
)
MARKETS = Part(
    "markets",
    "The markets it is of, when it holds variables and is not of all.",
    {"type": "array", "items": dict(REFERENCE.schema), "minItems": 1},
    required=False,
)
SOURCE = Part("source", "The source that says what the market pays; may be a variable.", dict(RAW.schema))
WITHIN = Field("within", SHARE, "How far off that the price may be, such as 2%.")
TIMES = Field("times", NUMBER, "The bound is so many times that view.", Decimal(1))
AT_LEAST = Part("at_least", "A number, or a view times a number.", {}, required=False)
AT_MOST = Part("at_most", "A number, or a view times a number.", {}, required=False)
ACCOUNTS = Part(
    "accounts", "Whose positions are looked at: addresses, a view that lists them, or a count and a view of each.", {}
)
HEALTH = Part("health", "The view of one position's health.", {})
VALUE = Part("value", "The view of one position's value, in the unit of value_at_most.", {}, required=False)
BELOW = Field("below", NUMBER, "A position whose health is below this is liquidatable.")
NEW_AT_MOST = Field("at_most", whole(0, 1_000_000), "So many positions may become liquidatable.", 0)
VALUE_AT_MOST = Part(
    "value_at_most", "So much may become liquidatable, all positions together.", dict(NUMBER.schema), required=False
)
COUNT = Field("count", VIEW, "The view that says how many there are: positions()(uint256).")
AT = Field(
    "at", VIEW, 'The view of the account at a place: positionAt(uint256)(address); its arguments are ["{index}"].'
)
LIST_CALL = Field("call", LISTING, "The view that lists the accounts: owners()(address[]).")
MOST = Field(
    "most", whole(1, MAX_ACCOUNTS), "So many accounts are looked at; when there are more, it cannot be judged.", 500
)

_VIEW = (TARGET_AGAIN, CALL, ARGS, DECIMALS, RESULT, LABEL)
LIMIT = Shape("So many times a view.", (*_VIEW, TIMES))
HEALTH_VIEW = Shape("The view of one position's health.", (*_VIEW, BELOW))
VALUE_VIEW = Shape("The view of one position's value.", _VIEW)
LISTED = Shape("A view that lists the accounts.", (TARGET_AGAIN, LIST_CALL, ARGS, MOST))
COUNTED = Shape("A view that counts the accounts, and one that answers each.", (TARGET_AGAIN, COUNT, AT, MOST))

_BOTH = (OTHERWISE, MARKETS)
KINDS = {
    "price": Shape(
        "A price that the protocol uses is near the market's.",
        (TARGET, CALL, ARGS, DECIMALS, RESULT, LABEL, SOURCE, WITHIN, *_BOTH),
        kind="price",
    ),
    "bound": Shape(
        "A number stays within its bounds: a cap is not below what is in use.",
        (TARGET, CALL, ARGS, DECIMALS, RESULT, LABEL, AT_LEAST, AT_MOST, *_BOTH),
        kind="bound",
    ),
    "liquidatable": Shape(
        "No more positions than so many become liquidatable.",
        (TARGET, ACCOUNTS, HEALTH, VALUE, NEW_AT_MOST, VALUE_AT_MOST, *_BOTH),
        kind="liquidatable",
    ),
}


def read_invariants(cursor: Cursor, sources: Mapping[str, Source | None]) -> dict[str, InvariantDraft | None]:
    """Every named invariant; None for a broken one."""
    return {name: _read(name, below, sources) for name, below in cursor.named()}


def _read(name: str, cursor: Cursor, sources: Mapping[str, Source | None]) -> InvariantDraft | None:
    chosen = cursor.choose(KINDS)
    if chosen is None:
        return None
    kind, section = chosen
    target = Slot(section.get(TARGET), "address", section.at("target") or cursor)
    what: PriceDraft | BoundDraft | LiquidatableDraft | None
    if kind == "price":
        what = _price(section, target, sources)
    elif kind == "bound":
        what = _bound(section, target)
    else:
        what = _liquidatable(section, target)
    below = section.at("markets")
    markets = tuple(item.read(REFERENCE) for item in below.items()) if below else None
    otherwise = section.get(OTHERWISE)
    if not section.clean or what is None:
        return None
    draft = InvariantDraft(name, what, otherwise, markets, cursor)
    if below and not draft.of_markets:
        below.problem("it holds no variables, so it is the same in every market", "leave markets out")
    return draft


def _price(section: Section, target: Slot, sources: Mapping[str, Source | None]) -> PriceDraft | None:
    below = section.at("source")
    within = section.get(WITHIN)
    if section.at("within") and section.clean and not 0 < within < 1:
        section.problem("within", "a share above 0 and below 100%", "write for example: 2%")
    view = _view(section, target)
    if below is None:
        return None
    source = read_slot(below, "string")
    if not templates.is_template(source.text):
        _check_source(source, sources, "")
    return PriceDraft(view, source, within)


def _check_source(slot: Slot, sources: Mapping[str, Source | None], name: str) -> None:
    """``name`` is what the variables came to; empty: it is written there."""
    found = name or slot.text
    known = sources.get(found)
    if found not in sources:
        slot.at.problem("no source has this name", nearest(found, sources))
    elif known is not None and known.unit not in (Unit.PRICE, Unit.RATIO):
        slot.at.problem("a source of unit price or ratio is needed", f"{found} is of unit {known.unit}")


def _bound(section: Section, target: Slot) -> BoundDraft:
    view = _view(section, target)
    if section.at("at_least") is None and section.at("at_most") is None:
        section.cursor.problem("at_least or at_most is missing", "one of them says where the bound is", found="")
    return BoundDraft(view, _limit(section.at("at_least"), target), _limit(section.at("at_most"), target))


def _limit(below: Cursor | None, target: Slot) -> Decimal | LimitDraft | None:
    if below is None:
        return None
    if not isinstance(below.node, Table):
        return below.read(NUMBER)
    section = below.open(LIMIT)
    return LimitDraft(_view(section, target), section.get(TIMES)) if section else None


def _liquidatable(section: Section, target: Slot) -> LiquidatableDraft | None:
    accounts_at, health_at, value_at = section.at("accounts"), section.at("health"), section.at("value")
    most_at = section.at("value_at_most")
    accounts = _accounts(accounts_at, target) if accounts_at else None
    health = health_at.open(HEALTH_VIEW) if health_at else None
    value = value_at.open(VALUE_VIEW) if value_at else None
    if most_at and not value_at:
        most_at.problem("there is no value that it could bound", "add value, the view of one position's value")
    value_at_most = most_at.read(NUMBER) if most_at else None
    if health is None or accounts is None:
        return None
    return LiquidatableDraft(
        accounts,
        _view(health, target, (ACCOUNT,)),
        health.get(BELOW),
        _view(value, target, (ACCOUNT,)) if value else None,
        section.get(NEW_AT_MOST),
        value_at_most,
    )


def _accounts(cursor: Cursor, target: Slot) -> AccountsDraft | None:
    if cursor.is_list:
        return AccountsDraft(fixed=_fixed(cursor))
    table = cursor.table()
    if table is None:
        return None
    if "count" not in table.entries and "at" not in table.entries:
        section = cursor.open(LISTED)
        if section is None:
            return None
        return AccountsDraft(listed=_call(section, section.get(LIST_CALL), target), most=section.get(MOST))
    section = cursor.open(COUNTED)
    if section is None:
        return None
    at, count = section.get(AT), section.get(COUNT)
    own = _target(section, target)
    if at.known and (at.function.outputs != ("address",) or at.function.inputs != ("uint256",)):
        section.problem(
            "at", "it takes a place and answers an address", "write for example: positionAt(uint256)(address)"
        )
    if count.known and (
        count.function.inputs or len(count.function.outputs) != 1 or integer_range(count.function.outputs[0]) is None
    ):
        section.problem("count", "it takes nothing and answers a number", "write for example: positions()(uint256)")
    place = Slot(INDEX, "uint256", section.at("at") or cursor)
    return AccountsDraft(
        count=CallDraft(own, count, ()), at=CallDraft(own, at, (place,), (INDEX,)), most=section.get(MOST)
    )


def _fixed(cursor: Cursor) -> tuple[str, ...]:
    items = cursor.items()
    if not items or len(items) > MAX_ACCOUNTS:
        cursor.problem(f"{len(items)} accounts", f"from 1 to {MAX_ACCOUNTS}")
    found = []
    for item in items:
        text = item.read(RAW)
        try:
            found.append(check_address(text, show=True))
        except Bad as bad:
            item.problem(bad.message, bad.hint)
    return tuple(found)


def _view(section: Section, target: Slot, later: tuple[str, ...] = ()) -> ViewDraft:
    signature, index = section.get(CALL), section.get(RESULT)
    call = _call(section, signature, target, later)
    outputs = signature.function.outputs
    if signature.known and index >= len(outputs):
        section.problem("index", f"there are {len(outputs)} results", f"from 0 to {len(outputs) - 1}")
    elif signature.known and integer_range(outputs[index]) is None:
        section.problem("call", f"result {index} is a {outputs[index]}, not a number", "choose another with index")
    if later and signature.known and not any(slot.text in later for slot in call.args):
        section.problem("args", f"none of the arguments is {later[0]}", f'the account goes where "{later[0]}" stands')
    return ViewDraft(call, section.get(DECIMALS), index, section.get(LABEL))


def _target(section: Section, outer: Slot) -> Slot:
    own, at = section.get(TARGET_AGAIN), section.at("target")
    return Slot(own, "address", at) if own and at else outer


def _call(section: Section, signature: Signature, outer: Slot, later: tuple[str, ...] = ()) -> CallDraft:
    below = section.at("args")
    items = below.items() if below else []
    types = signature.function.inputs
    if signature.known and (below is None or below.is_list) and len(items) != len(types):
        section.problem("args", f"the call takes {len(types)} arguments, {len(items)} are given", signature.text)
    slots = tuple(read_slot(item, type_name) for item, type_name in zip(items, types, strict=False))
    return CallDraft(_target(section, outer), signature, slots, later)


def bind_invariants(
    drafts: Mapping[str, InvariantDraft | None],
    markets: Mapping[str, Variables | None],
    sources: Mapping[str, Source | None],
) -> tuple[Invariant, ...]:
    """Each once, or once in each of its markets when it holds variables. ``markets`` are all of the file; None for one with broken variables."""
    bound: list[Invariant] = []
    for draft in drafts.values():
        if draft is None:
            continue
        if not draft.of_markets:
            bound.append(_bind(draft, None, Variables({}, {}), sources))
            continue
        for market in draft.markets if draft.markets is not None else tuple(markets):
            if market not in markets:
                draft.at.child("markets").problem("no market has this name", nearest(market, markets), found=market)
                continue
            variables = markets[market]
            if variables is not None:
                bound.append(_bind(draft, market, variables, sources))
    return tuple(bound)


def _bind(
    draft: InvariantDraft, market: str | None, variables: Variables, sources: Mapping[str, Source | None]
) -> Invariant:
    """What does not fit is noted, and nothing is built of it then."""
    place = market or ""
    match draft.what:
        case PriceDraft() as price:
            source = bind_slot(price.source, place, variables)
            if source and source not in sources:
                misfit(price.source, place, f"no source has the name {source}", nearest(source, sources))
            elif market is not None and source:
                _check_source(price.source, sources, source)
            view = price.view.bind(place, variables)
            return PriceInvariant(draft.name, market, draft.otherwise, view, source, price.within)
        case BoundDraft() as bound:
            view = bound.view.bind(place, variables)
            least, most = (_bind_limit(one, place, variables) for one in (bound.at_least, bound.at_most))
            return BoundInvariant(draft.name, market, draft.otherwise, view, least, most)
        case LiquidatableDraft() as many:
            return LiquidatableInvariant(
                draft.name,
                market,
                draft.otherwise,
                many.accounts.bind(place, variables),
                many.health.bind(place, variables),
                many.below,
                many.value.bind(place, variables) if many.value else None,
                many.at_most,
                many.value_at_most,
            )


def _bind_limit(limit: Decimal | LimitDraft | None, market: str, variables: Variables) -> Limit | None:
    return limit.bind(market, variables) if isinstance(limit, LimitDraft) else limit


def check_kept(
    actions: Iterable[Action],
    written: Mapping[str, ActionDraft | None],
    drafts: Mapping[str, InvariantDraft | None],
) -> None:
    """Notes every action that must keep an invariant which is not of its market. ``written`` has where each action stands."""
    for action in actions:
        place = written[action.name]
        for name in action.keep:
            draft = drafts.get(name)
            markets = draft.markets if draft is not None else None
            if place is not None and markets is not None and action.market not in markets:
                at = place.at.child(KEEP.key)
                message = f"the invariant {name} is not of this market"
                at.context.report.add_in(action.market, at.path, at.line, name, message, "add it to its `markets`")
