"""Which ways an intent has gone so far, as its broadcast records tell: after a restart nothing becomes public that was not public before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.domain.record import Json

NO_ANSWERS = frozenset({"fallback", "withheld", "withdrawn"})
"""Keys of broadcast records that tell what the keeper did, not what somebody answered to an attempt. Their message says it."""


@dataclass(slots=True)
class Trail:
    """``route`` is the one that the intent was written down with; empty: its action's. Hashes are those of attempts.

    ``first_block`` is the number of the newest block when anything of it was first sent. ``public``: it was sent publicly, or it was written
    down that it may be. ``secretly``: it went to builders. ``taken`` are the attempts that a builder accepted. ``published`` were sent
    publicly, ``accepted`` also taken there, by the number of the newest block at that moment. ``paged``: people were told that no more is offered.
    """

    route: str = ""
    first_block: int | None = None
    public: bool = False
    secretly: bool = False
    paged: bool = False
    taken: set[str] = field(default_factory=set)
    published: set[str] = field(default_factory=set)
    accepted: dict[str, int] = field(default_factory=dict)

    def note(self, body: Mapping[str, Json]) -> None:
        """Takes the body of one more broadcast record. One of a version that knew no private ways is of a public one."""
        if body.keys() & NO_ANSWERS:
            self.paged = self.paged or "withheld" in body
            self.public = self.public or "fallback" in body
            return
        tx_hash, block = str(body["tx_hash"]), body.get("block")
        number = block if isinstance(block, int) else 0
        if self.first_block is None:
            self.first_block = number
        if body.get("public", True) is False:
            self.secretly = True
            if body["accepted"] is True:
                self.taken.add(tx_hash)
            return
        self.public = True
        self.published.add(tx_hash)
        if body["accepted"] is True:
            self.accepted.setdefault(tx_hash, number)
