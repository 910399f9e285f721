"""From what was seen and what the log says to what is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from keeper.app.cli import on_contract, proposals
from keeper.app.incidents.number_words import short
from keeper.app.pages import status_words as words
from keeper.app.pages.amounts import grouped
from keeper.app.pages.status_board import Down, Seen
from keeper.app.pages.status_facts import Facts, Incident
from keeper.app.pages.status_rows import (
    FaultRow,
    IntentRow,
    LogRow,
    MarketRow,
    MatterRow,
    ReadyRow,
    RuleRow,
    SourceRow,
    View,
)
from keeper.app.pages.status_words import Standing
from keeper.app.parts import Parts
from keeper.app.readiness_hindrances import SHADOW
from keeper.config.model import Mode
from keeper.decisions.breaker import BreakerState
from keeper.domain.decision import IncidentPhase
from keeper.domain.observation import Observation, Quality
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.verdict import VerdictReason
from keeper.engine import Tick

DETAILED: Final = 12
"""Markets that are shown with all of their rules; of more, those where something is up, and the rest in one line each."""
NEAR: Final = 0.75
"""Who has used so much of a threshold is worth being looked at."""
ROWS_MAX: Final = 100
"""Of each list."""
TEXT_MAX: Final = 400
DIGITS: Final = 9
"""Of a source's value."""


def view_of(parts: Parts, seen: Seen, facts: Facts, now_ms: int) -> View:
    """Takes a few ms for hundreds of rules: for a thread."""
    config, tick = parts.config, seen.tick
    readiness = _readiness(parts, seen.readiness)
    names = [market.name for market in config.engine.markets]
    markets = _markets(tick, facts, names, readiness) if tick else ()
    faults = _faults(seen, readiness)
    incidents = _incidents(seen, facts)
    council = tuple(
        MatterRow(one.hash, _cut(one.title), proposals.line(one, now_ms).split(":", 1)[0]) for one in facts.proposed
    )
    level, headline, also = _headline(markets, readiness, faults, council, seen, shadow=_shadow(parts))
    return View(
        keeper=config.keeper.name,
        mode=config.keeper.mode.value,
        role=seen.role if config.keeper.replicas is not None else "",
        chain_id=config.chain.id,
        level=level,
        headline=headline,
        also=also,
        block=tick.block.number if tick else None,
        block_ms=tick.block.timestamp_s * 1000 if tick else None,
        evaluated_ms=tick.at_ms if tick else None,
        started_ms=seen.started_ms,
        late_ms=seen.late_ms,
        markets=markets,
        sources=tuple(map(_source, tick.observations)) if tick else (),
        readiness=readiness,
        probed=seen.readiness is not None,
        faults=faults,
        crashes=seen.crashes,
        incidents=incidents[:ROWS_MAX],
        intents=_intents(facts)[:ROWS_MAX],
        council=council[:ROWS_MAX],
        undelivered=tuple(seen.undelivered),
        log=_log(facts),
    )


def _shadow(parts: Parts) -> bool:
    return parts.config.keeper.mode is Mode.SHADOW


def _markets(tick: Tick, facts: Facts, names: Sequence[str], readiness: Sequence[ReadyRow]) -> tuple[MarketRow, ...]:
    """In the order of the configuration, those where something is up first."""
    bad = {one.source: one for one in tick.observations if one.quality is not Quality.OK}
    rules: dict[str, list[RuleRow]] = {name: [] for name in names}
    for index, verdict in enumerate(tick.verdicts):
        rules[verdict.market].append(_rule(tick, index, bad))
    turns: dict[str, list[str]] = {}
    for turn in facts.turns:
        line = on_contract.line(turn, tick.at_ms).removeprefix("breaker contract: ")
        turns.setdefault(turn.market or "", []).append(_cut(line))
    unarmed: dict[str, list[str]] = {}
    for one in readiness:
        if one.state in (ReadinessState.NOT_READY, ReadinessState.RESTING):
            unarmed.setdefault(one.market, []).append(f"{one.action}: {one.words}")
    rows = [
        MarketRow(
            name,
            _worst(of),
            _breaker(tick, name),
            tuple(turns.get(name, ())),
            tuple(of),
            tuple(unarmed.get(name, ())),
        )
        for name, of in rules.items()
    ]
    rows.sort(key=lambda row: row.standing not in words.URGENT)
    if len(rows) <= DETAILED:
        return tuple(rows)
    chosen = [row.market for row in rows if row.standing in words.URGENT or row.unarmed or _near(row)][:DETAILED]
    return tuple(replace(row, detailed=row.market in chosen) for row in rows)


