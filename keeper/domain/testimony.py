"""What independent nodes say about the same block and the same reads, and how much of that is enough to act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from keeper.domain.block import BlockStamp


class Word(StrEnum):
    AGREES = "agrees"
    DISAGREES = "disagrees"
    SILENT = "silent"
    """It said nothing that counts; the reason says why."""


class Silence(StrEnum):
    """Why an endpoint is silent."""

    DEADLINE = "no-answer-in-time"
    UNREACHABLE = "unreachable"
    BEHIND = "does-not-have-the-block"
    REFUSED = "refused"
    MALFORMED = "malformed"
    NOT_NEEDED = "not-needed"
    """Enough others agreed before it answered."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``call`` is the place among the calls, counted from 0; None: the block's hash. Both answers are cut to a readable length."""

    call: int | None
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One verify endpoint's word. ``behind`` counts the blocks that it lacks, where that is why it is silent.

    ``took_ms`` is how long it took to agree.
    """

    endpoint: str
    word: Word
    silence: Silence | None = None
    message: str = ""
    behind: int = 0
    differences: tuple[Difference, ...] = ()
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Testimony:
    """All statements about one block. The endpoint in use counts as one that agrees."""

    __test__: ClassVar[bool] = False  # its name begins as pytest's classes do
    block: BlockStamp
    statements: tuple[Statement, ...]

    @property
    def of(self) -> int:
        """How many endpoints there are, the one in use included."""
        return 1 + len(self.statements)

    @property
    def agreeing(self) -> int:
        """How many agree, the one in use included."""
        return 1 + self._count(Word.AGREES)

    @property
    def disagreeing(self) -> int:
        return self._count(Word.DISAGREES)

    @property
    def against(self) -> tuple[str, ...]:
        """The endpoints that have this block and contradict its results, when all that do say the same thing; else nobody."""
        differing = [one for one in self.statements if one.word is Word.DISAGREES]
        about_results = all(each.call is not None for one in differing for each in one.differences)
        if not about_results or len({one.differences for one in differing}) != 1:
            return ()
        return tuple(one.endpoint for one in differing)

    @property
    def silent(self) -> int:
        return self._count(Word.SILENT)

    def agreeing_within(self, deadline_ms: int) -> int:
        """How many agreed within this time, the one in use included."""
        return 1 + sum(one.word is Word.AGREES and one.took_ms <= deadline_ms for one in self.statements)

    def _count(self, word: Word) -> int:
        return sum(statement.word is word for statement in self.statements)


@dataclass(frozen=True, slots=True)
class Disputed:
    """What too few agree about: what was read about ``subjects`` at the blocks after ``after`` and up to ``through``.

    ``after_ms`` and ``through_ms`` are the keeper's times of those two ticks. Nobody was heard about what lies between them.
    """

    subjects: frozenset[str]
    after: int
    through: int
    after_ms: int
    through_ms: int


class Otherwise(StrEnum):
    """What to do when not enough endpoints agree within the deadline."""

    HOLD = "hold"
    """Do not act; page."""
    ACT = "act"
    """Act on the word of the endpoint in use; record that it stood alone."""


@dataclass(frozen=True, slots=True)
class QuorumPolicy:
    """``agree`` counts endpoints, the one in use included; 1 asks nobody. ``deadline_ms`` is for all of them together."""

    agree: int
    deadline_ms: int
    otherwise: Otherwise

    def met_by(self, testimony: Testimony) -> bool:
        """Whether enough endpoints agree, and soon enough: a comparison has more time than an action."""
        return testimony.agreeing_within(self.deadline_ms) >= self.agree
