"""Combinations of signals: what each says, when it is ready, and what no float can hold."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest

from keeper.domain.signal import SignalStatus
from keeper.signals import max_of, median_of, middle, min_of, ratio_of, sum_of
from keeper.signals.bank import NOWHERE, Slots
from keeper.signals.kinds.combinations import COMBINATIONS
from keeper.signals.spec import SignalSpec
from tests.support.statistics import NAN, Output, answers_of, board_of, drive, slots_of

pytestmark = pytest.mark.unit

READY, WARMING, NO_INPUT = SignalStatus.READY, SignalStatus.WARMING, SignalStatus.NO_INPUT
MODULES = {"sum": sum_of, "ratio": ratio_of, "min": min_of, "max": max_of, "median": median_of}
EACH = pytest.mark.parametrize("kind", MODULES)
BIGGEST = 1.7976931348623157e308


def spec(kind: str, inputs: int) -> SignalSpec:
    return SignalSpec("s", kind, tuple(f"i{place}" for place in range(inputs)))


def of(kind: str, *values: float) -> Output:
    return drive(spec(kind, len(values)), [(0, values)])[0]


def test_combinations__declared__are_these() -> None:
    assert {kind.kind for kind in COMBINATIONS} == MODULES.keys()


@pytest.mark.parametrize(
    ("kind", "values", "value"),
    [
        ("sum", (1.0, 2.0), 3.0),
        ("sum", (1.0, -2.0, 4.0), 3.0),
        ("sum", (1e16, 1.0, -1e16), 1.0),
        ("sum", (1.0, 1e100, 1.0, -1e100), 2.0),
        ("sum", (0.1,) * 10, 1.0),
        ("ratio", (1.0, 4.0), 0.25),
        ("ratio", (-1.0, 4.0), -0.25),
        ("ratio", (0.0, 4.0), 0.0),
        ("ratio", (1.0, -4.0), -0.25),
        ("min", (3.0, -1.0, 2.0), -1.0),
        ("min", (-3.0, -3.0), -3.0),
        ("max", (3.0, -1.0, 2.0), 3.0),
        ("max", (-3.0, -2.0), -2.0),
        ("median", (3.0, -1.0, 2.0), 2.0),
        ("median", (3.0, 1.0), 2.0),
        ("median", (9.0, 1.0, 3.0, 2.0), 2.5),
        ("median", (5.0, 5.0, 1.0, 1e300, 7.0), 5.0),
        ("median", (BIGGEST, BIGGEST), BIGGEST),
    ],
)
def test_combination__inputs_that_are_there__value(kind: str, values: tuple[float, ...], value: float) -> None:
    assert of(kind, *values) == (READY, value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("sum", (BIGGEST, BIGGEST)),
        ("sum", (-BIGGEST, -BIGGEST)),
        ("sum", (math.inf, -math.inf)),
        ("ratio", (1.0, 0.0)),
        ("ratio", (1.0, -0.0)),
        ("ratio", (0.0, 0.0)),
        ("ratio", (1e300, 1e-300)),
        ("ratio", (1.0, math.inf)),
        ("ratio", (math.inf, 1.0)),
        ("min", (math.inf, 1.0)),
        ("max", (1.0, -math.inf)),
        ("median", (1.0, 2.0, math.inf)),
    ],
)
def test_combination__what_no_float_can_hold__no_input(kind: str, values: tuple[float, ...]) -> None:
    status, value = of(kind, *values)
    assert status is NO_INPUT
    assert math.isnan(value)


@EACH
@pytest.mark.parametrize("place", [0, 1])
def test_combination__one_input_missing__no_input_and_then_as_before(kind: str, place: int) -> None:
    gone = [2.0, 4.0]
    gone[place] = NAN
    answers = drive(spec(kind, 2), [(0, (2.0, 4.0)), (1, gone), (2, (2.0, 4.0))])
    assert [status for status, _ in answers] == [READY, NO_INPUT, READY]
    assert answers[0] == answers[2]


@EACH
@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((READY, READY), READY),
        ((READY, WARMING), WARMING),
        ((WARMING, READY), WARMING),
        ((NO_INPUT, WARMING), NO_INPUT),
        ((WARMING, NO_INPUT), NO_INPUT),
    ],
)
def test_combination__readiness__is_that_of_its_least_ready_input(
    kind: str, statuses: tuple[SignalStatus, SignalStatus], expected: SignalStatus
) -> None:
    board = board_of([(0, [2.0 if status is READY else NAN for status in statuses])])
    board.status[:2, 0] = statuses
    module = MODULES[kind]
    params = module.prepare([spec(kind, 2)])
    module.step(board, slots_of(2), params, module.allocate(params))
    assert answers_of(board)[0][0] is expected


@pytest.mark.parametrize("kind", [name for name in MODULES if name != "ratio"])
def test_combination__slots_with_fewer_inputs_than_others__leave_the_empty_places_out(kind: str) -> None:
    module = MODULES[kind]
    board = board_of([(0, (1.0, 2.0, 9.0, 0.0))])  # the last input gives its row to the first slot
    specs = [spec(kind, 2), spec(kind, 3)]
    params = module.prepare(specs)
    slots = Slots(np.array([3, 4], np.int32), np.array([[0, 1, NOWHERE], [0, 1, 2]], np.int32))
    module.step(board, slots, params, module.allocate(params))
    assert board.values[3, 0] == of(kind, 1.0, 2.0)[1]
    assert board.values[4, 0] == of(kind, 1.0, 2.0, 9.0)[1]


@EACH
def test_combination__interpreted__says_the_same_as_compiled(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [(0, (2.0, 4.0)), (1, (NAN, 4.0)), (2, (-3.0, 4.0)), (3, (1.0, 0.0)), (4, (math.inf, 1.0))]
    compiled = drive(spec(kind, 2), ticks)
    module: ModuleType = MODULES[kind]
    for name in ("one", "step"):
        monkeypatch.setattr(module, name, getattr(module, name).py_func)
    with np.errstate(all="ignore"):
        interpreted = drive(spec(kind, 2), ticks)
    assert [(status, value.hex()) for status, value in interpreted] == [(s, v.hex()) for s, v in compiled]


@pytest.mark.parametrize("numbers", [[3.0], [3.0, 1.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0, 2.0, 0.0]])
def test_middle__numbers_in_any_order__are_put_in_order(numbers: list[float]) -> None:
    room = np.zeros(len(numbers) + 1)
    for count, number in enumerate(numbers):
        middle.enter_sorted.py_func(number, count, room)
    assert room[: len(numbers)].tolist() == sorted(numbers)
    assert middle.middle_of.py_func(len(numbers), room) == np.median(numbers)
