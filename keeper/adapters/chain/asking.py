"""One question, several nodes: the next one is asked when the last one fails or is slow, and the first answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from keeper.domain.errors import OutsideError

T = TypeVar("T")


async def first_answer(
    asks: Sequence[Callable[[], Coroutine[Any, Any, T]]],
    *,
    slow_s: float,
    is_final: Callable[[OutsideError], bool],
    on_slow: Callable[[int], None],
) -> T:
    """The first answer. A node that has not answered within ``slow_s`` stays in the race while the next one is asked.

    ``is_final`` says which errors are answers too, and end the race; ``on_slow`` is told the place of a node that was slow.
    Raises the error of the first node when none answers. Whoever still runs is cancelled in the end.
    """
    running: dict[asyncio.Task[T], int] = {}
    errors: dict[int, OutsideError] = {}
    begun = 0
    try:
        while len(errors) < len(asks):
            if not running:
                running[asyncio.ensure_future(asks[begun]())] = begun
                begun += 1
            more = begun < len(asks)
            done, _ = await asyncio.wait(running, timeout=slow_s if more else None, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                on_slow(begun - 1)
                running[asyncio.ensure_future(asks[begun]())] = begun
                begun += 1
            for task in done:
                place = running.pop(task)
                try:
                    return task.result()
                except OutsideError as error:
                    if is_final(error):
                        raise
                    errors[place] = error
        raise errors[min(errors)]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
