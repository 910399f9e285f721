"""A rule in words, as the recorded configuration has it: what it waits for, for how long, and what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from keeper.app.incidents.fields import Body, body_of, objects, text, texts
from keeper.app.incidents.story import Rule

_GROUPS: Final[Mapping[str, str]] = {"all": "all of", "any": "any of"}


def rule_of(document: object, market: str, name: str) -> Rule:
    """``document`` is that of a configuration's record. Never fails: what is not as expected is left out."""
    rule = body_of(body_of(body_of(body_of(body_of(document).get("markets")).get(market)).get("rules")).get(name))
    when, clear = body_of(rule.get("when")), body_of(rule.get("clear"))
    waits = _condition(when, "")
    if not waits:
        return Rule()
    words = [f"it trips when {waits}"]
    if ends := _condition(clear, text(when, "signal")):
        words.append(f"is clear again when {ends}")
    if unless := [each for one in objects(rule.get("unless")) if (each := _condition(one, ""))]:
        words.append(f"does not trip while {' or '.join(unless)}")
    if rule.get("schedule") is not None:
        words.append("trips at the times of its schedule only")
    if actions := texts(rule, "actions"):
        words.append(f"asks for {', '.join(actions)}")
    return Rule(", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0], _is_share(when))


def _condition(body: Body, signal: str) -> str:
    for key, words in _GROUPS.items():
        if key in body:
            return _held(body, f"{words} {_members(body, key)}")
    if "at_least" in body:
        return _held(body, f"at least {text(body, 'at_least')} of {_members(body, 'of')}")
    for side in ("above", "below"):
        if side in body:
            return _held(body, f"{text(body, 'signal') or signal} is {side} {_level(body, side)}")
    return ""


def _members(body: Body, key: str) -> str:
    return f"({'; '.join(each for one in objects(body.get(key)) if (each := _condition(one, '')))})"


def _held(body: Body, words: str) -> str:
    lasting = text(body, "for")
    return f"{words} for {lasting}" if lasting else words


def _level(body: Body, side: str) -> str:
    level = body.get(side)
    if isinstance(level, Mapping):
        return "what it is held against (" + ", ".join(f"{key} {text(level, key)}" for key in level) + ")"
    return text(body, side).replace("%", " %")


def _is_share(when: Body) -> bool:
    """All of its fixed thresholds are written as percents, so that its signals are shares."""
    single = [when] if "signal" in when else [one for key in ("all", "any", "of") for one in objects(when.get(key))]
    levels = [text(one, side) for one in single for side in ("above", "below") if side in one]
    return bool(levels) and all(one.endswith("%") for one in levels)
