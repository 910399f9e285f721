"""The section ``actions``: read once, then bound to each market whose rules name them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from keeper.config.adjust import BOUNDS, MAX_STEP, NEW_VALUE, AdjustDraft, bind_adjust, note_bit, read_adjust
from keeper.config.breaker import ID as BREAKER
from keeper.config.breaker import VALUES as BREAKER_VALUES
from keeper.config.breaker import TripDraft, bind_trip, read_trip
from keeper.config.calls import ACTING, VIEW, Signature
from keeper.config.kinds import RAW, REFERENCE, choice, duration, whole
from keeper.config.problems import nearest
from keeper.config.routes import ALONE, DEFAULT_ROUTE, Routes, travels_by
from keeper.config.safe import DEFAULT_EXPIRES_MS
from keeper.config.sending import PrivateRoute
from keeper.config.shape import Cursor, Field, Part, Section, Shape, in_a_sentence
from keeper.config.slots import Slot, Variables, bind_slot, read_slot
from keeper.config.targets import TARGET_KIND
from keeper.decisions.spec import PAUSES
from keeper.domain.abi_codec import integer_range
from keeper.domain.action import PREVIOUS, UPKEEP_LANE, Action, ActionKind, Effect, FunctionCall, SafeSide
from keeper.domain.adjustment import NEW
from keeper.domain.bits import bit_of, stands_for
from keeper.domain.decision import ALERT
from keeper.domain.record import Json

MIN_GAS, MAX_GAS = 21_000, 16_777_216
"""A bare transfer, and the cap of one transaction (EIP-7825)."""

_ARGS_SCHEMA: dict[str, Json] = {"type": "array", "items": dict(RAW.schema)}

KIND = Field(
    "kind",
    choice(ActionKind, ActionKind.PAUSE, without=frozenset({ActionKind.UPKEEP})),
    "pause stops a market, pause-all more than one; rate-limit and adjust tighten a number.",
)
TARGET = Field("target", TARGET_KIND, "The contract; an EIP-55 address.")
TARGET_AGAIN = Field("target", TARGET_KIND, "The contract, when it is another than the action's.", "")
CALL = Field("call", ACTING, "What is called: pauseMarket(bytes32).")
VIEW_CALL = Field("call", VIEW, "The view that shows the effect: paused(bytes32)(bool).")
UNDO_CALL = Field("call", ACTING, "What the council would call to take it back; the keeper never does.")
ARGS = Part(
    "args",
    'The arguments as texts; "{id}" is the variable id of the market, "{new}" the value of `new`.',
    _ARGS_SCHEMA,
    required=False,
)
UNDO_ARGS = Part(
    "args",
    'The arguments as texts; "{id}" is the variable id of the market, "{previous}" what the view answered before.',
    _ARGS_SCHEMA,
    required=False,
)
INDEX = Field("index", whole(0, 31), "Which of the results of the view counts, from 0.", 0)
EXPECT = Part("expect", "What the view answers once the action has worked.", dict(RAW.schema), required=False)
ROUTE = Field("route", REFERENCE, "How it reaches the chain.", DEFAULT_ROUTE)
SAFE_SIDE = Field("safe_side", choice(SafeSide, SafeSide.LOWER), "In which direction the number is tightened.")
COOLDOWN = Field(
    "cooldown", duration(1), "How long after it worked it is not decided again on the same market.", 600_000
)
RETRY = Field("retry", duration(1_000), "How long after it failed it is tried again.", 30_000)
EXPIRES = Field(
    "expires", duration(1_000), "How long after the decision it may still be sent; 24h on a route to a Safe.", 300_000
)
NEEDS_RULES = Field(
    "needs_rules", whole(1, 100), "At least so many rules of the market must ask for it at one block.", 1
)
GAS_LIMIT = Field("gas_limit", whole(MIN_GAS, MAX_GAS), "Left out: estimated.", 0)
KEEP = Part(
    "keep",
    "The invariants that it may not break: what would break one is not sent.",
    {"type": "array", "items": dict(REFERENCE.schema), "minItems": 1},
    required=False,
)

PUBLIC_AFTER = Field(
    "public_after",
    ALONE,
    "So many blocks it goes to builders alone, on a private route: 2 blocks, never or 0 blocks; left out: as the route says.",
    None,
)
LANE = Field("lane", REFERENCE, "The key of `lanes` that signs it; left out: `signer`.", "")

READ = Shape("The view that shows the effect.", (TARGET_AGAIN, VIEW_CALL, INDEX, ARGS, EXPECT))
UNDO = Shape("How the council takes it back.", (TARGET_AGAIN, UNDO_CALL, UNDO_ARGS))
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
        NEW_VALUE,
        Part("bounds", BOUNDS.help, {}, required=False),
        MAX_STEP,
        ROUTE,
        PUBLIC_AFTER,
        LANE,
        BREAKER,
        BREAKER_VALUES,
        COOLDOWN,
        RETRY,
        EXPIRES,
        NEEDS_RULES,
        GAS_LIMIT,
        KEEP,
    ),
)


@dataclass(frozen=True, slots=True)
class CallDraft:
    """``target_at`` is where the target is written."""

    target: str
    target_at: Cursor
    signature: Signature
    args: tuple[Slot, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The types of its results."""
        return self.signature.function.outputs


