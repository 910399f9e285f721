"""One look at a service's queue: pages are read in the thread that asks for them, what did not change is not read again, and nothing that a
service or a stranger leaves there makes a look longer, or larger, than the limits here."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from keeper.adapters.safe import answers
from keeper.domain.errors import MalformedAnswer
from keeper.domain.proposal import Queued
from keeper.ports.council import QueuePage, Skipped

if TYPE_CHECKING:
    from keeper.adapters.safe.api import ServiceApi

LOOK_S: Final = 10.0
"""For all pages of one look together."""
PAGE: Final = 200
"""Entries of a page; the service gives no more."""
MAX_PAGES: Final = 20
_LESS: Final = 8
"""A page that is too large is asked for with so many times fewer entries."""

MOST_LARGE: Final = 3
"""Single entries that are larger than any answer may be: none is, of an honest service."""


@dataclass(frozen=True, slots=True)
class Read:
    """A page as it was read; ``number`` is how many entries the service put there. ``content`` names what it was read from."""

    entries: tuple[Queued | Skipped, ...]
    number: int
    more: bool
    content: bytes


@dataclass(slots=True)
class Look:
    """Takes pages one after the other. ``before`` are those of the look before this one, by their content."""

    safe: str
    since_nonce: int
    chain_id: int
    limit: int
    before: Mapping[bytes, Read]
    pages: dict[bytes, Read] = field(default_factory=dict)
    offset: int = 0
    asked: int = 0
    done: bool = False
    cut: str = ""
    """Why not all of it was read; empty: all was."""
    _seen: set[tuple[str, bytes]] = field(default_factory=set)
    _left_out: list[Skipped] = field(default_factory=list)

    def step(self, path: str, within_s: float, api: ServiceApi) -> None:
        """One page. Blocks, not longer than about ``within_s``. Raises as every question to the service does."""
        query = {
            "executed": False,
            "nonce__gte": self.since_nonce,
            "ordering": "nonce,created",  # keeps pages apart, and the lowest nonces come first
            "limit": self.limit,
            "offset": self.offset,
        }
        self.asked += 1
        try:
            content = api.content(path, query, within_s)
        except answers.TooLarge as error:
            self._smaller(error)
        else:
            self._take(content)
        if not self.done and self.asked == MAX_PAGES:
            self.end(f"more than {self.offset} entries lie there")

    def end(self, why: str) -> None:
        """Nothing more is asked for."""
        self.done, self.cut = True, why

    def result(self) -> QueuePage:
        """What was read, once under each claimed hash: the one that has this hash where there is one, else the first."""
        queued: dict[str, Queued] = {}
        more: Counter[str] = Counter()
        skipped = list(self._left_out)
        for one in self._entries():
            if isinstance(one, Skipped):
                skipped.append(one)
                continue
            known = queued.setdefault(one.claimed_hash, one)
            if known.transaction != one.transaction:
                more[one.claimed_hash] += 1
                if one.transaction.hash_text == one.claimed_hash:
                    queued[one.claimed_hash] = one
        skipped += [
            Skipped(name, f"the service tells {count} more under the same hash") for name, count in more.items()
        ]
        if self.cut:
            words = f"{self.cut}: those with the lowest nonces were read, take back or reject what is old"
            skipped.append(Skipped("the rest of the queue", words))
        told = {one.place: one for one in reversed(skipped)}  # of one hash once
        return QueuePage(tuple(sorted(queued.values(), key=_turn)), tuple(told.values())[::-1], whole=not self.cut)

    # -- inside ----------------------------------------------------------------------------------------------------------------

    def _entries(self) -> Iterable[Queued | Skipped]:
        pages = tuple(self.pages.values())  # a page that came too late may still come
        return (one for page in pages for one in page.entries)

    def _take(self, content: bytes) -> None:
        about = f"{self.safe} {self.since_nonce} {self.offset} ".encode()
        name = hashlib.sha256(about + content).digest()
        page = self.before.get(name) or self._read(content, name)
        self.pages[name] = page
        self.offset += page.number
        fresh = {_identity(one) for one in page.entries} - self._seen
        self._seen |= fresh
        if not page.more:
            self.done = True
        elif not fresh:
            self.end("its pages hold the same again and again")

    def _read(self, content: bytes, name: bytes) -> Read:
        found, more = answers.entries(answers.decoded(content))
        entries = tuple(self._entry(entry, number) for number, entry in enumerate(found, self.offset + 1))
        return Read(entries, len(found), more, name)

    def _entry(self, found: object, number: int) -> Queued | Skipped:
        try:
            one = answers.proposal(found, self.chain_id)
            _check_asked(one, self.safe, self.since_nonce)
        except MalformedAnswer as error:
            return Skipped(answers.place_of(found, number), error.message)
        _ = one.transaction.hash  # computed here, and not where the keeper must go on
        return one

    def _smaller(self, error: MalformedAnswer) -> None:
        if self.limit > 1:
            self.limit = max(1, self.limit // _LESS)
            return
        if len(self._left_out) == MOST_LARGE:
            if not self.pages:
                raise error
            self.end(error.message)
            return
        self._left_out.append(Skipped(f"entry {self.offset + 1} of the answer", error.message))
        self.offset += 1
        self.cut = "entries that are too large lie there"


def _identity(one: Queued | Skipped) -> tuple[str, bytes]:
    return (one.place, b"") if isinstance(one, Skipped) else (one.claimed_hash, one.transaction.hash)


def _check_asked(one: Queued, safe: str, since_nonce: int) -> None:
    """Raises MalformedAnswer for what was not asked for."""
    if one.transaction.safe != safe:
        raise MalformedAnswer(f"`safe` is {one.transaction.safe}, another than was asked for")
    if one.executed:
        raise MalformedAnswer("`isExecuted` is true among what is not executed")
    if one.transaction.nonce < since_nonce:
        raise MalformedAnswer(f"`nonce` is {one.transaction.nonce}, lower than was asked for")


def _turn(one: Queued) -> tuple[int, bool, int]:
    """By nonce and then by submission; those without a time last."""
    return one.transaction.nonce, one.submitted_ms is None, one.submitted_ms or 0
