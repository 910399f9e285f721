"""The keeper's part in what several of them sign, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.app.breakers.cosigning import Cosigning, Item
from keeper.app.breakers.pledges import Pledges
from keeper.app.faults import Faults
from keeper.app.parts import Parts
from keeper.domain.block import BlockStamp
from keeper.execution.executor import Executor
from keeper.ports.notifier import Notice


def cosigning_of(
    parts: Parts,
    executor: Executor,
    faults: Faults,
    failed: Callable[[str, str, str], None],
    tell: Callable[[Notice], None],
) -> Cosigning:
    """Does nothing where no breaker has a book of orders."""
    edges = parts.edges

    async def act(items: Sequence[Item], block: BlockStamp) -> None:
        await executor.act(items, block, {"head": edges.clock.monotonic_ms()})

    return Cosigning(
        parts.armed.values(),
        parts.order_books,
        Pledges(edges.store, parts.order_signer, edges.clock),
        edges.chain,
        edges.store,
        edges.clock,
        parts.config.chain.id,
        faults,
        act=act,
        failed=failed,
        tell=tell,
        declined=executor.declined.outcome,
    )