@dataclass(frozen=True, slots=True)
class ActionDraft:
    """One action before it is bound to a market; either ``expect`` or ``adjust`` is there. ``at`` is where it is written."""

    name: str
    kind: ActionKind
    call: CallDraft
    read: CallDraft
    expect: Slot | None
    adjust: AdjustDraft | None
    undo: CallDraft | None
    safe_side: SafeSide | None
    route: str
    public_after: int | None
    lane: str
    trip: TripDraft | None
    cooldown_ms: int
    retry_ms: int
    expires_ms: int
    needs_rules: int
    gas_limit: int | None
    keep: tuple[str, ...]
    at: Cursor


def read_actions(
    cursor: Cursor,
    routes: Routes,
    lanes: Collection[str] = (),
    invariants: Collection[str] = (),
) -> dict[str, ActionDraft | None]:
    """Every named action; None for a broken one. ``lanes`` are all names that ``lane`` may use, ``invariants`` those of ``keep``."""
    return {name: _read(name, below, routes, lanes, invariants) for name, below in cursor.named()}


def _read(
    name: str,
    cursor: Cursor,
    routes: Routes,
    lanes: Collection[str],
    invariants: Collection[str],
) -> ActionDraft | None:
    section = cursor.open(ACTION)
    if section is None:
        return None
    if name == ALERT:
        cursor.problem("this name is taken", "the action alert is always there: it tells people", found=name)
    kind, route, gas_limit = section.get(KIND), section.get(ROUTE), section.get(GAS_LIMIT)
    if route and route not in routes.names:
        section.problem("route", "no route has this name", nearest(route, routes.names))
    call = _read_call(section, section.get(CALL), section.get(TARGET), cursor)
    below, undo_at = section.at("read"), section.at("undo")
    read = below.open(READ) if below else None
    undo = undo_at.open(UNDO) if undo_at else None
    read_draft = _one_result(read, _inner_call(read, read.get(VIEW_CALL), call)) if read else None
    adjusts = section.at("new") is not None
    expect = _expect(read, read_draft, adjusts=adjusts) if read and read_draft else None
    undo_draft = _inner_call(undo, undo.get(UNDO_CALL), call) if undo else None
    if undo_draft and read_draft:
        _check_previous(undo_draft, read_draft)
    safe_side = _safe_side(section, kind, read_draft)
    others = (read_draft.args if read_draft else ()) + (undo_draft.args if undo_draft else ())
    adjust = read_adjust(section, kind, call.args, others, read_draft.outputs if read_draft else (), safe_side)
    trip = read_trip(section, route, routes.breakers, adjusts=adjusts)
    public_after, lane = _read_public_after(section, route, routes), _read_lane(section, route, routes, lanes)
    keep_at = section.at(KEEP.key)
    keep = _read_keep(keep_at, invariants) if keep_at else ()
    if not section.clean or read_draft is None or (expect is None and adjust is None):
        return None
    return ActionDraft(
        name=name,
        kind=kind,
        call=call,
        read=read_draft,
        expect=expect,
        adjust=adjust,
        undo=undo_draft,
        safe_side=safe_side,
        route=route,
        public_after=public_after,
        lane=lane,
        trip=trip,
        cooldown_ms=section.get(COOLDOWN),
        retry_ms=section.get(RETRY),
        expires_ms=section.get(EXPIRES)
        if section.at(EXPIRES.key) or route not in routes.councils
        else DEFAULT_EXPIRES_MS,
        needs_rules=section.get(NEEDS_RULES),
        gas_limit=gas_limit or None,
        keep=keep,
        at=cursor,
    )


