"""Who builds which block: drawn from a seed, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from keeper.devnet.relay.builders import DOCUMENTED, Builder

EMPTY_PERCENT = 10
"""Of all blocks: those that take nothing private, whoever builds them."""


class Lottery:
    """The draw for a block depends on the seed and the block's number alone.

    ``empty_percent`` of the blocks take nothing private; each builder wins its ``percent`` of the others. Raises ValueError for shares that are none.
    """

    def __init__(
        self, seed: int, builders: Sequence[Builder] = DOCUMENTED, *, empty_percent: int = EMPTY_PERCENT
    ) -> None:
        shares = [builder.percent for builder in builders]
        if min([empty_percent, *shares]) < 0 or max(empty_percent, sum(shares)) > 100:
            raise ValueError("shares are percentages: none below 0, and no more than 100 together")
        self.seed = seed
        self._builders = tuple(builders)
        self._empty_percent = empty_percent

    def winner(self, block: int) -> str | None:
        """The builder whose private transactions are in this block; None: nobody's that is known here."""
        draw = Random(f"{self.seed}:{block}")  # noqa: S311 - a game
        if draw.randrange(100) < self._empty_percent:
            return None
        ticket = draw.randrange(100)
        for builder in self._builders:
            if ticket < builder.percent:
                return builder.name
            ticket -= builder.percent
        return None
