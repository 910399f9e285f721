"""Six hours of made-up readings for the pictures of signals: calm, a shock, a gap in all sources, a recovery. Always the same ones.

Real-shaped, and not real: the numbers are drawn from a seeded generator, one reading a minute.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from keeper.domain.units import Unit

MINUTES = 360
START_MS = 1_767_225_600_000
FIRST_BLOCK = 24_000_000
BLOCKS_A_MINUTE = 5
SHOCK, CALMER, GAP, BACK = 150, 185, 215, 235
PHASES = (
    ("calm", 0, SHOCK),
    ("shock", SHOCK, CALMER),
    ("", CALMER, GAP),
    ("gap", GAP, BACK),
    ("recovery", BACK, MINUTES),
)
"""(what happens, from which minute, up to which)."""
HEARTBEAT = 30
DEVIATION = 0.03
"""The oracle speaks after so many minutes, or when the market is so far away; from the end of the shock to that of the gap it is stuck."""


@dataclass(frozen=True)
class Readings:
    """One source: ``values`` a minute, NaN in the gap; ``own`` the minute at which each was observed."""

    unit: Unit
    values: tuple[float, ...]
    own: tuple[int, ...]


def readings() -> dict[str, Readings]:
    """Every source that an example may name."""
    draw = random.Random(7)
    spot = _walk(draw, 2_000.0, calm=0.0004, shock=0.0035, after=0.0011, fall=0.12, back=0.75)
    prints = [0.04 if 75 <= minute < 78 else 0.0 for minute in range(MINUTES)]
    stable = _walk(draw, 1.0, calm=0.00004, shock=0.0012, after=0.0003, fall=0.055, back=0.9)
    half = [_by_phase(minute, 0.0002, 0.0045, 0.0008) * (1 + 0.2 * _noise(draw)) for minute in range(MINUTES)]
    oracle, own = _oracle(spot)
    found = {
        "oracle": Readings(Unit.PRICE, tuple(oracle), tuple(own)),
        "spot-a": _now(Unit.PRICE, [price * (1 + 0.0003 * _noise(draw)) for price in spot]),
        "spot-b": _now(
            Unit.PRICE, [p * (1 + 0.0003 * _noise(draw) + off) for p, off in zip(spot, prints, strict=True)]
        ),
        "spot-c": _now(Unit.PRICE, [price * (1 + 0.0003 * _noise(draw)) for price in spot]),
        "stable": _now(Unit.PRICE, stable),
        "bid": _now(Unit.PRICE, [price * (1 - one) for price, one in zip(spot, half, strict=True)]),
        "ask": _now(Unit.PRICE, [price * (1 + one) for price, one in zip(spot, half, strict=True)]),
        "rate": _now(
            Unit.PRICE, [1.05 + 1.2e-7 * minute + (0.004 if minute >= 165 else 0.0) for minute in range(MINUTES)]
        ),
        "tvl": _now(Unit.AMOUNT, _walk(draw, 1e8, calm=0.0003, shock=0.001, after=0.0005, fall=0.28, back=0.4)),
        "insurance": _now(Unit.AMOUNT, [5e6 - 2e4 * max(0, minute - SHOCK) for minute in range(MINUTES)]),
        "supply": _now(
            Unit.AMOUNT, [5e7 + 800 * minute + (3e6 if minute >= 160 else 0.0) for minute in range(MINUTES)]
        ),
        "debt": _now(Unit.AMOUNT, _walk(draw, 7e7, calm=0.0003, shock=0.001, after=0.0004, fall=-0.11, back=0.6)),
        "cap": _now(Unit.AMOUNT, [8e7] * MINUTES),
        "reserve": _now(Unit.AMOUNT, _walk(draw, 2e6, calm=0.002, shock=0.01, after=0.004, fall=0.85, back=0.6)),
    }
    return {name: _without_gap(one) for name, one in found.items()}


def _by_phase(minute: int, calm: float, shock: float, after: float) -> float:
    return calm if minute < SHOCK else shock if minute < CALMER else after


def _noise(draw: random.Random) -> float:
    """Nearly normal, mean 0, deviation 1: the same on every machine."""
    return sum(draw.random() for _ in range(12)) - 6.0


def _walk(
    draw: random.Random, start: float, *, calm: float, shock: float, after: float, fall: float, back: float
) -> list[float]:
    """Noise around a path that loses the share ``fall`` in the shock and gets the share ``back`` of that again afterwards."""
    wobble, found = 0.0, []
    for minute in range(MINUTES):
        wobble = 0.97 * wobble + _by_phase(minute, calm, shock, after) * _noise(draw)
        lost = fall * _ease((minute - SHOCK) / (CALMER - SHOCK))
        lost -= fall * back * _ease((minute - CALMER) / (MINUTES - CALMER))
        found.append(start * (1 - lost + wobble))
    return found


def _ease(share: float) -> float:
    within = min(1.0, max(0.0, share))
    return within * within * (3 - 2 * within)


def _oracle(spot: list[float]) -> tuple[list[float], list[int]]:
    said, at = spot[0], 0
    values, own = [], []
    for minute, price in enumerate(spot):
        if not CALMER <= minute < BACK and (minute - at >= HEARTBEAT or abs(price / said - 1) > DEVIATION):
            said, at = price, minute
        values.append(said)
        own.append(at)
    return values, own


def _now(unit: Unit, values: list[float]) -> Readings:
    return Readings(unit, tuple(values), tuple(range(MINUTES)))


def _without_gap(one: Readings) -> Readings:
    values = tuple(math.nan if GAP <= minute < BACK else value for minute, value in enumerate(one.values))
    own = tuple(min(at, GAP - 1) if GAP <= minute < BACK else at for minute, at in enumerate(one.own))
    return Readings(one.unit, values, own)