def _read_public_after(section: Section, route: str, routes: Routes) -> int | None:
    """How many blocks builders alone get it; None where that never ends, and where nothing is private."""
    written, private = section.at(PUBLIC_AFTER.key), travels_by(routes.all, route)
    if not isinstance(private, PrivateRoute):
        if written and private is not None:
            hint = "set `route` to a private one, or to a breaker that goes through one; or leave it out"
            written.problem("this belongs to a private route", hint)
        return None
    if written is None:
        return private.public_after
    alone = section.get(PUBLIC_AFTER)
    return None if alone is None else alone.blocks


def _read_lane(section: Section, route: str, routes: Routes, lanes: Collection[str]) -> str:
    at, lane = section.at(LANE.key), section.get(LANE)
    if at is None or not lane:
        return ""
    if lane not in lanes:
        others = [each for each in lanes if each != UPKEEP_LANE]  # that one is not for actions
        none = "leave it out: then `signer` signs it" if lanes else "there is no section lanes"
        at.problem("no lane has this name", nearest(lane, others) if others else none)
    elif route in routes.councils:
        at.problem("a proposal to a Safe is signed by `signer`", "leave it out, or set `route` to another one")
    elif lane == UPKEEP_LANE:
        hint = "give it a lane of its own, or leave it out: what it does must not wait for a sign of life"
        at.problem("this lane is for the keeper's own transactions", hint)
    return lane


def _read_keep(cursor: Cursor, invariants: Collection[str]) -> tuple[str, ...]:
    names: list[str] = []
    for item in cursor.items():
        name = item.read(REFERENCE)
        if name in names:
            item.problem("this invariant is named twice", "once is enough")
        elif name and name not in invariants:
            item.problem(
                "no invariant has this name",
                nearest(name, invariants) if invariants else "there is no section invariants",
            )
        names.append(name)
    return tuple(names)


def _inner_call(section: Section, signature: Signature, outer: CallDraft) -> CallDraft:
    own = section.get(TARGET_AGAIN)
    return _read_call(section, signature, own or outer.target, section.cursor if own else outer.target_at)


def _one_result(section: Section, view: CallDraft) -> CallDraft:
    """The view with the one result that counts; as it is where several are named and none is chosen."""
    index, outputs = section.get(INDEX), view.outputs
    if index and view.signature.known and index >= len(outputs):
        section.problem("index", f"there are {len(outputs)} results", f"from 0 to {len(outputs) - 1}")
        return view
    chosen = section.at(INDEX.key) is not None and view.signature.known
    return replace(view, signature=view.signature.result(index)) if chosen else view


