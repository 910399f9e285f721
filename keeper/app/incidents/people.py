"""What people did: proposals and their steps, switches, ratifications and lifts; and whether what the keeper did was undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from keeper.app.incidents.fields import Body, body_of, flag, instant, objects, text, texts
from keeper.app.incidents.gathering import Material
from keeper.app.incidents.story import Action, Deed, Effect, Instant, Proposal
from keeper.domain.record import Record, RecordKind

MADE: Final = frozenset({"made", "adopted"})
BY_PEOPLE: Final = frozenset({"seen", "confirmed", "signed", "unwanted", "carried-out", "executed"})
"""Steps that are somebody's deed (``keeper.app.council.ledger.Step``)."""
_RESTORE: Final = "restore"
_ENDED: Final[Mapping[str, str]] = {
    "lifted": "lifted by the council",
    "expired": "ended by itself, because nobody ratified it",
}
_TURNS_BY_PEOPLE: Final = frozenset({"ratify", "lift", "lock", "disarm", "arm"})
"""Triggers of a market's breaker that others pull (``keeper.decisions.breaker.BreakerTrigger``)."""


@dataclass(slots=True)
class _Open:
    """A proposal while its steps are read."""

    first: Record
    what: str = ""
    title: str = ""
    intent: str = ""
    made: Instant | None = None
    steps: list[tuple[str, Instant, str]] = field(default_factory=list)
    executed: Instant | None = None
    executed_in: str = ""
    ok: bool | None = None
    changes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


def proposals_of(own: Iterable[Record]) -> tuple[tuple[Proposal, ...], dict[str, str]]:
    """In the order in which they were made, and the intent of each that has one. Also those that this version would write otherwise."""
    found: dict[str, _Open] = {}
    for record in own:
        if record.kind is not RecordKind.PROPOSAL:
            continue
        body = record.body
        one = found.setdefault(text(body, "safe_tx_hash"), _Open(record))
        step, at = text(body, "step"), instant(record)
        if step in MADE:
            one.what, one.title = text(body, "what"), text(body, "title")
            one.intent, one.made = text(body, "intent") or one.intent, at
            one.changes = _changes(body)
        if step in ("executed", "carried-out") and (one.executed is None or step == "executed"):
            one.executed, one.executed_in, one.ok = at, text(body, "tx_hash"), flag(body, "ok")
        one.steps.append((step, at, step_words(body)))
    proposals = tuple(
        Proposal(
            hash=name,
            what=one.what,
            title=one.title,
            safe=text(one.first.body, "safe"),
            made=one.made,
            steps=tuple(one.steps),
            executed=one.executed,
            executed_in=one.executed_in,
            executed_ok=one.ok,
            changes=one.changes,
        )
        for name, one in found.items()
    )
    return proposals, {name: one.intent for name, one in found.items() if one.intent}


def step_words(body: Body) -> str:
    """Such as ``signed by 0x.. (2 of 2)``."""
    step = text(body, "step")
    owner, via = text(body, "owner"), text(body, "via")
    counted = f" ({text(body, 'count')} of {text(body, 'threshold')})" if {"count", "threshold"} <= body.keys() else ""
    match step:
        case "made" | "adopted":
            return (
                f"{'proposed' if step == 'made' else 'taken over as proposed by somebody else'}: {text(body, 'title')}"
            )
        case "sent":
            return "handed to the Safe's transaction service"
        case "seen":
            return f"looked at{f' via {via}' if via else ''}"
        case "confirmed":
            return f"signature of {owner} taken{f' via {via}' if via else ''}"
        case "signed":
            return f"signed by {owner}{counted}"
        case "threshold":
            return "enough owners have signed"
        case "executed" | "carried-out":
            did = "executed" if step == "executed" else "sent for execution"
            failed = ", which failed" if body.get("ok") is False else ""
            return f"{did} in transaction {text(body, 'tx_hash')}{failed}"
        case "superseded":
            return f"became pointless: {text(body, 'why')}"
        case _:
            said = text(body, "message") or text(body, "why")
            return f"{step}: {said}" if said else step


