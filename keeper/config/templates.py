"""``{name}`` in a text: the variables of a market, put into the arguments of its actions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.config.problems import nearest
from keeper.config.shape import NAME, Bad

MAX_LENGTH = 8_192
"""Variables that hold each other could double without end."""
MAX_NESTING = 32

_VARIABLE = re.compile(r"\{(" + NAME.pattern + r")\}")


@dataclass(frozen=True, slots=True)
class Cycle(Exception):
    """``names`` is the way round, the first one again at its end."""

    names: tuple[str, ...]


def is_template(text: str) -> bool:
    return "{" in text or "}" in text


def only_variable(text: str) -> str | None:
    """The variable that is the whole text, if it is one."""
    match = _VARIABLE.fullmatch(text)
    return match.group(1) if match else None


def check(text: str) -> None:
    """Raises Bad when a brace stands alone."""
    rest = _VARIABLE.sub("", text)
    if "{" in rest or "}" in rest:
        raise Bad(
            "a brace without its other half, or no name between them", 'write "{id}" for the variable id of the market'
        )


def fill(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables put in. Raises Bad for one that is not there, and for a result that is too long."""
    check(text)
    for name in _VARIABLE.findall(text):
        if name not in variables:
            raise Bad(f"no variable {name}", nearest(name, variables) if variables else "the market has no vars")
    filled = _VARIABLE.sub(lambda match: variables[match.group(1)], text)
    if len(filled) > MAX_LENGTH:
        raise Bad(f"longer than {MAX_LENGTH} characters with its variables put in", "shorten it")
    return filled


def resolve(name: str, raw: Mapping[str, str], done: dict[str, str], open_: tuple[str, ...] = ()) -> str:
    """The variable with every variable inside it put in; ``done`` keeps what is known. Raises Bad and Cycle."""
    if name in done:
        return done[name]
    if name in open_:
        raise Cycle((*open_[open_.index(name) :], name))
    if len(open_) >= MAX_NESTING:
        raise Bad(f"variables inside variables, more than {MAX_NESTING} deep", "write some of them out")
    check(raw[name])
    for inner in _VARIABLE.findall(raw[name]):
        if inner in raw:
            resolve(inner, raw, done, (*open_, name))
    done[name] = fill(raw[name], done)
    return done[name]
