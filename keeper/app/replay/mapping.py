"""Which series of the files is which source of the configuration: by ``--map``, by name, or by venue and symbol."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from keeper.app.replay.files import Place
from keeper.config.model import ConstantSource, DerivedSource, ExchangeSource, Source
from keeper.config.problems import nearest
from keeper.domain.errors import ConfigurationError, Problem

HINT = "--map SOURCE=VENUE:SYMBOL, or SOURCE=VENUE:SYMBOL,VENUE:SYMBOL for the median of several"


def places_of(
    sources: Sequence[Source], given: Sequence[str], there: Mapping[Place, object]
) -> dict[str, tuple[Place, ...]]:
    """The series of each source that has any. What was given by hand counts first. Raises ConfigurationError."""
    problems: list[Problem] = []
    known = {source.name: source for source in sources if not isinstance(source, DerivedSource | ConstantSource)}
    found: dict[str, tuple[Place, ...]] = {}
    for text in given:
        name, _, targets = text.partition("=")
        if not targets:
            problems.append(Problem("--map", None, text, "this is no mapping", HINT))
        elif name not in known:
            derived = any(source.name == name for source in sources)
            message = "this source is made of others: map those" if derived else "no source has this name"
            problems.append(Problem("--map", None, text, message, nearest(name, known)))
        else:
            found[name] = tuple(
                place for target in targets.split(",") if (place := _place(text, target, there, problems))
            )
    for name, source in known.items():
        if name not in found and (own := _by_itself(source, there)):
            found[name] = own
    if problems:
        raise ConfigurationError(tuple(problems))
    if not found:
        names = ", ".join(sorted(_shown(place) for place in there)) or "nothing"
        raise ConfigurationError((Problem("--map", None, "", f"no source has data; the files hold {names}", HINT),))
    return found


def _place(text: str, target: str, there: Mapping[Place, object], problems: list[Problem]) -> Place | None:
    venue, _, symbol = target.rpartition(":")
    fitting = [place for place in there if place == (venue, symbol)] or [
        place for place in there if (_plain(place[0]), _plain(place[1])) == (_plain(venue), _plain(symbol))
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = [_shown(place) for place in there]
    problems.append(Problem("--map", None, text, f"the files hold no {target}", nearest(target, names)))
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


def _shown(place: Place) -> str:
    return f"{place[0]}:{place[1]}" if place[0] else place[1]
