"""The ``signals`` of a market, checked against the registry of kinds: nothing here knows any kind by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from keeper.config.kinds import REFERENCE, SHARE, duration, whole
from keeper.config.model import Source
from keeper.config.problems import nearest
from keeper.config.shape import REQUIRED, Bad, Cursor, Field, Given, Kind, Section, Shape, word_of
from keeper.domain.units import Unit, plain

if TYPE_CHECKING:
    from keeper.signals.spec import Param, ParamValue, SignalKind, SignalSpec

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
        name: Shape(f"{kind.summary} {kind.formula}", tuple(_field(param) for param in kind.params), kind=name)
        for name, kind in SIGNALS.items()
    }


def read_signals(cursor: Cursor, sources: Mapping[str, Source | None]) -> dict[str, SignalDraft]:
    """Every named signal of one market."""
    from keeper.signals.registry import SIGNALS

    shapes = signal_shapes()
    drafts: dict[str, SignalDraft] = {}
    for name, below in cursor.named():
        chosen = below.choose(shapes)
        drafts[name] = _read(name, SIGNALS[chosen[0]], chosen[1], sources) if chosen else SignalDraft()
    if cursor.empty:
        cursor.problem("the market has no signal", "a rule needs one", found="")
    return drafts


def _read(name: str, kind: SignalKind, section: Section, sources: Mapping[str, Source | None]) -> SignalDraft:
    from keeper.signals.spec import SignalSpec

    names = tuple(section.get(_field(param)) for param in kind.sources)
    _check_sources(section, kind, names, sources)
    values: dict[str, ParamValue] = {}
    for param in kind.others:
        value = section.get(_field(param))
        if value is not None:
            values[param.name] = value
    if section.clean:
        for problem in kind.check(values):
            section.problem(problem.param, problem.message, problem.hint)
    if not section.clean:
        return SignalDraft(unit=kind.output)
    return SignalDraft(SignalSpec(name, kind.kind, names, tuple(values.items())), kind.output)


def _check_sources(
    section: Section, kind: SignalKind, names: tuple[str, ...], sources: Mapping[str, Source | None]
) -> None:
    seen: dict[str, str] = {}
    units: set[Unit] = set()
    for param, name in zip(kind.sources, names, strict=True):
        if not section.at(param.name) or not name:
            continue
        if name not in sources:
            section.problem(param.name, "no source has this name", nearest(name, sources))
            continue
        if name in seen:
            section.problem(param.name, f"the same source as {seen[name]}", "two different ones are needed")
        seen[name] = param.name
        source = sources[name]
        if source is None:
            continue
        if source.unit not in kind.accepts:
            wanted = ", ".join(sorted(kind.accepts))
            section.problem(param.name, f"this source gives: {source.unit}", f"the signal is made for: {wanted}")
            continue
        if units and source.unit not in units:
            section.problem(param.name, "the sources of one signal must have the same unit", f"not {source.unit}")
        units.add(source.unit)


def _field(param: Param) -> Field[Any]:
    default = REQUIRED if param.required else param.default
    return Field(param.name, _kind_of(param), param.help, default)


def _kind_of(param: Param) -> Kind[Any]:
    from keeper.signals.spec import ParamType

    minimum = param.minimum
    if param.type is ParamType.SOURCE:
        return REFERENCE
    if param.type is ParamType.DURATION:
        return duration(int(minimum or 0))
    if param.type is ParamType.COUNT:
        return whole(int(minimum or 0), MAX_COUNT)
    if param.type is ParamType.CHOICE:
        return word_of(param.choices)
    return _share_from(Decimal(minimum)) if minimum is not None else SHARE


def _share_from(minimum: Decimal) -> Kind[Decimal]:
    def parse(given: Given) -> Decimal:
        share = SHARE.parse(given)
        if share < minimum:
            raise Bad("the share is too small", f"at least {plain(minimum * 100)}%")
        return share

    return Kind(parse, minimum, SHARE.schema)
