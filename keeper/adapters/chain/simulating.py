"""``eth_simulateV1``: calls one after the other in a block that nobody makes, and what the state is after them.

Source: the execution API specification of ``eth_simulateV1``. Steps and reads are calls of one block, without validation: nonces, fees and whose
account it is do not matter, balances do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from keeper.adapters.chain import hexes
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused
from keeper.domain.evm import CallResult, Simulation
from keeper.domain.future import Future, Step
from keeper.domain.record import Json
from keeper.domain.text import printable, shown
from keeper.ports.future import StateAfter

METHOD = "eth_simulateV1"
MAX_READS = 400
"""So many reads of 50,000 gas each fit into a block's gas with room for the steps; the steps are repeated for every further part."""
NO_FUNDS = "insufficient funds"


def chunks(reads: Sequence[Call]) -> Iterator[Sequence[Call]]:
    """The reads in parts that one request takes; one empty part where there are none."""
    for begin in range(0, max(1, len(reads)), MAX_READS):
        yield reads[begin : begin + MAX_READS]


def params(steps: Sequence[Step], reads: Sequence[Call], block: BlockStamp) -> str:
    """The block is the next one, a second later: what refills with time counts as late as is sure."""
    calls: list[Json] = [
        {"from": step.sender, "to": step.call.to, "data": "0x" + step.call.data.hex(), "value": hex(step.value_wei)}
        for step in steps
    ]
    calls += [{"to": call.to, "data": "0x" + call.data.hex()} for call in reads]
    next_block: Json = {"number": hex(block.number + 1), "time": hex(block.timestamp_s + 1)}
    what: Json = {"blockStateCalls": [{"blockOverrides": next_block, "calls": calls}], "validation": False}
    return json.dumps([what, {"blockHash": block.hash}])


def future(answer: object, steps: int, reads: int) -> Future:
    """What the node answered. Raises MalformedAnswer for anything but one result for each call."""
    if not isinstance(answer, list) or len(answer) != 1:
        raise MalformedAnswer(f"{METHOD} answered {shown(answer)}, not one block")
    calls = hexes.fields(answer[0], "the simulated block").get("calls")
    if not isinstance(calls, list) or len(calls) != steps + reads:
        raise MalformedAnswer(f"{METHOD} answered {shown(calls)}, not {steps + reads} results")
    found = [_result(one) for one in calls]
    return Future(tuple(found[:steps]), tuple(CallResult(one.ok, one.data) for one in found[steps:]), METHOD)


def joined(parts: Sequence[Future]) -> Future:
    """Of parts of the reads after the same steps, the whole."""
    return Future(parts[0].steps, tuple(result for part in parts for result in part.reads), parts[0].how)


def without_funds(error: Refused, steps: Sequence[Step], reads: int) -> Future:
    """Nodes refuse the whole where a sender has not what a step would pay. Raises the error again when it is another one."""
    if NO_FUNDS not in error.message.lower() or not any(step.value_wei for step in steps):
        raise error
    paying = next(place for place, step in enumerate(steps) if step.value_wei)
    ends = tuple(
        Simulation(place != paying, b"", error.message if place == paying else "") for place in range(len(steps))
    )
    return Future(ends, (CallResult(False, b""),) * reads, METHOD)


def _result(one: object) -> Simulation:
    fields = hexes.fields(one, "the result of a simulated call")
    data = hexes.data(fields.get("returnData"), "the return data of a simulated call")
    if hexes.quantity(fields.get("status"), "the status of a simulated call") == 1:
        return Simulation(True, data)
    error = fields.get("error")
    words = error.get("message") if isinstance(error, dict) else None
    return Simulation(False, data, printable(words) if isinstance(words, str) else "execution reverted")


class FirstThatCan:
    """StateAfter by the first of these that does it, in order."""

    def __init__(self, ways: Sequence[StateAfter]) -> None:
        self._ways = tuple(ways)

    async def after(self, steps: Sequence[Step], reads: Sequence[Call], block: BlockStamp) -> Future:
        """Raises Refused with what each of them said."""
        why: list[str] = []
        for way in self._ways:
            try:
                return await way.after(steps, reads, block)
            except OutsideError as error:
                why.append(error.message)
        words = "; ".join(dict.fromkeys(why))
        raise Refused(
            f"it cannot be simulated: {words}",
            remedy=f"use a node that has {METHOD}, or install anvil beside the keeper",
        )

    async def close(self) -> None:
        """Closes all of them."""
        for way in self._ways:
            await way.close()
