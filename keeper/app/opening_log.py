"""The running keeper's log: the database, and the spool beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from keeper.adapters.audit.spool import RESERVED, Spool, spool_state
from keeper.adapters.audit.store import LeaseTerms, SqlAuditStore
from keeper.app.spooling import SpoolingStore
from keeper.config.audit import ActWithoutLog, AuditConfig
from keeper.domain.errors import AlreadyRunning, StoreUnavailable
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock


async def open_log(config: AuditConfig, clock: Clock, terms: LeaseTerms | None = None) -> AuditStore:
    """What an earlier run left in the spool is in the log before this returns.

    Raises AuditError: at the start the log must be readable, and writable where something waits for it. A spool that cannot be used is an error where
    the keeper may act without its log, or where it holds something that cannot be read; else the keeper goes without.

    ``terms``: of one of several replicas. It has no spool: what it puts aside while it is cut off would contradict what the next one writes.
    """
    if terms is not None:
        await asyncio.to_thread(_nothing_waits, config)
        return await SqlAuditStore.open(config.url.reveal(), create=True, terms=terms)
    store = await SqlAuditStore.open(config.url.reveal(), create=True)
    try:
        spool = await asyncio.to_thread(_open_spool, config)
        if spool is None:
            return store
        return await SpoolingStore.open(store, spool, config.act_without_log, clock)
    except BaseException:
        await store.close()
        raise


def _nothing_waits(config: AuditConfig) -> None:
    if config.spool and spool_state(Path(config.spool)) is not None:
        raise StoreUnavailable(
            f"records of an earlier run wait in {config.spool}, and a replica has no spool",
            remedy="end all replicas, run the keeper once without keeper.replicas, and start them again",
        )


def _open_spool(config: AuditConfig) -> Spool | None:
    if not config.spool:
        return None
    acts = config.act_without_log is ActWithoutLog.CRITICAL
    path = Path(config.spool)
    try:
        return Spool.open(path, reserved=RESERVED if acts else 0)
    except AlreadyRunning:
        raise
    except StoreUnavailable as error:
        if acts or path.exists():
            raise
        structlog.get_logger("audit").warning("there is no spool", error=error.message, remedy=error.remedy)
        return None
