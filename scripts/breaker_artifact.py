"""contracts/CircuitBreaker.sol as forge compiled it, with the places of its immutables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keeper.devnet.toolchain import repository_root
from keeper.domain.errors import SetupError

REMEDY = "run: make setup (scripts/deploy_breaker compiles it too)"


@dataclass(frozen=True, slots=True)
class Compiled:
    """``creation`` is what is deployed, without arguments; ``runtime`` what then stands on the chain, with zeros for immutables.

    ``immutables`` are (start, length) in bytes.
    """

    abi: tuple[dict[str, Any], ...]
    creation: bytes
    runtime: bytes
    immutables: tuple[tuple[int, int], ...]

    def without_immutables(self, code: bytes) -> bytes:
        """Runtime code with zeros where this contract holds its immutables."""
        whole = bytearray(code)
        for start, length in self.immutables:
            whole[start : start + length] = bytes(length)
        return bytes(whole)

    def immutables_in(self, code: bytes) -> set[bytes]:
        """The values that runtime code holds as immutables."""
        return {code[start : start + length] for start, length in self.immutables}


def compiled(out: Path | None = None) -> Compiled:
    """From forge's folder (None: ``out`` of this clone). Raises SetupError."""
    place = (out or repository_root() / "out") / "CircuitBreaker.sol" / "CircuitBreaker.json"
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        creation, runtime = found["bytecode"]["object"], found["deployedBytecode"]["object"]
        places = [one for spots in found["deployedBytecode"]["immutableReferences"].values() for one in spots]
        return Compiled(
            abi=tuple(found["abi"]),
            creation=bytes.fromhex(creation[2:]),
            runtime=bytes.fromhex(runtime[2:]),
            immutables=tuple((int(one["start"]), int(one["length"])) for one in places),
        )
    except OSError:
        raise SetupError("contracts/CircuitBreaker.sol is not compiled", remedy=REMEDY) from None
    except (ValueError, KeyError, TypeError):
        raise SetupError("the compiled CircuitBreaker cannot be read", remedy="run: make clean setup") from None
