"""``keeper reload``: checks the changed configuration, asks the running keeper to take it over, and says what came of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keeper.app import reload_records
from keeper.app.cli.output import Output
from keeper.app.cli.switch import user_name
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError
from keeper.domain.record import Record, RecordKind, RecordQuery

if TYPE_CHECKING:
    from keeper.config.model import Config

PATIENCE_S = 60.0
LOOK_S = 0.25
PAGE = 100


def run(output: Output, config: str) -> int:
    """1 when it was refused. Raises ConfigurationError with every problem, AuditError, KeeperError when no keeper answers."""
    from keeper.config import load

    loaded = load(config)
    answer = asyncio.run(_ask(loaded))
    body = answer.body
    applied = body.get("state") == reload_records.APPLIED
    document = {"ok": applied, "record": answer.seq, "state": body.get("state"), "message": body.get("message")}
    output.document(document | {"previous": body.get("previous"), "hash": body.get("hash")})
    if not applied:
        output.error(f"refused (record {answer.seq}), the old configuration goes on: {body.get('message')}")
        return Exit.FOUND
    output.say(f"taken over (record {answer.seq}): {body.get('previous')} -> {body.get('hash')}", "bold")
    if body.get("hash") != loaded.hash:
        output.say(
            f"the keeper reads another file, or the same with another content: {config} has {loaded.hash}", "yellow"
        )
    return Exit.DONE


async def _ask(config: Config) -> Record:
    from keeper.adapters.audit.store import SqlAuditStore
    from keeper.adapters.clock import SystemClock

    clock = SystemClock()
    store = await SqlAuditStore.open(config.audit.url.reveal(), create=False)
    try:
        (wish,) = await store.append([reload_records.asked(clock.now_ms(), user_name(), config.hash)])
        ends_ms = clock.monotonic_ms() + PATIENCE_S * 1000
        seen = wish.seq
        while clock.monotonic_ms() < ends_ms:
            while page := await store.page(RecordQuery(kinds=(RecordKind.JOB,), after=seen, limit=PAGE)):
                for record in page:
                    if reload_records.is_answer(record, wish.seq):
                        return record
                seen = page[-1].seq
            await clock.sleep(LOOK_S)
    finally:
        await store.close()
    raise KeeperError(
        f"no keeper answered within {PATIENCE_S:g} s (record {wish.seq} asks for it)",
        remedy="is a keeper running on this database? keeper status CONFIG; one that starts later reads the file anew anyway",
    )
