"""The reviewed deployment of the breaker contract: ``deployments/<chain>.json`` beside the configuration, else that of ``scripts/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keeper.domain.text import printable

SCHEMA = 1
REPOSITORY = Path(__file__).resolve().parents[3] / "scripts" / "deployments"
LARGEST_BYTES = 1_000_000
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Deployment:
    """``registrations`` has the hash of what ``breakerOf`` answers by identifier (0x and 64 digits); hashes are 0x-prefixed lower case."""

    path: Path
    address: str
    code_hash: str
    registrations: Mapping[str, str]
    in_force: bool
    """Whether the council had accepted it, and it had its rights."""


def deployment_of(config: str, chain_id: int) -> Deployment | str | None:
    """The first file that is there; why it cannot be read, or None where there is none."""
    folders = [REPOSITORY] if config == STDIN else [Path(config).resolve().parent / "deployments", REPOSITORY]
    for folder in folders:
        path = folder / f"{chain_id}.json"
        if path.is_file():
            return _read(path, chain_id)
    return None


def _read(path: Path, chain_id: int) -> Deployment | str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return f"{path} is too large for a deployments file"
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA or found["chain_id"] != chain_id:
            return f"{path} is of schema {found['schema']} and chain {found['chain_id']}, not {SCHEMA} and {chain_id}"
        return Deployment(
            path=path,
            address=str(found["address"]),
            code_hash=str(found["code_hash"]).lower(),
            registrations={
                str(each["id_bytes32"]).lower(): str(each["registration_hash"]).lower() for each in found["breakers"]
            },
            in_force=found["council_accepted"] is True and found["rights_given"] is True,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{path} cannot be read: {type(error).__name__} {printable(str(error), 80)}"
