"""``keeper status``: what the log says of the newest evaluated block. Reads the database only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

BAR = 12
FAULTS_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is shown; ``running`` is what the last start and stop say, not a proof of life."""

    running: bool
    start: Record | None
    tick: Record | None
    faults: tuple[Mapping[str, Json], ...]
    open_intents: tuple[Record, ...]


def run(output: Output, config: str) -> int:
    """Prints the state. FOUND when something is down or no block was ever evaluated."""
    from keeper.adapters.clock import SystemClock
    from keeper.config import audit_url

    state = read_state(audit_url(config))
    now_ms = SystemClock().now_ms()
    output.document(_document(state, now_ms))
    _print(output, state, now_ms)
    return Exit.DONE if state.tick is not None and not state.faults else Exit.FOUND


def read_state(url: str) -> State:
    """From the newest records. Raises StoreUnavailable, StoreNotMigrated."""
    from keeper.adapters.audit.reading import page_sync

    def newest(kind: RecordKind, limit: int = 1) -> list[Record]:
        return list(page_sync(url, RecordQuery(kinds=(kind,), newest_first=True, limit=limit)))

    start, stop, tick = newest(RecordKind.START), newest(RecordKind.STOP), newest(RecordKind.TICK)
    since = start[0].seq if start else 0
    faults: dict[str, Mapping[str, Json]] = {}
    for record in reversed(newest(RecordKind.FAULT, FAULTS_LOOKED_AT)):
        if record.seq < since:
            continue
        part = str(record.body["part"])
        if record.body["state"] == "down":
            faults[part] = record.body
        else:
            faults.pop(part, None)
    done = {record.intent for record in newest(RecordKind.OUTCOME, FAULTS_LOOKED_AT)}
    intents = [record for record in newest(RecordKind.INTENT, FAULTS_LOOKED_AT) if record.intent not in done]
    running = bool(start) and (not stop or stop[0].seq < since)
    return State(
        running=running,
        start=start[0] if start else None,
        tick=tick[0] if tick else None,
        faults=tuple(faults.values()),
        open_intents=tuple(reversed(intents)),
    )


def _age_s(tick: Record | None, now_ms: int) -> float | None:
    return None if tick is None else max(0, now_ms - int(str(tick.body["at_ms"]))) / 1000


def _document(state: State, now_ms: int) -> dict[str, object]:
    body = state.tick.body if state.tick else {}
    block = body.get("block")
    return {
        "ok": state.tick is not None and not state.faults,
        "running": state.running,
        "mode": state.start.body["mode"] if state.start else None,
        "block": block["number"] if isinstance(block, Mapping) else None,
        "evaluated_s_ago": _age_s(state.tick, now_ms),
        "verdicts": body.get("verdicts", []),
        "breakers": body.get("breakers", {}),
        "faults": [dict(fault) for fault in state.faults],
        "open_intents": [record.intent for record in state.open_intents],
    }


def _print(output: Output, state: State, now_ms: int) -> None:
    if state.tick is None:
        output.say("no block was evaluated yet; start the keeper: keeper run CONFIG")
        return
    body = state.tick.body
    block = body["block"]
    number = block["number"] if isinstance(block, Mapping) else "?"
    mode = state.start.body["mode"] if state.start else "?"
    word = "running" if state.running else "stopped"
    age = _age_s(state.tick, now_ms)
    output.say(f"{word} ({mode}), block {number}, evaluated {age:.0f} s ago" if age is not None else word, "bold")
    breakers = body["breakers"]
    verdicts = body["verdicts"]
    market = None
    for verdict in verdicts if isinstance(verdicts, list) else []:
        if not isinstance(verdict, Mapping):
            continue
        if verdict["market"] != market:
            market = verdict["market"]
            breaker = breakers.get(str(market), "?") if isinstance(breakers, Mapping) else "?"
            output.say(f"\n{market}  (breaker {breaker})", "bold")
        calm = verdict["state"] == "clear"
        output.say(f"  {_gauge(verdict)}", None if calm else "red")
    _print_troubles(output, state)


def _print_troubles(output: Output, state: State) -> None:
    output.say()
    for fault in state.faults:
        output.say(f"down: {fault['part']} ({fault['reason']}): {fault['message']}", "magenta")
        if fault["remedy"]:
            output.say(f"      {fault['remedy']}")
    for record in state.open_intents:
        output.say(f"open intent: {record.intent} since {record.at}", "yellow")
    if not state.faults and not state.open_intents:
        output.say("nothing is down, no intent is open")


def _gauge(verdict: Mapping[str, Json]) -> str:
    value, threshold, headroom = (float(str(verdict[key])) for key in ("value", "threshold", "headroom"))
    if not math.isfinite(value):
        return f"{verdict['rule']:<24} {verdict['signal']}: no value ({verdict['reason']})"
    used = min(1.0, max(0.0, 1 - headroom)) if math.isfinite(headroom) else 0.0
    filled = round(used * BAR)
    bar = "#" * filled + "." * (BAR - filled)
    room = f"{headroom * 100:.0f} % left" if headroom > 0 else "beyond"
    return f"{verdict['rule']:<24} [{bar}] {verdict['signal']} {value:.6g} against {threshold:.6g}, {room}, {verdict['state']}"
