"""Records that were sent to the database, and whose commit was not answered: they may be in the log, and must not get there twice.

What was sent is looked for, by the place and the hash that it would have, before anything else is written, under the same lock. What is found
there is given to whoever sends the same drafts again, once; so two equal records are still two when both were meant.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from keeper.adapters.audit.chaining import Ready
from keeper.domain.record import Draft, Record

REMEMBERED: Final = 1_000
"""Records that nobody has asked for again; who sends again does so within seconds."""


class Unheard:
    """Of one connection that writes. One thread at a time."""

    def __init__(self) -> None:
        self.sent: Sequence[Record] = ()
        """Of the last commit, while nobody knows whether it was made."""
        self._drafts: Sequence[Draft] = ()
        self._stored: deque[tuple[Draft, Record]] = deque(maxlen=REMEMBERED)

    def sending(self, records: Sequence[Record], ready: Sequence[Ready]) -> None:
        """These are on their way."""
        self.sent, self._drafts = records, [item.draft for item in ready]

    def settled(self) -> None:
        """What was on its way was answered, or is not in the log."""
        self.sent, self._drafts = (), ()

    def is_found(self, row: Sequence[object] | None) -> bool:
        """Whether ``row``, the hash at the place of the last one sent, says that they are in the log. Either way that is settled."""
        found = bool(self.sent) and row is not None and row[0] == self.sent[-1].hash
        if found:
            self._stored.extend(zip(self._drafts, self.sent, strict=True))
        self.settled()
        return found

    def left(self, ready: Sequence[Ready]) -> list[Ready]:
        """Those that are not in the log yet, as far as is known."""
        known = self._known(ready)
        return [item for item, one in zip(ready, known, strict=True) if one is None]

    def answer(self, ready: Sequence[Ready], written: Sequence[Record]) -> list[Record]:
        """The records of all of ``ready``, of which ``written`` are those that were ``left``; the others are known no more."""
        if not self._stored:
            return list(written)
        new, records = iter(written), []
        for one in self._known(ready):
            if one is not None:
                self._stored.remove(one)
            records.append(next(new) if one is None else one[1])
        return records

    def _known(self, ready: Sequence[Ready]) -> list[tuple[Draft, Record] | None]:
        """Each stored record stands for one draft."""
        stored = list(self._stored)
        found: list[tuple[Draft, Record] | None] = []
        for item in ready:
            one = next((each for each in stored if each[0] == item.draft), None)
            if one is not None:
                stored.remove(one)
            found.append(one)
        return found
