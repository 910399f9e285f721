"""What API and pages share: who reads, how many at once, who may, and what time it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from keeper.adapters.audit.public_reader import PublicReader
from keeper.app.api.access import Access, AccessSettings
from keeper.app.api.turns import Turns
from keeper.domain.checkpoint import SignedCheckpoint
from keeper.ports.clock import Clock
from keeper.ports.log_reader import LogReader

TakeWitness = Callable[[Mapping[str, object]], Awaitable[SignedCheckpoint]]


@dataclass(frozen=True, slots=True)
class AuditDesk:
    """``config`` is the configuration's path for commands that are shown; ``take_witness`` None: no checkpoints of others are kept here."""

    reader: LogReader
    access: Access
    clock: Clock
    config: str = "keeper.yaml"
    take_witness: TakeWitness | None = None
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True, slots=True)
class LogApart:
    """Where a process of its own answers for the log: ``relay`` brings requests there. Only checkpoints of others are taken here."""

    relay: ASGIApp
    access: Access
    take_witness: TakeWitness | None = None


@asynccontextmanager
async def open_desk(
    url: str, access: AccessSettings, clock: Clock, config: str, take_witness: TakeWitness | None = None
) -> AsyncIterator[AuditDesk]:
    """Over a reader of its own of the log at ``url``, until the block ends."""
    reader = PublicReader(url)
    try:
        yield AuditDesk(reader, Access(access, clock), clock, config, take_witness)
    finally:
        await reader.close()
