"""Does a registered breaker do what the action through it says? Word by word: whatever differs is what the keeper would do instead."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.domain.abi import encode_call
from keeper.domain.abi_codec import WORD, encode_arg, encode_values
from keeper.domain.action import PREVIOUS, Action, Call, FunctionCall, SafeSide
from keeper.domain.adjustment import NEW
from keeper.domain.bits import put
from keeper.domain.breaker_registration import Bound, Registration, Side
from keeper.domain.errors import UnitError
from keeper.execution.planner import ArmedAction

SIDES = {SafeSide.LOWER: Side.LOWER, SafeSide.HIGHER: Side.HIGHER}


def misfits(armed: ArmedAction, registered: Registration) -> Iterator[str]:
    """Why the breaker is another one than the action means; a mismatch is never harmless."""
    action = armed.action
    assert action.breaker is not None, "only actions through a breaker are asked about"
    bounds, values = registered.bounds, action.breaker.values
    if len(values) != len(bounds):
        has, given = _counted(len(bounds), "bound"), _counted(len(values), "value")
        yield f"it has {has}, and the action gives {given} (`breaker_values`)"
        return
    meant = _encoded(action.call, action)
    if registered.terms.target != meant.to:
        yield f"it calls {registered.terms.target}, and the action {meant.to}"
    yield from _calls("call", registered.call, meant.data, bounds)
    if action.undo is not None:
        undo = _encoded(action.undo, action)
        if undo.to != registered.terms.target:
            yield f"it is taken back on {registered.terms.target}, and the action says {undo.to} (`undo`)"
        yield from _calls("undo", registered.undo, undo.data, bounds)
    yield from _values(action, meant.data, registered)
    yield from _effect(armed, registered)


def _encoded(call: FunctionCall, action: Action) -> Call:
    """With a value in the place of ``{new}`` and ``{previous}``: their words are filled in by the contract."""
    if action.adjustment is not None:
        new = previous = str(action.adjustment.least)
    else:  # of a flag, what it was before is the other one
        new, expect = "0", action.effect.expect
        previous = {"true": "false", "false": "true"}.get(expect, expect)
    args = put(put(call.args, NEW, new), PREVIOUS, previous)
    return encode_call(FunctionCall(call.target, call.signature, args))


def _calls(what: str, registered: bytes, meant: bytes, bounds: tuple[Bound, ...]) -> Iterator[str]:
    if registered[:4] != meant[:4]:
        yield f"its {what} has the selector 0x{registered[:4].hex()}, and that of the action 0x{meant[:4].hex()}"
        return
    if len(registered) != len(meant):
        yield f"its {what} has {len(registered)} bytes, and that of the action {len(meant)}"
        return
    filled = {bound.word for bound in bounds}
    for place in range((len(meant) - 4) // WORD):
        mine, theirs = _word(meant, place), _word(registered, place)
        if place not in filled and mine != theirs:
            yield f"argument {place + 1} of its {what} is 0x{theirs.hex()}, and that of the action 0x{mine.hex()}"


def _values(action: Action, meant: bytes, registered: Registration) -> Iterator[str]:
    """What is given for the bounds is what the action's call holds there."""
    trip = action.breaker
    assert trip is not None, "misfits has looked"
    news = {bound.word for bound, value in zip(registered.bounds, trip.values, strict=True) if value == NEW}
    for bound, value in zip(registered.bounds, trip.values, strict=True):
        if bound.side is Side.KEPT:
            continue
        place = bound.word
        held = action.call.args[place] if place < len(action.call.args) else ""
        same = held == NEW if value == NEW else held != NEW and _word(meant, place) == int(value).to_bytes(WORD, "big")
        if not same:
            yield f"argument {place + 1} of the action's call is {held or 'none'}, and `breaker_values` gives {value} for it"
        if action.safe_side is not None and SIDES[action.safe_side] is not bound.side:
            yield f"its safe side of argument {place + 1} is {bound.side.name.lower()}, and that of the action {action.safe_side}"
    if action.adjustment is not None and not any(
        arg == NEW and place in news for place, arg in enumerate(action.call.args)
    ):
        yield "the argument that the action adjusts is fixed in its call"


def _effect(armed: ArmedAction, registered: Registration) -> Iterator[str]:
    """The same view must be expected to answer the same."""
    probe, effect = registered.probe, armed.action.effect
    if (
        (probe.target, probe.call) != (armed.effect_call.to, armed.effect_call.data)
        or probe.word
        or effect.expect == NEW
    ):
        return
    try:
        expected = _expected(armed)
    except UnitError:
        return
    if expected != probe.expected:
        signature = effect.read.signature
        yield f"it expects 0x{probe.expected.hex()} of {signature} after the trip, and the action {effect.expect}"


def _expected(armed: ArmedAction) -> bytes:
    kind = armed.effect_view.outputs[0]
    return encode_values((kind,), (encode_arg(kind, armed.action.effect.expect),))[:WORD]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _word(data: bytes, place: int) -> bytes:
    return data[4 + place * WORD : 4 + (place + 1) * WORD]
