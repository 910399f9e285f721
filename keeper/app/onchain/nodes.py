"""The endpoints of the configuration, each of which is asked everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import compress
from typing import TypeVar

from keeper.adapters.chain.node import NodeClient
from keeper.app.remedies import of_node
from keeper.app.wiring import address_of
from keeper.config.model import ChainConfig, EndpointRole
from keeper.domain.errors import OutsideError, Refused, Unreachable, WrongChain

T = TypeVar("T")

ASKED_FOR_ITS_HEAD = 3
"""So often, an endpoint that is only just behind the log: the keeper may have heard of a block from another one a moment ago."""
MOMENT_S = 1.0


class Nodes:
    """Primaries first, then the others that are asked for reads. One that serves another chain, or is away at the beginning, is left out.

    ``heads`` are the numbers of their newest blocks, in the same order: of later blocks nobody is asked.
    """

    def __init__(self, nodes: Sequence[NodeClient], heads: Sequence[int]) -> None:
        self._nodes = nodes
        self.heads = tuple(heads)

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that are asked, without secrets."""
        return tuple(node.name for node in self._nodes)

    @classmethod
    async def meet(cls, chain: ChainConfig, newest: int) -> Nodes:
        """``newest`` is the block that they should have.

        Raises WrongChain where all that answer serve another chain, Unreachable where none answers.
        """
        asked = [*chain.primaries, *(one for one in chain.endpoints if one.role is EndpointRole.VERIFY)]
        nodes = [NodeClient(address_of(endpoint), request_timeout_s=30) for endpoint in asked]
        served = await asyncio.gather(*(node.chain_id() for node in nodes), return_exceptions=True)
        good = [node for node, said in zip(nodes, served, strict=True) if said == chain.id]
        await asyncio.gather(*(node.close() for node in nodes if node not in good))
        if good:
            return await cls._of(good, newest, chain.lag_blocks)
        for said in served:
            if isinstance(said, int):
                remedy = "correct `chain.id` or the endpoint"
                raise WrongChain(f"the node serves chain {said}, and the configuration says {chain.id}", remedy=remedy)
            if not isinstance(said, OutsideError):
                raise said
        raise _nobody(served[0])

    @classmethod
    async def _of(cls, nodes: Sequence[NodeClient], newest: int, near: int) -> Nodes:
        """Of these, those that say which block is their newest."""
        said = await asyncio.gather(*(_answer(lambda one: _head_of(one, newest, near), node) for node in nodes))
        told = [isinstance(each, list) for each in said]
        await asyncio.gather(*(node.close() for node, good in zip(nodes, told, strict=True) if not good))
        if not any(told):
            raise _nobody(said[0])
        return cls(tuple(compress(nodes, told)), [each[0] for each in said if isinstance(each, list)])

    def edge(self, first: int, last: int) -> int:
        """The last block of this range up to which each endpoint has all blocks from ``first`` on, or none."""
        return min([last, *(head for head in self.heads if head >= first)])

    async def ask(
        self, question: Callable[[NodeClient], Awaitable[T]], *, having: int | None = None
    ) -> list[tuple[str, T]]:
        """What each of them answers, by name; those that do not answer are left out. All are asked, so that one that lies is not the only voice.

        ``having``: only those are asked that have this block; what an endpoint does not tell of a block that it does not have says nothing.
        Raises when none answers. An error that is no refusal goes before: that a node hangs or babbles says nothing about what is asked for.
        """
        able = [node for node, head in zip(self._nodes, self.heads, strict=True) if having is None or head >= having]
        if not able:
            raise Unreachable(f"no endpoint has block {having}, the newest that any has is {max(self.heads)}")
        said = await asyncio.gather(*(_answer(question, node) for node in able))
        answers = [(node.name, each[0]) for node, each in zip(able, said, strict=True) if isinstance(each, list)]
        if answers:
            return answers
        errors = [each for each in said if isinstance(each, OutsideError)]
        raise next((error for error in errors if not isinstance(error, Refused)), errors[0])

    async def close(self) -> None:
        await asyncio.gather(*(node.close() for node in self._nodes))


async def _answer(question: Callable[[NodeClient], Awaitable[T]], node: NodeClient) -> list[T] | OutsideError:
    """A list of the one answer, so that an answer is never taken for an error."""
    try:
        return [await question(node)]
    except OutsideError as error:
        return error


async def _head_of(node: NodeClient, newest: int, near: int) -> int:
    """The number of its newest block. One that is at most ``near`` blocks short of ``newest`` gets a moment to come to it."""
    head = (await node.head()).number
    for _ in range(ASKED_FOR_ITS_HEAD - 1):
        if not newest - near <= head < newest:
            break
        await asyncio.sleep(MOMENT_S)
        head = (await node.head()).number
    return head


def _nobody(said: object) -> Unreachable:
    """Where no endpoint answers: what the first one said."""
    assert isinstance(said, OutsideError)
    return Unreachable(said.message, remedy=of_node(said))
