"""The spool: can it take what the log cannot?"""

from __future__ import annotations

import os
from pathlib import Path

from keeper.adapters.audit.spool import LIMIT, spool_state
from keeper.adapters.audit.times import to_iso
from keeper.app.doctor.check import Check, Health
from keeper.config.audit import AuditConfig
from keeper.domain.errors import StoreUnavailable


def examine_spool(config: AuditConfig) -> Check | None:
    """One line; None where no spool is named."""
    if not config.spool:
        return None
    path = Path(config.spool)
    name = f"spool {path.name}"
    folder = path.parent
    try:
        state = spool_state(path)
    except StoreUnavailable as error:
        return Check(name, Health.FAIL, error.message, error.remedy or "look at the file of audit.spool")
    if not os.access(path if path.exists() else folder, os.W_OK):
        message = "cannot be written: what is seen while the database is away is lost with the process"
        return Check(
            name, Health.FAIL, message, "make the file and its folder writable, or name another in audit.spool"
        )
    if state is not None:
        message = f"{state.records} records ({state.size} of {LIMIT} bytes) wait since {to_iso(state.since_ms)}: {state.reason}"
        return Check(
            name, Health.WARN, message, "bring the database back, and run the keeper: it writes them into the log"
        )
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < LIMIT:
        message = f"empty, and its disk has less room than the {LIMIT} bytes that it may take"
        return Check(name, Health.WARN, message, "free space on the disk of audit.spool")
    return Check(name, Health.OK, f"empty; act-without-log is {config.act_without_log}")
