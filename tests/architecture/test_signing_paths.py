"""No path signs around the mandates: who asks a key for a signature, and who gets one to ask."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import keeper

pytestmark = pytest.mark.architecture

ROOT = Path(keeper.__file__).parent
BY_HAND = "app/cli/own_transaction.py"
"""A person at a terminal, with a key of their own."""
MADE = ("Pen", "MandatedSigner", "Lanes")


def sources(*words: str) -> Iterator[tuple[str, ast.Module]]:
    """Those that have one of the words; the others need not be understood."""
    for path in ROOT.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in words):
            yield path.relative_to(ROOT).as_posix(), ast.parse(text)


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def places_that_sign() -> set[str]:
    """Where something that is called a signer is asked to sign a transaction."""
    return {
        place
        for place, tree in sources(".sign(")
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "sign"
        if "signer" in ast.unparse(call.func.value).lower()
    }


def test_sign__is_asked_for__by_the_pen_the_mandate_and_by_hand_alone() -> None:
    found = {place for place in places_that_sign() if not place.startswith("adapters/signing/")}
    assert found == {"execution/pen.py", "execution/mandate.py", BY_HAND}


def test_pens_and_mandated_keys__are_made__in_one_place() -> None:
    made = {
        (call.func.id, place)
        for place, tree in sources(*(f"{name}(" for name in MADE))
        for call in calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id in MADE
    }
    assert made == {
        ("Pen", "execution/lanes.py"),
        ("MandatedSigner", "execution/lanes.py"),
        ("Lanes", "execution/executor.py"),
    }


def test_keys_of_the_edges__are_taken_from_them__where_they_get_their_mandates_alone() -> None:
    taken = {
        place
        for place, tree in sources("edges.signer", "edges.lanes")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("signer", "lanes") and "edges" in ast.unparse(node.value)
    }
    assert taken == {"execution/lanes.py"}
