"""Where the local world's tools are: the repository, the node's binary and the compiled contracts."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keeper.domain.errors import SetupError

REMEDY = "run: make setup"

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract. ``bytecode`` is what is deployed, ``deployed_bytecode`` what then stands on the chain: both 0x-prefixed hex."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: str
    deployed_bytecode: str


def repository_root(start: Path | None = None) -> Path:
    """The clone this package is part of: the nearest folder upwards that holds ``foundry.toml`` and ``package.json``. Raises SetupError.

    ``start`` is where to begin (default: this file, then the current folder).
    """
    places = (start,) if start is not None else (Path(__file__).resolve().parent, Path.cwd())
    for place in places:
        for folder in (place, *place.parents):
            if (folder / "foundry.toml").is_file() and (folder / "package.json").is_file():
                return folder
    raise SetupError(
        "the local world needs the repository: no folder upwards holds foundry.toml and package.json",
        remedy="run it from a clone of the repository, after make setup",
    )


def platform_package(system: str = sys.platform, machine: str = "") -> str:
    """npm's name of the package that holds the binary for this platform: ``anvil-linux-amd64``."""
    name = (machine or platform.machine()).lower()
    return f"anvil-{system}-{_MACHINES.get(name, name)}"


def anvil_binary(root: Path | None = None) -> Path:
    """The node's real binary: npm's platform package first, else ``anvil`` on PATH. Raises SetupError.

    npm's own ``anvil`` is a script that starts the binary as its child: it is passed over, so that a signal meets the node itself.
    """
    folder = (root or repository_root()) / "node_modules" / "@foundry-rs" / platform_package() / "bin"
    for name in ("anvil", "anvil.exe"):
        if (folder / name).is_file():
            return folder / name
    if found := shutil.which("anvil"):
        return Path(found)
    raise SetupError(f"there is no anvil: neither in node_modules ({platform_package()}) nor on PATH", remedy=REMEDY)


def cast_program(root: Path | None = None) -> Path | None:
    """``cast``, which asks a node by hand: npm's first, else the one on PATH; None without any. Raises SetupError outside of a clone."""
    program = (root or repository_root()) / "node_modules" / ".bin" / "cast"
    if program.is_file():
        return program
    found = shutil.which("cast")
    return Path(found) if found else None


def load_artifact(contract: str, root: Path | None = None, *, file: str = "") -> Artifact:
    """The compiled contract from ``out/<file>.sol/<contract>.json`` (``file`` defaults to the contract's name). Raises SetupError."""
    place = Path("out") / f"{file or contract}.sol" / f"{contract}.json"
    try:
        text = ((root or repository_root()) / place).read_text(encoding="utf-8")
    except OSError:
        raise SetupError(f"the contract {contract} is not compiled: {place} is missing", remedy=REMEDY) from None
    try:
        found = json.loads(text)
        abi, creation, runtime = found["abi"], found["bytecode"]["object"], found["deployedBytecode"]["object"]
    except (ValueError, KeyError, TypeError):
        raise SetupError(f"{place} is not a compiled contract", remedy="run: make clean setup") from None
    for code in (creation, runtime):
        if not _is_code(code):
            raise SetupError(f"{place} holds no linked code", remedy="run: make clean setup")
    return Artifact(contract, tuple(abi), creation, runtime)


def _is_code(text: object) -> bool:
    """An interface has no code (``0x``), and an unlinked library leaves a placeholder that is not hexadecimal."""
    if not isinstance(text, str) or not text.startswith("0x") or len(text) < 4:
        return False
    try:
        bytes.fromhex(text[2:])
    except ValueError:
        return False
    return True
