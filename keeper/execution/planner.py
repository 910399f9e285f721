"""Arming: an action's calls are encoded once, before anything trips."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.abi import Function, decode_results, encode_call, parse_signature, to_text
from keeper.domain.action import Action, Call, SafeSide
from keeper.domain.adjustment import IN_EFFECT, NEW, Adjusted
from keeper.domain.bits import put
from keeper.domain.circuit_breaker import TRIP, TRIP_SIGNED, encode_list, evidence_of, trip_call
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult


@dataclass(frozen=True, slots=True)
class ArmedAction:
    """An action that is ready: ``call`` makes it happen, ``effect_call`` shows whether it did.

    One that makes a parameter's new value of its current one has a call without data, which is never sent; ``at`` gives the one that may be.
    ``adjusted`` is what the value came to there. One that goes through a breaker calls that one, and rests on no record before ``on``.
    """

    action: Action
    call: Call
    effect_call: Call
    effect_view: Function
    adjusted: Adjusted | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(market, action): at most one intent of a key is open."""
        return self.action.market, self.action.name

    @property
    def word(self) -> tuple[Call, int]:
        """What it changes: the view, and how many of its results come before the one that counts."""
        return self.effect_call, self.effect_view.skipped

    def at(self, current: str | None) -> ArmedAction:
        """The action where the view answers this; itself when it is the same whatever the view answers. Text that is no number is unknown."""
        adjustment = self.action.adjustment
        if adjustment is None:
            return self
        try:
            adjusted = adjustment.adjusted(None if current is None else int(current))
        except ValueError:
            adjusted = adjustment.adjusted(None)
        expect = str(adjusted.current) if adjusted.refusal in IN_EFFECT else NEW
        if adjusted.new is None:
            action = replace(self.action, effect=replace(self.action.effect, expect=expect))
            return replace(self, action=action, call=Call(self.call.to, b""), adjusted=adjusted)
        action = _with_new(self.action, str(adjusted.new))
        return replace(self, action=action, call=_call_of(action), adjusted=adjusted)

    def on(self, evidence: bytes) -> ArmedAction:
        """The action with the hash of the decision that it rests on, which only a breaker is told."""
        if self.action.breaker is None or not self.call.data:
            return self
        return replace(self, call=trip_call(self.action.breaker, evidence))

    def as_written(self, to: str, data: bytes) -> ArmedAction | None:
        """The action with the call that was written down for it; None when it has another call now."""
        written, trip = Call(to, data), self.action.breaker
        if trip is None or to != self.call.to or not self.call.data:
            return self if self.call == written else None
        if data[:4] == TRIP:
            now = self.on(evidence_of(data))
            return now if now.call == written else None
        # Signed by several keepers: selector, three words, and then the order: identifier, offset, evidence, values.
        order = data[4 + 3 * 32 :]
        same = order[:32] == bytes.fromhex(trip.id[2:]) and order[96:].startswith(encode_list(trip.values))
        return replace(self, call=written) if data[:4] == TRIP_SIGNED and same else None

    def effect_text(self, result: CallResult) -> str:
        """What the view answered, in the form of ``Effect.expect``. Raises MalformedAnswer when it reverted or is no such value."""
        read = self.action.effect.read
        if not result.ok:
            raise MalformedAnswer(
                f"{read.signature} at {read.target} reverted", remedy="check the `read` of the action"
            )
        values = decode_results(self.effect_view, result.data)
        return to_text(self.effect_view.outputs[0], values[0])

    def in_effect(self, current: str) -> bool:
        """True when the chain shows what the action is for; for parameters also when the value is tighter than that."""
        expect = self.action.effect.expect
        if current == expect:
            return True
        adjustment = self.action.adjustment
        try:
            if adjustment is not None:
                return adjustment.holds(int(current), int(expect))
            match self.action.safe_side:
                case SafeSide.LOWER:
                    return int(current) < int(expect)
                case SafeSide.HIGHER:
                    return int(current) > int(expect)
                case None:
                    return False
        except ValueError:  # no number, so nobody knows: the view was unreadable
            return False


def arm(action: Action) -> ArmedAction:
    """Encodes the action's calls. Raises UnitError when a signature and its arguments do not fit."""
    tried = action if action.adjustment is None else _with_new(action, str(action.adjustment.least))
    encode_call(tried.call)  # also where a breaker makes it: it is what people read
    call = _call_of(tried)
    return ArmedAction(
        action=action,
        call=call if action.adjustment is None else Call(call.to, b""),
        effect_call=encode_call(action.effect.read),
        effect_view=parse_signature(action.effect.read.signature),
    )


def _with_new(action: Action, new: str) -> Action:
    args = put(action.call.args, NEW, new)
    trip = action.breaker
    if trip is not None:
        trip = replace(trip, values=tuple(new if value == NEW else value for value in trip.values))
    return replace(
        action, call=replace(action.call, args=args), effect=replace(action.effect, expect=new), breaker=trip
    )


def _call_of(action: Action) -> Call:
    return encode_call(action.call) if action.breaker is None else trip_call(action.breaker)
