"""Why a proposal was made, by the log: the decision with its numbers, and the signal that tripped over time. Raises StoreUnavailable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Final

from keeper.adapters.audit.times import from_iso
from keeper.app.council.matter import Chart, Point
from keeper.domain.record import Json, Record, RecordKind, RecordQuery
from keeper.domain.text import printable
from keeper.ports.audit import AuditStore

CHART_BEFORE_MS: Final = 30 * 60_000
CHART_AFTER_MS: Final = 5 * 60_000
MOST_TICKS: Final = 400
MOST_POINTS: Final = 120


@dataclass(frozen=True, slots=True)
class Reasons:
    """``lines`` are for people; ``chart`` is None where the log has no numbers."""

    lines: tuple[str, ...] = ()
    chart: Chart | None = None


async def reasons_of(store: AuditStore, incident: str | None, action: str | None) -> Reasons:
    """Of an action that the keeper decided, or of the whole incident."""
    if not incident:
        return Reasons()
    decision = await _decision(store, incident, action)
    if decision is None:
        return Reasons((f"incident {incident}",))
    verdict = decision.body.get("verdict")
    if not isinstance(verdict, Mapping):
        return Reasons((f"incident {incident}",))
    lines = [
        f"rule {_text(verdict, 'rule')} of {decision.market} tripped: {_text(verdict, 'signal')} was "
        f"{number(verdict.get('value'))} against the threshold {number(verdict.get('threshold'))}",
        f"at block {decision.body.get('block')}, {decision.at} (record {decision.seq} of the log, incident {incident})",
    ]
    observations = decision.body.get("observations")
    for seen in observations if isinstance(observations, list) else ():
        if isinstance(seen, Mapping):
            value = seen.get("value")
            said = f"{number(value)} {_text(seen, 'unit')}" if value is not None else "no value"
            lines.append(f"{_text(seen, 'source')}: {said} ({_text(seen, 'quality')})")
    return Reasons(tuple(lines), await _chart(store, decision, verdict))


async def _decision(store: AuditStore, incident: str, action: str | None) -> Record | None:
    """The first decision to do it; any of the incident where that one is not there."""
    query = RecordQuery(incident=incident, kinds=(RecordKind.DECISION,), limit=200)
    found = list(await store.page(query))
    acts = [record for record in found if record.body.get("kind") == "act"]
    mine = [record for record in acts if record.action == action]
    return next(iter(mine or acts or found), None)


async def _chart(store: AuditStore, decision: Record, verdict: Mapping[str, Json]) -> Chart | None:
    signal, market, at_ms = _text(verdict, "signal"), decision.market, from_iso(decision.at)
    query = RecordQuery(
        kinds=(RecordKind.TICK,),
        since_ms=at_ms - CHART_BEFORE_MS,
        until_ms=at_ms + CHART_AFTER_MS,
        newest_first=True,
        limit=MOST_TICKS,
        full=True,
    )
    points = []
    for record in reversed(await store.page(query)):
        value = _value(record.body.get("signals"), market, signal)
        if value is not None:
            points.append(Point(from_iso(record.at), value))
    if len(points) < 2:
        return None
    step = -(-len(points) // MOST_POINTS)
    threshold = str(verdict.get("threshold"))
    chart = Chart(f"{signal} of {market}", tuple(points[::step]), threshold)
    return chart if _finite(threshold) else replace(chart, threshold=None)


def _value(signals: Json, market: str | None, name: str) -> str | None:
    for one in signals if isinstance(signals, list) else ():
        if isinstance(one, Mapping) and (one.get("market"), one.get("name")) == (market, name):
            text = str(one.get("value"))
            return text if _finite(text) else None
    return None


def number(found: Json) -> str:
    """Six significant digits, as people write them; the text itself where it is no number."""
    text = str(found)
    if not _finite(text):
        return printable(text, 40)
    rounded = Decimal(f"{Decimal(text):.6g}")
    return f"{rounded:f}"


def _finite(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _text(body: Mapping[str, Json], key: str) -> str:
    return printable(str(body.get(key)), 80)
