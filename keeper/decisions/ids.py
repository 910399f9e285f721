"""Ids that are unique and that anyone can compute again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REORG_DEPTH = 1_024
"""Ids of blocks further back than this are forgotten; no chain in use goes back so far."""


@dataclass(slots=True)
class Ids:
    """Gives out ids by block. The same id at the same block number a second time (two ticks at one block, two rules that are declined one action, a
    block that was replaced) gets ``~2``, then ``~3``. Needs no clock and no chance, so a replay gives the same ids.
    """

    issued: dict[int, dict[str, int]] = field(default_factory=dict)

    def issue(self, base: str, block: int) -> str:
        """``base``, or with a number behind it when it was given out before. ``base`` holds the block number."""
        used = self.issued.get(block)
        if used is None:
            for old in [number for number in self.issued if number < block - REORG_DEPTH]:
                del self.issued[old]
            used = self.issued[block] = {}
        used[base] = used.get(base, 0) + 1
        return base if used[base] == 1 else f"{base}~{used[base]}"

    def given(self, id: str, block: int) -> None:
        """This one is given out already: never again at this block."""
        base, _, number = id.rpartition("~")
        if not base or not re.fullmatch(r"[0-9]{1,18}", number):
            base, number = id, "1"  # the first of its name; a number further ahead is that of its incident
        used = self.issued.setdefault(block, {})
        used[base] = max(used.get(base, 0), int(number))
