"""How long each step took. A figure that the log cannot give is None with the reason; none is ever estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from keeper.app.incidents.fields import body_of, duration_ms, instant
from keeper.app.incidents.story import Action, Figure, Instant, Onset, Proposal
from keeper.domain.record import Record, RecordKind

BACKWARDS: Final = "negative: the clocks that it is measured by do not agree"
TWO_CLOCKS: Final = "from the block's time (whole seconds) to this machine's clock"
BLOCKS_ONLY: Final = "by the blocks' own times, in whole seconds"
BY_RECORDS: Final = "from the times of the records"
SHADOW: Final = "nothing was sent: the keeper was in shadow mode"
_DRY_RUN: Final = "dry-run"

STAGES: Final = (
    ("decide", "time to decide", "block announced to decided", "head", "decided"),
    ("write", "time to write down", "decided to durable in the log", "decided", "intent_durable"),
    ("sign", "time to sign", "durable in the log to signed", "intent_durable", "signed"),
    ("broadcast", "time to broadcast", "signed to accepted by the route", "signed", "broadcast"),
    ("include", "time to include", "accepted by the route to receipt seen", "broadcast", "included"),
    ("verify", "time to verify the effect", "receipt seen to effect read back", "included", "verified"),
)
"""Names of ``timeline_ms`` in an outcome: each is a monotonic time since the block was announced."""

_RECORDS: Final[Mapping[str, tuple[RecordKind, RecordKind]]] = {
    "broadcast": (RecordKind.ATTEMPT, RecordKind.BROADCAST),
    "include": (RecordKind.BROADCAST, RecordKind.RECEIPT),
    "verify": (RecordKind.RECEIPT, RecordKind.EFFECT),
}
"""What stands for a step whose outcome has no timeline, such as one that a restart interrupted."""


def of_action(action: Action, records: Sequence[Record]) -> tuple[Figure, ...]:
    """The steps of one intent."""
    outcome = next((one for one in reversed(records) if one.kind is RecordKind.OUTCOME), None)
    marks = body_of(outcome.body.get("timeline_ms")) if outcome is not None else {}
    found = []
    for name, label, span, begin, end in STAGES:
        first, last = duration_ms(marks, begin), duration_ms(marks, end)
        figure = Figure(name, label, span, None)
        if first is not None and last is not None:
            ahead = name == "sign" and first == last
            figure = _made(figure, last - first, "signed before it was written down, in one commit" if ahead else "")
        elif (pair := _RECORDS.get(name)) is not None and (ms := _between(records, *pair)) is not None:
            figure = _made(figure, Decimal(ms), BY_RECORDS)
        else:
            figure = replace(figure, note=_why_not(action, outcome, end if first is not None else begin))
        found.append(figure)
    return tuple(found)


def _why_not(action: Action, outcome: Record | None, stage: str) -> str:
    if outcome is None:
        return "the log has no outcome of it yet"
    if outcome.body.get("kind") == _DRY_RUN and stage != "head":
        return SHADOW
    if action.proposals:
        return "it went through the owners of a Safe; see the proposal"
    return f"the log has no time of the step `{stage.replace('_', ' ')}`"


def _between(records: Sequence[Record], begin: RecordKind, end: RecordKind) -> int | None:
    first = next((one for one in records if one.kind is begin and _took_it(one)), None)
    later = (one for one in records if one.kind is end and first is not None and one.seq > first.seq)
    last = next((one for one in later if _took_it(one)), None)
    return None if first is None or last is None else instant(last).at_ms - instant(first).at_ms


def _took_it(record: Record) -> bool:
    """Of an answer of a route: whether it was accepted. Any other record."""
    return record.kind is not RecordKind.BROADCAST or record.body.get("accepted") is True


def principal(actions: Sequence[Action]) -> Action | None:
    """The action that the figures of a story are of: the first that came about, else the first."""
    return next((one for one in actions if one.outcome == "included"), next(iter(actions), None))


def of_story(
    onset: Onset,
    opened: Instant | None,
    actions: Sequence[Action],
    proposals: Sequence[Proposal],
    ratified: tuple[Instant | None, Instant | None, str],
    restored: Instant | None,
    times: Mapping[int, int],
) -> tuple[Figure, ...]:
    """``ratified`` is (when the breaker tripped, when it was ratified, why not); ``times`` the blocks' own, in ms."""
    one = principal(actions)
    steps = one.figures if one is not None else ()
    if not steps:
        steps = tuple(Figure(name, label, span, None, "no action was decided") for name, label, span, _, _ in STAGES)
    elif one is not None and len(actions) > 1:
        steps = tuple(replace(each, note="; ".join(p for p in (f"of {one.name}", each.note) if p)) for each in steps)
    return (
        _detect(onset, opened),
        *steps,
        _protect(onset, one, times),
        _ratify(one, proposals, ratified),
        _restore(opened, actions, restored),
    )


def _detect(onset: Onset, opened: Instant | None) -> Figure:
    figure = Figure("detect", "time to detect", "first block beyond the threshold to trip", None)
    if onset.at is None or opened is None:
        return replace(figure, note=onset.why or "the log does not say when the incident began")
    return _made(figure, Decimal(opened.at_ms - onset.at.at_ms), TWO_CLOCKS)


def _protect(onset: Onset, action: Action | None, times: Mapping[int, int]) -> Figure:
    figure = Figure("protect", "time to protect", "first block beyond the threshold to block of the effect", None)
    if onset.at is None:
        return replace(figure, note=onset.why or "the log does not say when it began")
    effect = action.effect if action is not None else None
    if effect is None or effect.block is None:
        return replace(figure, note="the log has no effect that was read back")
    at_ms = times.get(effect.block)
    if at_ms is None:
        return replace(figure, note=f"the log has no time of block {effect.block}")
    return _made(figure, Decimal(at_ms - onset.at.at_ms), BLOCKS_ONLY)


def _ratify(
    action: Action | None, proposals: Sequence[Proposal], ratified: tuple[Instant | None, Instant | None, str]
) -> Figure:
    tripped, done, why = ratified
    if tripped is not None:
        figure = Figure("ratify", "time to ratify", "breaker tripped to ratified by the council", None)
        if done is None:
            return replace(figure, note=why or "not ratified, as far as the log goes")
        return _made(figure, Decimal(done.at_ms - tripped.at_ms), "as this keeper saw it on the chain")
    figure = Figure("ratify", "time to ratify", "proposed to the owners to executed by them", None)
    mine = [one for one in proposals if action is not None and one.hash in action.proposals]
    if not mine:
        return replace(figure, note="nothing was to be ratified")
    made, executed = mine[-1].made, mine[-1].executed
    if made is None or executed is None:
        return replace(figure, note="not executed, as far as the log goes")
    return _made(figure, Decimal(executed.at_ms - made.at_ms), "as this keeper saw it on the chain")


def _restore(opened: Instant | None, actions: Sequence[Action], restored: Instant | None) -> Figure:
    figure = Figure("restore", "time to restore", "trip to undone", None)
    if opened is None:
        return replace(figure, note="the log does not say when the incident began")
    if restored is None:
        changed = any(one.effect is not None for one in actions)
        return replace(figure, note="not restored, as far as the log goes" if changed else "nothing was to be restored")
    return _made(figure, Decimal(restored.at_ms - opened.at_ms), "as this keeper saw it")


def _made(figure: Figure, ms: Decimal, note: str) -> Figure:
    if ms < 0:
        note = "; ".join(part for part in (BACKWARDS, note) if part)
    return replace(figure, ms=ms, note=note)
