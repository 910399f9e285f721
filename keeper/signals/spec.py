"""What a kind of signal is, declared once: the configuration checks against it, the engine compiles from it, the documents list it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.domain.units import Unit

ParamValue = int | Decimal | str
"""What a parameter that is not a source may hold: whole milliseconds, a count, a share, a word."""


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
    default: ParamValue | None = None
    choices: tuple[str, ...] = ()
    minimum: int | Decimal | None = None


@dataclass(frozen=True, slots=True)
class ParamProblem:
    """What is wrong with the parameters of one signal taken together; ``param`` is the one to change."""

    param: str
    message: str
    hint: str = ""


ParamCheck = Callable[[Mapping[str, ParamValue]], tuple[ParamProblem, ...]]


def _no_problems(_: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class SignalKind:
    """One kind of signal.

    ``params`` has the SOURCE parameters first; every source must carry one of the units in ``accepts``, and all sources of one signal the
    same. ``output`` is the unit of the value, and so of the thresholds it is held against. ``formula`` is one line for the
    documents, ``reference`` where it comes from. ``check`` looks at the parameters together (defaults filled in, sources left out),
    after each was looked at alone. ``module`` holds the compiled step; only the engine imports it, because a command that does
    not evaluate anything must not pay for the compiler.
    """

    kind: str
    summary: str
    params: tuple[Param, ...]
    output: Unit
    accepts: frozenset[Unit]
    formula: str
    module: str
    reference: str = ""
    check: ParamCheck = _no_problems

    @property
    def sources(self) -> tuple[Param, ...]:
        """The SOURCE parameters, in the order of ``SignalSpec.sources``."""
        return tuple(param for param in self.params if param.type is ParamType.SOURCE)

    @property
    def others(self) -> tuple[Param, ...]:
        """Every parameter that is not a source."""
        return tuple(param for param in self.params if param.type is not ParamType.SOURCE)


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One configured signal of a market.

    ``sources`` are in the order of the kind's SOURCE parameters; ``params`` holds the others, defaults filled in.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    params: tuple[tuple[str, ParamValue], ...] = ()

    def param(self, name: str) -> ParamValue:
        """The parameter of this name; KeyError when the kind has none such."""
        return dict(self.params)[name]
