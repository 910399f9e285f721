"""How soon a pause is in a block when the builders' shares are the documented ones, with the executor, its ways and the relay's own lottery.

The chain is in memory, where a public transaction is always in the next block. Outside it mostly is; what is simulated is who builds a block, and
whether that block takes private transactions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from keeper.devnet.relay import DOCUMENTED, Lottery
from keeper.domain.outcome import OutcomeKind
from tests.support.private_stage import PrivateStage, secret_pause

WITHIN_BLOCKS = 2
BAR_PERCENT = 95
FALLBACK_AFTER = 1
MOST_BLOCKS = 60
MOST_TRIPS = 1_000_000


@dataclass(frozen=True)
class Figure:
    """``blocks`` is how many trips were in the first block after the decision, in the second, and so on."""

    trips: int
    blocks: Counter[int]

    def within(self, blocks: int) -> float:
        """Percent."""
        return 100 * sum(count for number, count in self.blocks.items() if number <= blocks) / self.trips

    def __str__(self) -> str:
        return ", ".join(f"{self.within(number):.1f} % within {number}" for number in (1, 2, 3))


@dataclass(frozen=True)
class Trips:
    """The same lotteries twice: with fallback, and to builders alone."""

    seed: int
    fallback: Figure
    alone: Figure

    @property
    def holds(self) -> bool:
        return self.fallback.within(WITHIN_BLOCKS) >= BAR_PERCENT

    def __str__(self) -> str:
        shares = ", ".join(f"{each.name} {each.percent} %" for each in DOCUMENTED if each.percent)
        verdict = "holds" if self.holds else "falls short"
        return (
            f"lottery: seed {self.seed}, {self.fallback.trips} trips each, {shares}, 10 % of the blocks without private transactions\n"
            f"  fallback after {FALLBACK_AFTER} block: {self.fallback}; bar {BAR_PERCENT} % within {WITHIN_BLOCKS}: {verdict}\n"
            f"  builders alone: {self.alone}"
        )


async def trips(seed: int, count: int) -> Trips:
    """Raises AssertionError when something is public before it fell back, or does not end as included."""
    seeds = [seed * MOST_TRIPS + number for number in range(count)]
    fallback = Counter([await _trip(each, FALLBACK_AFTER) for each in seeds])
    alone = Counter([await _trip(each, None) for each in seeds])
    return Trips(seed, Figure(count, fallback), Figure(count, alone))


async def _trip(seed: int, public_after: int | None) -> int:
    """How many blocks after the decision's the transaction is in one."""
    lottery = Lottery(seed)
    stage, armed = PrivateStage(), secret_pause(public_after, expires_ms=MOST_BLOCKS * 60_000)
    executor = await stage.ready(armed)
    decided = stage.block.number
    await stage.settled(executor, armed)
    for _ in range(MOST_BLOCKS):
        if stage.outcomes:
            break
        winner = lottery.winner(stage.block.number + 1)
        await stage.heads(executor, included=winner is not None)
    assert stage.outcome.kind is OutcomeKind.INCLUDED, stage.outcome
    assert not stage.leaks
    assert public_after is not None or not stage.route.sent, "it was public, and had to be for builders alone"
    assert stage.outcome.block is not None
    return stage.outcome.block - decided
