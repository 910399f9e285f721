"""What a comparison of the log with the chain came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Subject(StrEnum):
    """What was compared."""

    TRANSACTION = "transaction"
    """A signed attempt, and whether the chain has it as its receipt record says."""
    EFFECT = "effect"
    """What a contract showed at the receipt's block, read again."""
    TRIP = "trip"
    """A trip of a breaker, and the decision that it names as its evidence."""
    EXECUTION = "execution"
    """What a Safe executed, and the transaction that was proposed to its owners."""
    NONCE = "nonce"
    """A number that one of the keeper's keys has used on the chain, and the attempt of the log that used it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The log and the chain say different things. ``seq`` is the record, None for what no record tells of."""

    subject: Subject
    seq: int | None
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What could not be compared, and why. Never counted as right."""

    subject: Subject
    seq: int | None
    why: str


@dataclass(slots=True)
class Report:
    """``block`` is the newest that any endpoint has, ``log_block`` the newest that the log tells of.

    ``checked`` counts what was compared and found equal. ``first`` and ``last`` are the blocks that were searched for trips.
    """

    endpoints: tuple[str, ...]
    chain_id: int
    block: int
    log_block: int = 0
    checked: dict[Subject, int] = field(default_factory=lambda: dict.fromkeys(Subject, 0))
    reorganised: int = 0
    """Transactions that the chain does not have any more, and of which the log says so."""
    first: int | None = None
    last: int | None = None
    found: list[Found] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing differs. What could not be compared is another matter: ``complete``."""
        return not self.found

    @property
    def complete(self) -> bool:
        """Whether everything was compared but what only a node that keeps all state could answer."""
        return all(each.subject in (Subject.EFFECT, Subject.NONCE) for each in self.unchecked)

    def hold(self, subject: Subject, seq: int | None, problems: list[tuple[str, str]]) -> None:
        """One comparison: (message, remedy) of each difference; none: it is equal."""
        self.found += [Found(subject, seq, message, remedy) for message, remedy in problems]
        self.checked[subject] += not problems
