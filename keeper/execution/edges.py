"""What carrying out an action needs from outside, and the terms it is carried out on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from keeper.domain.action import Call
from keeper.domain.budget import NO_BUDGET, Budget
from keeper.domain.outcome import Outcome
from keeper.execution.planner import ArmedAction
from keeper.ports.audit import AuditStore
from keeper.ports.chain import AccountReader, ChainReader
from keeper.ports.clock import Clock
from keeper.ports.route import Route, SecretRoute
from keeper.ports.signer import Signer

Keeps = Callable[[ArmedAction, Call, str], Awaitable[Outcome | None]]
"""From an action, its call and who would make it, to its end where it would break an invariant that it must keep; None: it may be sent."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a signed transaction reaches the chain: by ``open``, by ``secret``, or by both.

    With both, it goes to ``secret`` alone at first, and to both after so many blocks as the action says, or at once when nobody there takes it.
    ``together``: to both from the start.
    """

    open: Route | None = None
    secret: SecretRoute | None = None
    together: bool = False


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside that carrying out an action needs. ``ways`` are by the route's name in the configuration.

    ``signer`` is the first key, None is possible in shadow mode only; ``lanes`` are further keys by name, each with nonces of its own.
    ``keeps`` None: nobody looks at invariants.
    """

    store: AuditStore
    chain: ChainReader
    accounts: AccountReader
    signer: Signer | None
    ways: Mapping[str, Way]
    clock: Clock
    keeps: Keeps | None = None
    lanes: Mapping[str, Signer] = field(default_factory=dict)

    @property
    def senders(self) -> dict[str, str]:
        """The address of each key by its lane, of which the first has an empty name."""
        first = {"": self.signer.address} if self.signer is not None else {}
        return first | {name: signer.address for name, signer in self.lanes.items()}


@dataclass(frozen=True, slots=True)
class Terms:
    """``live`` False: decide, check, record, never sign. ``confirmations`` 1: the block of the receipt is enough.

    ``budget`` is what gas may cost. ``aside`` are the (market, action) that somebody else carries out: their open intents are left alone,
    unless they have attempts.
    """

    chain_id: int
    confirmations: int
    live: bool
    aside: frozenset[tuple[str, str]] = frozenset()
    budget: Budget = NO_BUDGET
