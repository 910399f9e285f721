"""A folder: one JSON file for each order and signer, so that whatever carries files carries orders between separate operators."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from keeper.adapters.aside import Aside
from keeper.adapters.orders.document import LARGEST, from_text, to_text
from keeper.adapters.whole_file import write_whole
from keeper.domain.errors import UnitError, Unreachable
from keeper.domain.order import SignedOrder
from keeper.domain.text import printable
from keeper.ports.orders import OrderPage, Skipped

SUFFIX = ".json"
MOST_FILES = 2_000
"""So many are read at most; an order and its signatures are a handful, so that more is a mistake or an attack."""
_OWN_NAME: Final = re.compile(r"[0-9a-f]{64}-0x[0-9a-fA-F]{40}\.json")
"""As ``file_name`` makes them: they are read first, so that files of other names do not crowd them out."""

_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was found in a file that looked like this."""

    stamp: _Stamp
    found: SignedOrder | str


class FileOrderBook:
    """Implements ``keeper.ports.orders.OrderBook``. The folder is made when the first order is put."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, _Read] = {}
        self._closed = False
        self._aside = Aside(
            f"the folder of orders {folder}",
            remedy="look at `orders` of the route: is the disk mounted, the network open?",
        )

    async def put(self, signed: SignedOrder) -> None:
        self._check_open()
        await self._aside.run(partial(self._put, signed))

    async def look(self, since_s: int) -> OrderPage:
        self._check_open()
        return await self._aside.run(partial(self._look, since_s))

    async def close(self) -> None:
        self._closed = True

    def _put(self, signed: SignedOrder) -> None:
        try:
            write_whole(self._folder / file_name(signed), to_text(signed))
        except OSError as error:
            raise self._unreachable("written", error) from None

    def _look(self, since_s: int) -> OrderPage:
        try:
            found = [entry.name for entry in os.scandir(self._folder) if entry.name.endswith(SUFFIX)]
        except FileNotFoundError:
            return OrderPage(())
        except OSError as error:
            raise self._unreachable("read", error) from None
        names = sorted(found, key=lambda name: (_OWN_NAME.fullmatch(name) is None, name))
        skipped = []
        if len(names) > MOST_FILES:
            skipped.append(Skipped(str(self._folder), f"more than {MOST_FILES} files: the others are not read"))
        self._read = {name: self._file(name) for name in names[:MOST_FILES]}
        signed: dict[tuple[bytes, str], SignedOrder] = {}
        for name, read in self._read.items():
            if isinstance(read.found, str):
                skipped.append(Skipped(printable(name), read.found))
            elif read.found.order.deadline_s >= since_s:
                signed[read.found.order.digest, read.found.signer] = read.found
        return OrderPage(tuple(signed.values()), tuple(skipped))

    def _file(self, name: str) -> _Read:
        """Read again only when it looks different. Never follows a link, and never waits for what is no plain file."""
        try:
            handle = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            return _Read((0, 0, 0, 0), f"it cannot be opened ({type(error).__name__})")
        try:
            about = os.fstat(handle)
            stamp = about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
            known = self._read.get(name)
            if known is not None and known.stamp == stamp:
                return known
            if not stat.S_ISREG(about.st_mode):
                return _Read(stamp, "it is not a plain file")
            try:
                return _Read(stamp, from_text(os.read(handle, LARGEST + 1)))
            except UnitError as error:
                return _Read(stamp, printable(error.message))
            except OSError as error:
                return _Read(stamp, f"it cannot be read ({type(error).__name__})")
        finally:
            os.close(handle)

    def _unreachable(self, what: str, error: OSError) -> Unreachable:
        return Unreachable(
            f"the folder of orders {self._folder} cannot be {what} ({type(error).__name__})",
            remedy="look at the folder in `orders` of the route: is it there, may the keeper read and write it?",
        )

    def _check_open(self) -> None:
        if self._closed:
            raise Unreachable("the order book is closed")


def file_name(signed: SignedOrder) -> str:
    """Of the digest and the signer, so that no two keepers write the same file."""
    return f"{signed.order.digest.hex()}-{signed.signer}{SUFFIX}"