def _breaker(tick: Tick, market: str) -> str:
    state = tick.breakers.get(market)
    return "" if state is None else words.WATCHING if state is BreakerState.ARMED else state.value


def _worst(rules: Sequence[RuleRow]) -> Standing:
    order = list(Standing)
    return min((rule.standing for rule in rules), key=order.index, default=Standing.OK)


def _near(row: MarketRow) -> bool:
    return row.closest is not None and (row.closest.used or 0.0) >= NEAR


def _rule(tick: Tick, index: int, bad: Mapping[str, Observation]) -> RuleRow:
    verdict, row = tick.verdicts[index], tick.table.wiring.rules[index]
    member = row.rule.when.members[tick.table.rules.member[index]]
    unit = next(
        signal.unit for signal in (tick.table.wiring.signals[at] for at in row.signals) if signal.of == verdict.signal
    )
    standing = words.standing_of(verdict)
    value, threshold = words.two_numbers(verdict.value, verdict.threshold, unit)
    counted = words.progress(row.rule, verdict, tick.at_ms, tick.block.number)
    why = ""
    if verdict.reason in (VerdictReason.NO_INPUT, VerdictReason.BLIND):
        behind = [one for one in tick.table.observations(index) if one.source in bad]
        why = "; ".join(_cut(_bad(one)) for one in behind[:3])
    return RuleRow(
        rule=verdict.rule,
        signal=verdict.signal,
        severity=verdict.severity.value,
        standing=standing,
        words=words.IN_WORDS[standing],
        why=why,
        value=value,
        side=str(member.side),
        threshold=threshold,
        used=words.used(verdict.headroom),
        room=words.room_words(verdict.headroom),
        progress=counted[1] if counted else None,
        progress_words=counted[0] if counted else "",
        since_ms=verdict.since_ms,
        since_block=verdict.since_block,
        actions=row.rule.actions,
    )


def _bad(one: Observation) -> str:
    return f"{one.source} is {one.quality}" + (f" ({one.reason})" if one.reason else "")


def _source(one: Observation) -> SourceRow:
    value = "" if one.value is None else grouped(short(str(one.value), digits=DIGITS))
    at_ms = one.received_ms if one.at_ms is None else one.at_ms
    return SourceRow(
        one.source, _cut(value, 60), one.unit.value, one.quality.value, _cut(one.reason), at_ms, one.at_ms is not None
    )


def _readiness(parts: Parts, probed: Sequence[ActionReadiness] | None) -> tuple[ReadyRow, ...]:
    """Every armed action; what nobody has probed is not known. The worst first."""
    found = {key: ActionReadiness(*key, ReadinessState.UNKNOWN) for key in parts.armed}
    found |= {(one.market, one.action): one for one in probed or ()}
    rows = [
        ReadyRow(
            one.market,
            one.action,
            one.is_armed,
            one.state.value,
            words.readiness_words(one),
            one.reason,
            _cut(one.message),
            _cut(one.remedy),
            one.block,
        )
        for one in found.values()
    ]
    rows.sort(key=lambda row: (row.armed, row.state == ReadinessState.IN_EFFECT))
    return tuple(rows)


def _faults(seen: Seen, readiness: Sequence[ReadyRow]) -> tuple[FaultRow, ...]:
    """Without those that the list of actions tells already."""
    told = {f"readiness:{one.market}/{one.action}" for one in readiness if one.message}
    return tuple(_fault(one) for one in seen.faults if one.fault.part not in told)[:ROWS_MAX]


def _fault(one: Down) -> FaultRow:
    fault = one.fault
    return FaultRow(
        fault.part, fault.reason, _cut(fault.message), _cut(fault.remedy), one.severity.value, fault.since_ms
    )


