"""The answers to batches: matched by id, in any order, and refused when they are not all there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keeper.adapters.chain.batches import Batches, BatchRefused, are_answers, encoded_batch, ordered
from keeper.domain.errors import Unreachable

pytestmark = pytest.mark.unit


def answers(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number, "result": number} for number in numbers]


def test_encoded__is_a_list_of_requests() -> None:
    text = encoded_batch([3, 4], [("a", "[]"), ("b", '["x"]')])
    assert [(one["id"], one["method"], one["params"]) for one in json.loads(text)] == [(3, "a", []), (4, "b", ["x"])]


def test_ordered__any_order_and_strangers__gives_the_order_asked_for() -> None:
    found = ordered([3, 4], [*answers(9, 4, 3), "stray", {"id": "3", "result": 0}])
    assert [one["result"] for one in found] == [3, 4]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answers(3), "1 of the 2"),
        ([], "0 of the 2"),
        ({"error": {"message": "no\x1b batches"}}, "no batches"),
        ({"error": "no"}, "not a list"),
        (None, "not a list"),
    ],
)
def test_ordered__not_all_there__is_refused_in_words(answer: object, words: str) -> None:
    with pytest.raises(BatchRefused, match=words):
        ordered([3, 4], answer)


async def test_settle__two_batches__each_gets_its_own() -> None:
    batches = Batches()
    one, two = batches.expect([1, 2]), batches.expect([3])
    assert batches.settle(answers(3))
    assert two.result() == answers(3)
    assert not one.done()


async def test_settle__list_without_a_known_id__fails_whoever_waits() -> None:
    batches = Batches()
    one = batches.expect([1, 2])
    assert batches.settle([])
    with pytest.raises(BatchRefused):
        ordered([1, 2], one.result())


async def test_settle__nobody_waits__is_not_taken() -> None:
    batches = Batches()
    batches.expect([1])
    batches.forget([1])
    assert not batches.settle(answers(1))
    assert not batches.settle_single({"id": None, "error": {}})


async def test_settle_single__error_for_no_request__is_the_batchs() -> None:
    batches = Batches()
    one = batches.expect([1, 2])
    assert batches.settle_single({"id": None, "error": {"message": "no"}})
    assert one.done()


async def test_settle_single__answer_of_another_request__is_left_alone() -> None:
    batches = Batches()
    one = batches.expect([1, 2])
    assert not batches.settle_single({"id": 9, "result": 1})
    assert not one.done()


async def test_fail__every_batch__gets_an_error_of_its_own() -> None:
    batches = Batches()
    futures = [batches.expect([1, 2]), batches.expect([3])]
    batches.fail(lambda: Unreachable("gone"))
    errors = [future.exception() for future in futures]
    assert [str(error) for error in errors] == ["gone", "gone"]
    assert errors[0] is not errors[1]


@pytest.mark.parametrize(("message", "are"), [(answers(1), True), ([], False), ([1], False), ([{"id": "x"}], False)])
def test_are_answers__list_of_answers__and_nothing_else(message: list[Any], are: bool) -> None:
    assert are_answers(message) is are
