"""The files of proposals, in a thread of its own: a folder that is locked or hangs keeps nothing else waiting, nor the end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Final

import structlog

from keeper.adapters.aside import ANSWER_S, Aside
from keeper.adapters.safe.files import file_name, put_aside, read_proposal, write_proposal
from keeper.config.model import SafeRoute
from keeper.domain.errors import UnitError, Unreachable
from keeper.domain.safe import SafeTransaction

READ_S: Final = 2.0
"""How long a new proposal waits for what a file of the same name says."""

Troubled = Callable[[Unreachable | None], None]


def to_the_log(error: Unreachable | None) -> None:
    """Where nobody keeps faults."""
    if error is not None:
        structlog.get_logger("keeper").error("a proposal could not be left as a file", error=error.message)


class Filing:
    """One route's folder. ``troubled`` hears why a file could not be left, and None when nothing is missing any more."""

    def __init__(self, route: SafeRoute, troubled: Troubled = to_the_log, within_s: float = ANSWER_S) -> None:
        self._folder = Path(route.files)
        self._troubled = troubled
        remedy = "look at `files` of the route: who holds it, and is the disk there?"
        self._aside = Aside(f"the folder {route.files}", within_s, remedy=remedy)
        self._reading = Aside(f"the folder {route.files}", within_s, remedy=remedy)
        self._missing: dict[str, tuple[SafeTransaction, str]] = {}
        self._ended: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._putting: asyncio.Task[None] | None = None

    async def leave(self, transaction: SafeTransaction, title: str) -> None:
        """Again keeps the signatures that are there. Raises nothing: people miss the file, and nothing else."""
        name = transaction.hash_text
        self._missing[name] = transaction, title
        try:
            await self._aside.run(lambda: write_proposal(self._folder, transaction, [title]))
        except Unreachable as error:
            self._troubled(error)
            return
        self._missing.pop(name, None)
        if not self._missing:
            self._troubled(None)

    def later(self, transaction: SafeTransaction, title: str) -> None:
        """The same, and nobody waits for it."""
        self._start(self.leave(transaction, title))

    def again(self, ended: Mapping[str, SafeTransaction]) -> None:
        """Leaves what could not be left, and puts aside the files of what ended, by its safeTxHash; nobody waits for it."""
        self._ended &= ended.keys()  # what was made anew may end again
        if self._tasks:
            return
        self._missing = {name: each for name, each in self._missing.items() if name not in ended}
        for transaction, title in self._missing.values():
            self.later(transaction, title)
        if new := [one for name, one in ended.items() if name not in self._ended]:
            self._putting = self._start(self._put_aside(new))

    async def signers(self, transaction: SafeTransaction) -> frozenset[str] | None:
        """Whose signatures its file has; None where that cannot be said in time. Waits for what is being put aside."""
        path = self._folder / file_name(transaction)

        def read() -> frozenset[str]:
            try:
                return frozenset(read_proposal(path).signatures) if path.exists() else frozenset()
            except UnitError:
                return frozenset()  # it is replaced, and nothing in it could be used

        try:
            async with asyncio.timeout(READ_S):
                if self._putting is not None:
                    await asyncio.wait({self._putting})
                return await self._reading.run(read)
        except (TimeoutError, Unreachable, OSError):
            return None

    async def _put_aside(self, ended: Collection[SafeTransaction]) -> None:
        def move() -> None:
            for one in ended:
                put_aside(self._folder, one)

        try:
            await self._aside.run(move)
        except (Unreachable, OSError) as error:
            structlog.get_logger("keeper").error("files of ended proposals are still there", error=str(error))
            return
        self._ended |= {one.hash_text for one in ended}

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
