"""The answers of view calls, as values or as the reason why there is none."""

from __future__ import annotations

from keeper.domain.abi import Function, decode_results, describe_revert
from keeper.domain.action import AbiValue
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult
from keeper.domain.observation import Quality


class NoValue(Exception):
    """There is no value: ``quality`` (MISSING or MALFORMED) and ``reason`` say why. It never leaves this package."""

    def __init__(self, quality: Quality, reason: str) -> None:
        super().__init__(reason)
        self.quality = quality
        self.reason = reason


def answered(function: Function, result: CallResult) -> tuple[AbiValue, ...]:
    """What the view returned. Raises NoValue."""
    if not result.ok:
        raise NoValue(Quality.MISSING, f"{function.signature} {describe_revert(result.data)}")
    if not result.data:
        raise NoValue(Quality.MISSING, f"{function.signature} answered nothing: is there a contract at this address?")
    try:
        return decode_results(function, result.data)
    except MalformedAnswer as error:
        raise NoValue(Quality.MALFORMED, error.message) from None


def whole(value: AbiValue) -> int:
    """A decoded value of an integer type. Raises NoValue for another."""
    if not isinstance(value, int):
        raise NoValue(Quality.MALFORMED, "the answer is not a number")
    return int(value)
