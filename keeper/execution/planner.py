"""Arming: an action's calls are encoded once, before anything trips."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.abi import Function, decode_results, encode_call, parse_signature, to_text
from keeper.domain.action import Action, Call, SafeSide
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult


@dataclass(frozen=True, slots=True)
class ArmedAction:
    """An action that is ready: ``call`` makes it happen, ``effect_call`` shows whether it did."""

    action: Action
    call: Call
    effect_call: Call
    effect_view: Function

    @property
    def key(self) -> tuple[str, str]:
        """(market, action): at most one intent of a key is open."""
        return self.action.market, self.action.name

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
        try:
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
    return ArmedAction(
        action=action,
        call=encode_call(action.call),
        effect_call=encode_call(action.effect.read),
        effect_view=parse_signature(action.effect.read.signature),
    )
