"""Which series of the files is which source of the configuration: by ``--map``, by name, or by venue and symbol."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from keeper.app.replay.files import Place, name_of
from keeper.config.model import ConstantSource, DerivedSource, ExchangeSource, Source
from keeper.config.problems import nearest, shown
from keeper.domain.errors import ConfigurationError, Problem

NAMES = 10
"""At most so many names of series are listed."""
HINT = "--map SOURCE=VENUE:SYMBOL, or SOURCE=VENUE:SYMBOL,VENUE:SYMBOL for the median of several"


def places_of(
    sources: Sequence[Source], given: Sequence[str], there: Mapping[Place, object]
) -> dict[str, tuple[Place, ...]]:
    """The series of each source that has any. What was given by hand counts first. Raises ConfigurationError."""
    problems: list[Problem] = []
    known = {source.name: source for source in sources if not isinstance(source, DerivedSource | ConstantSource)}
    found: dict[str, tuple[Place, ...]] = {}
    for text in given:
        name, _, targets = (part.strip() for part in text.partition("="))
        if problem := _wrong(name, targets, sources, found):
            problems.append(Problem("--map", None, shown(text), *problem))
        else:
            fitting = [_place(text, target, there, problems) for target in targets.split(",")]
            found[name] = tuple(place for place in fitting if place)
            if len(set(found[name])) < len(found[name]):
                problems.append(Problem("--map", None, shown(text), "one venue would have two votes", HINT))
    for name, source in known.items():
        if name not in found and (own := _by_itself(source, there)):
            found[name] = own
    if problems:
        raise ConfigurationError(tuple(problems))
    if not found:
        if not there:
            raise ConfigurationError((Problem("DATA", None, "", "the files hold no rows", "name files with history"),))
        names = _listed(there)
        raise ConfigurationError((Problem("--map", None, "", f"no source has data; the files hold {names}", HINT),))
    return found


def strangers(places: Mapping[str, Sequence[Place]], there: Iterable[Place]) -> tuple[str, ...]:
    """The series that bear the name of a source, not of a venue, and became none: mistyped, more often than not."""
    used = {place for each in places.values() for place in each}
    return tuple(sorted(name_of(place) for place in there if not place[0] and place not in used))


def _wrong(name: str, targets: str, sources: Sequence[Source], found: Mapping[str, object]) -> tuple[str, str] | None:
    """What is wrong with a mapping before the files are asked, and the remedy."""
    if not targets:
        return "this is no mapping", HINT
    kinds = {source.name: source for source in sources}
    known = [one for one, source in kinds.items() if not isinstance(source, DerivedSource | ConstantSource)]
    if name not in kinds:
        return "no source has this name", nearest(name, known)
    if name not in known:
        return "this source is made of others, or a constant", nearest(name, known)
    if name in found:
        return f"the source {name} is mapped twice", HINT
    if "," in targets and not isinstance(kinds[name], ExchangeSource):
        return f"only a source of kind exchange has several venues, and {name} is of another", "map it to one"
    return None


def _place(text: str, target: str, there: Mapping[Place, object], problems: list[Problem]) -> Place | None:
    venue, _, symbol = target.rpartition(":")
    fitting = [place for place in there if place == (venue, symbol)] or [
        place for place in there if (_plain(place[0]), _plain(place[1])) == (_plain(venue), _plain(symbol))
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        message = f"{shown(target)} may be each of {_listed(fitting)}"
        problems.append(Problem("--map", None, shown(text), message, "write it as the file does"))
    else:
        names = {name_of(place): place for place in there}
        hint = nearest(target, names) if len(names) <= NAMES else f"they hold {_listed(there)}"
        problems.append(Problem("--map", None, shown(text), f"the files hold no {shown(target)}", hint))
    return None


def _by_itself(source: Source, there: Mapping[Place, object]) -> tuple[Place, ...]:
    """The series that bear the source's own name, else those of its venues."""
    if ("", source.name) in there:
        return (("", source.name),)
    if not isinstance(source, ExchangeSource):
        return ()
    wanted = [(_plain(venue.name), _plain(venue.symbol)) for venue in source.venues]
    return tuple(place for place in there if (_plain(place[0]), _plain(place[1])) in wanted)


def _plain(name: str) -> str:
    """``Binance_US`` and ``binanceus`` are one venue, ``USDC/USD`` and ``USDCUSD`` one symbol."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _listed(places: Iterable[Place]) -> str:
    names = sorted(name_of(place) for place in places)
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more
