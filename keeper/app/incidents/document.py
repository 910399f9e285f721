"""The story as a JSON document: times ISO 8601 UTC, amounts as text, durations as numbers of milliseconds."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.adapters.audit.times import to_iso
from keeper.app.incidents.story import Action, Decided, Figure, Instant, Judgement, Moment, Proposal, Sent, Story
from keeper.app.incidents.words import summary_of

Document = dict[str, object]


def document(story: Story) -> Document:
    """Everything that is known of it."""
    onset = story.onset
    return {
        "id": story.id,
        "market": story.market or None,
        "state": story.state.value,
        "title": story.title,
        "summary": list(summary_of(story)),
        **judgement(story.judgement),
        "opened": when(story.opened),
        "closed": when(story.closed),
        "restored": when(story.restored),
        "restored_by": story.restored_words,
        "onset": {
            "at": when(onset.at),
            "value": onset.value,
            "threshold": onset.threshold,
            "blocks": onset.blocks,
            "why_not": onset.why,
        },
        "figures": [figure(one) for one in story.figures],
        "cost_wei": amount(story.cost_wei),
        "actions": [action(one) for one in story.actions],
        "decisions": [_decision(one) for one in story.decisions],
        "held": [_decision(one) for one in story.held],
        "proposals": [_proposal(one) for one in story.proposals],
        "people": [
            {"kind": one.kind, "words": one.words, "by": one.by, "at": when(one.at), "record": one.seq}
            for one in story.deeds
        ],
        "timeline": [moment(one) for one in story.moments],
        "course": [
            {
                "at": to_iso(one.at_ms),
                "block": one.block,
                "value": one.value,
                "threshold": one.threshold,
                "state": one.state,
                "record": one.seq,
            }
            for one in story.course
        ],
        "rule_in_words": story.meant.words or None,
        "as_of": when(story.as_of),
        "checked": checked(story),
        "log": _standing(story),
        "records": story.records,
        "whole": not story.cut,
        "not_known": list(story.gaps),
    }


def checked(story: Story) -> Document | None:
    """What of the log was looked at before the story was told; null: nothing."""
    one = story.checked
    if one is None:
        return None
    return {"ok": one.ok, "first": one.first, "last": one.last, "first_bad": one.bad, "problem": one.problem or None}


def when(at: Instant | None) -> Document | None:
    """A time with the clock that it is of."""
    if at is None:
        return None
    return {"time": to_iso(at.at_ms), "clock": at.source.value, "block": at.block, "record": at.seq}


def figure(one: Figure) -> Document:
    """``ms`` null: ``remark`` says why."""
    ms = None if one.ms is None else float(one.ms)
    return {"name": one.name, "label": one.label, "span": one.span, "ms": ms, "remark": one.note}


def amount(wei: int | None) -> str | None:
    return None if wei is None else str(wei)


def moment(one: Moment) -> Document:
    return {
        "at": when(one.at),
        "theme": one.theme.value,
        "kind": one.kind,
        "words": one.words,
        "record": one.seq,
    }


def judgement(one: Judgement) -> Document:
    return {
        "rule": one.rule,
        "signal": one.signal,
        "observed": one.observed,
        "threshold": one.threshold,
        "severity": one.severity,
        "reason": one.reason,
    }


def action(one: Action) -> Document:
    """One intent with its transactions, effect and outcome."""
    effect, ending = one.effect, one.ending
    return {
        "id": one.intent,
        "action": one.name,
        "kind": one.kind,
        "route": one.route,
        "way": one.way,
        "call": one.call,
        "args": list(one.args),
        "to": one.to,
        "at": when(one.at),
        "attempts": [_sent(each) for each in one.sent],
        "effect": None
        if effect is None
        else {
            "contract": effect.contract,
            "call": effect.call,
            "args": list(effect.args),
            "before": effect.before,
            "after": effect.after,
            "expected": effect.expected,
            "block": effect.block,
            "verified": effect.verified,
            "record": effect.seq,
        },
        "outcome": None
        if ending is None
        else {
            "kind": ending.kind,
            "reason": ending.reason,
            "message": ending.message,
            "remedy": ending.remedy,
            "tx_hash": ending.tx_hash or None,
            "block": ending.block,
            "record": ending.seq,
        },
        "proposals": list(one.proposals),
        "evidence": one.evidence or None,
        "cost_wei": amount(one.cost_wei),
        "figures": [figure(each) for each in one.figures],
    }


def _sent(one: Sent) -> Document:
    return {
        "number": one.number,
        "tx_hash": one.tx_hash,
        "sender": one.sender,
        "nonce": one.nonce,
        "signed": when(one.at),
        "answers": list(one.answers),
        "status": one.status,
        "block": one.block,
        "block_hash": one.block_hash or None,
        "gas_used": one.gas_used,
        "gas_price_wei": amount(one.gas_price_wei),
        "cost_wei": amount(one.cost_wei),
        "reorganised_away": one.gone,
    }


def _decision(one: Decided) -> Document:
    return {
        "id": one.id,
        "kind": one.kind,
        "reason": one.reason,
        "meaning": one.meaning,
        "action": one.action,
        **{key: value for key, value in judgement(one.judgement).items() if key != "reason"},
        "at": when(one.at),
        "nodes": one.testimony,
        "observations": [
            {
                "source": seen.source,
                "value": seen.value,
                "unit": seen.unit,
                "quality": seen.quality,
                "reason": seen.reason,
                "time": None if seen.at_ms is None else to_iso(seen.at_ms),
                "block": seen.block,
            }
            for seen in one.seen
        ],
    }


def _proposal(one: Proposal) -> Document:
    return {
        "hash": one.hash,
        "what": one.what,
        "title": one.title,
        "safe": one.safe,
        "made": when(one.made),
        "executed": when(one.executed),
        "executed_in": one.executed_in or None,
        "executed_ok": one.executed_ok,
        "steps": [{"step": step, "at": when(at), "words": words} for step, at, words in one.steps],
    }


def _standing(story: Story) -> Mapping[str, object]:
    one = story.standing
    return {
        "keeper": one.keeper,
        "version": one.version,
        "mode": one.mode,
        "chain_id": one.chain_id,
        "sender": one.sender,
        "started": when(one.started),
        "config_hash": one.config_hash,
        "first_record": one.first_seq,
        "last_record": one.last_seq,
        "head": one.head,
        "verified": one.verified,
        "checkpoint": one.checkpoint,
    }
