"""What a kind of signal is, declared once: the configuration checks against it, the engine compiles from it, the documents list it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class ParamType(StrEnum):
    SOURCE = "source"
    """The name of a configured source."""
    DURATION = "duration"
    """A time (``90s``), held as whole milliseconds (int)."""
    RATIO = "ratio"
    """A share (``2%``), held as Decimal."""
    COUNT = "count"
    """A whole number, held as int."""
    CHOICE = "choice"
    """One word of ``choices``, held as str."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a kind of signal. ``help`` is one sentence, shown by ``keeper schema`` and the documents."""

    name: str
    type: ParamType
    help: str
    required: bool = True
    default: int | Decimal | str | None = None
    choices: tuple[str, ...] = ()
    minimum: int | Decimal | None = None


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One configured signal of a market.

    ``sources`` are in the order of the kind's SOURCE parameters; ``params`` holds the others, defaults filled in.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    params: tuple[tuple[str, int | Decimal | str], ...] = ()

    def param(self, name: str) -> int | Decimal | str:
        """The parameter of this name; KeyError when the kind has none such."""
        return dict(self.params)[name]
