"""What the market pays now: the sources that price invariants are held against, asked once and graded as the engine does it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from keeper.app.wiring import open_sources
from keeper.config import model
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError
from keeper.domain.invariant import Invariant, PriceInvariant
from keeper.domain.observation import Observation
from keeper.ports.chain import ChainReader
from keeper.ports.clock import Clock
from keeper.ports.prices import ChainSource


async def market_prices(
    config: model.Config, invariants: Sequence[Invariant], chain: ChainReader, clock: Clock, block: BlockStamp
) -> Mapping[str, Observation]:
    """The graded observations that these invariants need, by source. Raises nothing: a source that does not answer is MISSING."""
    wanted = _with_members(config, {one.source for one in invariants if isinstance(one, PriceInvariant)})
    if not wanted:
        return {}
    on_chain, feeds = open_sources(tuple(one for one in config.sources if one.name in wanted), clock)
    try:
        observations = {one.source: one for one in await asyncio.gather(*(feed.poll() for feed in feeds))}
    finally:
        await asyncio.gather(*(feed.close() for feed in feeds), return_exceptions=True)
    observations |= await _read(on_chain, chain, clock, block)
    return _graded(config, wanted, observations, clock.now_ms())


async def _read(
    sources: Sequence[ChainSource], chain: ChainReader, clock: Clock, block: BlockStamp
) -> dict[str, Observation]:
    calls = [tuple(source.calls()) for source in sources]
    try:
        results = await chain.read([call for some in calls for call in some], block) if calls else ()
    except OutsideError:
        return {}
    found: dict[str, Observation] = {}
    begin = 0
    for source, some in zip(sources, calls, strict=True):
        found[source.name] = source.decode(results[begin : begin + len(some)], block, clock.now_ms())
        begin += len(some)
    return found


def _with_members(config: model.Config, names: set[str]) -> set[str]:
    """These, what they are made of, and what they need."""
    known = {spec.name: spec for spec in config.engine.sources}
    found: set[str] = set()
    waiting = [name for name in names if name in known]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        spec = known[name]
        waiting += [*(spec.derived.of if spec.derived else ()), *((spec.needs,) if spec.needs else ())]
    return found


def _graded(
    config: model.Config, wanted: set[str], observations: Mapping[str, Observation], now_ms: int
) -> dict[str, Observation]:
    from keeper.engine.derive import Deriver
    from keeper.engine.gate import Gates
    from keeper.engine.grade import Grader

    specs = tuple(spec for spec in config.engine.sources if spec.name in wanted)
    grader, gates, deriver = Grader(specs), Gates(specs), Deriver(specs)
    grades = grader.initial_state()
    grader.grade_all(grades, observations, now_ms)
    gates.gate_all(gates.initial_state(), grades)
    deriver.derive_all(deriver.initial_state(), grades, now_ms)
    return {spec.name: graded for spec, graded in zip(specs, grades.graded, strict=True)}
