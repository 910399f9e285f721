"""What would put back what the keeper changed in an incident: only what is still as the keeper left it, to what the log says it was before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from keeper.app.council.changes import KINDS, Doubt, Made, changes_of, last_run
from keeper.app.council.restored import Later, LookUp, later_than
from keeper.config.problems import nearest
from keeper.decisions.spec import PAUSES
from keeper.domain.abi import decode_results, encode_call, parse_signature, to_text
from keeper.domain.action import PREVIOUS, Action, Call, FunctionCall
from keeper.domain.bits import put, stands_for
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import (
    STATE_OF,
    BreakerState,
    BreakerStatus,
    breaker_name,
    decode_state,
    utc,
    view_call,
)
from keeper.domain.decision import IncidentPhase
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.evm import CallResult
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.ports.chain import ChainReader

LIFT: Final = "lift(bytes32,bool)"
PAGE: Final = 1_000
NAMED: Final = 20
"""So many of the newest incidents are known by name to whoever mistypes one."""

Page = Callable[[RecordQuery], Awaitable[Sequence[Record]]]
View = FunctionCall


class Fate(StrEnum):
    """What happens to a value."""

    BACK = "put-back"
    """It is still what the keeper left."""
    AS_BEFORE = "as-before"
    CHANGED_SINCE = "changed-since"
    """Somebody has decided about it since: it is left alone."""
    LEFT = "cannot"
    """It is left alone because nobody can tell how to put it back."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value of the protocol. ``old`` is what it was before the incident, ``left`` what the keeper made of it, ``now`` what it is.

    None where it is not known. ``undo`` is the call that puts it back; None unless the fate is BACK.
    """

    fate: Fate
    market: str
    action: str
    view: View | None
    old: str | None
    left: str | None
    now: str | None
    why: str
    undo: FunctionCall | None = None

    @property
    def name(self) -> str:
        """Such as ``withdrawalLimit(bytes32) of ETH-PERP``."""
        what = parse_signature(self.view.signature).signature if self.view is not None else self.action
        return f"{what} of {self.market}" if self.market else what

    @property
    def text(self) -> str:
        """One line for people."""
        match self.fate:
            case Fate.BACK:
                return f"{self.name}: {self.now} now -> {self.old} as before the incident ({self.why})"
            case Fate.AS_BEFORE:
                return f"{self.name}: {self.now} now, as before the incident: nothing to do"
            case Fate.CHANGED_SINCE:
                values = f"{self.old} before, {self.left} by the keeper, {self.now} now"
                return f"{self.name}: left alone: {values}: {self.why}"
            case Fate.LEFT:
                return f"{self.name}: left alone: {self.why}"


@dataclass(frozen=True, slots=True)
class Restore:
    """``items`` in the order in which they are put back: the reverse of how they were changed. ``notes`` are for whoever decides.

    ``block`` is where everything was read.
    """

    incident: str
    items: tuple[Item, ...]
    notes: tuple[str, ...]
    block: BlockStamp

    @property
    def back(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.fate is Fate.BACK)

    @property
    def rest(self) -> tuple[Item, ...]:
        """What is not touched, each with its reason in its text."""
        return tuple(item for item in self.items if item.fate is not Fate.BACK)

    @property
    def calls(self) -> tuple[Call, ...]:
        """What the council would call, each once, in order."""
        return tuple(dict.fromkeys(encode_call(item.undo) for item in self.back if item.undo is not None))

    @property
    def title(self) -> str:
        return f"Put back what the keeper changed in {self.incident}"


async def plan_restore(
    incident: str, page: Page, actions: Sequence[Action], chain: ChainReader, look_up: LookUp | None = None
) -> Restore:
    """Reads the log and, at the newest block, every value that the keeper changed. ``look_up`` tells what became of proposals.

    Raises UnitError for an incident that the log does not know (the nearest ones are named), AuditError, OutsideError.
    """
    records = await _all(page, RecordQuery(incident=incident, kinds=KINDS, limit=PAGE))
    if not records:
        await _unknown(incident, page)
    made, doubts = changes_of(records)
    since = made[0].seq if made else 0
    later = Later()
    if made:
        kinds = (RecordKind.INTENT, RecordKind.EFFECT, RecordKind.PROPOSAL)
        records_since = await _all(page, RecordQuery(kinds=kinds, after=since, limit=PAGE))
        later = await later_than(records_since, incident, look_up)
    groups = _by_view(made)
    block = await chain.head()
    answers = await _answers(chain, groups, block)
    known = {(action.market, action.name): action for action in actions}
    items = [_item(changes, answers, known, later) for changes in groups.values()]
    order = {item: -changes[-1].seq for item, changes in zip(items, groups.values(), strict=True)}
    items.sort(key=order.__getitem__)
    left = tuple(_of_doubt(doubt) for doubt in doubts)
    return Restore(incident, (*items, *left), (*_notes(records, groups), *later.doubts), block)


async def _all(page: Page, query: RecordQuery) -> list[Record]:
    found: list[Record] = []
    while more := await page(replace(query, after=found[-1].seq if found else query.after)):
        found += more
    return found


async def _unknown(incident: str, page: Page) -> None:
    newest = await page(RecordQuery(kinds=(RecordKind.INCIDENT,), newest_first=True, limit=PAGE))
    names = list(dict.fromkeys(record.incident for record in newest if record.incident))[:NAMED]
    remedy = nearest(incident, names) if names else "the log holds no incident yet"
    raise UnitError(f"the log knows no incident {incident!r}", remedy=remedy)


def _by_view(made: Iterable[Made]) -> dict[View, list[Made]]:
    groups: dict[View, list[Made]] = {}
    for each in made:
        groups.setdefault(each.view, []).append(each)
    return groups


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the views, and the states of breakers, are now; None where one does not answer."""

    values: Mapping[View, str | None]
    breakers: Mapping[tuple[str, str], BreakerState | None]


