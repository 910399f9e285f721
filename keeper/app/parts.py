"""Everything a running keeper consists of, put together by ``wiring`` and used by the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from keeper.adapters.audit.verify import Verification
from keeper.adapters.clock import SystemClock
from keeper.app.checkpoints import Signing
from keeper.app.keeping import Keeping
from keeper.app.leading import Leading
from keeper.app.nodes import Nodes
from keeper.app.sending import Proving
from keeper.config.model import Config
from keeper.engine import Engine
from keeper.execution.executor import Edges
from keeper.execution.planner import ArmedAction
from keeper.ports.council import ProposalService
from keeper.ports.future import StateAfter
from keeper.ports.notifier import Notifier
from keeper.ports.orders import OrderBook
from keeper.ports.prices import ChainSource, FeedSource
from keeper.ports.signer import OrderSigner, SafeSigner


@dataclass(frozen=True, slots=True)
class Parts:
    """``armed`` maps (market, action) to the encoded action; ``verify_newest`` checks the last records of the log.

    ``order_books`` are by breaker contract: where keepers leave what several of them must sign. ``keeping`` looks at invariants.
    ``proposal_services`` are by the route's name: where owners of a Safe leave what they sign. ``signing`` makes checkpoints of the log.
    ``proving`` has the routes to builders that are to be asked regularly.
    ``clock`` is that of the whole process. ``leading`` says whether it may act; None: it may.
    """

    config: Config
    engine: Engine
    nodes: Nodes
    edges: Edges
    chain_sources: Sequence[ChainSource]
    feed_sources: Sequence[FeedSource]
    notifiers: Sequence[Notifier]
    armed: Mapping[tuple[str, str], ArmedAction]
    verify_newest: Callable[[], Awaitable[Verification]]
    closers: Sequence[Callable[[], Awaitable[None]]]
    future: StateAfter
    keeping: Keeping
    clock: SystemClock
    order_signer: OrderSigner | None = None
    order_books: Mapping[str, OrderBook] = field(default_factory=dict)
    safe_signer: SafeSigner | None = None
    proposal_services: Mapping[str, ProposalService] = field(default_factory=dict)
    signing: Signing | None = None
    proving: Sequence[Proving] = ()
    leading: Leading | None = None

    async def close(self, *, keep_log: bool = False) -> None:
        """Lets go of everything, in the opposite order of opening; one that fails does not keep the others. ``keep_log``: others go on with it."""
        closers = [*reversed(self.closers), *([] if keep_log else [self.edges.store.close])]
        await asyncio.gather(*(close() for close in closers), return_exceptions=True)
