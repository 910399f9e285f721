"""``keeper status``: what the log says of now, block or no block. Reads the database only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.times import from_iso, to_iso
from keeper.app.cli import aside, not_done, on_contract, proposals, replicas_shown, status_actions, switch
from keeper.app.cli.no_value import why_no_threshold, why_no_value
from keeper.app.cli.nothing_yet import log_exists, remedy
from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command
from keeper.app.council.ledger import Proposed
from keeper.app.exit_codes import Exit
from keeper.domain.errors import StoreUnavailable
from keeper.domain.intervention import Intervention
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

BAR = 12
FAULTS_LOOKED_AT = 1000
SILENT_AFTER_S = 60.0
"""A keeper that runs leaves a record for each block: none for so long, and it may be gone without having said so."""


class Life(StrEnum):
    """What the records say of the process; none of them proves that it lives."""

    NEVER_STARTED = "never-started"
    RUNNING = "running"
    SILENT = "silent"
    """Started, not stopped, and no record for longer than SILENT_AFTER_S."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is shown. ``running`` is what the last start and stop say, ``last`` the newest record of any kind,
    ``failed`` the outcomes that open incidents are left with, ``off`` the switches that are off, ``turns`` the newest of each breaker on the chain,
    ``waiting`` orders that too few keepers have signed, ``proposed`` what waits for the owners of a Safe, ``actions`` what the newest probes found.
    """

    running: bool
    start: Record | None
    last: Record | None
    tick: Record | None
    faults: tuple[Mapping[str, Json], ...]
    open_intents: tuple[Record, ...]
    failed: tuple[Record, ...]
    off: tuple[Intervention, ...] = ()
    turns: tuple[Record, ...] = ()
    waiting: tuple[Record, ...] = ()
    proposed: tuple[Proposed, ...] = ()
    actions: tuple[status_actions.Standing, ...] = ()

    def life(self, now_ms: int) -> Life:
        if self.start is None:
            return Life.NEVER_STARTED
        if not self.running:
            return Life.STOPPED
        assert self.last is not None, "the start is a record too"
        return Life.SILENT if _age_s(self.last, now_ms) > SILENT_AFTER_S else Life.RUNNING

    def now(self, now_ms: int) -> status_actions.Now:
        """What decides whether an action that would work may be called armed."""
        life = self.life(now_ms)
        live = self.start is not None and self.start.body["mode"] == "live"
        return status_actions.Now("" if life is Life.RUNNING else life.value, live, self.off)

    @property
    def evaluates(self) -> bool:
        """A block was evaluated since the last start."""
        return self.start is not None and self.tick is not None and self.tick.seq > self.start.seq

    def ok(self, now_ms: int) -> bool:
        """The keeper runs and evaluates blocks, nothing is down, and no open incident is left, or still, without its effect."""
        undone = self.faults or self.failed or self.waiting or proposals.undone(self.proposed)
        return self.life(now_ms) is Life.RUNNING and self.evaluates and not undone


NOTHING = State(False, None, None, None, (), (), ())


def run(output: Output, config: str) -> int:
    """Prints the state. FOUND unless the keeper runs, has evaluated a block since its start, nothing is down, failed or waits for signatures, and, of
    several replicas, one leads and one stands by.

    Raises ConfigurationError, StoreNotMigrated, and StoreUnavailable for a log that cannot be read.
    """
    from keeper.adapters.clock import SystemClock
    from keeper.config import audit_settings

    settings = audit_settings(config)
    url = settings.url.reveal()
    now_ms = SystemClock().now_ms()
    spooled = aside.waiting(settings.spool)
    aside.show(output, spooled)  # also where the log cannot be read
    try:
        state = read_state(url, now_ms) if log_exists(url) else NOTHING
        replicas = replicas_shown.of_log(url, state.start)
        beside = {"spooled": aside.document(spooled), "replicas": replicas_shown.document(replicas)}
        output.document(_document(state, now_ms) | beside)
        _print(output, state, now_ms, config)
        replicas_shown.show(output, replicas)
    except (DraftRefused, KeyError, TypeError, ValueError):
        raise StoreUnavailable(
            "a record is not as the keeper writes it", remedy=f"run: {keeper_command()} audit {config} verify"
        ) from None
    well = spooled is None and (replicas is None or replicas.ok)
    return Exit.DONE if state.ok(now_ms) and well else Exit.FOUND


def read_state(url: str, now_ms: int) -> State:
    """From the newest records. Raises StoreUnavailable, StoreNotMigrated."""
    from keeper.adapters.audit.reading import page_sync

    def page(query: RecordQuery) -> Sequence[Record]:
        return page_sync(url, query)

    def newest(kind: RecordKind | None, limit: int = 1) -> list[Record]:
        return list(page(RecordQuery(kinds=(kind,) if kind else (), newest_first=True, limit=limit)))

    start, stop = newest(RecordKind.START), newest(RecordKind.STOP)
    tick = page(RecordQuery(kinds=(RecordKind.TICK,), newest_first=True, limit=1, full=True))
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
    return State(
        running=bool(start) and (not stop or stop[0].seq < since),
        start=start[0] if start else None,
        last=next(iter(newest(None)), None),
        tick=tick[0] if tick else None,
        faults=tuple(faults.values()),
        open_intents=tuple(reversed(intents)),
        failed=not_done.not_done(page, since),
        off=switch.off_in(page),
        turns=on_contract.newest_turns(page),
        waiting=on_contract.unfinished(page, now_ms),
        proposed=proposals.open_in(page),
        actions=status_actions.actions_in(page, since),
    )


def _age_s(record: Record, now_ms: int) -> float:
    return max(0, now_ms - from_iso(record.at)) / 1000


def _document(state: State, now_ms: int) -> dict[str, object]:
    body = state.tick.body if state.tick else {}
    block = body.get("block")
    return {
        "ok": state.ok(now_ms),
        "running": state.running,
        "state": state.life(now_ms).value,
        "mode": state.start.body["mode"] if state.start else None,
        "last_record_s_ago": _age_s(state.last, now_ms) if state.last else None,
        "block": block["number"] if isinstance(block, Mapping) else None,
        "evaluated_s_ago": _age_s(state.tick, now_ms) if state.tick else None,
        "verdicts": [_verdict(verdict) for verdict in _verdicts(body)],
        "breakers": body.get("breakers", {}),
        "contract_breakers": on_contract.documents(state.turns),
        "actions": status_actions.documents(state.actions, state.now(now_ms)),
        "faults": [dict(fault) for fault in state.faults],
        "open_intents": [record.intent for record in state.open_intents],
        "failed": [not_done.document(record) for record in state.failed],
        "waiting_for_signatures": [on_contract.waiting_document(record) for record in state.waiting],
        "proposals": [proposals.document(each) for each in state.proposed],
        "switched_off": switch.documents(state.off),
    }


def _verdicts(body: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    verdicts = body.get("verdicts")
    return [verdict for verdict in verdicts if isinstance(verdict, Mapping)] if isinstance(verdicts, list) else []


def _verdict(verdict: Mapping[str, Json]) -> dict[str, Json]:
    """For machines: a number that is not there is null, a time is ISO 8601."""
    said: dict[str, Json] = {key: None if value == "nan" else value for key, value in verdict.items()}
    if "since_ms" in said:
        said["since"] = to_iso(int(str(said.pop("since_ms"))))
    return said


def _print(output: Output, state: State, now_ms: int, config: str) -> None:
    life = state.life(now_ms)
    if life is Life.NEVER_STARTED:
        output.say("never started: there is no log yet", "bold")
        output.say(f"  -> {remedy(config)}")
        for line in switch.lines(state.off):
            output.say(line, "yellow")
        return
    output.say(_first_line(state, now_ms), "bold")
    if life is Life.SILENT:
        output.say("  no stop is recorded: it runs without getting blocks, or it was killed", "magenta")
    body = state.tick.body if state.tick else {}
    breakers = body.get("breakers")
    market = None
    shown: set[Json] = set()
    for verdict in _verdicts(body):
        if verdict["market"] != market:
            market = verdict["market"]
            breaker = breakers.get(str(market), "?") if isinstance(breakers, Mapping) else "?"
            output.say(f"\n{market}  (keeper: {breaker})", "bold")
            _print_turns(
                output, [turn for turn in state.turns if turn.market == market and market not in shown], now_ms
            )
            shown.add(market)
        calm = verdict["state"] == "clear"
        output.say(f"  {_gauge(verdict, body)}", None if calm else "red")
    for other in dict.fromkeys(turn.market for turn in state.turns if turn.market not in shown):
        output.say(f"\n{other}", "bold")
        _print_turns(output, [turn for turn in state.turns if turn.market == other], now_ms)
    _print_troubles(output, state, now_ms, config)


def _print_turns(output: Output, turns: Sequence[Record], now_ms: int) -> None:
    for turn in turns:
        in_effect = turn.body["after"] in ("tripped", "ratified")
        output.say(f"  {on_contract.line(turn, now_ms)}", "yellow" if in_effect else None)


def _first_line(state: State, now_ms: int) -> str:
    """Such as ``running (live), block 12, evaluated 1 s ago``."""
    assert state.start is not None, "whoever never started has no first line"
    assert state.last is not None, "the start is a record too"
    life = state.life(now_ms)
    parts = [f"{'running?' if life is Life.SILENT else life} ({state.start.body['mode']})"]
    if not state.evaluates:
        parts.append("no block evaluated yet" if state.tick is None else "no block evaluated since it started")
    if state.tick is not None:
        block = state.tick.body.get("block")
        number = block["number"] if isinstance(block, Mapping) else "?"
        parts += [f"block {number}", f"evaluated {_age_s(state.tick, now_ms):.0f} s ago"]
    if life is Life.SILENT or not state.evaluates:
        parts.append(f"last record {_age_s(state.last, now_ms):.0f} s ago")
    return ", ".join(parts)


def _print_troubles(output: Output, state: State, now_ms: int, config: str) -> None:
    output.say()
    status_actions.show(output, state.actions, state.now(now_ms))
    for line in switch.lines(state.off):
        output.say(line, "yellow")
    for record in state.failed:
        not_done.show(output, record)
    for record in state.waiting:
        output.say(on_contract.waiting_line(record), "bold red")
        output.say(
            f"  -> do the others run, and have they decided the same? {keeper_command()} breaker {config} orders"
        )
    for each in state.proposed:
        output.say(proposals.line(each, now_ms), "bold red" if proposals.undone([each]) else "yellow")
        output.say(f"  -> {proposals.command(each, config)}")
    for fault in state.faults:
        output.say(f"down: {fault['part']} ({fault['reason']}): {fault['message']}", "magenta")
        if fault["remedy"]:
            output.say(f"  -> {fault['remedy']}")
    for record in state.open_intents:
        output.say(f"open intent: {record.intent} since {record.at}", "yellow")
    if not (state.faults or state.open_intents or state.failed or state.waiting or state.proposed):
        output.say("nothing is down, no intent is open")


def _gauge(verdict: Mapping[str, Json], tick: Mapping[str, Json]) -> str:
    value, threshold, headroom = (float(str(verdict[key])) for key in ("value", "threshold", "headroom"))
    if not math.isfinite(value):
        return f"{verdict['rule']:<24} {verdict['signal']}: {why_no_value(verdict, tick)}"
    if math.isnan(threshold):
        return f"{verdict['rule']:<24} {verdict['signal']} {value:.6g}: {why_no_threshold(verdict)}, {verdict['state']}"
    used = min(1.0, max(0.0, 1 - headroom)) if math.isfinite(headroom) else 0.0
    filled = round(used * BAR)
    bar = "#" * filled + "." * (BAR - filled)
    room = f"{headroom * 100:.0f} % left" if headroom > 0 else "beyond"
    return f"{verdict['rule']:<24} [{bar}] {verdict['signal']} {value:.6g} against {threshold:.6g}, {room}, {verdict['state']}"