async def _answers(chain: ChainReader, groups: Mapping[View, Sequence[Made]], block: BlockStamp) -> _Answers:
    views, places = [], []
    for view, changes in groups.items():
        try:
            views.append((view, encode_call(view)))
        except UnitError:
            continue  # a view that is none cannot be read
        trip = changes[-1].breaker
        if trip is not None:
            places.append(((trip.contract, trip.id), view_call(trip.contract, STATE_OF, trip.id)))
    calls = [call for _, call in views] + [call for _, call in places]
    results = await chain.read(calls, block) if calls else ()
    values = {view: value_of(view, result) for (view, _), result in zip(views, results, strict=False)}
    states = {place: _state(result) for (place, _), result in zip(places, results[len(views) :], strict=True)}
    return _Answers(values, states)


def value_of(view: View, result: CallResult) -> str | None:
    """What the view answered, as the log writes it; None where that is no answer."""
    function = parse_signature(view.signature)
    if not result.ok:
        return None
    try:
        return to_text(function.outputs[0], decode_results(function, result.data)[0])
    except (MalformedAnswer, IndexError):
        return None


def _state(result: CallResult) -> BreakerState | None:
    try:
        return decode_state(result.data) if result.ok else None
    except MalformedAnswer:
        return None


def _item(
    changes: Sequence[Made],
    answers: _Answers,
    known: Mapping[tuple[str, str], Action],
    later: Later,
) -> Item:
    run = last_run(changes)
    last, old = run[-1], run[0].before
    now = answers.values.get(last.view)

    def ended(fate: Fate, why: str, undo: FunctionCall | None = None) -> Item:
        return Item(fate, last.market, last.action, last.view, old, last.after, now, why, undo)

    if now is None:
        return ended(Fate.LEFT, f"{last.view.signature} at {last.view.target} cannot be read now")
    if old is None:
        return ended(Fate.LEFT, f"it is {now}, and the log does not say what it was before")
    if now == old:
        return ended(Fate.AS_BEFORE, "")
    if decided := later.decided(last, now):
        return ended(Fate.CHANGED_SINCE, decided)
    why = f"{last.action}, record {last.seq}"
    if last.breaker is not None:
        state = answers.breakers.get((last.breaker.contract, last.breaker.id))
        name = breaker_name(last.breaker.id)
        if state is None:
            return ended(Fate.LEFT, f"it is {now}, and the breaker {name} at {last.breaker.contract} does not answer")
        if state.status not in (BreakerStatus.TRIPPED, BreakerStatus.RATIFIED):
            why = f"the trip of the breaker {name} has ended, and the value was set again since"
            return ended(Fate.CHANGED_SINCE, why)
        lift = FunctionCall(last.breaker.contract, LIFT, (last.breaker.id, "true"))
        by_itself = (
            f", which ends by itself at {utc(state.expires_at_s)}" if state.status is BreakerStatus.TRIPPED else ""
        )
        return ended(Fate.BACK, f"{why}: lifts the breaker {name}{by_itself}", lift)
    undo = _undo(known.get((last.market, last.action)), last, old)
    return (
        ended(Fate.LEFT, f"it is {now}, it was {old}: {undo}") if isinstance(undo, str) else ended(Fate.BACK, why, undo)
    )


def _undo(action: Action | None, last: Made, old: str) -> FunctionCall | str:
    """The call that puts the value back, or why there is none."""
    if action is None:
        return f"the configuration has no action {last.action} on {last.market} any more"
    if action.effect.read != last.view:
        return f"the action {last.action} has another view now than the log's {last.view.signature}"
    undo = action.undo
    if undo is None:
        return f"the action {last.action} has no `undo`: write how it is taken back"
    carries = any(stands_for(arg, PREVIOUS) or arg == old for arg in undo.args)
    if action.kind not in PAUSES and not carries:
        return f'the `undo` of {last.action} sets other numbers: write "{PREVIOUS}" in its args where the value goes'
    filled = FunctionCall(undo.target, undo.signature, put(undo.args, PREVIOUS, old))
    try:
        encode_call(filled)
    except UnitError as error:
        return f"the `undo` of {last.action} cannot carry it: {error.message}"
    return filled


def _of_doubt(doubt: Doubt) -> Item:
    why = f"{doubt.action}: {doubt.why}: look at the value yourself"
    return Item(Fate.LEFT, doubt.market, doubt.action, None, None, None, None, why)


def _notes(records: Sequence[Record], groups: Mapping[View, Sequence[Made]]) -> tuple[str, ...]:
    notes = []
    phases = [record.body.get("phase") for record in records if record.kind is RecordKind.INCIDENT]
    if IncidentPhase.CLOSED.value not in phases:
        notes.append("the incident is still open: its rules have not cleared, and the keeper may tighten again")
    for view, changes in groups.items():
        run = last_run(changes)
        if len(run) < len(changes) and run[0].breaker is None:
            earlier = changes[len(changes) - len(run) - 1]
            notes.append(
                f"somebody set {parse_signature(view.signature).signature} of {run[0].market} from {earlier.after} to "
                f"{run[0].before} between two actions of the keeper: that is what is put back"
            )
    return tuple(notes)
