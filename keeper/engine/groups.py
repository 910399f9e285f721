"""Which markets are swept together over history, and what is behind them."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec

TOGETHER = 4
"""Markets, at most: as many as the statistics take in one loop."""


def groups_of(spec: EngineSpec, jobs: int) -> list[tuple[MarketSpec, ...]]:
    """All markets in their order, so many together as are swept at once; what is left over is shared out among ``jobs`` threads.

    One whose sources are made of others is alone, because all sources of a group would go the slow way with it.
    """
    left_over = len(spec.markets) % (TOGETHER * jobs)
    made = {source.name for source in spec.sources if is_made_of_others(source)}
    found: list[tuple[MarketSpec, ...]] = []
    open_to_more = False
    for place, market in enumerate(spec.markets):
        most = TOGETHER if place < len(spec.markets) - left_over else -(-left_over // jobs)
        plain = not any(name in made for signal in market.signals for name in signal.sources)
        if plain and open_to_more and len(found[-1]) < most:
            found[-1] += (market,)
        else:
            found.append((market,))
        open_to_more = plain
    return found


def is_made_of_others(source: SourceSpec) -> bool:
    """Whether the objects are needed that grade and derive live."""
    return source.derived is not None or source.needs is not None


def sources_behind(spec: EngineSpec, market: MarketSpec) -> tuple[str, ...]:
    """The sources that the signals of this market are made of, in the order of the configuration."""
    specs = {source.name: source for source in spec.sources}
    waiting = [name for signal in market.signals for name in signal.sources if name in specs]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            source = specs[name]
            waiting += [*(source.derived.of if source.derived else ()), *filter(None, [source.needs])]
    return tuple(source.name for source in spec.sources if source.name in needed)


def alone(spec: EngineSpec, markets: Sequence[MarketSpec]) -> EngineSpec:
    """The spec of these markets only, with the sources behind them."""
    needed = {name for market in markets for name in sources_behind(spec, market)}
    sources = tuple(source for source in spec.sources if source.name in needed)
    return EngineSpec(sources, tuple(markets), spec.actions)