def _read_call(section: Section, signature: Signature, target: str, target_at: Cursor) -> CallDraft:
    at = section.at("target") or target_at
    below = section.at("args")
    items = below.items() if below else []
    types = signature.function.inputs
    if signature.known and (below is None or below.is_list) and len(items) != len(types):
        section.problem("args", f"the call takes {len(types)} arguments, {len(items)} are given", signature.text)
    slots = tuple(read_slot(item, type_name) for item, type_name in zip(items, types, strict=False))
    return CallDraft(target, at, signature, slots)


def _check_previous(undo: CallDraft, read: CallDraft) -> None:
    """Notes where ``{previous}`` cannot be what the view answered."""
    for slot in undo.args:
        bit = bit_of(slot.text, PREVIOUS)
        if (PREVIOUS not in slot.text and bit is None) or len(read.outputs) != 1:
            continue
        (answer,) = read.outputs
        if bit is not None:
            note_bit(slot, bit, answer)
        elif slot.text != PREVIOUS:
            slot.at.problem("{previous} is a whole argument", 'write "{previous}" and nothing around it')
        elif answer != slot.type_name and (integer_range(answer) is None or integer_range(slot.type_name) is None):
            slot.at.problem(
                f"the view answers {answer}, and this argument is {slot.type_name}", "name a view of what is set"
            )


def _expect(section: Section, draft: CallDraft, *, adjusts: bool) -> Slot | None:
    outputs = draft.outputs
    below = section.at("expect")
    if adjusts and below:
        below.problem("what is expected follows from the new value", "leave expect out, or leave out `new`")
    if below is None and not adjusts:
        section.problem("expect", "expect is missing", f"add expect: {in_a_sentence(EXPECT.help)}")
    if not draft.signature.known:
        return None
    if len(outputs) != 1:
        section.problem("call", f"the view has {len(outputs)} results", "index: which of them counts, from 0")
        return None
    if below is None or adjusts:
        return None
    return read_slot(below, outputs[0])


def _safe_side(section: Section, kind: ActionKind, read: CallDraft | None) -> SafeSide | None:
    written = section.at("safe_side")
    if kind in PAUSES:
        if written:
            written.problem("a pause has no safe side", "leave it out, or set kind: rate-limit or adjust")
        return None
    if section.at("kind") is None:
        return None
    if written is None:
        hint = "lower or higher: the keeper only ever tightens, so it must know which way that is"
        section.problem("safe_side", f"safe_side is missing for a {kind}", hint)
        return None
    outputs = read.outputs if read else ()
    if len(outputs) == 1 and integer_range(outputs[0]) is None:
        section.problem("read", f"the view answers a {outputs[0]}", f"a {kind} tightens a number: read that number")
    return section.get(SAFE_SIDE)


def bind(draft: ActionDraft, market: str, variables: Variables) -> Action | None:
    """The action on this market; None after noting what does not fit."""
    before = len(draft.call.target_at.context.report)
    call = _bind_call(draft.call, market, variables, NEW if draft.adjust is not None else None)
    read = _bind_call(draft.read, market, variables)
    undo = _bind_call(draft.undo, market, variables, PREVIOUS) if draft.undo else None
    expect = bind_slot(draft.expect, market, variables) if draft.expect else NEW
    adjustment = bind_adjust(draft.adjust, market, variables) if draft.adjust else None
    trip = bind_trip(draft.trip, market, variables) if draft.trip else None
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
        adjustment=adjustment,
        breaker=trip,
        keep=draft.keep,
        public_after=draft.public_after,
        lane=draft.lane,
    )


def _bind_call(draft: CallDraft, market: str, variables: Variables, later: str | None = None) -> FunctionCall:
    """An argument that is ``later`` stays: its value is not known yet."""
    target = bind_slot(Slot(draft.target, "address", draft.target_at), market, variables)
    args = tuple(
        slot.text if stands_for(slot.text, later) else bind_slot(slot, market, variables) for slot in draft.args
    )
    return FunctionCall(target, draft.signature.text, args)
