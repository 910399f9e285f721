"""What each signal of a market is made of: sources, or other signals of the same market."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.config.kinds import REFERENCE
from keeper.config.model import Source
from keeper.config.problems import nearest
from keeper.config.shape import Cursor, Section
from keeper.domain.units import Unit

if TYPE_CHECKING:
    from keeper.signals.spec import Param, SignalKind


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one signal as written, in the order of its kind's SOURCE parameters; a name that could not be read is empty.

    ``clean``: nothing was wrong with the signal so far.
    """

    kind: SignalKind
    names: tuple[str, ...]
    places: tuple[Cursor, ...]
    clean: bool


def read_inputs(section: Section, kind: SignalKind) -> tuple[tuple[str, ...], tuple[Cursor, ...]]:
    """The names of the inputs and where each stands, as far as they are there; one that is named twice is noted."""
    places = tuple(
        place
        for param in kind.sources
        if (below := section.at(param.name)) is not None
        for place in _places(section, kind, param, below)
    )
    names = tuple(place.read(REFERENCE) for place in places)
    first: dict[str, str] = {}
    for name, place in zip(names, places, strict=True):
        if name in first:
            place.problem(f"the same one as {first[name]}", "two different ones are needed")
        elif name:
            first[name] = place.path.rpartition(".")[2]
    return names, places


def resolve(
    inputs: Mapping[str, Inputs], sources: Mapping[str, Source | None], own: Collection[str]
) -> tuple[dict[str, Unit | None], set[str]]:
    """The unit of each signal, None where it cannot be told; and the signals with which something is wrong.

    Notes inputs that are not there, that could be two things, that go round in a circle, or whose unit does not fit. ``own`` are the names of all
    signals of the market, also of those that could not be read.
    """
    from keeper.engine.derivation import circles, in_order

    broken = {name for name, one in inputs.items() if not one.clean}
    for signal, one in inputs.items():
        known = [
            _is_known(one.kind, name, place, sources, own) for name, place in zip(one.names, one.places, strict=True)
        ]
        if not all(known):
            broken.add(signal)
    among = {
        signal: tuple(name for name in one.names if name in inputs and name not in sources)
        for signal, one in inputs.items()
    }
    in_circles: set[str] = set()
    for around in circles(among):
        start = inputs[around[0]]
        place = start.places[start.names.index(around[1])]
        place.problem("these signals are made of each other in a circle", " -> ".join(around), found="")
        in_circles.update(around)
    units: dict[str, Unit | None] = {name: source.unit if source else None for name, source in sources.items()}
    found: dict[str, Unit | None] = {signal: inputs[signal].kind.output for signal in in_circles}
    for signal in in_order({signal: of for signal, of in among.items() if signal not in in_circles}):
        given = [
            None if name in sources and name in own else {**units, **found}.get(name) for name in inputs[signal].names
        ]
        found[signal], fits = _unit_of(inputs[signal], given, among[signal])
        if not fits:
            broken.add(signal)
    return found, broken | in_circles


def _places(section: Section, kind: SignalKind, param: Param, below: Cursor) -> list[Cursor]:
    if not param.many or (param.least == 1 and not below.is_list):
        return [below]
    items = below.items()
    if below.is_list and len(items) < param.least:
        message = kind.wrong_number(len(kind.sources) - 1 + len(items)) or ""
        section.problem(param.name, message, "in a list: [one, two]")
    return items


def _is_known(
    kind: SignalKind, name: str, place: Cursor, sources: Mapping[str, Source | None], own: Collection[str]
) -> bool:
    if name in sources and name in own:
        place.problem("a source and a signal of this market both have this name", "rename one of them")
        return False
    if name and name not in sources and name not in own:
        place.problem("no source has this name, and no signal of this market", nearest(name, {*sources, *own}))
    if kind.timed and name in own:
        place.problem("a signal has no time of its own, which this one looks at", "name a source")
        return False
    return name in sources or name in own


def _unit_of(signal: Inputs, units: list[Unit | None], own: Collection[str]) -> tuple[Unit | None, bool]:
    """The unit of the value, and whether those of the inputs fit; None is one that cannot be told, because it was complained about elsewhere."""
    known: list[Unit] = []
    fits = True
    for unit, name, place in zip(units, signal.names, signal.places, strict=True):
        if unit is None:
            continue
        if unit not in signal.kind.accepts:
            wanted = ", ".join(sorted(signal.kind.accepts))
            place.problem(
                f"this {'signal' if name in own else 'source'} gives: {unit}", f"the signal is made for: {wanted}"
            )
            fits = False
        elif known and unit is not known[0]:
            place.problem("the sources of one signal must have the same unit", f"{known[0]}, not {unit}")
            fits = False
        else:
            known.append(unit)
    if signal.kind.output is not None:
        return signal.kind.output, fits
    return (known[0] if known and fits else None), fits
