"""A reviewed file (scripts/deploy_params/README.md) to values: every problem at once, each with its place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from keeper.domain.abi_codec import integer_range
from keeper.domain.breaker_registration import Side
from keeper.domain.errors import ConfigurationError, Problem
from scripts import breaker_limits as limits
from scripts.breaker_fields import BREAKER, Fields, one_word
from scripts.breaker_model import ZERO, Bound, Breaker, Called, Params, Probe, Right, digest

SCHEMA = 1
_SIDES = {side.name.lower(): int(side) for side in Side}
_UINT256 = 2**256 - 1


def load(path: Path) -> Params:
    """The file, checked. Raises ConfigurationError with every problem."""
    text = _read(path)
    return read(text, chain_id=_chain_of(path))


def fill(path: Path) -> str:
    """The file's text with every calldata made anew from the readable form. Raises ConfigurationError for what else is wrong."""
    value = _parse(_read(path))
    problems: list[Problem] = []
    _params(Fields(value, "", problems, fill=True), "", problems, _chain_of(path))
    _raise(problems)
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read(text: bytes, *, chain_id: int | None = None) -> Params:
    """The text of a file; ``chain_id`` is what its name says (None: any). Raises ConfigurationError."""
    problems: list[Problem] = []
    params = _params(Fields(_parse(text), "", problems), digest(text), problems, chain_id)
    _raise(problems)
    return params


def _params(top: Fields, sha256: str, problems: list[Problem], chain_id: int | None) -> Params:
    top.number("schema", SCHEMA, SCHEMA)
    found_id = top.number("chain_id", 1, 2**53 - 1)
    if chain_id not in (None, found_id):
        top.wrong("chain_id", f"{found_id} is not the chain that the file's name says: {chain_id}")
    name, deployer, council = top.name("name"), top.address("deployer"), top.address("council")
    guardian = top.address("guardian", zero=True)
    silence_limit_s = top.number("silence_limit_s", *limits.SILENCE_S)
    keepers = top.addresses("keepers")
    breakers = tuple(_breaker(fields, len(keepers)) for fields in top.children("breakers"))
    rights = tuple(_right(fields) for fields in top.children("rights"))
    top.done()
    if not keepers:
        top.wrong("keepers", "without a keeper nothing can trip")
    if not breakers:
        top.wrong("breakers", "there is none")
    names = [one.name for one in breakers]
    for index, one in enumerate(names):
        if one in names[:index]:
            top.wrong(f"breakers[{index}].id", f"{one!r} is the id of another breaker too")
    _check_values(top, breakers)
    return Params(name, found_id, deployer, council, guardian, silence_limit_s, keepers, breakers, rights, sha256)


def _breaker(fields: Fields, keepers: int) -> Breaker:
    name, target, safe = fields.name("id"), fields.address("target"), fields.address("safe", zero=True)
    if target == safe != ZERO:
        fields.wrong("safe", "the Safe cannot be its own target")
    bounds = tuple(_bound(one) for one in fields.children("bounds")) if fields.has("bounds") else ()
    probe = _probe(fields.child("probe")) if fields.has("probe") else None
    stars = frozenset(bound.word for bound in bounds)
    call, undo = _guarded(fields.child("call"), stars), _guarded(fields.child("undo"), stars)
    _check_bounds(fields, bounds, call, undo)
    if probe is None and all(bound.side is Side.KEPT for bound in bounds):
        fields.wrong("probe", "nothing would show that a trip took effect", "add a probe, or a bound that moves")
    required = fields.number("required", *limits.REQUIRED)
    if required > keepers:
        fields.wrong("required", f"{required} keepers must sign and there are {keepers}")
    breaker = Breaker(
        name=name,
        target=target,
        safe=safe,
        call=call,
        undo=undo,
        probe=probe,
        bounds=bounds,
        duration_s=fields.number("duration_s", *limits.DURATION_S),
        cooldown_s=fields.number("cooldown_s", *limits.COOLDOWN_S),
        window_s=fields.number("window_s", *limits.WINDOW_S),
        budget=fields.number("budget", *limits.BUDGET),
        required=required,
        lock_s=fields.number("lock_s", *limits.LOCK_S),
    )
    fields.done()
    return breaker


def _guarded(fields: Fields, stars: frozenset[int]) -> Called:
    """The trip, or the undo."""
    called = fields.called(stars)
    if len(called.data) > 4 + 32 * limits.MAX_WORDS:
        fields.wrong("arguments", f"the call has more than {limits.MAX_WORDS} words")
    fields.done()
    return called


def _probe(fields: Fields) -> Probe:
    target, view = fields.address("target"), fields.called()
    word = _word(fields, "word", view.outputs, "results")
    expected = bytes(32)
    if word is None:
        fields.has("expected")
        fields.has("expected_word")
    else:
        expected = fields.value("expected", view.outputs[word])
        fields.hex("expected_word", expected)
    fields.done()
    return Probe(target, view, word or 0, expected)


