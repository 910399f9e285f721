"""The sum of the last n: what is in it, at every place of a block, and that neither the past nor the beginning can be seen in it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.signals.bank import Floats
from keeper.signals.sliding_sum import begin, push, sums_of

pytestmark = pytest.mark.unit


def sums(numbers: list[float], length: int, first: int = 0) -> tuple[list[float], Floats]:
    """The sum of the last ``length`` after each number, the first of which is that of interval ``first``."""
    parts = np.full(length, np.nan)
    place, head = begin.py_func(first, parts), 0.0
    found = []
    for number in numbers:
        place, head = push.py_func(number, place, head, parts)
        found.append(head + parts[place])
    return found, parts


@pytest.mark.parametrize("length", [1, 2, 3, 8])
@pytest.mark.parametrize("first", [-5, 0, 1, 2])
def test_sliding_sum__every_step__is_the_sum_of_the_last_n(length: int, first: int) -> None:
    numbers = [float(2**power) for power in range(25)]  # a sum of these says which of them are in it
    found, _ = sums(numbers, length, first)
    assert found == [sum(numbers[max(0, end - length) : end]) for end in range(1, 26)]


def test_sliding_sum__after_something_huge__small_numbers_are_as_before() -> None:
    found, _ = sums([1.0, 2.0, 3.0, 1e300, 1.0, 2.0, 3.0], 3)
    assert found[-1] == 6.0
    assert found[2] == 6.0


def test_sliding_sum__begun_at_another_number__has_the_same_bits() -> None:
    numbers = np.random.default_rng(1).random(40).tolist()
    whole, _ = sums(numbers, 7, first=0)
    for skipped in range(1, 30):
        later, _ = sums(numbers[skipped:], 7, first=skipped)
        assert later[-1] == whole[-1]


def test_sliding_sum__long_run__stays_within_its_bound() -> None:
    numbers = (np.random.default_rng(2).random(5_000) ** 8).tolist()
    found, _ = sums(numbers, 1_000)
    assert math.isclose(found[-1], math.fsum(numbers[-1_000:]), rel_tol=1_000 * 1.1e-16)


@pytest.mark.parametrize("count", [1, 7, 8, 27, 28, 29, 56, 63, 100])
@pytest.mark.parametrize("first", [0, 3])
def test_sliding_sum__many_at_once__have_the_bits_of_one_after_the_other(count: int, first: int) -> None:
    numbers, length = np.random.default_rng(3).random(count + 1), 7
    parts, found = np.full(length, np.nan), np.empty(count)
    together = sums_of(numbers, begin(first, parts), 0.0, parts, found)
    single = np.full(length, np.nan)
    place, head = begin(first, single), 0.0
    for tick in range(count):
        place, head = push(numbers[tick], place, head, single)
        assert found[tick] == head + single[place] + numbers[tick + 1]
    assert together == (place, head)
    assert (parts == single).all()
