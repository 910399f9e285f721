"""The section ``actions``: read once, then bound to each market whose rules name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.config import templates
from keeper.config.basics import DEFAULT_ROUTE
from keeper.config.calls import ACTING, VIEW, Signature, literal
from keeper.config.kinds import CONTRACT, RAW, REFERENCE, choice, duration, whole
from keeper.config.problems import nearest, shown
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.tree import Scalar
from keeper.domain.abi_codec import integer_range
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall, SafeSide
from keeper.domain.record import Json

MIN_GAS, MAX_GAS = 21_000, 16_777_216
"""A bare transfer, and the cap of one transaction (EIP-7825)."""

_CONTRACT_SCHEMA: dict[str, Json] = {"type": "string", "minLength": 1}
_ARGS_SCHEMA: dict[str, Json] = {"type": "array", "items": dict(RAW.schema)}


def _target(given: Given) -> str:
    """An address, or a text with variables that becomes one in each market."""
    if templates.is_template(given.text) and not given.from_env:
        templates.check(given.text)
        return given.text
    return CONTRACT.parse(given)


TARGET_KIND = Kind(_target, "", _CONTRACT_SCHEMA, env=True)

KIND = Field(
    "kind", choice(ActionKind, ActionKind.PAUSE), "pause stops a market; rate-limit and adjust tighten a number."
)
TARGET = Field("target", TARGET_KIND, "The contract; an EIP-55 address.")
TARGET_AGAIN = Field("target", TARGET_KIND, "The contract, when it is another than the action's.", "")
CALL = Field("call", ACTING, "What is called: pauseMarket(bytes32).")
VIEW_CALL = Field("call", VIEW, "The view that shows the effect: paused(bytes32)(bool).")
UNDO_CALL = Field("call", ACTING, "What the council would call to take it back; the keeper never does.")
ARGS = Part("args", 'The arguments as texts; "{id}" is the variable id of the market.', _ARGS_SCHEMA, required=False)
EXPECT = Field("expect", RAW, "What the view answers once the action has worked.")
ROUTE = Field("route", REFERENCE, "How it reaches the chain.", DEFAULT_ROUTE)
SAFE_SIDE = Field("safe_side", choice(SafeSide, SafeSide.LOWER), "In which direction the number is tightened.")
COOLDOWN = Field(
    "cooldown", duration(1), "How long after it worked it is not decided again on the same market.", 600_000
)
RETRY = Field("retry", duration(1_000), "How long after it failed it is tried again.", 30_000)
EXPIRES = Field("expires", duration(1_000), "How long after the decision it may still be sent.", 300_000)
GAS_LIMIT = Field("gas_limit", whole(MIN_GAS, MAX_GAS), "Left out: estimated.", 0)

READ = Shape("The view that shows the effect.", (TARGET_AGAIN, VIEW_CALL, ARGS, EXPECT))
UNDO = Shape("How the council takes it back.", (TARGET_AGAIN, UNDO_CALL, ARGS))
ACTION = Shape(
    "One action.",
    (
        KIND,
        TARGET,
        CALL,
        ARGS,
        Part("read", READ.help, {}),
        Part("undo", UNDO.help, {}, required=False),
        Part("safe_side", SAFE_SIDE.help, dict(SAFE_SIDE.kind.schema), required=False),
        ROUTE,
        COOLDOWN,
        RETRY,
        EXPIRES,
        GAS_LIMIT,
    ),
)


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one market: ``values`` with everything put in, ``places`` where each is written."""

    values: Mapping[str, str]
    places: Mapping[str, Cursor]

    def place(self, text: str) -> Cursor | None:
        """Where the value comes from when the text is nothing but one variable: a mistake in it is told there, once."""
        place = None
        while (name := templates.only_variable(text)) in self.places:
            place = self.places[str(name)]
            text = place.node.text if isinstance(place.node, Scalar) else ""
        return place


@dataclass(frozen=True, slots=True)
class Slot:
    """A text that must be a value of the type; with variables in it, only in a market can be told whether it is."""

    text: str
    type_name: str
    at: Cursor


@dataclass(frozen=True, slots=True)
class CallDraft:
    """``target_at`` is where the target is written."""

    target: str
    target_at: Cursor
    signature: Signature
    args: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class ActionDraft:
    """One action before it is bound to a market."""

    name: str
    kind: ActionKind
    call: CallDraft
    read: CallDraft
    expect: Slot
    undo: CallDraft | None
    safe_side: SafeSide | None
    route: str
    cooldown_ms: int
    retry_ms: int
    expires_ms: int
    gas_limit: int | None


def read_actions(cursor: Cursor, routes: tuple[str, ...]) -> dict[str, ActionDraft | None]:
    """Every named action; None for a broken one."""
    return {name: _read(name, below, routes) for name, below in cursor.named()}


