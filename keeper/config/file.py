"""The bytes of a configuration, from a file or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from keeper.config.problems import FILE, fail
from keeper.config.tree import MAX_BYTES

STDIN = "-"


def own_file(path: str | Path) -> str:
    """The configuration's own file, absolute; empty where it comes from standard input."""
    return "" if str(path) == STDIN else str(Path(path).absolute())


def read_bytes(path: str | Path, stdin: BinaryIO | None = None) -> tuple[bytes, Path]:
    """The file's content (cut just above the largest allowed size) and the folder that it is in. Raises ConfigurationError."""
    if str(path) == STDIN:
        given = stdin or (sys.stdin.buffer if sys.stdin is not None else None)
        return given.read(MAX_BYTES + 1) if given is not None else b"", Path.cwd()
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1), Path(path).absolute().parent
    except FileNotFoundError:
        raise fail(FILE, None, str(path), "there is no such file", "keeper init writes one to start from") from None
    except IsADirectoryError:
        raise fail(FILE, None, str(path), "this is a folder", "name the file in it, such as keeper.yaml") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not the name of a file"
        raise fail(FILE, None, str(path), f"the file cannot be read: {reason}") from None
