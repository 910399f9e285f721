"""The timeline: what happened in an incident, in the order in which the log took it, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from keeper.app.cli.summaries import summary
from keeper.app.incidents.actions import MEANINGS
from keeper.app.incidents.course import BEYOND
from keeper.app.incidents.fields import body_of, instant, is_number, judgement, text, whole
from keeper.app.incidents.gathering import Material
from keeper.app.incidents.number_words import against, short
from keeper.app.incidents.people import step_words
from keeper.app.incidents.story import CoursePoint, Instant, Judgement, Moment, Onset, Rule, Source, Theme
from keeper.app.incidents.ways import answer_words
from keeper.domain.record import Record, RecordKind
from keeper.domain.text import printable
from keeper.execution.trail import NO_ANSWERS

WORDS_MAX: Final = 400
OWN_LOG: Final = "log"
"""The notifier that tells nobody: it writes a line of the program's own log."""
OF_INTENTS: Final = ("outcome", "fallback", "budget", "refused", "builders")
"""What people are told of an intent (``keeper.app.notices``)."""
PERSISTED_SHOWN: Final = 10
"""Blocks between the first sign and the trip that have a line of their own."""

THEMES: Final[Mapping[RecordKind, Theme]] = {
    RecordKind.INCIDENT: Theme.INCIDENT,
    RecordKind.DECISION: Theme.DECISION,
    RecordKind.INTENT: Theme.ACTION,
    RecordKind.ATTEMPT: Theme.ACTION,
    RecordKind.BROADCAST: Theme.ACTION,
    RecordKind.ORDER: Theme.ACTION,
    RecordKind.OUTCOME: Theme.ACTION,
    RecordKind.RECEIPT: Theme.CHAIN,
    RecordKind.EFFECT: Theme.CHAIN,
    RecordKind.CHAIN: Theme.CHAIN,
    RecordKind.BREAKER: Theme.CHAIN,
    RecordKind.PROPOSAL: Theme.PEOPLE,
    RecordKind.SWITCH: Theme.PEOPLE,
    RecordKind.FAULT: Theme.TROUBLE,
    RecordKind.JOB: Theme.TROUBLE,
    RecordKind.GAP: Theme.TROUBLE,
    RecordKind.NOTIFICATION: Theme.TOLD,
}


def moments_of(
    material: Material,
    turns: Sequence[Record],
    course: Sequence[CoursePoint],
    onset: Onset,
    verdict: Judgement,
    rule: Rule,
) -> tuple[Moment, ...]:
    """Every record of the incident and what belongs to it, with the first sign before the trip. ``rule`` is that of ``verdict``."""
    placed: list[tuple[tuple[int, int], Moment]] = []
    opened = material.opened
    for place, moment in _before_the_trip(course, onset, verdict, opened.seq, share=rule.share):
        placed.append((place, moment))
    for record in (*material.own, *material.holds, *turns, *_near(material)):
        share = rule.share and text(body_of(record.body.get("verdict")), "rule") == verdict.rule
        placed.append(((record.seq, 1), moment_of(record, share=share)))
    seen: set[int] = set()
    ordered = []
    for _, moment in sorted(placed, key=lambda each: each[0]):
        if moment.seq is None or moment.seq not in seen:
            ordered.append(moment)
            seen.add(moment.seq or 0)
    return tuple(ordered)


def moment_of(record: Record, *, share: bool = False) -> Moment:
    """One record, for people. ``share``: the numbers of its rule are shares."""
    return Moment(
        instant(record),
        THEMES.get(record.kind, Theme.LOG),
        record.kind.value,
        printable(words_of(record, share=share), WORDS_MAX),
        record.seq,
    )


def words_of(record: Record, *, share: bool = False) -> str:  # noqa: C901 one entry for each kind
    """A whole phrase where a publication wants one, else the line of `keeper audit log`."""
    body = record.body
    match record.kind:
        case RecordKind.INCIDENT:
            said = "the rule tripped" if text(body, "phase") != "closed" else "every rule is clear again"
            return f"{said}: {numbers(judgement(body.get('verdict')), share=share)}"
        case RecordKind.DECISION:
            return _decision(record, share=share)
        case RecordKind.INTENT:
            before = text(body, "effect_before")
            now = f"; {text(body, 'effect_call')} was {before}" if before else ""
            return f"written down: {record.action} by {text(body, 'call')} on {text(body, 'to')}{now}"
        case RecordKind.ATTEMPT:
            return f"signed for {record.action}: nonce {text(body, 'nonce')}, transaction {text(body, 'tx_hash')}"
        case RecordKind.BROADCAST if body.keys() & NO_ANSWERS:
            return f"{record.action}: {answer_words(body)}"
        case RecordKind.BROADCAST:
            return answer_words(body)
        case RecordKind.RECEIPT if not body.get("gone"):
            status = {0: "REVERTED", 1: "succeeded"}.get(whole(body, "status") or 0, "")
            return f"in block {text(body, 'block')}, {status}, {text(body, 'gas_used')} gas: transaction {text(body, 'tx_hash')}"
        case RecordKind.EFFECT:
            read = f"{text(body, 'call')} was {text(body, 'before')} and is {text(body, 'after')}"
            return f"read back at block {text(body, 'block')}: {read}"
        case RecordKind.OUTCOME:
            return f"{record.action or 'the action'} ended: {text(body, 'kind')} ({text(body, 'reason')}): {text(body, 'message')}"
        case RecordKind.PROPOSAL:
            return f"proposal {text(body, 'safe_tx_hash')[:10]}..: {step_words(body)}"
        case RecordKind.BREAKER if text(body, "trigger") == "chain":
            return text(body, "reason")
        case RecordKind.NOTIFICATION if text(body, "state") == "acknowledged":
            note = f": {text(body, 'note')}" if text(body, "note") else ""
            return f"acknowledged by {text(body, 'by')}{note}"
        case RecordKind.NOTIFICATION:
            done = body.get("delivered") is True
            if text(body, "notifier") == OWN_LOG:
                told = (
                    "written to the keeper's own log only" if done else "could NOT be written to the keeper's own log"
                )
                return f"{told}: {text(body, 'key')}"
            told = "people were told" if done else "people could NOT be told"
            return f"{told} by {text(body, 'notifier')}: {text(body, 'key')}"
        case RecordKind.JOB:
            return f"{text(body, 'job')} is {text(body, 'state')}: {text(body, 'message')}"
        case RecordKind.STOP:
            return f"the keeper stopped: {text(body, 'reason')}"
        case _:
            return summary(record)


