"""What carrying out an action needs from outside, and the terms it is carried out on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.ports.audit import AuditStore
from keeper.ports.chain import AccountReader, ChainReader
from keeper.ports.clock import Clock
from keeper.ports.route import Route
from keeper.ports.signer import Signer


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside that carrying out an action needs. ``signer`` None is possible in shadow mode only."""

    store: AuditStore
    chain: ChainReader
    accounts: AccountReader
    signer: Signer | None
    routes: Mapping[str, Route]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Terms:
    """``live`` False: decide, check, record, never sign. ``confirmations`` 1: the block of the receipt is enough."""

    chain_id: int
    confirmations: int
    live: bool
