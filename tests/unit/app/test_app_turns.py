"""Turns at the log: few at once, fair among those who ask, and none for who has left."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from starlette.requests import Request
from starlette.types import Message

from keeper.app.api.asked import CALLER
from keeper.app.api.turns import Turns
from keeper.app.pages.problem import PageProblem

pytestmark = pytest.mark.unit


class Asker:
    """A request of ``caller``, who leaves when told to."""

    def __init__(self, caller: str) -> None:
        self.left = asyncio.Event()
        self.request = Request({"type": "http", "headers": [], CALLER: caller}, self._receive)

    async def _receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}


async def work(turns: Turns, asker: Asker, name: str, served: list[str], done: asyncio.Event) -> None:
    async with turns.of(asker.request):
        served.append(name)
        await done.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def refusal(task: asyncio.Task[None]) -> tuple[int, int]:
    error = task.exception()
    assert isinstance(error, PageProblem)
    return error.status, error.retry_s


async def test_turns__more_than_may_wait__is_503_and_the_others_are_let_in() -> None:
    turns, done, served = Turns(at_once=1, waiting_max=1), asyncio.Event(), list[str]()
    tasks = [asyncio.create_task(work(turns, Asker(name), name, served, done)) for name in "abc"]
    await settle()
    assert (served, tasks[2].done(), tasks[1].done()) == (["a"], True, False)
    assert refusal(tasks[2]) == (503, 1)
    done.set()
    await asyncio.gather(*tasks[:2])
    assert served == ["a", "b"]


async def test_turns__of_one_who_asks_much__are_shared_with_who_asks_little() -> None:
    turns, done, served = Turns(at_once=1), asyncio.Event(), list[str]()
    names = ["much1", "much2", "much3", "little1", "other1"]
    tasks = [asyncio.create_task(work(turns, Asker(name[:-1]), name, served, done)) for name in names]
    await settle()
    done.set()
    await asyncio.gather(*tasks)
    assert served.index("little1") < served.index("much3")
    assert served.index("other1") < served.index("much3")


async def test_turns__waiting_of_one_caller__are_so_many_and_others_still_wait() -> None:
    turns, done, served = Turns(at_once=1, waiting_each=1), asyncio.Event(), list[str]()
    names = ["a1", "a2", "a3", "b1"]
    tasks = [asyncio.create_task(work(turns, Asker(name[0]), name, served, done)) for name in names]
    await settle()
    assert [task.done() for task in tasks] == [False, False, True, False]
    assert refusal(tasks[2]) == (503, 1)
    done.set()
    await asyncio.gather(tasks[0], tasks[1], tasks[3])


@pytest.mark.parametrize("working", [True, False], ids=["while it is worked on", "while it waits"])
async def test_turn__of_one_who_left__goes_to_the_next(working: bool) -> None:
    turns, done, served = Turns(at_once=1), asyncio.Event(), list[str]()
    askers = [Asker(name) for name in "abc"]
    tasks = [asyncio.create_task(work(turns, one, name, served, done)) for one, name in zip(askers, "abc", strict=True)]
    await settle()
    gone = 0 if working else 1
    askers[gone].left.set()
    with suppress(PageProblem):
        await tasks[gone]
    await settle()
    assert served == (["a", "b"] if working else ["a"])
    done.set()
    await asyncio.gather(*(task for task in tasks if task is not tasks[gone]))
    assert served == (["a", "b", "c"] if working else ["a", "c"])


async def test_turn__that_takes_too_long__is_503_and_free_again() -> None:
    turns, served = Turns(at_once=1, request_s=0.01), list[str]()
    with pytest.raises(PageProblem) as refused:
        await work(turns, Asker("a"), "a", served, asyncio.Event())
    assert refused.value.status == 503
    done = asyncio.Event()
    done.set()
    await work(turns, Asker("a"), "again", served, done)
    assert served == ["a", "again"]
