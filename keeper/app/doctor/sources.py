"""Every source: asked once, graded, gated and derived as the engine does it at a block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal

from keeper.adapters.clock import SystemClock
from keeper.app.compiled import forget_outdated
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.reach import why_unreachable
from keeper.app.doctor.subjects import Answers
from keeper.app.remedies import HOLDS, of_node, of_source
from keeper.app.wiring import open_sources
from keeper.config import model
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError
from keeper.domain.observation import Observation, Quality
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Span, plain
from keeper.engine import compile_engine
from keeper.ports.prices import ChainSource, FeedSource

PRIMARY_FIRST = "see the line of the primary endpoint, and mend that first"
NOWHERE = BlockStamp(number=0, hash="", parent_hash="", timestamp_s=0)
TRIES = 4
"""An exchange loads its list of markets before its first answer, which may take longer than one answer may."""
PAUSE_S = 2.0


async def examine_sources(
    config: model.Config, block: BlockStamp | None, answers: Answers | str
) -> AsyncIterator[Check]:
    """``answers`` were read at ``block``, or say why nothing was."""
    on_chain, feeds = open_sources(config.sources, SystemClock())
    try:
        polled = await asyncio.gather(*(_poll(feed, _named(config, feed.name)) for feed in feeds))
    finally:
        await asyncio.gather(*(feed.close() for feed in feeds))
    polled = await asyncio.gather(*(_with_cause(_named(config, each.source), each) for each in polled))
    units = {source.name: source.unit for source in config.sources}
    now_ms = SystemClock().now_ms()
    observations = {observation.source: observation for observation in polled}
    failed: dict[str, Check] = {}
    for source in on_chain:
        said = _not_asked(source.name, answers) if isinstance(answers, str) else answers[f"source {source.name}"]
        if not isinstance(said, Check | OutsideError) and block is not None:
            observations[source.name] = source.decode(said, block, now_ms)
            continue
        check = said if isinstance(said, Check) else _no_answer(source, said)
        failed[source.name] = check
        observations[source.name] = Observation(
            source.name, None, units[source.name], now_ms, quality=Quality.MISSING, reason=check.message
        )
    graded = _graded(config, block or NOWHERE, now_ms, observations)
    for each in config.sources:
        yield failed.get(each.name) or _check(each, graded, now_ms)


def _not_asked(name: str, why: str) -> Check:
    return Check(f"source {name}", Health.FAIL, f"not asked: {why}", PRIMARY_FIRST)


def _no_answer(source: ChainSource, said: object) -> Check:
    assert isinstance(said, OutsideError), "answers come with the block at which they were read"
    return Check(f"source {source.name}", Health.FAIL, said.message, of_node(said))


def _named(config: model.Config, name: str) -> model.Source:
    return next(source for source in config.sources if source.name == name)


def _graded(
    config: model.Config, block: BlockStamp, now_ms: int, observations: Mapping[str, Observation]
) -> dict[str, Observation]:
    """What each is worth by itself, by what it needs, and by what it is made of: one tick of the engine, whose rules nobody reads."""
    forget_outdated()
    engine = compile_engine(config.engine)
    _, tick = engine.tick(engine.initial_state(), Snapshot(block, now_ms, observations))
    return {spec.name: graded for spec, graded in zip(config.engine.sources, tick.observations, strict=True)}


async def _poll(feed: FeedSource, source: model.Source) -> Observation:
    observation = await feed.poll()
    for _ in range(TRIES - 1):
        if not isinstance(source, model.ExchangeSource) or "no answer within" not in observation.reason:
            break
        await asyncio.sleep(PAUSE_S)
        observation = await feed.poll()
    return observation


async def _with_cause(source: model.Source, seen: Observation) -> Observation:
    """Where a host cannot be reached, with what stands in the way."""
    if isinstance(source, model.HttpSource) and "cannot be reached" in seen.reason:
        cause = await why_unreachable(source.url.reveal())
        return replace(seen, reason=f"{seen.reason}: {cause}") if cause else seen
    return seen


def _check(source: model.Source, graded: Mapping[str, Observation], now_ms: int) -> Check:
    seen = graded[source.name]
    name = f"source {source.name}"
    if seen.quality is not Quality.OK:
        held = "" if seen.value is None else f"; its value is {_number(seen)}"
        message = f"not usable: {seen.quality}: {_why(source, seen, now_ms)}{held}{_members(source, graded)}"
        return Check(name, Health.FAIL, message, f"{of_source(seen.reason)}; {HOLDS}")
    if isinstance(source, model.SequencerUptimeSource) and not seen.value:
        remedy = "wait: sources that need it are usable again when it is up and the grace period is over"
        return Check(name, Health.WARN, "0 (flag): the sequencer is down", remedy)
    if isinstance(source, model.ConstantSource):
        return Check(name, Health.OK, f"{_number(seen)} ({seen.unit}), a constant")
    if isinstance(source, model.DerivedSource):
        return Check(name, Health.OK, f"{_number(seen)} ({seen.unit}){_members(source, graded)}")
    return Check(name, Health.OK, f"{_number(seen)} ({seen.unit}), {_age_s(seen, now_ms)} s old")


def _why(source: model.Source, seen: Observation, now_ms: int) -> str:
    if not seen.reason.startswith("older than") or source.max_age_ms is None:
        return seen.reason
    limit = Span(ms=source.max_age_ms)
    return f"it is {_age_s(seen, now_ms)} s old, max_age is {limit}{seen.reason.removeprefix(f'older than {limit}')}"


def _members(source: model.Source, graded: Mapping[str, Observation]) -> str:
    if not isinstance(source, model.DerivedSource):
        return ""
    return f"; {source.how} of " + ", ".join(_member(graded[name]) for name in source.of)


def _member(seen: Observation) -> str:
    quality = "" if seen.quality is Quality.OK else f" ({seen.quality})"
    return f"{seen.source} {_number(seen)}{quality}" if seen.value is not None else f"{seen.source}{quality}"


def _number(seen: Observation) -> str:
    """Twelve digits are enough to look at."""
    return "none" if seen.value is None else plain(Decimal(f"{seen.value:.12g}"))


def _age_s(seen: Observation, now_ms: int) -> int:
    return max(0, now_ms - (seen.received_ms if seen.at_ms is None else seen.at_ms)) // 1000
