"""The running keeper's log: the database, and the spool beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from keeper.adapters.audit.spool import RESERVED, Spool
from keeper.adapters.audit.store import SqlAuditStore
from keeper.app.spooling import SpoolingStore
from keeper.config.audit import ActWithoutLog, AuditConfig
from keeper.domain.errors import AlreadyRunning, StoreUnavailable
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock


async def open_log(config: AuditConfig, clock: Clock) -> AuditStore:
    """What an earlier run left in the spool is in the log before this returns.

    Raises AuditError: at the start the log must be readable, and writable where something waits for it. A spool that cannot be used is an error where
    the keeper may act without its log, or where it holds something that cannot be read; else the keeper goes without.
    """
    store = await SqlAuditStore.open(config.url.reveal(), create=True)
    try:
        spool = await asyncio.to_thread(_open_spool, config)
        if spool is None:
            return store
        return await SpoolingStore.open(store, spool, config.act_without_log, clock)
    except BaseException:
        await store.close()
        raise


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
