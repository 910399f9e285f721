"""Whether the records that a story is told from are those that were written. What a log says of itself is only worth telling where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keeper.domain.record import RecordQuery

WHOLE_MAX: Final = 100_000
"""Records of a log that is looked at from its first one on, with evidence, journal and checkpoints; of a longer one only the part that matters."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at before the story was told: records ``first`` to ``last``; ``head`` is the hash of the last one that is good.

    ``problem`` is empty where all of it holds; else ``bad`` is the number of the first bad record, None where it is of no single one.
    """

    first: int
    last: int
    head: str
    bad: int | None = None
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem

    @property
    def place(self) -> str:
        """Where it is broken."""
        return f"record {self.bad}" if self.bad is not None else "the database"


def check(url: str, first: int) -> Checked:
    """From record 1 on; of a log longer than ``WHOLE_MAX`` from the record before ``first`` on, so that the link into the story is seen too.

    Raises StoreUnavailable, StoreNotMigrated.
    """
    from keeper.adapters.audit.reading import page_sync
    from keeper.adapters.audit.verify import verify, verify_newest

    newest = page_sync(url, RecordQuery(limit=1, newest_first=True))
    last = newest[0].seq if newest else 0
    begin = 1 if last <= WHOLE_MAX else max(1, first - 1)
    verdict = verify(url) if begin == 1 else verify_newest(url, last - begin + 1)
    problem = "" if verdict.ok else verdict.problem or "it does not hold"
    return Checked(begin, last, verdict.head, verdict.first_bad, problem)
