"""The loop of a running keeper: uvloop's where there is one, else Python's."""

from __future__ import annotations

import asyncio
import sys

import pytest

from keeper.app import event_loop

pytestmark = pytest.mark.unit


async def kind_of_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_run__uvloop_is_there__runs_in_it() -> None:
    pytest.importorskip("uvloop", reason="there is none for this system")
    assert event_loop.run(kind_of_loop()).startswith("uvloop")


def test_run__uvloop_cannot_be_imported__runs_in_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert event_loop.run(kind_of_loop()).startswith("asyncio")


def test_run__main_raises__raises_the_same() -> None:
    async def fail() -> None:
        raise LookupError("as it was")

    with pytest.raises(LookupError, match="as it was"):
        event_loop.run(fail())
