"""Texts in the configuration that become values in each market, once its variables are put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.config import templates
from keeper.config.calls import literal
from keeper.config.kinds import RAW
from keeper.config.problems import shown
from keeper.config.shape import Bad, Cursor
from keeper.config.tree import Scalar


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one market: ``values`` with everything put in, ``places`` where each is written."""

    values: Mapping[str, str]
    places: Mapping[str, Cursor]

    def place(self, text: str) -> Cursor | None:
        """Where the value comes from when the text is nothing but one variable: a mistake in it is told there, once."""
        place = None
        while (name := templates.only_variable(text)) in self.places:
            place = self.places[str(name)]
            text = place.node.text if isinstance(place.node, Scalar) else ""
        return place


@dataclass(frozen=True, slots=True)
class Slot:
    """A text that must be a value of the type; with variables in it, only in a market can be told whether it is."""

    text: str
    type_name: str
    at: Cursor


def read_slot(cursor: Cursor, type_name: str) -> Slot:
    """The text at this place, after noting what is wrong with it whatever the market."""
    text = cursor.read(RAW)
    try:
        if templates.is_template(text) and type_name != "":
            templates.check(text)
        elif text:
            text = literal(type_name, text)
    except Bad as bad:
        cursor.problem(bad.message, bad.hint)
    return Slot(text, type_name, cursor)


def bind_slot(slot: Slot, market: str, variables: Variables) -> str:
    """The value in this market; empty after noting what does not fit."""
    if not templates.is_template(slot.text):
        return slot.text
    try:
        filled = templates.fill(slot.text, variables.values)
    except Bad as bad:
        misfit(slot, market, bad.message, bad.hint)
        return ""
    try:
        return literal(slot.type_name, filled)
    except Bad as bad:
        place = variables.place(slot.text)
        if place:
            place.problem(f"{bad.message}, which an action of this market needs", bad.hint)
        else:
            misfit(slot, market, f"this is {shown(filled)}: {bad.message}", bad.hint)
        return ""


def misfit(slot: Slot, market: str, message: str, hint: str) -> None:
    """Notes what is wrong with the value that it has in this market."""
    at = slot.at
    found = at.node.text if isinstance(at.node, Scalar) else ""
    at.context.report.add_in(market, at.path, at.line, found, message, hint)
