"""The way along the chain: from the block given out last to a new head, block by block.

What it promises to whoever takes the blocks: each follows the one before (by parent hash), or a gap, a skip or a reorganisation was told first;
none comes twice; numbers go back only after a reorganisation was told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import Backfilled, ChainEvent, Gap, Reorg, Skipped
from keeper.domain.errors import OutsideError
from keeper.ports.chain import BlockReader

MAX_REORG = 64
"""So many blocks back the common ancestor is looked for. Ethereum makes blocks final after 64 to 95."""
MEMORY = 1024
"""So many blocks are remembered: far more than any branch that comes back."""
MAX_STRAY = 3
"""So many heads in a row, no older than the last block, at heights of which nothing is known: the chain is taken to have begun anew."""
MAX_OLD_STRAY = 32
"""The same, whatever time they state: without an end to the patience, one absurd head of a lying node would silence all later ones."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next block of the way. ``evaluate`` False: it belongs to the chain, and is not given out (passed over, or given out before)."""

    block: BlockStamp
    evaluate: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """``events`` are to be told before the first step. ``anew``: nothing links the steps to the way so far."""

    steps: tuple[Step, ...] = ()
    events: tuple[ChainEvent, ...] = ()
    anew: bool = False


class Trail:
    """``backfill``: so many missed blocks are fetched at most; more are a gap, and the newest of them are fetched."""

    def __init__(self, *, backfill: int) -> None:
        self._backfill = backfill
        self._branch: OrderedDict[int, str] = OrderedDict()
        self._taken: OrderedDict[str, BlockStamp] = OrderedDict()
        self._last: BlockStamp | None = None
        self._stray = 0

    @property
    def last(self) -> BlockStamp | None:
        """The newest block of the way so far."""
        return self._last

    def begin_anew(self) -> None:
        """Forgets the way so far (but not which blocks were taken)."""
        self._branch.clear()

    def take(self, block: BlockStamp) -> None:
        """This block is the newest from now on. Called for each step as it is made, or once for the place to begin from."""
        while self._branch and next(reversed(self._branch)) >= block.number:
            self._branch.popitem()
        self._branch[block.number] = block.hash
        self._taken[block.hash] = block
        self._last = block
        for memory in (self._branch, self._taken):
            if len(memory) > MEMORY:
                memory.popitem(last=False)

    async def plan(self, head: BlockStamp, passed: Mapping[str, BlockStamp], source: BlockReader) -> Plan:
        """The steps to this head. ``passed`` are blocks that were announced before it and are not to be evaluated any more, by hash.

        Headers that are missing come from ``source``; what it cannot give becomes a gap. Raises nothing.
        """
        last = self._last
        if last is None:
            return Plan((Step(head, True),))
        if head.parent_hash == last.hash and head.number == last.number + 1 and head.hash not in self._taken:
            self._stray = 0
            return Plan((Step(head, True),))  # nearly always: nothing to look up
        if head.hash in self._taken:
            return Plan()
        if self._is_stray(head, last):
            return Plan()
        walk = _Walk(self, last, head, passed, source)
        why = await walk.back()
        common = await walk.common() if why and walk.path[-1].number > last.number + 1 else last.number
        return self._described(walk.path, last, passed, why, common)

    def on_branch(self, number: int, block_hash: str) -> bool:
        """Whether this block is part of the way so far."""
        return self._branch.get(number) == block_hash

    def taken(self, block_hash: str) -> BlockStamp | None:
        """The block with this hash, if it was taken before, on whatever branch."""
        return self._taken.get(block_hash)

    @property
    def backfill(self) -> int:
        return self._backfill

    def _is_stray(self, head: BlockStamp, last: BlockStamp) -> bool:
        """A head that is lower than the last block, at a height of which nothing is known, comes from a node that is behind, and is passed by.

        But when such heads go on, and are no older, it is the chain that is elsewhere.
        """
        known = head.number in self._branch or self.on_branch(head.number - 1, head.parent_hash)
        if head.number > last.number or known:
            self._stray = 0
            return False
        self._stray += 1
        return self._stray < (MAX_STRAY if head.timestamp_s >= last.timestamp_s else MAX_OLD_STRAY)

    def _above(self, number: int) -> int:
        """How many blocks of the way so far are above this number: what lies in a gap was never given out, and cannot be taken back."""
        return sum(known > number for known in self._branch)

    def _described(
        self, walk: list[BlockStamp], last: BlockStamp, passed: Mapping[str, BlockStamp], why: str, common: int
    ) -> Plan:
        """``walk`` leads from the head back; ``why`` is empty when it reached the way so far. ``common``: up to there that way still holds."""
        head, lowest = walk[0], walk[-1]
        steps = tuple(
            Step(block, block is head or (block.hash not in self._taken and not _may_skip(block, last, passed)))
            for block in reversed(walk)
        )
        events: list[ChainEvent] = []
        anew = False
        if not why:
            ancestor = lowest.number - 1
            if ancestor < last.number:
                events.append(_reorg(last, head, self._above(ancestor), ancestor))
        elif lowest.number > last.number + 1:
            if anew := common < last.number:
                events.append(_reorg(last, head, self._above(common), common))
            events.append(Gap(common + 1, lowest.number - 1, why))
        else:
            events.append(_reorg(last, head, max(1, self._above(lowest.number - 1)), None))
            anew = lowest.number <= last.number  # a block out of nowhere above all others says nothing of those below
        for first, final in _runs(
            [step.block.number for step in steps if step.block.hash in passed and not step.evaluate]
        ):
            events.append(Skipped(first, final))
        if not any(isinstance(event, Reorg) for event in events):  # the blocks of another branch are new, not late
            late = [step.block.number for step in steps[:-1] if step.evaluate]
            events += [Backfilled(first, final) for first, final in _runs(late)]
        return Plan(steps, tuple(events), anew)


