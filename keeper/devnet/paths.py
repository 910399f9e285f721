"""Price paths: pure functions of a random generator, in whole tenths of a basis point, so that a seed gives the same decimals everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random

from keeper.devnet.markets import PRICE_DECIMALS

_TENTH_BPS = Decimal("0.00001")
_QUANTUM = Decimal(1).scaleb(-PRICE_DECIMALS)


def moved(price: Decimal, tenths_bps: int) -> Decimal:
    """The price moved by so many tenths of a basis point, rounded to the decimals of the feeds."""
    return (price * (1 + tenths_bps * _TENTH_BPS)).quantize(_QUANTUM, rounding=ROUND_HALF_EVEN)


def noise(rng: Random, start: Decimal, steps: int, bps: int) -> list[Decimal]:
    """A walk whose every step is uniform within +-``bps`` basis points."""
    path, price = [], start
    for _ in range(steps):
        price = moved(price, rng.randint(-10 * bps, 10 * bps))
        path.append(price)
    return path


def moves(rng: Random, start: Decimal, moves_bps: Sequence[int], jitter_percent: int) -> list[Decimal]:
    """A walk with the given steps in basis points, each made larger or smaller by up to ``jitter_percent`` of itself."""
    path, price = [], start
    for move_bps in moves_bps:
        price = moved(price, move_bps * (1000 + rng.randint(-10 * jitter_percent, 10 * jitter_percent)) // 100)
        path.append(price)
    return path


def follow(rng: Random, path: Sequence[Decimal], bps: int) -> list[Decimal]:
    """Another source of the same price: at each step within +-``bps`` basis points of it."""
    return [moved(price, rng.randint(-10 * bps, 10 * bps)) for price in path]