def _bound(fields: Fields) -> Bound:
    inner = fields.child("view")
    target, view = inner.address("target"), inner.called()
    answer_word = _word(inner, "answer_word", view.outputs, "results")
    inner.done()
    side = Side(fields.choice("side", _SIDES))
    word = fields.number("word", 0, limits.MAX_WORDS - 1)
    step, minimum, maximum = 0, 0, 0
    if side is not Side.KEPT:
        step = fields.number("max_step_bps", *limits.STEP_BPS)
        minimum = fields.number("minimum", 1 if side is Side.LOWER else 0, _UINT256)
        maximum = fields.number("maximum", 0, _UINT256)
        if minimum > maximum:
            fields.wrong("minimum", f"{minimum} is above the maximum {maximum}")
        if answer_word is not None and not view.outputs[answer_word].startswith("uint"):
            inner.wrong("answer_word", f"{view.outputs[answer_word]} is not an unsigned number")
    fields.done()
    return Bound(target, view, word, answer_word or 0, side, step, minimum, maximum)


def _word(fields: Fields, key: str, kinds: tuple[str, ...], what: str) -> int | None:
    """A word of an answer; None when there is no such word, or it does not hold its value."""
    word = fields.number(key, 0, 255)
    if word >= len(kinds):
        fields.wrong(
            key, f"the function names {len(kinds)} {what}, counted from 0", "write paused(bytes32)(bool) or the like"
        )
        return None
    if not one_word(kinds[word]):
        fields.wrong(key, f"{kinds[word]} is not in one word")
        return None
    return word


def _check_bounds(fields: Fields, bounds: tuple[Bound, ...], call: Called, undo: Called) -> None:
    """Bounds ascend by word, and each word is one argument of both calls that can hold the bound."""
    if len(bounds) > limits.MAX_BOUNDS:
        fields.wrong("bounds", f"{len(bounds)} are more than {limits.MAX_BOUNDS}")
    for index, bound in enumerate(bounds):
        if index and bound.word <= bounds[index - 1].word:
            fields.wrong(f"bounds[{index}].word", "bounds stand in ascending order of their words, each word once")
        for key, called in (("call", call), ("undo", undo)):
            if called.data and (problem := _unfit(bound, called)):
                fields.wrong(f"bounds[{index}].word", f"{problem} of {key}")


def _check_values(top: Fields, breakers: tuple[Breaker, ...]) -> None:
    """One bound of one breaker moves each value, told by the view that shows it: the contract refuses a second (ValueTaken)."""
    moved_at: dict[tuple[str, bytes, int], str] = {}
    for index, one in enumerate(breakers):
        for number, bound in enumerate(one.bounds):
            if bound.side is Side.KEPT or not bound.view.data:
                continue
            path = f"breakers[{index}].bounds[{number}].view"
            first = moved_at.setdefault((bound.target, bound.view.data, bound.answer_word), path)
            if first != path:
                top.wrong(
                    path,
                    f"{first} is the same view, word {bound.answer_word} of {bound.view.text}: a value is moved by one bound only",
                    'leave one of them out, or make it "kept"',
                )


def _unfit(bound: Bound, called: Called) -> str:
    """Why the bound's word cannot be filled; empty when it can."""
    if bound.word >= len(called.inputs):
        return f"there is no argument {bound.word} (counted from 0)"
    kind = called.inputs[bound.word]
    if bound.side is Side.KEPT:
        return "" if one_word(kind) else f"{kind} is not in one word, as argument {bound.word}"
    limit = integer_range(kind)
    if limit is None or not kind.startswith("uint"):
        return f"{kind} is not an unsigned number, as argument {bound.word}"
    return "" if bound.maximum <= limit[1] else f"the maximum does not fit in {kind}, as argument {bound.word}"


def _right(fields: Fields) -> Right:
    by, target, called = fields.address("by"), fields.address("target"), fields.called(breaker=True)
    fields.done()
    places = fields.places("arguments", BREAKER)
    if len(places) != 1 or (called.data and called.inputs[places[0]] != "address"):
        fields.wrong("arguments", f'exactly one argument, an address, is "{BREAKER}"')
        return Right(by, target, called.text, called.data, b"")
    at = 4 + 32 * places[0] + 12
    return Right(by, target, called.text, called.data[:at], called.data[at + 20 :])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _one(
            str(path), f"cannot be read: {error.strerror}", "write it first: scripts/deploy_params/README.md"
        ) from None


def _parse(text: bytes) -> Any:
    """JSON in which no key stands twice in an object."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := [key for index, key in enumerate(keys) if key in keys[:index]]:
            raise _one(twice[0], "this key stands twice in one object")
        return dict(pairs)

    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise _one(f"line {error.lineno}", f"this is not JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise _one("the file", "this is not JSON in UTF-8") from None


def _chain_of(path: Path) -> int | None:
    return int(path.stem) if re.fullmatch(r"[1-9][0-9]*", path.stem) else None


def _one(path: str, message: str, remedy: str = "") -> ConfigurationError:
    return ConfigurationError((Problem(path, None, "", message, remedy),))


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise ConfigurationError(tuple(problems))
