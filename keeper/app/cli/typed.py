"""Commands as they must be typed where this program was started."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

FOLD_AT = 74
"""Columns of a command's line, so that it fits 80 with an indent of 4 and the sign that it goes on."""


def keeper_command() -> str:
    """How this program is called here: by name when that finds it or it is no file, else by its path."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{typed(Path(sys.executable))} -m keeper"
    found = shutil.which("keeper")
    if not started.is_file() or (found is not None and Path(found).samefile(started)):
        return "keeper"
    return typed(started)


def typed(path: Path) -> str:
    """The path for a shell, relative where it lies below the current folder."""
    path, here = path.absolute(), Path.cwd()
    text = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return shlex.quote(text if "/" in text else f"./{text}")


def folded(*words: str) -> str:
    """One command of these words, each ready for a shell, on lines that a shell joins; a line is longer than FOLD_AT only where one word is."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > FOLD_AT:
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)
