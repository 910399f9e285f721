"""What became of proposals whose nonce is used: by this log or by the Safe's own events, never by a service's word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from keeper.app.council.ledger import Proposed, Step
from keeper.app.council.onchain import SafeReader
from keeper.domain.errors import OutsideError
from keeper.domain.proposal import SafeState
from keeper.domain.safe import SafeTransaction

LOOKED_BACK: Final = 100_000
"""Blocks in which events are looked for at most; nodes answer only for a few thousand at once."""
OVERLAP: Final = 64
"""Blocks that are looked at again: a reorganisation, or a node that was behind."""


@dataclass(frozen=True, slots=True)
class Ended:
    """``tx_hash`` None: it was not executed. ``ok`` False: the Safe's own call failed. ``unsure`` says why it may have been executed all the same."""

    tx_hash: str | None = None
    ok: bool = True
    block: int | None = None
    unsure: str = ""


class Executions:
    """One Safe's. What was found is remembered, so that a page does not look through the same blocks again."""

    def __init__(self, reader: SafeReader) -> None:
        self._reader = reader
        self._found: dict[str, Ended] = {}
        self._looked_to: dict[str, int] = {}

    async def of(self, asked: Iterable[tuple[SafeTransaction, Proposed | None]], state: SafeState) -> dict[str, Ended]:
        """By safeTxHash; only those whose nonce is used. Raises nothing: what cannot be read is ``unsure``."""
        used = {one.hash_text: known for one, known in asked if one.nonce < state.nonce}
        ended = {name: told for name, known in used.items() if known is not None and (told := _logged(known))}
        rest = {name: known for name, known in used.items() if name not in ended}
        trouble = ""
        try:
            await self._look([(name, known) for name, known in rest.items() if name not in self._found], state.block)
        except OutsideError as error:
            trouble = f"the Safe's events cannot be read: {error.message}"
        for name, known in rest.items():
            unsure = trouble or _short(known, state.block)
            ended[name] = self._found.get(name) or Ended(unsure=unsure)
        return ended

    async def _look(self, wanted: list[tuple[str, Proposed | None]], last: int) -> None:
        if not wanted:
            return
        first = min(max(_start(known, last), self._looked_to.get(name, 0) - OVERLAP) for name, known in wanted)
        found = await self._reader.executions({name for name, _ in wanted}, first, last)
        for name, _ in wanted:
            self._looked_to[name] = last
            if (one := found.get(name)) is not None:
                self._found[name] = Ended(one.tx_hash, one.ok, one.block)


def _logged(known: Proposed) -> Ended | None:
    """What a running keeper found in the Safe's events and wrote down."""
    executed = known.last(Step.EXECUTED)
    if executed is None:
        return None
    _, body = executed
    block = body.get("block")
    return Ended(str(body.get("tx_hash")), body.get("ok") is not False, block if isinstance(block, int) else None)


def _start(known: Proposed | None, last: int) -> int:
    """It was written down while its nonce was free, so that it was not executed before."""
    return max(known.block if known is not None else 0, last - LOOKED_BACK, 0)


def _short(known: Proposed | None, last: int) -> str:
    """Why the blocks that are looked through may not be all of them."""
    if _start(known, last) <= (known.block if known is not None else 0):
        return ""
    return f"the Safe's events were looked through for the last {LOOKED_BACK} blocks only"
