"""Independent nodes as witnesses: do they have the same block, and the same answers at it?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import Agreement, ChainEvent, Disagreement
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused
from keeper.domain.evm import CallResult
from keeper.domain.testimony import Difference, Silence, Statement, Testimony, Word
from keeper.ports.chain import BlockReader, ChainReader

COMPARE_DEADLINE_MS = 2_000
"""For a head off the hot path: blocks need up to a second or two from one node to another, and short forks resolve."""
FIRST_PAUSE_S = 0.02
MAX_PAUSE_S = 0.2
"""Between two questions to a node that does not have the block yet: doubled from the first to the last."""
_SHOWN = 80


class WitnessNode(ChainReader, BlockReader, Protocol):
    """What is asked of a verify endpoint."""


class EndpointWitness:
    """The port ``Witness`` over verify endpoints: pairs of a short name and a node.

    ``report`` hears once when an endpoint begins to disagree and once when it agrees again; ``weigh`` hears each comparison in which everyone had
    the time to answer. Neither may block. ``in_use`` names the endpoint whose results these are.
    """

    def __init__(
        self,
        endpoints: Sequence[tuple[str, WitnessNode]],
        *,
        report: Callable[[ChainEvent], None],
        weigh: Callable[[Testimony, Sequence[Call]], None] | None = None,
        in_use: Callable[[], str] = lambda: "the endpoint in use",
        compare_deadline_ms: int = COMPARE_DEADLINE_MS,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._report = report
        self._weigh = weigh
        self._in_use = in_use
        self._compare_deadline_ms = compare_deadline_ms
        self._disagreeing: set[str] = set()

    async def testify(
        self,
        block: BlockStamp,
        calls: Sequence[Call],
        results: Sequence[CallResult],
        deadline_ms: int,
        *,
        enough: int | None = None,
    ) -> Testimony:
        """Each endpoint's word on this block and these results. Comes back at the deadline at the latest; raises nothing for what they do."""
        hearings = [_Hearing(name, node, block, calls, results) for name, node in self._endpoints]
        needed = len(hearings) + 1 if enough is None else enough
        running = {asyncio.ensure_future(hearing.hear()): hearing for hearing in hearings}
        try:
            agreeing = await _enough(running, needed, deadline_ms)
            if agreeing >= needed:
                for hearing in hearings:
                    hearing.cut_short()
        finally:
            for task in running:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
        for hearing, bug in zip(hearings, ended, strict=True):
            if isinstance(bug, Exception):  # an answer that nobody thought of: it must not silence the others too
                hearing.came_to_nothing(bug)
        testimony = Testimony(block, tuple(hearing.statement for hearing in hearings))
        self._tell(testimony)
        if self._weigh is not None and enough is None:
            self._weigh(testimony, calls)
        return testimony

    async def compare_head(self, block: BlockStamp) -> Testimony:
        """Each endpoint's word on this block's hash, with time for blocks to travel."""
        return await self.testify(block, (), (), self._compare_deadline_ms)

    def _tell(self, testimony: Testimony) -> None:
        for statement in testimony.statements:
            if statement.word is Word.DISAGREES and statement.endpoint not in self._disagreeing:
                self._disagreeing.add(statement.endpoint)
                alike = sum(one.differences == statement.differences for one in testimony.statements)
                self._report(
                    Disagreement(
                        statement.endpoint,
                        testimony.block.number,
                        statement.differences,
                        self._in_use(),
                        testimony.agreeing,
                        alike,
                    )
                )
            elif statement.word is Word.AGREES and statement.endpoint in self._disagreeing:
                self._disagreeing.discard(statement.endpoint)
                self._report(Agreement(statement.endpoint, testimony.block.number))


