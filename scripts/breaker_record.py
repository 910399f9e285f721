"""scripts/deployments/<chain>.json: what was read back from the chain, for `keeper doctor` (scripts/deployments/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keeper.domain.address import keccak256, parse_address
from keeper.domain.errors import SetupError, UnitError
from scripts.breaker_model import Params
from scripts.breaker_readback import Place
from scripts.breaker_rehearsal import Rehearsed

SCHEMA = 1
FOLDER = Path(__file__).resolve().parent / "deployments"


def record_of(place: Place, params: Params, rehearsed: Rehearsed | None) -> dict[str, Any]:
    """The record. Everything in it was read from the chain at ``verified_block``."""
    owner = place.one_address("owner()")
    return {
        "schema": SCHEMA,
        "chain_id": params.chain_id,
        "name": params.name,
        "address": place.address,
        "code_hash": "0x" + keccak256(place.chain.code(place.address, place.block)).hex(),
        "deployed_block": place.deployed_block,
        "verified_block": place.block,
        "params_sha256": params.sha256,
        "owner": owner,
        "council": params.council,
        "council_accepted": owner == params.council,
        "guardian": params.guardian,
        "silence_limit_s": params.silence_limit_s,
        "keepers": list(params.keepers),
        "breakers": [
            {
                "id": one.name,
                "id_bytes32": "0x" + one.id.hex(),
                "registration_hash": "0x" + keccak256(place.registered(one.id)).hex(),
            }
            for one in params.breakers
        ],
        "rehearsed": rehearsed is not None,
        "rights_given": rehearsed.as_is if rehearsed else None,
    }


def write(path: Path, record: dict[str, Any]) -> None:
    """Writes it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".json.new")
    fresh.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def known(path: Path) -> tuple[str, int] | None:
    """Address and deployment block of an earlier record; None when there is none. Raises SetupError for one that cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parse_address(found["address"])
        return str(found["address"]), int(found["deployed_block"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, UnitError):
        raise SetupError(
            f"{path.name} in scripts/deployments cannot be read", remedy="restore it, or move it away"
        ) from None
