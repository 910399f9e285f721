"""The witness that forgets, for tests and rehearsals."""

from __future__ import annotations

from keeper.domain.checkpoint import SignedCheckpoint
from keeper.domain.errors import Refused, Unreachable


class MemoryWitness:
    """Implements ``keeper.ports.witness.Witness``. ``away`` makes it fail; it refuses what is older than number ``began``."""

    def __init__(self, name: str = "memory") -> None:
        self._name = name
        self.kept: list[SignedCheckpoint] = []
        self.away = False
        self.began = 0

    @property
    def name(self) -> str:
        return self._name

    async def last(self, genesis: str) -> int:
        self._check()
        return max((one.checkpoint.number for one in self.kept if one.checkpoint.genesis == genesis), default=0)

    async def keep(self, signed: SignedCheckpoint) -> None:
        self._check()
        if signed.checkpoint.number < self.began:
            raise Refused("older than what is kept", code=409)
        if signed not in self.kept:
            self.kept.append(signed)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _check(self) -> None:
        if self.away:
            raise Unreachable(f"{self._name} is away", remedy="bring it back")
