"""``keeper version``."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from keeper import __version__
from keeper.app.cli.output import Output

NONE = "contracts: none built here; make setup in a clone builds them"
PACKAGES = (
    "web3",
    "eth-account",
    "coincurve",
    "sqlalchemy",
    "alembic",
    "apscheduler",
    "numba",
    "numpy",
    "polars",
    "httpx",
)


def run(output: Output) -> None:
    """Prints version, commit, dependency versions and the code hashes of the contracts that are built here."""
    versions = {name: _version(name) for name in PACKAGES}
    commit = _commit()
    output.say(f"keeper {__version__} ({commit or 'no commit known'}), Python {platform.python_version()}")
    for name, number in versions.items():
        output.say(f"  {name} {number}")
    contracts = code_hashes()
    output.say(
        "contracts, by the keccak256 of their compiled code (immutable values still zero):" if contracts else NONE
    )
    for name, digest in contracts.items():
        output.say(f"  {name} {digest}")
    output.document(
        {
            "version": __version__,
            "commit": commit,
            "python": platform.python_version(),
            "dependencies": versions,
            "contracts": contracts,
        }
    )


def code_hashes(start: Path | None = None) -> dict[str, str]:
    """Name -> keccak256 of the runtime code, for each compiled contract of ``contracts/`` in the clone around ``start``.

    Empty outside a clone and before ``make setup``. An interface has no code and no hash. Where a contract has immutables, the code
    on a chain holds their values and so has another hash.
    """
    from keeper.devnet.toolchain import load_artifact, repository_root
    from keeper.domain.address import keccak256
    from keeper.domain.errors import SetupError

    try:
        root = repository_root(start or Path(__file__).resolve().parent)
    except SetupError:
        return {}
    found = {}
    for source in sorted((root / "contracts").rglob("*.sol")):
        for place in sorted((root / "out" / source.name).glob("*.json")):
            try:
                code = load_artifact(place.stem, root, file=source.stem).deployed_bytecode
            except SetupError:
                continue
            found[place.stem] = "0x" + keccak256(bytes.fromhex(code[2:])).hex()
    return found


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
