"""What all scores have in common: how a distance is counted in standard deviations.

The standard deviation counts as at least a ``floor``, so that after a time in which nothing moved the first smallest move is not the largest
score there is. Where both are nothing, no distance is 0 and any other is the HIGHEST score. No score is beyond HIGHEST.
"""

from __future__ import annotations

from numba import njit

from keeper.signals.spec import SignalSpec

HIGHEST = 1e6
"""In standard deviations: more says nothing more."""
LARGEST = 1e150
"""The largest number whose square is one, with room for a sum. No token amount comes near it."""

EITHER, UP, DOWN = 0, 1, 2
DIRECTIONS = {"either": EITHER, "up": UP, "down": DOWN}


def direction_of(spec: SignalSpec) -> int:
    """One of EITHER, UP, DOWN."""
    return DIRECTIONS[spec.word("direction")]


@njit(cache=True, error_model="numpy")
def is_number(value: float) -> bool:
    """Finite, and small enough for its square; NaN is not."""
    return bool(-LARGEST < value < LARGEST)


@njit(cache=True, error_model="numpy")
def directed(value: float, direction: int) -> float:
    """How far it goes the way that counts: either way, up, or down (where the other way is negative)."""
    if direction == EITHER:
        return abs(value)
    return -value if direction == DOWN else value


@njit(cache=True, error_model="numpy")
def score(distance: float, deviation: float, floor: float) -> float:
    """The distance in standard deviations."""
    least = max(deviation, floor)
    found = min(max(distance / least, -HIGHEST), HIGHEST)
    if least == 0.0:
        found = HIGHEST if distance > 0.0 else -HIGHEST
    return 0.0 if distance == 0.0 else found


@njit(cache=True, error_model="numpy")
def chosen(up: float, down: float, direction: int) -> float:
    """Of two one-sided sums the one that counts; the greater where either does."""
    if direction == EITHER:
        return max(up, down)
    return down if direction == DOWN else up