class _Hearing:
    """One endpoint's word. ``statement`` is at any time what it would be if the deadline were now."""

    def __init__(
        self, name: str, node: WitnessNode, block: BlockStamp, calls: Sequence[Call], results: Sequence[CallResult]
    ) -> None:
        self._name = name
        self._node = node
        self._block = block
        self._calls = calls
        self._results = results
        self._begun_s = asyncio.get_running_loop().time()
        self.statement = self._silent(Silence.DEADLINE, "no answer in time")

    async def hear(self) -> None:
        """Until the word is final: agreement, or different results at the same block. All else may change before the deadline."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                if await self._ask():
                    return
            except OutsideError as error:
                self.statement = self._silent(_silence(error), error.message)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    def cut_short(self) -> None:
        """Enough others have agreed; what it said so far stands if it was a disagreement."""
        if self.statement.word is Word.SILENT and self.statement.silence is Silence.DEADLINE:
            self.statement = self._silent(Silence.NOT_NEEDED, "enough others agreed first")

    def came_to_nothing(self, bug: Exception) -> None:
        """What it answered could not be judged."""
        self.statement = self._silent(Silence.MALFORMED, f"its answer could not be used ({type(bug).__name__})")

    async def _ask(self) -> bool:
        """Whether the word is final. The header and the results are asked for at once: one round trip when all is well."""
        reading = asyncio.ensure_future(self._read())
        try:
            stamp = await self._stamp()
            if stamp is None:
                return False
            if stamp.hash != self._block.hash:
                self._disagree((Difference(None, self._block.hash, stamp.hash),))
                return False
            answers = await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        differences = tuple(
            Difference(index, *_shown(ours, theirs))
            for index, (ours, theirs) in enumerate(zip(self._results, answers, strict=True))
            if ours != theirs
        )
        if differences:
            self._disagree(differences)
        else:
            took_ms = 1000 * (asyncio.get_running_loop().time() - self._begun_s)
            self.statement = Statement(self._name, Word.AGREES, took_ms=took_ms)
        return True

    async def _read(self) -> Sequence[CallResult]:
        answers = await self._node.read(self._calls, self._block) if self._calls else ()
        if len(answers) != len(self._results):
            raise MalformedAnswer(f"{len(answers)} results for {len(self._results)} calls")
        return answers

    async def _stamp(self) -> BlockStamp | None:
        """Its block at this number. None when it does not have one yet: how far it is behind is known then."""
        head = await self._node.head()
        if head.number > self._block.number:
            found = await self._node.blocks(self._block.number, self._block.number)
            if not found or found[0].number != self._block.number:
                raise MalformedAnswer(f"it is at block {head.number} and does not have block {self._block.number}")
            return found[0]
        if head.number < self._block.number:
            behind = self._block.number - head.number
            self.statement = self._silent(Silence.BEHIND, f"it is at block {head.number}, {behind} behind", behind)
            return None
        return head

    def _disagree(self, differences: tuple[Difference, ...]) -> None:
        self.statement = Statement(self._name, Word.DISAGREES, differences=differences)

    def _silent(self, silence: Silence, message: str, behind: int = 0) -> Statement:
        return Statement(self._name, Word.SILENT, silence, message, behind)


async def _enough(running: Mapping[asyncio.Task[None], _Hearing], needed: int, deadline_ms: int) -> int:
    """Waits until all have said their last word, so many agree, or the time is up. Returns how many agree, the endpoint in use included."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + deadline_ms / 1000
    pending = set(running)
    agreeing = 1
    while pending and agreeing < needed and (left_s := end_s - loop.time()) > 0:
        done, pending = await asyncio.wait(pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        agreeing += sum(running[task].statement.word is Word.AGREES for task in done)
    return agreeing


def _silence(error: OutsideError) -> Silence:
    if isinstance(error, Refused):
        return Silence.REFUSED
    return Silence.MALFORMED if isinstance(error, MalformedAnswer) else Silence.UNREACHABLE


def _shown(ours: CallResult, theirs: CallResult) -> tuple[str, str]:
    """Both answers as people read them; long ones begin with the word (32 bytes) in which they differ."""
    same = 0
    if max(len(_text(ours, 0)), len(_text(theirs, 0))) > _SHOWN:
        pairs = zip(ours.data, theirs.data, strict=False)
        shorter = min(len(ours.data), len(theirs.data))
        same = next((at for at, (one, other) in enumerate(pairs) if one != other), shorter) // 32 * 32
    return _text(ours, same)[:_SHOWN], _text(theirs, same)[:_SHOWN]


def _text(result: CallResult, start: int) -> str:
    where = f"from byte {start} " if start else ""
    return ("" if result.ok else "reverted ") + where + "0x" + result.data[start:].hex()
