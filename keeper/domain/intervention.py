"""What others did to what the keeper may do: people with a switch, people on the chain, or a term that ran out there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class InterventionKind(StrEnum):
    SWITCHED_OFF = "switched-off"
    """An operator forbids what the scope covers."""
    SWITCHED_ON = "switched-on"
    """An operator allows it again, and ends a lock."""
    TAKEN_BACK = "taken-back"
    """The chain shows that somebody undid what the keeper had done."""
    RATIFIED = "ratified"
    LIFTED = "lifted"
    """The council took it back the official way."""
    EXPIRED = "expired"
    """What was done has run out by a term written on chain. With an ``action``: and that one could be done again."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """``market``, ``rule`` and ``action`` are the scope; an empty one means every. ``at_ms`` is when it was done, ``reason`` the words
    of whoever did it. ``record`` is the number of the record in the log that a switch was read from, 0 for what is not from there.
    """

    kind: InterventionKind
    at_ms: int
    market: str = ""
    rule: str = ""
    action: str = ""
    reason: str = ""
    record: int = 0

    def covers(self, market: str, rule: str, action: str) -> bool:
        """Whether the scope holds this one; an empty name stands for every, which only an empty one covers."""
        return self.market in ("", market) and self.rule in ("", rule) and self.action in ("", action)

    @property
    def scope(self) -> str:
        """In words: ``everything``, ``market M, action pause``."""
        named = (("market", self.market), ("rule", self.rule), ("action", self.action))
        return ", ".join(f"{word} {name}" for word, name in named if name) or "everything"


def switched(off: Iterable[Intervention], switch: Intervention) -> tuple[Intervention, ...]:
    """The switches that are off after this one.

    Off again replaces what has the same scope; on takes away what its scope covers, and nothing wider.
    """
    if switch.kind is InterventionKind.SWITCHED_ON:
        return tuple(one for one in off if not switch.covers(one.market, one.rule, one.action))
    same = (switch.market, switch.rule, switch.action)
    return *(one for one in off if (one.market, one.rule, one.action) != same), switch


def still_off(switches: Iterable[Intervention]) -> tuple[Intervention, ...]:
    """What is off after all of these, in the order in which it was switched off."""
    off: tuple[Intervention, ...] = ()
    for switch in switches:
        off = switched(off, switch)
    return off
