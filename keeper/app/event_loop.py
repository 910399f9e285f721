"""The event loop of a running keeper: uvloop's where it is installed, which it is on every system that has one; else Python's own.

A trip passes through the loop about fifteen times (frames in, frames out, the writing thread and back). uvloop does each of these
in C: a quarter of a millisecond of a trip of four. See docs/decisions/0007.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The quickest loop that there is here."""
    try:
        import uvloop
    except ImportError:  # Windows, and any Python but CPython
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, in that loop."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
