"""A configuration as a record of the log has it, read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from keeper.app.declared_order import ORDER, in_order, order_of
from keeper.config import loads
from keeper.config.model import Config
from keeper.domain.record import Record


def config_of(record: Record, given: Config | None = None) -> Config:
    """Raises ConfigurationError where what was hidden in it (addresses with a password, say) is missed.

    ``given`` lends the order of the names where an earlier version recorded none.
    """
    order = record.body.get(ORDER)
    if order is None and given is not None:
        order = order_of(given.public())
    document = in_order(record.body.get("document"), order)
    found = loads(
        json.dumps(document).encode(), folder=Path.cwd(), environ={}, offline=True, path=f"record {record.seq}"
    )
    return replace(found, hash=str(record.body.get("hash")))