def _read(name: str, cursor: Cursor, routes: tuple[str, ...]) -> ActionDraft | None:
    section = cursor.open(ACTION)
    if section is None:
        return None
    kind, route, gas_limit = section.get(KIND), section.get(ROUTE), section.get(GAS_LIMIT)
    if route and route not in routes:
        section.problem("route", "no route has this name", nearest(route, routes))
    call = _read_call(section, section.get(CALL), section.get(TARGET), cursor)
    below, undo_at = section.at("read"), section.at("undo")
    read = below.open(READ) if below else None
    undo = undo_at.open(UNDO) if undo_at else None
    read_draft = _inner_call(read, read.get(VIEW_CALL), call) if read else None
    expect = _expect(read, read_draft) if read and read_draft else None
    undo_draft = _inner_call(undo, undo.get(UNDO_CALL), call) if undo else None
    safe_side = _safe_side(section, kind, read_draft)
    if not section.clean or read_draft is None or expect is None:
        return None
    return ActionDraft(
        name=name,
        kind=kind,
        call=call,
        read=read_draft,
        expect=expect,
        undo=undo_draft,
        safe_side=safe_side,
        route=route,
        cooldown_ms=section.get(COOLDOWN),
        retry_ms=section.get(RETRY),
        expires_ms=section.get(EXPIRES),
        gas_limit=gas_limit or None,
    )


def _inner_call(section: Section, signature: Signature, outer: CallDraft) -> CallDraft:
    own = section.get(TARGET_AGAIN)
    return _read_call(section, signature, own or outer.target, section.cursor if own else outer.target_at)


def _read_call(section: Section, signature: Signature, target: str, target_at: Cursor) -> CallDraft:
    at = section.at("target") or target_at
    below = section.at("args")
    items = below.items() if below else []
    types = signature.function.inputs
    if signature.known and (below is None or below.is_list) and len(items) != len(types):
        section.problem("args", f"the call takes {len(types)} arguments, {len(items)} are given", signature.text)
    slots = tuple(_slot(item, type_name) for item, type_name in zip(items, types, strict=False))
    return CallDraft(target, at, signature, slots)


def _slot(cursor: Cursor, type_name: str) -> Slot:
    text = cursor.read(RAW)
    try:
        if templates.is_template(text) and type_name != "":
            templates.check(text)
        elif text:
            text = literal(type_name, text)
    except Bad as bad:
        cursor.problem(bad.message, bad.hint)
    return Slot(text, type_name, cursor)


def _expect(section: Section, draft: CallDraft) -> Slot | None:
    outputs = draft.signature.function.outputs
    below = section.at("expect")
    if below is None or not draft.signature.known:
        return None
    if len(outputs) != 1:
        section.problem("call", f"the view has {len(outputs)} results", "one is needed to compare with expect")
        return None
    return _slot(below, outputs[0])


def _safe_side(section: Section, kind: ActionKind, read: CallDraft | None) -> SafeSide | None:
    written = section.at("safe_side")
    if kind is ActionKind.PAUSE:
        if written:
            written.problem("a pause has no safe side", "leave it out, or set kind: rate-limit or adjust")
        return None
    if section.at("kind") is None:
        return None
    if written is None:
        hint = "lower or higher: the keeper only ever tightens, so it must know which way that is"
        section.problem("safe_side", f"safe_side is missing for a {kind}", hint)
        return None
    outputs = read.signature.function.outputs if read else ()
    if len(outputs) == 1 and integer_range(outputs[0]) is None:
        section.problem("read", f"the view answers a {outputs[0]}", f"a {kind} tightens a number: read that number")
    return section.get(SAFE_SIDE)


def bind(draft: ActionDraft, market: str, variables: Variables) -> Action | None:
    """The action on this market; None after noting what does not fit."""
    before = len(draft.call.target_at.context.report)
    call = _bind_call(draft.call, market, variables)
    read = _bind_call(draft.read, market, variables)
    undo = _bind_call(draft.undo, market, variables) if draft.undo else None
    expect = _bind_slot(draft.expect, market, variables)
    if len(draft.call.target_at.context.report) != before:
        return None
    return Action(
        name=draft.name,
        market=market,
        kind=draft.kind,
        call=call,
        effect=Effect(read, expect),
        route=draft.route,
        expires_ms=draft.expires_ms,
        undo=undo,
        safe_side=draft.safe_side,
        gas_limit=draft.gas_limit,
    )


def _bind_call(draft: CallDraft, market: str, variables: Variables) -> FunctionCall:
    target = _bind_slot(Slot(draft.target, "address", draft.target_at), market, variables)
    args = tuple(_bind_slot(slot, market, variables) for slot in draft.args)
    return FunctionCall(target, draft.signature.text, args)


def _bind_slot(slot: Slot, market: str, variables: Variables) -> str:
    if not templates.is_template(slot.text):
        return slot.text
    try:
        filled = templates.fill(slot.text, variables.values)
    except Bad as bad:
        _misfit(slot, market, bad.message, bad.hint)
        return ""
    try:
        return literal(slot.type_name, filled)
    except Bad as bad:
        place = variables.place(slot.text)
        if place:
            place.problem(f"{bad.message}, which an action of this market needs", bad.hint)
        else:
            _misfit(slot, market, f"this is {shown(filled)}: {bad.message}", bad.hint)
        return ""


def _misfit(slot: Slot, market: str, message: str, hint: str) -> None:
    at = slot.at
    found = at.node.text if isinstance(at.node, Scalar) else ""
    at.context.report.add_in(market, at.path, at.line, found, message, hint)
