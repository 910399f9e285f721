"""What a keeper goes on from after a restart: the newest state in the log that is its own, and every tick after it, decided again.

Nothing that comes out of those ticks is carried out or recorded again; it is only compared with what was recorded. Where that differs, nothing
is taken up: to start with empty windows is safe, to go on from a wrong state is not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from keeper.adapters.audit.times import from_iso
from keeper.app import carry_over, earlier, records
from keeper.app.carry_over import Before, Last
from keeper.app.parts import Parts
from keeper.app.recorded_config import config_of
from keeper.config.model import Config, Mode
from keeper.domain.errors import ConfigurationError
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.domain.snapshot import ActionOutcome
from keeper.engine import Engine, EngineState, compile_engine
from keeper.engine.fingerprint import fingerprint
from keeper.engine.memento import Refusal
from keeper.engine.retelling import KINDS, RESTORED, NotTold, Retelling
from keeper.execution.work import Work
from keeper.ports.audit import AuditStore

PAGE = 200
STATES_TRIED = 3
MOST_TICKS = 5_000
"""So many are decided again at most. A state is written far more often, so that more means that none could be written."""
BOUND_TO = ("sources", "markets", "actions")
"""The parts of the configuration that give the numbers their meaning. Another receiver of notices, say, forgets nothing."""


class Forgot(StrEnum):
    """Why nothing was taken up."""

    FIRST_START = "first-start"
    OTHER_CONFIGURATION = "other-configuration"
    """Sources, markets, actions, chain or mode were others, or the version."""
    NO_TICKS = "no-ticks"
    TOO_MANY_TICKS = "too-many-ticks"
    DIFFERS = "differs"
    """What was recorded does not come out again."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class TakenUp:
    """``restored`` is what the record of the start says (None: nothing was taken up, for the reason ``forgot``, in words ``message``).

    ``last`` is the newest tick of ``state``. ``previous`` is the hash of the configuration before, where it was another; ``begun`` names the signals
    and rules that begin anew with this one, and ``carried`` is the record of what goes on.
    """

    state: EngineState
    restored: Mapping[str, Json] | None = None
    forgot: Forgot | None = None
    message: str = ""
    ticks: int = 0
    last: Last | None = None
    previous: str | None = None
    begun: tuple[str, ...] = ()
    carried: Draft | None = None

    def body(self, bound_to: str) -> dict[str, Json]:
        """For the record of the start."""
        said: dict[str, Json] = {"engine": bound_to, RESTORED: None if self.restored is None else dict(self.restored)}
        return said if self.forgot is None else said | {"forgot": str(self.forgot), "because": self.message}


def bound(config: Config, engine: Engine) -> str:
    """What a state is bound to: the engine's spec, and what it was seen and done with."""
    document = config.public()
    parts = [document.get(name) if isinstance(document, Mapping) else None for name in BOUND_TO]
    return fingerprint([engine.fingerprint, config.keeper.mode.value, config.chain.id, parts])


