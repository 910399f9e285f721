"""Several observers are as one: each hears of everything, and one that fails keeps nothing from the others."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from keeper.app.observer import Observer, Observers

pytestmark = pytest.mark.unit

METHODS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")]


class Hears(Observer):
    def __init__(self) -> None:
        self.all_heard: list[tuple[str, tuple[object, ...]]] = []


class Fails(Observer):
    pass


def _add(name: str) -> None:
    def hear(self: Hears, *args: object) -> None:
        self.all_heard.append((name, args))

    def fail(self: Fails, *args: object) -> None:
        raise RuntimeError(name)

    setattr(Hears, name, hear)
    setattr(Fails, name, fail)


for each in METHODS:
    _add(each)


@pytest.mark.parametrize("name", METHODS)
def test_observers__one_fails__the_other_hears_it_all_the_same(name: str) -> None:
    last = Hears()
    several = Observers([Fails(), last])
    method: Any = getattr(several, name)
    given = tuple(f"{parameter}" for parameter in inspect.signature(method).parameters)
    method(*given)
    assert last.all_heard == [(name, given)]


@pytest.mark.parametrize("name", METHODS)
def test_observer__by_default__does_nothing_with_what_it_hears(name: str) -> None:
    method: Any = getattr(Observer(), name)
    assert method(*inspect.signature(method).parameters) is None
