"""The ``signals`` of a market, checked against the registry of kinds: nothing here knows any kind by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from keeper.config.kinds import NUMBER, REFERENCE, SHARE, WINDOW, duration, whole
from keeper.config.model import Source
from keeper.config.shape import REQUIRED, Bad, Cursor, Field, Given, Kind, Part, Section, Shape, word_of
from keeper.config.signal_inputs import Inputs, read_inputs, resolve
from keeper.domain.record import Json
from keeper.domain.units import Unit, format_ratio, plain

if TYPE_CHECKING:
    from keeper.signals.spec import Param, ParamValue, SignalKind, SignalSpec

    Params = tuple[tuple[str, ParamValue], ...]

MAX_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class SignalDraft:
    """A signal as far as it could be read: ``spec`` and ``unit`` are None when something is wrong with it."""

    spec: SignalSpec | None = None
    unit: Unit | None = None


def signal_shapes() -> dict[str, Shape]:
    """One section shape for each registered kind."""
    from keeper.signals.registry import SIGNALS

    return {
        name: Shape(
            f"{kind.summary} {kind.formula}",
            tuple(_part(param) if param.many else _field(param) for param in kind.params),
            kind=name,
        )
        for name, kind in SIGNALS.items()
    }


def read_signals(cursor: Cursor, sources: Mapping[str, Source | None]) -> dict[str, SignalDraft]:
    """Every named signal of one market. What each is made of is looked at when all are known, because one may be made of another."""
    from keeper.signals.registry import SIGNALS

    shapes = signal_shapes()
    read: dict[str, tuple[Inputs, Params] | None] = {}
    for name, below in cursor.named():
        chosen = below.choose(shapes)
        read[name] = _read(SIGNALS[chosen[0]], chosen[1]) if chosen else None
    if cursor.empty:
        cursor.problem("the market has no signal", "a rule needs one", found="")
    inputs = {name: one[0] for name, one in read.items() if one}
    units, broken = resolve(inputs, sources, read)
    return {
        name: SignalDraft(_spec(name, *one) if name not in broken else None, units[name]) if one else SignalDraft()
        for name, one in read.items()
    }


def _read(kind: SignalKind, section: Section) -> tuple[Inputs, Params]:
    """Everything about it that can be told without the other signals and the sources."""
    before = len(section.cursor.context.report)
    values: dict[str, ParamValue] = {}
    for param in kind.others:
        value = section.get(_field(param))
        if value is not None:
            values[param.name] = value
    complete = all(section.at(param.name) for param in kind.others if param.required)
    if complete and len(section.cursor.context.report) == before:
        for problem in kind.check(values):
            section.problem(problem.param, problem.message, problem.hint)
    names, places = read_inputs(section, kind)
    return Inputs(kind, names, places, section.clean), tuple(values.items())


def _spec(name: str, inputs: Inputs, params: Params) -> SignalSpec:
    from keeper.signals.spec import SignalSpec

    return SignalSpec(name, inputs.kind.kind, inputs.names, params)


def _field(param: Param) -> Field[Any]:
    default = REQUIRED if param.required else param.default
    return Field(param.name, _kind_of(param), param.help, default, implied=param.implied)


def _part(param: Param) -> Part:
    several: dict[str, Json] = {"type": "array", "minItems": param.least, "items": dict(REFERENCE.schema)}
    schema: dict[str, Json] = {"anyOf": [dict(REFERENCE.schema), several]} if param.least == 1 else several
    return Part(param.name, param.help, schema, param.required)


def _kind_of(param: Param) -> Kind[Any]:
    from keeper.signals.spec import ParamType

    minimum = param.minimum
    match param.type:
        case ParamType.SOURCE:
            return REFERENCE
        case ParamType.DURATION:
            return duration(int(minimum or 0))
        case ParamType.WINDOW:
            return WINDOW
        case ParamType.COUNT:
            return whole(int(minimum or 0), MAX_COUNT)
        case ParamType.CHOICE:
            return word_of(param.choices)
        case ParamType.NUMBER:
            return NUMBER if minimum is None else _at_least(NUMBER, Decimal(minimum), "number", plain)
        case ParamType.RATIO:
            return SHARE if minimum is None else _at_least(SHARE, Decimal(minimum), "share", format_ratio)


def _at_least(kind: Kind[Decimal], minimum: Decimal, what: str, shown: Callable[[Decimal], str]) -> Kind[Decimal]:
    def parse(given: Given) -> Decimal:
        value = kind.parse(given)
        if value < minimum:
            raise Bad(f"the {what} is too small", f"at least {shown(minimum)}")
        return value

    return Kind(parse, minimum, kind.schema)
