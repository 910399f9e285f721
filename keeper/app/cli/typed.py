"""Commands as they must be typed where this program was started."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


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
