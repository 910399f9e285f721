"""The keys ``new``, ``bounds`` and ``max_step`` of an action: how a parameter's new value follows from its current one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.config import templates
from keeper.config.kinds import SHARE
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Section, Shape
from keeper.config.slots import Slot, Variables, bind_slot, misfit, read_slot
from keeper.config.venues import positive
from keeper.decisions.spec import PAUSES
from keeper.domain.abi_codec import integer_range
from keeper.domain.action import ActionKind, SafeSide
from keeper.domain.adjustment import NEW, Adjustment, Clamp
from keeper.domain.bits import bit_of
from keeper.domain.errors import UnitError
from keeper.domain.expression import parse_expression
from keeper.domain.record import Json

EXAMPLE = 'new: "current * 0.5"'

_EXPRESSION_SCHEMA: dict[str, Json] = {"type": ["string", "integer"], "pattern": r"^[0-9a-z.,()+*/| \t-]+$"}
_BOUND_SCHEMA: dict[str, Json] = {"type": ["string", "integer"]}


def _expression(given: Given) -> str:
    try:
        return parse_expression(given.text).text
    except UnitError as error:
        raise Bad(error.message, error.remedy) from None


NEW_VALUE = Field(
    "new",
    Kind(_expression, "current", _EXPRESSION_SCHEMA),
    'The new value out of the current one, current * 0.5 say; "{new}" in args stands for it.',
    "",
)
MAX_STEP: Field[Decimal | None] = Field(
    "max_step",
    Kind(positive(SHARE).parse, None, SHARE.schema),
    "The largest change at once, as a share of the current value.",
    None,
)
BOUNDS = Shape(
    "Between which whole numbers the new value must lie; the one on the safe side is needed.",
    (
        Part("min", "The least value.", _BOUND_SCHEMA, required=False),
        Part("max", "The greatest value.", _BOUND_SCHEMA, required=False),
    ),
)


@dataclass(frozen=True, slots=True)
class AdjustDraft:
    """An adjustment before it is bound to a market; a bound that is not written is the end of the argument's type."""

    expression: str
    safe_side: SafeSide
    least: Slot
    most: Slot
    max_step: Decimal | None
    view_type: str

    @property
    def in_each_market(self) -> bool:
        """Whether the bounds are known in a market only."""
        return templates.is_template(self.least.text) or templates.is_template(self.most.text)


def read_adjust(
    section: Section,
    kind: ActionKind,
    args: Sequence[Slot],
    other_args: Sequence[Slot],
    outputs: Sequence[str],
    safe_side: SafeSide | None,
) -> AdjustDraft | None:
    """None where the action has no ``new``, or after noting what is wrong. ``other_args`` are those of the view and of the undo."""
    at = section.at("new")
    _note_strays(section, other_args if at else (*other_args, *args), alone=at is None)
    if at is None:
        return None
    if kind in PAUSES:
        if section.at("kind"):
            at.problem("a pause has no new value", "leave it out, or set kind: rate-limit or adjust")
        return None
    expression, max_step = section.get(NEW_VALUE), section.get(MAX_STEP)
    if safe_side is SafeSide.LOWER and max_step is not None and max_step > 1:
        section.problem("max_step", "more than the whole value", "100% at most where safe_side is lower")
    if len(outputs) != 1 or integer_range(outputs[0]) is None:
        return None
    argument = _its_argument(section, args, outputs[0])
    if argument is None or safe_side is None:
        return None
    _note_flags(section, args, expression)
    least, most = _bounds(section, safe_side, argument)
    if not section.clean:
        return None
    draft = AdjustDraft(expression, safe_side, least, most, max_step, outputs[0])
    wrong = None if draft.in_each_market else _wrong_bounds(draft, int(least.text), int(most.text))
    if wrong:
        section.problem("bounds", *wrong)
    elif not _ever_tightens(draft):
        at.problem(
            "this never gives a tighter value", f"with safe_side: {safe_side} it must be {safe_side} than current"
        )
    return draft if section.clean else None


def bind_adjust(draft: AdjustDraft, market: str, variables: Variables) -> Adjustment | None:
    """The adjustment in this market; None after noting what does not fit."""
    least, most = bind_slot(draft.least, market, variables), bind_slot(draft.most, market, variables)
    if not (least and most):
        return None
    wrong = _wrong_bounds(draft, int(least), int(most))
    if wrong:
        misfit(draft.least if templates.is_template(draft.least.text) else draft.most, market, *wrong)
        return None
    return Adjustment(draft.expression, draft.safe_side, int(least), int(most), draft.max_step)


def _note_flags(section: Section, args: Sequence[Slot], expression: str) -> None:
    """What would clear a flag that somebody else has set: a number without those that are there, and a share of a number that is none."""
    if "|" in expression:
        if section.at("max_step"):
            section.problem("max_step", "flags have no share", "leave it out: bits are added, and none is cleared")
    elif any(bit_of(slot.text, NEW) is not None for slot in args):
        section.problem("new", "flags that others have set would be cleared", 'add bits: new: "current | 30"')


