"""The endpoints of the configuration, each of which is asked everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from keeper.adapters.chain.node import NodeClient
from keeper.app.remedies import of_node
from keeper.app.wiring import address_of
from keeper.config.model import ChainConfig, EndpointRole
from keeper.domain.errors import OutsideError, Refused, Unreachable, WrongChain

T = TypeVar("T")


class Nodes:
    """Primaries first, then the others that are asked for reads. One that serves another chain, or is away at the beginning, is left out."""

    def __init__(self, nodes: Sequence[NodeClient]) -> None:
        self._nodes = nodes

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that are asked, without secrets."""
        return tuple(node.name for node in self._nodes)

    @classmethod
    async def meet(cls, chain: ChainConfig) -> Nodes:
        """Raises WrongChain where all that answer serve another chain, Unreachable where none answers."""
        asked = [*chain.primaries, *(one for one in chain.endpoints if one.role is EndpointRole.VERIFY)]
        nodes = [NodeClient(address_of(endpoint), request_timeout_s=30) for endpoint in asked]
        served = await asyncio.gather(*(node.chain_id() for node in nodes), return_exceptions=True)
        good = [node for node, said in zip(nodes, served, strict=True) if said == chain.id]
        await asyncio.gather(*(node.close() for node in nodes if node not in good))
        if good:
            return cls(good)
        for said in served:
            if isinstance(said, int):
                remedy = "correct `chain.id` or the endpoint"
                raise WrongChain(f"the node serves chain {said}, and the configuration says {chain.id}", remedy=remedy)
            if not isinstance(said, OutsideError):
                raise said
        first = served[0]
        assert isinstance(first, OutsideError)
        raise Unreachable(first.message, remedy=of_node(first))

    async def ask(self, question: Callable[[NodeClient], Awaitable[T]]) -> list[tuple[str, T]]:
        """What each of them answers, by name; those that do not answer are left out. All are asked, so that one that lies is not the only voice.

        Raises when none answers. An error that is no refusal goes before: that a node hangs or babbles says nothing about what is asked for.
        """
        said = await asyncio.gather(*(_answer(question, node) for node in self._nodes))
        answers = [(node.name, each[0]) for node, each in zip(self._nodes, said, strict=True) if isinstance(each, list)]
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
