"""A file that gets one line for each checkpoint: a flat JSON object, as ``keeper.domain.checkpoint.to_document`` writes it.

Best on a disk of another machine, or on one that only takes additions.
"""

from __future__ import annotations

import json
import os
import re
import stat
from functools import partial
from pathlib import Path
from typing import Final

from keeper.adapters.aside import Aside
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint, from_document, to_document
from keeper.domain.errors import Unreachable

MODE: Final = 0o644
"""No secret: whoever wants to hold the log against it may read it."""
TAIL_BYTES: Final = 256 * 1024
"""How much of the end is looked at for the last line of a log: some hundred lines, where several keepers write to one file."""
NOT_OURS: Final = "give the witness a file of its own in `audit.checkpoints.witnesses`: this one is left as it is"
REMEDY: Final = "look at the file of `audit.checkpoints.witnesses`: is its disk there, may the keeper write to it?"
_NAMES: Final = "|".join(to_document(SignedCheckpoint(Checkpoint(1, 1, "", "", "", "", 1, "", ""), "")))
_TEXT: Final = r'"(?:[^"\\\n]|\\.)*'
_BEGINNING: Final = re.compile(
    rf'(?:\{{(?:"(?:{_NAMES})":(?:\d+|{_TEXT}"),)*(?:"[a-z_]{{0,10}}|"(?:{_NAMES})":?|"(?:{_NAMES})":(?:\d+|{_TEXT}\\?"?)\}}?)?)?'.encode()
)
"""Of the line of a checkpoint, wherever it was cut."""


class FileWitness:
    """Implements ``keeper.ports.witness.Witness``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = Aside(self.name, remedy=REMEDY)  # a disk of another machine may hang

    @property
    def name(self) -> str:
        return f"the file {self._path}"

    async def last(self, genesis: str) -> int:
        return await self._aside.run(partial(self._last, genesis))

    async def keep(self, signed: SignedCheckpoint) -> None:
        line = json.dumps(to_document(signed), separators=(",", ":"), sort_keys=True)
        await self._aside.run(partial(self._add, line.encode("ascii")))

    async def close(self) -> None:
        """Nothing is held open."""

    def _last(self, genesis: str) -> int:
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._failed(error) from None
        for line in reversed(lines):
            checkpoint = _read(line)
            if checkpoint is not None and checkpoint.checkpoint.genesis == genesis:
                return checkpoint.checkpoint.number
        return 0

    def _add(self, line: bytes) -> None:
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            handle = os.open(self._path, flags, MODE)
            try:
                text = self._new_line(handle) + line + b"\n"
                if os.write(handle, text) != len(text):
                    raise OSError(0, "the line was written in part only: is the disk full?")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> Unreachable:
        return Unreachable(f"{self.name}: {error.strerror or type(error).__name__}", remedy=REMEDY)

    def _new_line(self, handle: int) -> bytes:
        """What must stand before the next line. A piece that an earlier write left is taken away, but where the disk only takes additions.

        Raises Unreachable for a file whose lines are no checkpoints: it is somebody else's, and nothing of it is touched.
        """
        about = os.fstat(handle)
        start = max(0, about.st_size - TAIL_BYTES)
        tail = os.pread(handle, about.st_size - start, start) if stat.S_ISREG(about.st_mode) else b"?"
        whole = tail.rfind(b"\n") + 1
        lines = tail[:whole].split(b"\n")[1 if start else 0 : -1]  # the first may be cut where it was read from
        if not (all(_is_ours(line) for line in lines) and _may_be_torn(tail[whole:])) or (start and not lines):
            raise Unreachable(f"{self.name} holds something else than checkpoints", remedy=NOT_OURS)
        if whole == len(tail):
            return b""
        if _read(tail[whole:]) is not None:
            return b"\n"  # only its end is missing
        try:
            os.ftruncate(handle, start + whole)
        except OSError:
            return b"\n"
        return b""


def _is_ours(line: bytes) -> bool:
    """A checkpoint; or the piece of one, where the disk only takes additions."""
    return _read(line) is not None or _may_be_torn(line)


def _may_be_torn(data: bytes) -> bool:
    """Whether a checkpoint's line may begin like that. Of what a key file holds, nothing does."""
    return bool(_BEGINNING.fullmatch(data))


def _read(line: bytes) -> SignedCheckpoint | None:
    """None for a line that is torn, or is no checkpoint."""
    try:
        found = json.loads(line)
        return from_document(found) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None