class Restart:
    """``bound_to`` is what the states of this configuration are bound to (``bound``)."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.bound_to = bound(parts.config, parts.engine)
        self._restored = self._reloaded = False
        self._log = structlog.get_logger("keeper")

    async def take_up(self, before: Before | None = None) -> TakenUp:
        """What the engine goes on from: ``before``, or else the log; told in the program's log. Raises StoreUnavailable, DraftRefused."""
        config, engine = self._parts.config, self._parts.engine
        self._reloaded = before is not None
        if before is not None and before.state is not None:
            taken = handed_over(before, before.state, config, engine, self.bound_to)
        else:
            taken = await take_up(self._parts.edges.store, engine, self.bound_to)
            if taken.forgot is Forgot.OTHER_CONFIGURATION:
                taken = await self._changed(taken)
        self._restored = taken.restored is not None
        if self._restored:
            incidents = sorted(engine.open_incidents(taken.state).values())
            self._log.info(
                "going on from what is remembered", ticks=taken.ticks, incidents=incidents, begun=[*taken.begun]
            )
        elif taken.forgot is not Forgot.FIRST_START:
            self._log.warning("starting with empty windows", reason=taken.forgot, because=taken.message)
        return taken

    async def _changed(self, nothing: TakenUp) -> TakenUp:
        """What the last run remembered under another configuration, as far as it is the same in this one; else ``nothing``."""
        store, config = self._parts.edges.store, self._parts.config
        was = await self._recorded(store)
        if was is None or (was.keeper.mode, was.chain.id) != (config.keeper.mode, config.chain.id):
            return nothing
        old = compile_engine(was.engine)
        found = await take_up(store, old, bound(was, old))
        if found.restored is None:
            return nothing
        before = Before(was, old, found.state, found.last, None)
        return handed_over(before, found.state, config, self._parts.engine, self.bound_to, found.ticks)

    @staticmethod
    async def _recorded(store: AuditStore) -> Config | None:
        """The configuration of the last run; None where the log does not have enough of it."""
        start = await anext(_newest_first(store, RecordKind.START), None)
        record = await anext(_newest_first(store, RecordKind.CONFIGURATION), None)
        if start is None or record is None:
            return None
        try:
            found = config_of(record)
            mode = Mode(str(start.body.get("mode")))  # `--shadow` is in no configuration
        except (ConfigurationError, ValueError):
            return None
        return replace(found, keeper=replace(found.keeper, mode=mode))

    async def begin(self, taken: TakenUp, sender: str | None, now_ms: int) -> None:
        """Writes down that the keeper begins, with what, and what it goes on from: one commit. Raises AuditError."""
        config, leading = self._parts.config, self._parts.leading
        leads = dict(leading.said() if leading is not None else {})
        if leads and self._reloaded:
            leads["took_over"] = None  # that was at an earlier start
        start = records.start(
            now_ms,
            name=config.keeper.name,
            mode=config.keeper.mode.value,
            chain_id=config.chain.id,
            sender=sender,
            state=taken.body(self.bound_to) | leads,
        )
        drafts = [start, records.configuration(now_ms, config.hash, config.public(), taken.previous)]
        await self._parts.edges.store.append(drafts if taken.carried is None else [*drafts, taken.carried])

    async def done(self, state: EngineState) -> list[earlier.Done]:
        """What worked in the incidents that are still open, so that it is followed on. Raises StoreUnavailable."""
        engine = self._parts.engine
        return await earlier.done(self._parts.edges.store, engine.standings(state), engine.open_incidents(state))

    async def earlier(self, state: EngineState, works: Collection[Work], now_ms: int) -> list[ActionOutcome]:
        """What happened to actions that ``state`` has not heard of yet. Raises StoreUnavailable."""
        store = self._parts.edges.store
        if self._restored:
            return await earlier.endings(store, self._parts.engine.standings(state), works, now_ms)
        live = self._parts.config.keeper.mode is Mode.LIVE
        return await earlier.outcomes(store, self._parts.armed, works, now_ms, live=live)


def handed_over(
    before: Before, then: EngineState, config: Config, engine: Engine, bound_to: str, ticks: int = 0
) -> TakenUp:
    """What is remembered of another configuration, or of the same. Raises DraftRefused for a state that is too large to be written."""
    previous = before.config.hash
    if before.last is None:
        nothing = _nothing(engine, Forgot.NO_TICKS, "the configuration before evaluated no block")
        return replace(nothing, previous=previous)
    if bound(before.config, before.engine) == bound_to:
        restored: dict[str, Json] = {
            "from": "configuration",
            "record": previous,
            "ticks": ticks,
            "recalled": [],
            "at_ms": str(then.at_ms),
        }
        return TakenUp(then, restored, ticks=ticks, last=before.last, previous=previous)
    state, carried = carry_over.carry(before.engine, then, before.config, engine, config)
    said = carry_over.said(carried, previous, ticks, state.at_ms)
    draft = carry_over.record(engine, state, bound_to, before.last)
    return TakenUp(state, said, ticks=ticks, last=before.last, previous=previous, begun=carried.begun, carried=draft)


async def take_up(store: AuditStore, engine: Engine, bound_to: str) -> TakenUp:
    """What can be taken up from this log. Raises StoreUnavailable."""
    try:
        return await _take_up(store, engine, bound_to)
    except NotTold as error:
        return _nothing(engine, Forgot.UNREADABLE, str(error))


@dataclass(slots=True)
class _Base:
    """Where to go on from: ``state`` as of record ``seq``, and what it was (``source``, ``record``)."""

    state: EngineState
    seq: int
    source: str
    record: int
    at_ms: int | None = None
    last: Last | None = None


