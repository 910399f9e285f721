"""Waits for what another thread or task does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], object]) -> None:
    """Returns once it holds; the test's own time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - no event is told of it
        await asyncio.sleep(0.005)
