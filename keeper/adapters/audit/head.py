"""The revision of the schema that this version reads and writes; apart from the rest, so that it can be compared without SQLAlchemy."""

from __future__ import annotations

from typing import Final

from keeper.domain.errors import StoreNotMigrated

HEAD: Final = "0004"
MIGRATE: Final = "run: keeper db CONFIG upgrade"


def require_head(found: str | None) -> None:
    """Raises StoreNotMigrated unless ``found`` is HEAD."""
    if found == HEAD:
        return
    state = f"has schema {found}" if found else "has no schema yet"
    raise StoreNotMigrated(f"the database {state}, this version needs {HEAD}", remedy=MIGRATE)
