"""Everything a running keeper consists of, put together by ``wiring`` and used by the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keeper.config.model import Config
from keeper.domain.errors import KeeperError
from keeper.engine import Engine
from keeper.execution.executor import Edges
from keeper.execution.planner import ArmedAction
from keeper.ports.notifier import Notifier
from keeper.ports.prices import ChainSource, FeedSource


@dataclass(frozen=True, slots=True)
class Parts:
    """``armed`` maps (market, action) to the encoded action; ``verify_newest`` checks the last records of the log."""

    config: Config
    engine: Engine
    edges: Edges
    chain_sources: Sequence[ChainSource]
    feed_sources: Sequence[FeedSource]
    notifiers: Sequence[Notifier]
    armed: Mapping[tuple[str, str], ArmedAction]
    close: Callable[[], object]


class ServiceStopped(KeeperError):
    """The service cannot go on, and says why."""
