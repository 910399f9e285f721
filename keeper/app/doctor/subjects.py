"""What the keeper reads from the chain: the calls of its sources, and the views of its actions' effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.app.chain_sources import open_chain_source
from keeper.config import model
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Unreachable
from keeper.domain.evm import CallResult
from keeper.domain.units import plain
from keeper.execution.planner import ArmedAction, arm

NARROWED = 25
"""When all reads at once fail, so many are tried one by one to find out which of them it is."""
SHOWN = 42

Answers = Mapping[str, "Sequence[CallResult] | OutsideError"]
"""By the name of the subject."""


@dataclass(frozen=True, slots=True)
class Subject:
    """``words`` says what answers to ``calls`` mean; it remembers nothing between two calls."""

    name: str
    calls: Sequence[Call]
    words: Callable[[Sequence[CallResult], BlockStamp], str]


def subjects_of(config: model.Config) -> list[Subject]:
    """All that is read at a block."""
    sources = [_of_source(source) for source in config.sources if isinstance(source, model.ChainSource)]
    return sources + [_of_action(arm(action)) for action in config.actions]


async def read_all(node: NodeClient, block: BlockStamp, subjects: Sequence[Subject]) -> Answers:
    """Everything in one read, as the keeper does; when the node answers that with an error, one by one. Raises nothing for what nodes do."""
    try:
        results = await node.read([call for subject in subjects for call in subject.calls], block) if subjects else ()
    except OutsideError as error:
        if isinstance(error, Unreachable) or len(subjects) == 1:
            return dict.fromkeys((subject.name for subject in subjects), error)
        return await _one_by_one(node, block, subjects, error)
    found: dict[str, Sequence[CallResult] | OutsideError] = {}
    place = 0
    for subject in subjects:
        found[subject.name] = results[place : place + len(subject.calls)]
        place += len(subject.calls)
    return found


async def _one_by_one(node: NodeClient, block: BlockStamp, subjects: Sequence[Subject], error: OutsideError) -> Answers:
    found: dict[str, Sequence[CallResult] | OutsideError] = {subject.name: error for subject in subjects}
    for subject in subjects[:NARROWED]:
        try:
            found[subject.name] = await node.read(subject.calls, block)
        except OutsideError as its_own:
            found[subject.name] = its_own
    return found


def raw(result: CallResult) -> str:
    """The answer itself, cut to a readable length; ``0x`` is what an address without code says."""
    text = "0x" + result.data.hex()
    return ("" if result.ok else "reverted ") + (text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")


def _of_source(source: model.ChainSource) -> Subject:
    def words(results: Sequence[CallResult], block: BlockStamp) -> str:
        # a source of its own each time: some remember what they decoded
        seen = open_chain_source(source).decode(results, block, SystemClock().now_ms())
        if seen.value is None:
            return f"{seen.quality} ({seen.reason})"
        return plain(seen.value)

    return Subject(f"source {source.name}", tuple(open_chain_source(source).calls()), words)


def _of_action(armed: ArmedAction) -> Subject:
    def words(results: Sequence[CallResult], _: BlockStamp) -> str:
        try:
            return f"{armed.action.effect.read.signature} is {armed.effect_text(results[0])}"
        except MalformedAnswer as error:
            return error.message

    return Subject(f"action {armed.action.name} on {armed.action.market}", (armed.effect_call,), words)
