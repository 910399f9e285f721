"""Which ways an intent has gone so far, as its broadcast records tell: after a restart nothing becomes public that was not public before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.domain.record import Json
from keeper.ports.route import SubmissionKind

NO_ANSWERS = frozenset({"fallback", "withheld", "withdrawn", "late"})
"""Keys of broadcast records that move nothing: what the keeper did, or what builders answered too late to count. Their message says it."""

REFUSED = frozenset({"refused", "over-cap"})
"""Answers of nodes after which they have not got it, and are asked again."""


@dataclass(slots=True)
class Trail:
    """``route`` is the one that the intent was written down with; empty: its action's. Hashes are those of attempts.

    ``first_block`` is the number of the newest block when anything of it was first sent. ``public``: it was sent publicly, or it was written
    down that it may be. ``secretly``: it went to builders. ``taken`` are the attempts that a builder accepted, ``taken_block`` is the number
    of the newest block when one last did; ``unsure`` are those that one may have accepted without saying so. ``published`` were sent
    publicly, ``accepted`` also taken there, by the number of the newest block at that moment; ``refused`` were refused there last,
    of ``lost`` nobody has said once whether they were taken there.
    ``paged``: people were told that no more is offered.
    ``untold`` is what was written down of a fallback, while nobody knows whether people heard of it.
    """

    route: str = ""
    first_block: int | None = None
    public: bool = False
    secretly: bool = False
    paged: bool = False
    taken: set[str] = field(default_factory=set)
    taken_block: int | None = None
    unsure: set[str] = field(default_factory=set)
    untold: Json = None
    published: set[str] = field(default_factory=set)
    accepted: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def note(self, body: Mapping[str, Json]) -> None:
        """Takes the body of one more broadcast record. One of a version that knew no private ways is of a public one."""
        if body.keys() & NO_ANSWERS:
            self.paged = self.paged or "withheld" in body
            if "fallback" in body:
                self.public, self.untold = True, body["fallback"]
            if "late" in body and body.get("taken") is True:
                block = body.get("block")
                self.heard_secretly(
                    str(body["tx_hash"]), SubmissionKind.ACCEPTED, block if isinstance(block, int) else 0
                )
            return
        tx_hash, block = str(body["tx_hash"]), body.get("block")
        number = block if isinstance(block, int) else 0
        if self.first_block is None:
            self.first_block = number
        if body.get("public", True) is False:
            self.secretly = True
            kind = SubmissionKind.ACCEPTED if body["accepted"] is True else None
            unsure = body.get("answer") == SubmissionKind.UNREACHABLE.value
            self.heard_secretly(tx_hash, SubmissionKind.UNREACHABLE if unsure else kind, number)
            return
        self.public, self.untold = True, None
        self.published.add(tx_hash)
        if body.get("answer") == "unreachable":
            self.lost.add(tx_hash)
        (self.refused.add if body.get("answer") in REFUSED else self.refused.discard)(tx_hash)
        if body["accepted"] is True:
            self.accepted.setdefault(tx_hash, number)

    def heard_secretly(self, tx_hash: str, kind: SubmissionKind | None, block: int) -> None:
        """What builders said to an attempt. ``block`` is the number of the newest block when they were asked."""
        if kind in (SubmissionKind.ACCEPTED, SubmissionKind.KNOWN):
            self.taken.add(tx_hash)
            self.taken_block = max(block, self.taken_block or 0)
        elif kind is SubmissionKind.UNREACHABLE:
            self.unsure.add(tx_hash)

    def add_unwritten(self, known: Trail) -> None:
        """What another trail of the same intent knows that may not have been written down."""
        self.lost |= known.lost
        self.taken |= known.taken
        self.unsure |= known.unsure
        blocks = [block for block in (self.taken_block, known.taken_block) if block is not None]
        self.taken_block = max(blocks, default=None)