class _Walk:
    """From a head back, parent by parent."""

    def __init__(
        self, trail: Trail, last: BlockStamp, head: BlockStamp, passed: Mapping[str, BlockStamp], source: BlockReader
    ) -> None:
        self._trail = trail
        self._last = last
        self.path = [head]
        self._passed = passed
        self._source = source
        self._fetched: dict[str, BlockStamp] = {}
        self._missed = 0
        self._asked_for_missed = False

    async def back(self) -> str:
        """Fills ``path``: the blocks from the head to the lowest one found. Why it ended there; empty when that one's parent is on the way so far."""
        while True:
            child = self.path[-1]
            if self._trail.on_branch(child.number - 1, child.parent_hash):
                return ""
            if child.number <= 0:
                return "the chain begins here"
            parent = self._passed.get(child.parent_hash) or self._trail.taken(child.parent_hash)
            if parent is None:
                if why := self._too_far(child.number - 1):
                    return why
                try:
                    parent = await self._fetch(child)
                except OutsideError as error:
                    return error.message
            if parent is None:
                return f"no node has the block {child.parent_hash}"
            if parent.hash != child.parent_hash or parent.number != child.number - 1:
                return "the blocks do not follow each other"
            self.path.append(parent)

    async def common(self) -> int:
        """The number of the newest block of the way so far that the nodes still have, where a gap hides whether it was replaced.

        As far as they do not say, the last one.
        """
        last = self._last
        try:
            found = await self._source.blocks(last.number, last.number)
            block = found[0] if found else None
            while block is not None and last.number - MAX_REORG < block.number <= last.number:
                if self._trail.on_branch(block.number, block.hash):
                    return block.number
                parent = await self._source.block_of(block.parent_hash)
                block = parent if parent is not None and parent.number == block.number - 1 else None
        except OutsideError:
            pass
        return last.number

    def _too_far(self, number: int) -> str:
        if number > self._last.number:
            self._missed += 1
            return f"more than {self._trail.backfill} blocks were missed" if self._missed > self._trail.backfill else ""
        if min(self._last.number, self.path[0].number) - number >= MAX_REORG:  # the last one may be an absurd number
            return f"no common block within {MAX_REORG}"
        return ""

    async def _fetch(self, child: BlockStamp) -> BlockStamp | None:
        number = child.number - 1
        if number > self._last.number and not self._asked_for_missed:
            # all missed blocks in one go, by number; each is used only if its hash is the parent that its child names
            self._asked_for_missed = True
            first = max(self._last.number + 1, child.number - self._trail.backfill)
            self._fetched = {block.hash: block for block in await self._source.blocks(first, number)}
        return self._fetched.get(child.parent_hash) or await self._source.block_of(child.parent_hash)


def _may_skip(block: BlockStamp, last: BlockStamp, passed: Mapping[str, BlockStamp]) -> bool:
    """Whether it may be passed over: not when it takes the place of a block that was given out."""
    return block.hash in passed and block.number > last.number


def _reorg(last: BlockStamp, head: BlockStamp, depth: int, ancestor: int | None) -> Reorg:
    return Reorg(depth, ancestor, last.hash, head.hash, last.number, head.number)


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs without holes: 3, 4, 7 -> (3, 4), (7, 7)."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
