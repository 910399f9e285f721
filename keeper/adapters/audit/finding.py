"""What a verification answers, and how a check says that it found something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on a log.

    ``records`` is how many records were found good from the first on, ``head`` the hash of the last good one. ``first_bad`` is the
    record that is wrong, or that made the row that is wrong; None when the damage belongs to no record (the schema, say).
    ``problem`` says what is wrong in words, ``table`` where; both are empty when ``ok``.
    """

    ok: bool
    records: int
    head: str
    first_bad: int | None = None
    problem: str = ""
    table: str = ""


class Finding(Exception):
    """Something in the log is not as it was written."""

    def __init__(self, table: str, first_bad: int | None, problem: str) -> None:
        super().__init__(problem)
        self.table = table
        self.first_bad = first_bad
        self.problem = problem