def numbers(verdict: Judgement, *, share: bool = False) -> str:
    """Such as ``oracle-divergence: divergence 0.0599 against 0.02``; with ``share`` ``5.99 % against 2 %``."""
    if not is_number(verdict.observed):
        said = "without a value"
    elif not is_number(verdict.threshold):
        said = short(verdict.observed, share=share)
    else:
        said = against(verdict.observed, verdict.threshold, share=share)
    return f"{verdict.rule}: {verdict.signal} {said}"


def _decision(record: Record, *, share: bool) -> str:
    body = record.body
    kind, reason = text(body, "kind"), text(body, "reason")
    action = text(body, "action") or record.action or ""
    why = MEANINGS.get(reason, reason)
    said = {
        "act": f"decided to {action}, because {why}",
        "alert": f"decided to tell people, because {why}",
        "declined": f"declined to {action}, because {why}",
        "hold": f"not judged, because {why}",
    }.get(kind, f"{kind} ({reason}) {action}")
    asked = body_of(body.get("testimony"))
    nodes = (
        f"; {text(asked, 'agreeing')} of {text(asked, 'of')} nodes agree, {text(asked, 'needed')} needed"
        if asked
        else ""
    )
    return f"{said}: {numbers(judgement(body.get('verdict')), share=share)}{nodes}"


def _before_the_trip(
    course: Sequence[CoursePoint], onset: Onset, verdict: Judgement, opened_seq: int, *, share: bool
) -> list[tuple[tuple[int, int], Moment]]:
    if onset.at is None:
        return []
    first_seq = onset.at.seq or 0
    said = short(onset.value, share=share)
    if onset.value and onset.threshold:
        said = against(onset.value, onset.threshold, share=share)
    words = printable(f"first block beyond the threshold: {verdict.signal} {said}".rstrip(), WORDS_MAX)
    place = (min(first_seq, opened_seq), 0)
    found = [(place, Moment(onset.at, Theme.SIGNAL, "onset", words))]
    between = [one for one in course if first_seq < one.seq < opened_seq and one.state in BEYOND]
    for point in between[:PERSISTED_SHOWN]:
        at = Instant(point.at_ms, Source.KEEPER, point.block, point.seq)
        said = printable(
            f"still beyond: {verdict.signal} {short(point.value or 'without a value', share=share)}", WORDS_MAX
        )
        found.append(((point.seq, 0), Moment(at, Theme.SIGNAL, "persisting", said)))
    return found


def _near(material: Material) -> list[Record]:
    """Of what lies around: people's switches, trouble and gaps while it lasted, the chain's turns, and who was told of this incident."""
    first = material.opened.seq
    intents = {one.intent for one in material.own if one.intent}
    ids = {text(one.body, "id") for one in material.own if one.kind is RecordKind.DECISION}
    hashes = {text(one.body, "safe_tx_hash") for one in material.own if one.kind is RecordKind.PROPOSAL}
    keys = {f"incident/{material.id}"} | {f"{kind}/{one}" for kind in OF_INTENTS for one in intents}
    keys |= {f"{kind}/{one}" for one in ids for kind in ("alert", "quorum")}
    keys |= {f"{kind}/{one}" for one in hashes for kind in ("proposal", "executed")}
    found = []
    for record in material.around:
        if record.kind is RecordKind.NOTIFICATION:
            told = record.body.get("keys")
            about = [str(one) for one in told] if isinstance(told, list) else [text(record.body, "key")]
            if any(key in keys or key.startswith(f"held/{material.id}/") for key in about):
                found.append(record)
        elif record.kind is RecordKind.SWITCH:
            if record.market in (None, material.market):
                found.append(record)
        elif record.seq > first and record.market in (None, material.market):
            found.append(record)
    return found
