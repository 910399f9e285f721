"""What a kind of signal is, declared once: the configuration checks against it, the engine compiles from it, the documents list it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keeper.domain.units import Span, Unit

ParamValue = int | Decimal | str | Span
"""What a parameter that is not a source may hold: whole milliseconds, a count, a share or a number, a word, a window."""


class ParamType(StrEnum):
    SOURCE = "source"
    """The name of a configured source, or of another signal of the same market."""
    DURATION = "duration"
    """A time (``90s``), held as whole milliseconds (int)."""
    WINDOW = "window"
    """A stretch of time, of blocks or of samples (``1h``, ``30 blocks``, ``20 samples``), held as Span."""
    NUMBER = "number"
    """A plain number, held as Decimal."""
    RATIO = "ratio"
    """A share (``2%``), held as Decimal."""
    COUNT = "count"
    """A whole number, held as int."""
    CHOICE = "choice"
    """One word of ``choices``, held as str."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a kind of signal. ``help`` is one sentence, shown by ``keeper schema`` and the documents.

    ``many``: a SOURCE parameter that takes a list of at least ``least``; it is the last of them. Where one is enough, its name may stand alone.
    ``implied``: the default only says that nothing was given, and the real one follows from other parameters; people are not shown it.
    """

    name: str
    type: ParamType
    help: str
    required: bool = True
    default: ParamValue | None = None
    choices: tuple[str, ...] = ()
    minimum: int | Decimal | None = None
    many: bool = False
    least: int = 2
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """What the documents show of a kind: ``signals`` as a configuration holds them (YAML, the last one is drawn), made of the sources that
    ``scripts/signals_path.py`` lists; ``above`` or ``below`` is a threshold for it, written as in a rule.
    """

    signals: str
    above: str = ""
    below: str = ""


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
    same. ``output`` is the unit of the value, and so of the thresholds it is held against; None: the unit of its sources.
    ``formula`` is one line for the documents, ``reference`` where it comes from. ``check`` looks at the parameters together (defaults
    filled in, sources left out), after each was looked at alone. ``module`` holds the compiled step; only the engine imports it,
    because a command that does not evaluate anything must not pay for the compiler. ``timed``: it looks at the own time of its inputs, which
    only sources have: made of a signal it would never have a value.
    """

    kind: str
    summary: str
    params: tuple[Param, ...]
    output: Unit | None
    accepts: frozenset[Unit]
    formula: str
    module: str
    reference: str = ""
    check: ParamCheck = _no_problems
    example: Example | None = None
    timed: bool = False

    def wrong_number(self, inputs: int) -> str | None:
        """What is wrong with this many sources, if anything."""
        named = len(self.sources)
        if self.sources[-1].many:
            least = named - 1 + self.sources[-1].least
            return None if inputs >= least else f"a {self.kind} needs at least {least} sources"
        return None if inputs == named else f"a {self.kind} needs {named} sources"

    def source(self, place: int) -> Param:
        """The parameter that the input at this place of ``SignalSpec.sources`` was given under."""
        return self.sources[min(place, len(self.sources) - 1)]

    def unit_of(self, inputs: Sequence[Unit]) -> Unit:
        """The unit of the value, for inputs of these units."""
        return self.output or inputs[0]

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

    ``sources`` are in the order of the kind's SOURCE parameters, and name sources or signals of the same market; ``params`` holds the
    others, defaults filled in.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    params: tuple[tuple[str, ParamValue], ...] = ()

    def param(self, name: str) -> ParamValue:
        """The parameter of this name; KeyError when the kind has none such."""
        return dict(self.params)[name]

    def whole(self, name: str) -> int:
        """A DURATION in milliseconds, or a COUNT."""
        value = self.param(name)
        assert isinstance(value, int)
        return value

    def number(self, name: str) -> float:
        """A RATIO or a NUMBER."""
        value = self.param(name)
        assert isinstance(value, Decimal)
        return float(value)

    def word(self, name: str) -> str:
        """A CHOICE."""
        return str(self.param(name))

    def window(self, name: str) -> Span:
        """A WINDOW."""
        value = self.param(name)
        assert isinstance(value, Span)
        return value
