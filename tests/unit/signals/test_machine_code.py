"""The machine code of a compiled function does what the function does, and is that for the types that were shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from keeper.signals.bank import machine_code

pytestmark = pytest.mark.unit


class Inner(NamedTuple):
    weights: NDArray[np.float64]


class Given(NamedTuple):
    numbers: NDArray[np.float64]
    inner: Inner


class Found(NamedTuple):
    sums: NDArray[np.generic]


@njit
def weigh(given: Given, found: Found) -> None:
    for place in range(len(given.numbers)):
        found.sums[place] = given.numbers[place] * given.inner.weights[place] + 0.75


def test_it_does_what_the_function_does_and_is_looked_up_once() -> None:
    given = Given(np.array([1.0, 2.0]), Inner(np.array([3.0, 5.0])))
    found = Found(np.zeros(2))
    code = machine_code(weigh, given, found)
    code(given, found)
    assert found.sums.tolist() == [3.75, 10.75]
    assert machine_code(weigh, given, Found(np.zeros(7))) is code  # a size is no type


def test_arrays_of_other_types_have_code_of_their_own() -> None:
    given = Given(np.array([1.0, 2.0]), Inner(np.array([3.0, 5.0])))
    whole = Found(np.zeros(2, dtype=np.int64))
    code = machine_code(weigh, given, whole)
    assert code is not machine_code(weigh, given, Found(np.zeros(2)))
    code(given, whole)
    assert whole.sums.tolist() == [3, 10]


def test_without_a_compiler_it_is_the_function_itself() -> None:
    given = Given(np.array([1.0, 2.0]), Inner(np.array([3.0, 5.0])))
    assert machine_code(weigh.py_func, given, Found(np.zeros(2))) is weigh.py_func


def test_an_array_with_gaps_or_one_that_is_not_to_be_written_is_refused() -> None:
    given = Given(np.array([1.0, 2.0]), Inner(np.array([3.0, 5.0])))
    with pytest.raises(ValueError, match="gaps"):
        machine_code(weigh, given, Found(np.zeros(4)[::2]))
    kept = np.zeros(2)
    kept.flags.writeable = False
    with pytest.raises(ValueError, match="cannot be written"):
        machine_code(weigh, given, Found(kept))
