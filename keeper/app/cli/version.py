"""``keeper version``."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from keeper import __version__
from keeper.app.cli.output import Output

PACKAGES = ("web3", "eth-account", "coincurve", "sqlalchemy", "alembic", "apscheduler", "numba", "numpy", "httpx")


def run(output: Output) -> None:
    """Prints version, commit and dependency versions."""
    versions = {name: _version(name) for name in PACKAGES}
    commit = _commit()
    output.say(f"keeper {__version__} ({commit or 'no commit known'}), Python {platform.python_version()}")
    for name, number in versions.items():
        output.say(f"  {name} {number}")
    output.document(
        {"version": __version__, "commit": commit, "python": platform.python_version(), "dependencies": versions}
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """The commit of a checkout; None when installed from a package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(root), "rev-parse", "HEAD"],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
