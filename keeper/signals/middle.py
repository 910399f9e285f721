"""The middle of a few numbers, compiled."""

from __future__ import annotations

from numba import njit

from keeper.signals.bank import Floats


@njit(cache=True, error_model="numpy")
def enter_sorted(value: float, count: int, numbers: Floats) -> None:
    """Puts the value among the first ``count`` numbers, which are in order; there must be room for one more."""
    place = count
    while place > 0 and numbers[place - 1] > value:
        numbers[place] = numbers[place - 1]
        place -= 1
    numbers[place] = value


@njit(cache=True, error_model="numpy")
def middle_of(count: int, numbers: Floats) -> float:
    """The median of the first ``count`` numbers, at least one, which are in order; of an even number the mean of the middle two.

    Each is halved before they are added, which rounds nothing and cannot leave the range of a float.
    """
    half = count // 2
    if count % 2:
        return float(numbers[half])
    return float(numbers[half - 1] / 2.0 + numbers[half] / 2.0)
