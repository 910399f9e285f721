"""The answer to whoever asks for a log before the first run."""

from __future__ import annotations

from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command
from keeper.app.exit_codes import Exit


def remedy(config: str) -> str:
    """What makes the first record."""
    return f"start the keeper first: {keeper_command()} run {config}"


def log_exists(url: str) -> bool:
    """Whether there is a database at all. Raises StoreUnavailable for a URL that names no file."""
    from keeper.adapters.audit.location import sqlite_file

    path = sqlite_file(url)
    return path is None or path.exists()


def say_so(output: Output, config: str) -> int:
    """Says that there is no log; FOUND, because nothing is unreachable: nothing was ever written."""
    output.failed("there is no log yet", remedy(config))
    return Exit.FOUND
