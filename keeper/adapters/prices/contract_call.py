"""Any view function as a source: one result as a number."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keeper.adapters.prices.chain_answer import NoValue, answered, whole
from keeper.adapters.prices.scale import MAX_DECIMALS, scaled
from keeper.domain.abi import encode_call, parse_signature
from keeper.domain.abi_codec import integer_range
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit


class ContractCallSource:
    """``name(types)(results)`` at a target: the result number ``result`` (from 0), a bool or an integer with ``decimals``.

    Its time is None: it is the chain's state at the block. A PRICE of zero or less is MALFORMED.
    """

    def __init__(self, name: str, call: FunctionCall, unit: Unit, *, result: int = 0, decimals: int = 0) -> None:
        """Raises UnitError when the call does not encode, or the result is not there, not a number, or does not fit the decimals."""
        self._name = name
        self._unit = unit
        self._result = result
        self._decimals = decimals
        self._call = encode_call(call)
        # the last good answer and its value: most of what the chain holds is the same at the next block
        self._known: tuple[bytes | None, Decimal] = None, Decimal(0)
        self._function = parse_signature(call.signature)
        outputs = self._function.outputs
        if not 0 <= result < len(outputs):
            raise UnitError(
                f"{self._function.signature} names {len(outputs)} results, there is no number {result}",
                remedy="write the results after the arguments, name(types)(results), and count from 0",
            )
        if outputs[result] != "bool" and integer_range(outputs[result]) is None:
            raise UnitError(
                f"result {result} is a {outputs[result]}, not a number", remedy="choose a bool, uint or int"
            )
        if not 0 <= decimals <= MAX_DECIMALS or (decimals and outputs[result] == "bool"):
            raise UnitError(
                f"{decimals} decimals do not fit a {outputs[result]}", remedy=f"0 to {MAX_DECIMALS}; a bool has none"
            )

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def calls(self) -> Sequence[Call]:
        """The one call."""
        return (self._call,)

    def decode(self, results: Sequence[CallResult], block: BlockStamp, received_ms: int) -> Observation:
        """MISSING: it reverts or nobody is there. MALFORMED: bytes that are not what the signature says, or a price of zero or less."""
        known, value = self._known
        if len(results) == 1 and results[0].data == known and results[0].ok:
            return Observation(self._name, value, self._unit, received_ms, None, block)
        try:
            value = self._value(results)
        except NoValue as why:
            return Observation(
                self._name, None, self._unit, received_ms, block=block, quality=why.quality, reason=why.reason
            )
        return Observation(self._name, value, self._unit, received_ms, block=block)

    def _value(self, results: Sequence[CallResult]) -> Decimal:
        if len(results) != 1:
            raise NoValue(Quality.MALFORMED, f"{len(results)} answers to one call")
        result = results[0]
        number = whole(answered(self._function, result)[self._result])
        if self._unit is Unit.PRICE and number <= 0:
            raise NoValue(Quality.MALFORMED, f"{self._function.signature} answers a price of {number}")
        self._known = result.data, scaled(number, self._decimals)
        return self._known[1]
