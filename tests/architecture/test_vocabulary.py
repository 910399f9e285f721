"""The shapes that everything else stands on: errors, outcomes, ports."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Protocol

import pytest

import keeper
import keeper.ports
from keeper.domain import errors, outcome

pytestmark = pytest.mark.architecture

METHODS_MAX = 5


def drawn_tree() -> dict[str, str]:
    """Each error's parent, as the picture at the top of errors.py shows it."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        text = line.strip("│├└─ ")
        name = text.split(" ", 1)[0]
        if not name.endswith(
            (
                "Error",
                "Unreachable",
                "Refused",
                "Answer",
                "Chain",
                "Transition",
                "Unavailable",
                "Migrated",
                "Open",
                "Running",
                "Busy",
                "Interrupted",
                "Away",
                "Lost",
            )
        ):
            continue
        if not (line.startswith("    ") and name.isidentifier()):
            continue
        column = line.index(name)
        above = [entry for entry in above if entry[0] < column]
        parents[name] = above[-1][1] if above else ""
        above.append((column, name))
    return parents


def real_tree() -> dict[str, str]:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.KeeperError)]
    return {kind.__name__: kind.__bases__[0].__name__ if kind is not errors.KeeperError else "" for kind in kinds}


def test_error_tree__as_drawn__is_the_classes() -> None:
    assert drawn_tree() == real_tree()


def test_error_tree__every_class__explains_itself_in_its_docstring() -> None:
    for name in real_tree():
        assert (getattr(errors, name).__doc__ or "").strip(), name


def test_errors__that_a_module_adds__stand_under_a_branch_of_the_tree() -> None:
    """Whoever catches what the tree shows catches them too; the root itself is nobody's direct parent elsewhere."""
    stray = []
    for module in pkgutil.walk_packages(keeper.__path__, "keeper."):
        if module.name == "keeper.__main__":
            continue
        for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if kind.__module__ == module.name != "keeper.domain.errors" and issubclass(kind, errors.KeeperError):
                parents = {base.__name__ for base in kind.__mro__[1:]} & real_tree().keys()
                if not name.startswith("_") and not parents - {"KeeperError"}:
                    stray.append(f"{module.name}.{name}")
    assert stray == []


def test_final_outcomes__are_exactly_these() -> None:
    assert {str(kind) for kind in outcome.FINAL_OUTCOMES} == {
        "dry-run",
        "included",
        "reverted",
        "expired",
        "superseded",
        "failed",
    }


def test_outcomes__that_are_not_final__are_exactly_these() -> None:
    assert {str(kind) for kind in set(outcome.OutcomeKind) - outcome.FINAL_OUTCOMES} == {"submitted"}


def ports() -> list[type]:
    found = []
    for module in pkgutil.iter_modules(keeper.ports.__path__, "keeper.ports."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if kind.__module__ == module.name and Protocol in kind.__bases__:
                found.append(kind)
    return found


def test_ports__are_found() -> None:
    assert {"ChainReader", "FeedSource", "Signer", "Route", "AuditStore", "Clock", "Notifier"} <= {
        port.__name__ for port in ports()
    }


@pytest.mark.parametrize("port", ports(), ids=lambda port: port.__name__)
def test_port__has_at_most_five_methods_each_documented(port: type) -> None:
    methods = {name: member for name, member in vars(port).items() if not name.startswith("_")}
    assert 0 < len(methods) <= METHODS_MAX
    undocumented = [name for name, member in methods.items() if not inspect.getdoc(member)]
    assert undocumented == []