def _incidents(seen: Seen, facts: Facts) -> tuple[Incident, ...]:
    """Those of the log, and what happened since it was read."""
    found = {one.id: one for one in facts.incidents}
    for event in seen.incidents:
        before = found.get(event.id)
        opened = before.opened_ms if before else None
        if event.phase is IncidentPhase.OPENED and before is None:
            found = {event.id: Incident(event.id, event.market, event.verdict.rule, event.at_ms, None)} | found
        elif event.phase is IncidentPhase.CLOSED and (before is None or before.closed_ms is None):
            rule = before.rule if before else event.verdict.rule
            found[event.id] = Incident(event.id, event.market, rule, opened, event.at_ms)
    return tuple(sorted(found.values(), key=lambda one: one.closed_ms is not None))


def _intents(facts: Facts) -> tuple[IntentRow, ...]:
    return tuple(
        IntentRow(
            one.market,
            one.action,
            one.incident,
            one.state.value,
            one.attempts[-1].tx_hash if one.attempts else "",
            len(one.attempts),
            one.created_ms,
        )
        for one in facts.intents
    )


def _log(facts: Facts) -> LogRow:
    head, covers = facts.head, facts.checkpoint
    return LogRow(
        head.seq if head else 0,
        head.hash if head else "",
        covers[0] if covers else None,
        covers[1] if covers else None,
        facts.signs,
        _cut(facts.trouble),
    )


def _headline(
    markets: Sequence[MarketRow],
    readiness: Sequence[ReadyRow],
    faults: Sequence[FaultRow],
    council: Sequence[MatterRow],
    seen: Seen,
    *,
    shadow: bool,
) -> tuple[str, str, tuple[str, ...]]:
    """The worst first; ``also`` is the rest."""
    tripped = [row.market for row in markets if row.standing in (Standing.TRIPPED, Standing.RECOVERING)]
    beyond = [row.market for row in markets if row.standing is Standing.BEYOND]
    held = [row.market for row in markets if row.standing is Standing.HELD]
    dead = [row for row in readiness if row.state in (ReadinessState.NOT_READY, ReadinessState.RESTING)]
    unknown = [row for row in readiness if row.state == ReadinessState.UNKNOWN]
    held_back = [row for row in readiness if row.state == ReadinessState.HELD_BACK and row.reason != SHADOW]
    said = [
        ("bad", tripped, f"{_count(tripped, 'market')} tripped: {_some(tripped)}"),
        (
            "bad",
            dead,
            f"{_count(dead, 'action')} NOT armed: {_some([f'{one.action} on {one.market}' for one in dead])}",
        ),
        ("bad", [one for one in faults if one.severity == "critical"], ""),
        ("warn", beyond, f"{_count(beyond, 'market')} beyond a threshold, not yet long enough: {_some(beyond)}"),
        ("warn", faults, f"{_count(faults, 'part')} down: {_some([one.part for one in faults])}"),
        ("warn", held, f"{_count(held, 'market')} held, input not usable: {_some(held)}"),
        (
            "warn",
            held_back,
            f"{_count(held_back, 'action')} held back: {_some(sorted({one.reason for one in held_back}))}",
        ),
        ("warn", seen.undelivered, f"{_count(seen.undelivered, 'receiver')} of notices not reached"),
        ("warn", council, f"{_count(council, 'proposal')} waiting for the council"),
        ("warn", [] if shadow else unknown, f"{_count(unknown, 'action')} not probed yet"),
    ]
    levels = [level for level, found, _ in said if found]
    lines = [line for _, found, line in said if found and line]
    if seen.tick is None:
        return "warn" if "bad" not in levels else "bad", "No block evaluated yet", tuple(lines)
    if not lines:
        rules = sum(len(row.rules) for row in markets)
        return "ok", f"All calm: {_count(markets, 'market')}, {rules} rules inside, nothing down", ()
    return ("bad" if "bad" in levels else "warn"), lines[0], tuple(lines[1:])


def _count(found: Sequence[object], what: str) -> str:
    return f"{len(found)} {what}" + ("" if len(found) == 1 else "s")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _cut(text: str, limit: int = TEXT_MAX) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
