"""Which primary is asked what a contract told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.app.nodes import EventLog
from keeper.domain.errors import OutsideError, Refused, Unreachable
from keeper.domain.evm import Log

pytestmark = pytest.mark.unit

LOG = Log("0x5FbDB2315678afecb367f032d93F642f64180aa3", (), b"", 1, "0x", "0x", 0)


class Node:
    def __init__(self, answer: list[Log] | OutsideError) -> None:
        self.answer = answer
        self.asked = 0

    async def logs(self, address: str, topics: Sequence[str | None], first: int, last: int) -> Sequence[Log]:
        self.asked += 1
        if isinstance(self.answer, OutsideError):
            raise self.answer
        return self.answer

    async def code(self, address: str) -> bytes:
        self.asked += 1
        if isinstance(self.answer, OutsideError):
            raise self.answer
        return b"\x60" * len(self.answer)

    async def logs_of(self, tx_hash: str) -> Sequence[Log] | None:
        raise AssertionError("not asked here")


async def code(one: Node, two: Node) -> bytes:
    return await EventLog({"primary-1": one, "primary-2": two}, lambda: "primary-2").code(LOG.address)


async def ask(one: Node, two: Node) -> Sequence[Log]:
    return await EventLog({"primary-1": one, "primary-2": two}, lambda: "primary-2").logs(LOG.address, (), 0, 1)


async def test_the_one_in_use_answers__nobody_else_is_asked() -> None:
    one, two = Node([]), Node([LOG])
    assert await ask(one, two) == [LOG]
    assert (one.asked, two.asked) == (0, 1)


@pytest.mark.parametrize("answer", [[], Unreachable("away"), Refused("too many blocks")])
async def test_it_has_nothing_or_does_not_answer__the_other_is_asked(answer: list[Log] | OutsideError) -> None:
    assert await ask(Node([LOG]), Node(answer)) == [LOG]


async def test_one_of_them_says_there_is_nothing__there_is_nothing() -> None:
    assert await ask(Node(Unreachable("away")), Node([])) == ()
    assert await ask(Node([]), Node(Unreachable("away"))) == ()


async def test_none_answers__raises() -> None:
    with pytest.raises(Unreachable, match="one is away"):
        await ask(Node(Unreachable("one is away")), Node(Refused("no")))


async def test_code__of_the_one_in_use__also_where_there_is_none() -> None:
    one, two = Node([LOG]), Node([])
    assert await code(one, two) == b""
    assert (one.asked, two.asked) == (0, 1)


async def test_code__it_does_not_answer__the_other_is_asked() -> None:
    assert await code(Node([LOG]), Node(Unreachable("away"))) == b"\x60"
    with pytest.raises(Unreachable, match="one is away"):
        await code(Node(Unreachable("one is away")), Node(Refused("no")))