def _note_strays(section: Section, slots: Sequence[Slot], *, alone: bool) -> None:
    """``{new}`` where it means nothing, and what goes with ``new`` ``alone``, without it."""
    for slot in slots:
        if NEW in slot.text:
            slot.at.problem("{new} means nothing here", f"it goes into args of the action, together with {EXAMPLE}")
    for key in ("bounds", "max_step") if alone else ():
        if section.at(key):
            section.problem(key, "this belongs to `new`", f"add {EXAMPLE}, or leave it out")


def note_bit(slot: Slot, bit: int, number: str) -> bool:
    """Whether the argument can be this bit of a number of this type, after noting why not."""
    low, high = integer_range(number) or (0, 0)
    if slot.type_name != "bool":
        slot.at.problem(f"a bit is true or false, and this argument a {slot.type_name}", "a bool")
    elif low < 0 or bit >= high.bit_length():
        slot.at.problem(
            f"the view answers a {number}, which has no bit {bit}", "name a view of the flags: a uint8, say"
        )
    else:
        return True
    return False


def _its_argument(section: Section, args: Sequence[Slot], view_type: str) -> Slot | None:
    """The argument that the new value goes into; where only its bits are arguments, the number that they are bits of."""
    holding = [slot for slot in args if NEW in slot.text]
    bits = [(slot, bit) for slot in args if (bit := bit_of(slot.text, NEW)) is not None]
    if bits and not holding:
        wrong = [slot for slot, bit in bits if not note_bit(slot, bit, view_type)]
        return None if wrong else Slot(NEW, view_type, section.cursor)
    if len(holding) != 1:
        message = "{new} is there more than once" if holding else "{new} is not among the arguments"
        section.problem("args", message, 'one of them is "{new}", where the new value goes')
        return None
    (slot,) = holding
    if slot.text != NEW:
        slot.at.problem("{new} is a whole argument", 'write "{new}" and nothing around it')
        return None
    if integer_range(slot.type_name) is None:
        slot.at.problem(f"the new value is a whole number, and this argument a {slot.type_name}", "uint256 or the like")
        return None
    return slot


def _bounds(section: Section, safe_side: SafeSide, argument: Slot) -> tuple[Slot, Slot]:
    """Least and greatest, after noting what is missing or no value of the argument."""
    below = section.at("bounds")
    needed = "min" if safe_side is SafeSide.LOWER else "max"
    hint = f"how far it may be tightened, one time after another: bounds: {{{needed}: ...}}"
    if below is None:
        section.problem("bounds", "bounds is missing", hint)
    bounds = below.open(BOUNDS) if below else None
    if bounds and bounds.at(needed) is None:
        bounds.problem(needed, f"{needed} is missing", hint)
    low, high = integer_range(argument.type_name) or (0, 0)
    place = below or section.cursor
    return _bound(bounds, "min", low, argument, place), _bound(bounds, "max", high, argument, place)


def _bound(bounds: Section | None, key: str, end: int, argument: Slot, place: Cursor) -> Slot:
    at = bounds.at(key) if bounds else None
    return read_slot(at, argument.type_name) if at else Slot(str(end), argument.type_name, place)


def _wrong_bounds(draft: AdjustDraft, least: int, most: int) -> tuple[str, str] | None:
    """Message and hint."""
    if least > most:
        return "min is more than max", f"{least} and {most}"
    if "|" in draft.expression and most & (most + 1):
        return f"max is {most}, which is not every flag up to the highest", f"max: {(1 << most.bit_length()) - 1}"
    tightest = least if draft.safe_side is SafeSide.LOWER else most
    low, high = integer_range(draft.view_type) or (0, 0)
    if not low <= tightest <= high:
        return f"the view answers a {draft.view_type}, which is never {tightest}", f"from {low} to {high}"
    return None


def _ever_tightens(draft: AdjustDraft) -> bool:
    """Whether the expression is tighter than some current value; a bound that depends on the market is taken as the end of its type."""
    low, high = integer_range(draft.least.type_name) or (0, 0)
    least = low if templates.is_template(draft.least.text) else int(draft.least.text)
    most = high if templates.is_template(draft.most.text) else int(draft.most.text)
    adjustment = Adjustment(draft.expression, draft.safe_side, least, most, draft.max_step)
    loosest = Clamp.MOST if draft.safe_side is SafeSide.LOWER else Clamp.LEAST
    low, high = integer_range(draft.view_type) or (0, 0)
    sizes = [0, *(digit * 10**zeros for zeros in range(78) for digit in (1, 3))]
    tried = (near + sign * size for near in (least, most, 0) for size in sizes for sign in (1, -1))
    found = (adjustment.adjusted(value) for value in tried if low <= value <= high)
    return any(each.new is not None and loosest not in each.clamps for each in found)
