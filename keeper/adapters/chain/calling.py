"""What a JSON-RPC answer says. Of a call, a revert is an answer, and an error of the node's is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from keeper.adapters.chain import answers, hexes
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused
from keeper.domain.evm import CallResult, Simulation
from keeper.domain.text import shown

T = TypeVar("T")


def parsed(answer: dict[str, Any], parse: Callable[[Any], T], refused: Callable[[Refused], T] | None) -> T:
    """The result, parsed; with ``refused`` also an error. Raises OutsideError."""
    try:
        return parse(result(answer))
    except Refused as error:
        if refused is None:
            raise
        return refused(error)


def result(answer: dict[str, Any]) -> Any:
    """The result of a JSON-RPC answer. Raises Refused, MalformedAnswer."""
    if (error := answer.get("error")) is not None:
        raise answers.refusal(error)
    if "result" not in answer:
        raise MalformedAnswer(f"an answer without a result: {shown(answer)}")
    return answer["result"]


def itself(answer: object) -> object:
    """For the parts of a batch that are read later; a refusal is one."""
    return answer


def reverted(error: Refused) -> CallResult:
    """Raises the error again when it is not the contract's."""
    return CallResult(False, revert_data(error))


def simulation(answer: object) -> Simulation | None:
    """Of the answer to a rehearsal; None where it says nothing about the call."""
    try:
        if isinstance(answer, Refused):
            return Simulation(False, revert_data(answer), answer.message)
        return Simulation(True, hexes.data(answer))
    except OutsideError:
        return None


def revert_data(error: Refused) -> bytes:
    """The revert data. Raises the error again when it is not the contract's but the node's."""
    if not answers.is_revert(error):
        raise error
    return bytes.fromhex(error.data.removeprefix("0x"))
