"""What API and pages share: who reads, how many at once, who may, and what time it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from keeper.app.api.access import Access
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