def deeds_of(material: Material, turns: Sequence[Record]) -> tuple[Deed, ...]:
    """Everything that people did, in the order of the log; ``turns`` are those of the breakers of this incident."""
    deeds: list[Deed] = []
    for record in material.own:
        body = record.body
        if record.kind is RecordKind.PROPOSAL and text(body, "step") in BY_PEOPLE:
            name = text(body, "safe_tx_hash")[:10]
            by = text(body, "owner") or text(body, "via")
            deeds.append(
                Deed(text(body, "step"), f"proposal {name}..: {step_words(body)}", by, instant(record), record.seq)
            )
        elif record.kind is RecordKind.BREAKER and text(body, "trigger") in _TURNS_BY_PEOPLE:
            words = f"{text(body, 'market')}: {text(body, 'before')} -> {text(body, 'after')}: {text(body, 'reason')}"
            deeds.append(Deed(text(body, "trigger"), words, "", instant(record), record.seq))
    for record in turns:
        if text(record.body, "after") in ("ratified", "lifted"):
            words = text(record.body, "reason")
            deeds.append(Deed(text(record.body, "after"), words, "the council", instant(record), record.seq))
    for record in material.around:
        if record.kind is RecordKind.SWITCH and record.market in (None, material.market):
            body = record.body
            words = f"switched {text(body, 'state')}: {text(body, 'scope')} ({text(body, 'reason')})"
            deeds.append(Deed(f"switch-{text(body, 'state')}", words, text(body, "by"), instant(record), record.seq))
    return tuple(sorted(deeds, key=lambda one: one.seq))


def turns_of(material: Material) -> list[Record]:
    """What became of the breakers that this incident tripped, until somebody trips them again."""
    mine = {
        (text(body_of(one.body.get("breaker")), "contract"), text(body_of(one.body.get("breaker")), "id"))
        for one in material.own
        if one.kind is RecordKind.INTENT and body_of(one.body.get("breaker"))
    }
    closed = material.closed
    over: set[tuple[str, str]] = set()
    found = []
    for record in material.turns:
        body = record.body
        key = _key(record)
        if key not in mine or key in over or text(body, "trigger") != "chain":
            continue
        if text(body, "after") == "tripped" and closed is not None and record.seq > closed.seq:
            over.add(key)  # the next incident's
            continue
        found.append(record)
    return found


def ratification(turns: Sequence[Record]) -> tuple[Instant | None, Instant | None, str]:
    """(when a breaker was seen tripped, when it was ratified, what came instead)."""
    tripped = next((one for one in turns if text(one.body, "after") == "tripped"), None)
    if tripped is None:
        return None, None, ""
    after = [one for one in turns if one.seq > tripped.seq]
    ratified = next((one for one in after if text(one.body, "after") == "ratified"), None)
    instead = next((_ENDED[word] for one in after if (word := text(one.body, "after")) in _ENDED), "")
    done = instant(ratified) if ratified is not None else None
    return instant(tripped), done, f"not ratified: it was {instead}" if instead else ""


def restoration(
    material: Material, turns: Sequence[Record], actions: Sequence[Action], proposals: Sequence[Proposal]
) -> tuple[Instant | None, str]:
    """When and how all that the keeper did was undone, as the log tells it. None where it was not, and how much of it was, if any."""
    changed = [one.effect for one in actions if one.effect is not None and one.effect.before != one.effect.after]
    breakers = {one.effect.seq: _breaker(material, one.intent) for one in actions if one.effect is not None}
    ends = [_undone(material, turns, proposals, effect, breakers[effect.seq]) for effect in changed]
    done = [end for end in ends if end is not None]
    if not done:
        return None, ""
    if len(done) < len(changed):
        return None, f"{len(done)} of {len(changed)} changes were undone"
    last = max(done, key=lambda each: each[0].seq or 0)
    return last[0], "; ".join(dict.fromkeys(words for _, words in done))


def _undone(
    material: Material,
    turns: Sequence[Record],
    proposals: Sequence[Proposal],
    effect: Effect,
    breaker: tuple[str, str] | None,
) -> tuple[Instant, str] | None:
    """The first thing after it that undid it."""
    found: list[tuple[Instant, str]] = []
    for one in proposals:
        done = one.executed
        if one.what != _RESTORE or done is None or one.executed_ok is False or (done.seq or 0) < effect.seq:
            continue
        if (effect.contract, effect.call, effect.args) in one.changes:
            found.append((done, f"the owners of the Safe executed {one.title} in {one.executed_in}"))
    for turn in turns:
        if breaker == _key(turn) and text(turn.body, "after") in _ENDED and turn.seq > effect.seq:
            found.append((instant(turn), text(turn.body, "reason")))
    for record in material.own:
        if record.kind is RecordKind.BREAKER and text(record.body, "trigger") == "lift" and record.seq > effect.seq:
            found.append((instant(record), text(record.body, "reason")))
    return min(found, key=lambda each: each[0].seq or 0, default=None)


def _breaker(material: Material, intent: str) -> tuple[str, str] | None:
    """The breaker that an intent tripped."""
    for record in material.own:
        if record.kind is RecordKind.INTENT and record.intent == intent:
            said = body_of(record.body.get("breaker"))
            return (text(said, "contract"), text(said, "id")) if said else None
    return None


def _key(turn: Record) -> tuple[str, str]:
    return text(turn.body, "contract"), text(turn.body, "id")


def _changes(body: Body) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    listed = objects(body_of(body.get("facts")).get("changes"))
    return tuple((text(one, "contract"), text(one, "asked"), texts(one, "args")) for one in listed)
