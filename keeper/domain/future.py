"""What would be if calls were carried out now: the calls, and the answers that the state after them gives."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.action import Call
from keeper.domain.evm import CallResult, Simulation


@dataclass(frozen=True, slots=True)
class Step:
    """One call from ``sender`` (EIP-55), whoever has its key."""

    sender: str
    call: Call
    value_wei: int = 0


@dataclass(frozen=True, slots=True)
class Future:
    """``steps`` is how each went, one after the other; ``reads`` are the answers on the state after all of them. ``how`` it was found out, in words.

    A step that fails changes nothing, and those behind it are carried out all the same: whether the whole fails with it is for the caller to say.
    """

    steps: tuple[Simulation, ...]
    reads: tuple[CallResult, ...]
    how: str
