"""Which endpoint stands alone with its blocks, where several others have the same one at that height."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import Agreement, Disagreement
from keeper.domain.testimony import Difference

REMEMBERED = 64
"""So many heights of each endpoint."""
MAJORITY = 2
"""So many others with the same block outvote one that is alone with its own."""
DISPUTE_MS = 2_000
"""So long two nodes may have different blocks: blocks travel, and short forks resolve."""


@dataclass(frozen=True, slots=True)
class _Vote:
    """``first`` and ``last``: when the endpoint said so, counted in heads of all."""

    hash: str
    first: int
    last: int


class Ballot:
    """The hash of each endpoint's block at each height, as it said last; a block also says which parent it has.

    Outvoted is who is contradicted, and then gives another block that is contradicted as well: a fork of one block, which is common, ends with
    the next. Only what others say afterwards contradicts: who is the first to follow a reorganisation stands alone for a moment.
    """

    def __init__(self, endpoints: int) -> None:
        self._votes: list[dict[int, _Vote]] = [{} for _ in range(endpoints)]
        self._contradicted: list[int | None] = [None] * endpoints
        self._count = 0

    def cast(self, endpoint: int, block: BlockStamp) -> dict[int, str]:
        """One more head of an endpoint. Who is outvoted by now, with the reason in words."""
        self._count += 1
        mine = self._votes[endpoint]
        for number, said in ((block.number - 1, block.parent_hash), (block.number, block.hash)):
            known = mine.get(number)
            if known is not None and known.hash == said:
                mine[number] = replace(known, last=self._count)
            else:
                mine[number] = _Vote(said, self._count, self._count)
        while len(mine) > REMEMBERED:
            del mine[min(mine)]
        if len(self._votes) <= MAJORITY:
            return {}  # too few to outvote anybody; a head waits for this
        return self._judged(block.number - 1) | self._judged(block.number)

    def has_announced(self, endpoint: int, block: BlockStamp) -> bool:
        """Whether this endpoint's block at that height is this one."""
        vote = self._votes[endpoint].get(block.number)
        return vote is not None and vote.hash == block.hash

    @property
    def newest(self) -> int:
        """The highest number that anybody gave."""
        return max((max(votes) for votes in self._votes if votes), default=0)

    def difference(self, one: int, other: int) -> tuple[int, str, str] | None:
        """Number and both hashes, where two endpoints differ at the highest block that both have given."""
        both = self._votes[one].keys() & self._votes[other].keys()
        if not both:
            return None
        number = max(both)
        ours, theirs = self._votes[one][number].hash, self._votes[other][number].hash
        return (number, ours, theirs) if ours != theirs else None

    def _judged(self, number: int) -> dict[int, str]:
        votes = {place: each[number] for place, each in enumerate(self._votes) if number in each}
        outvoted: dict[int, str] = {}
        for place, vote in votes.items():
            if sum(other.hash == vote.hash for other in votes.values()) >= MAJORITY:
                self._contradicted[place] = None
                continue
            later = Counter(other.hash for other in votes.values() if other.last > vote.first)
            winner, most = later.most_common(1)[0] if later else ("", 0)
            if most < MAJORITY:
                continue
            since = self._contradicted[place]
            if since is None:
                self._contradicted[place] = self._count
            elif vote.first > since:
                outvoted[place] = f"its block {number} is {vote.hash}, and {most} other endpoints have {winner}"
        return outvoted


class Dispute:
    """Two primaries and nobody else: with different blocks, one of them is wrong, and nobody can say which."""

    def __init__(self, ballot: Ballot, names: Sequence[str]) -> None:
        self._ballot = ballot
        self._names = names
        self._since_ms: float | None = None
        self._told = ""

    def look(self, active: int, now_ms: float, *, both_up: bool) -> list[Agreement | Disagreement]:
        """What is to be told: that they differ for so long, once, and that they do no longer."""
        differs = self._ballot.difference(active, 1 - active) if both_up else None
        if differs is None:
            self._since_ms = None
            told, self._told = self._told, ""
            return [Agreement(told, self._ballot.newest)] if told else []
        if self._since_ms is None:
            self._since_ms = now_ms
        if self._told or now_ms - self._since_ms < DISPUTE_MS:
            return []
        number, ours, theirs = differs
        self._told = self._names[1 - active]
        return [Disagreement(self._told, number, (Difference(None, ours, theirs),), self._names[active])]
