"""``keeper db``."""

from __future__ import annotations

from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command
from keeper.app.exit_codes import Exit


def upgrade(output: Output, config: str) -> None:
    """Migrates to the newest revision. Raises StoreUnavailable."""
    from keeper.adapters.audit import migrate
    from keeper.config import audit_url

    url = audit_url(config)
    migrate.upgrade(url)
    revision, head = migrate.current(url)
    output.say(f"the schema is at revision {revision}")
    output.document({"ok": revision == head, "revision": revision, "head": head})


def current(output: Output, config: str) -> int:
    """FOUND when the schema is not the one this version needs."""
    from keeper.adapters.audit import migrate
    from keeper.config import audit_url

    revision, head = migrate.current(audit_url(config))
    output.document({"ok": revision == head, "revision": revision, "head": head})
    if revision == head:
        output.say(f"revision {revision}: up to date")
        return Exit.DONE
    output.say(f"revision {revision or 'none'}, this version needs {head}; run: {keeper_command()} db {config} upgrade")
    return Exit.FOUND