async def _take_up(store: AuditStore, engine: Engine, bound_to: str) -> TakenUp:
    begun = await _begun(store)
    if begun is None:
        return _nothing(engine, Forgot.FIRST_START, "there is no earlier run")
    base = await _saved(store, engine, bound_to, begun.seq)
    if base is None:
        if begun.body.get("engine") != bound_to:
            return _nothing(engine, Forgot.OTHER_CONFIGURATION, "the last run had another configuration or version")
        base = _Base(engine.initial_state(), begun.seq, "start", begun.seq)
    retelling = Retelling(engine, base.state)
    ticks, last = 0, base.last
    async for record in _after(store, base):
        told = retelling.take(record)
        if told is None:
            continue
        ticks += 1
        last = Last(told.tick.block.hash, told.tick.block.number, told.tick.at_ms)
        if not told.same:
            return _nothing(engine, Forgot.DIFFERS, f"record {record.seq} comes out differently when decided again")
        if ticks > MOST_TICKS:
            return _nothing(
                engine, Forgot.TOO_MANY_TICKS, f"there are more than {MOST_TICKS} ticks after the last state"
            )
    retelling.recall()
    if not ticks and base.source == "start" and not retelling.recalled:
        return _nothing(engine, Forgot.NO_TICKS, "the last run evaluated no block")
    restored: dict[str, Json] = {
        "from": base.source,
        "record": base.record,
        "ticks": ticks,
        "recalled": [*sorted(retelling.recalled)],
        "at_ms": str(retelling.state.at_ms),
    }
    return TakenUp(retelling.state, restored, ticks=ticks, last=last)


async def _begun(store: AuditStore) -> Record | None:
    """The newest start that took up nothing: everything since then is one run, as far as the engine knows."""
    async for record in _newest_first(store, RecordKind.START):
        if not record.body.get(RESTORED):
            return record
    return None


async def _saved(store: AuditStore, engine: Engine, bound_to: str, since: int) -> _Base | None:
    """The newest state after this record that can be taken up."""
    tried = 0
    async for record in _newest_first(store, RecordKind.STATE):
        if record.seq < since or tried == STATES_TRIED:
            return None
        tried += 1
        if record.body.get("for") != bound_to:
            continue
        state = engine.load(record.body.get("memento"))
        if isinstance(state, Refusal):
            continue
        tick = await _tick_of(store, record)
        if tick is not None:
            last = Last(str(record.body["block"]), int(str(record.body["number"])), from_iso(record.at))
            return _Base(state, tick.seq, "state", record.seq, state.at_ms, last)
    return None


async def _tick_of(store: AuditStore, saved: Record) -> Record | None:
    """The tick after which a state was written; later ones may have been written before it."""
    at_ms = from_iso(saved.at)
    query = RecordQuery(kinds=(RecordKind.TICK,), since_ms=at_ms, until_ms=at_ms + 1)
    found = None
    for record in await store.page(query):
        block = record.body.get("block")
        if record.seq < saved.seq and isinstance(block, Mapping) and block.get("hash") == saved.body.get("block"):
            found = record
    return found


async def _after(store: AuditStore, base: _Base) -> AsyncIterator[Record]:
    """What happened after ``base``: first what was decided after it and written before it, then everything in order."""
    if base.at_ms is not None:
        early = RecordQuery(kinds=(RecordKind.INCIDENT, RecordKind.DECISION), since_ms=base.at_ms + 1, limit=PAGE)
        for record in await store.page(early):
            if record.seq < base.seq:
                yield record
    after = base.seq
    while page := await store.page(RecordQuery(kinds=KINDS, after=after, limit=PAGE, full=True)):
        for record in page:
            yield record
        after = page[-1].seq


async def _newest_first(store: AuditStore, kind: RecordKind) -> AsyncGenerator[Record]:
    before = 0
    query = RecordQuery(kinds=(kind,), newest_first=True, limit=STATES_TRIED, full=True)
    while page := await store.page(replace(query, after=before)):
        for record in page:
            yield record
        before = page[-1].seq


def _nothing(engine: Engine, why: Forgot, message: str) -> TakenUp:
    return TakenUp(engine.initial_state(), None, why, message)
