"""A signal: a number derived from observations, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from keeper.domain.units import Unit


class SignalStatus(IntEnum):
    """Small integers, because the compiled steps write them."""

    READY = 0
    WARMING = 1
    """Not enough data yet: a state of its own, not zero."""
    NO_INPUT = 2
    """An input is missing or not good enough."""


@dataclass(frozen=True, slots=True)
class SignalValue:
    """``value`` is NaN unless status is READY; ``inputs`` names the sources it was computed from."""

    market: str
    name: str
    value: float
    status: SignalStatus
    unit: Unit
    inputs: tuple[str, ...]
