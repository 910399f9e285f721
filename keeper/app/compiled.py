"""Compiled code on disk is used only when it is newer than everything it was made from.

The compiler keeps what it made beside each module, and looks at that module alone to tell whether it is still right. A function of another
module that was compiled into it may have changed since: a clone that was updated would then run half of the old rules. So what is older
than the newest source is thrown away, before any of it is loaded.

Where that place cannot be written, or NUMBA_CACHE_DIR names another, it is kept elsewhere, and thrown away there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import keeper

COMPILED = ("signals", "rules", "engine")
"""The packages that hold compiled functions."""


def forget_outdated() -> int:
    """Removes what was compiled before the last change; gives the number of files. A folder that cannot be written is left alone."""
    root = Path(keeper.__file__).parent
    sources = [file.stat().st_mtime_ns for package in COMPILED for file in (root / package).rglob("*.py")]
    newest, gone = max(sources, default=0), 0
    for folder in _folders(root):
        for index in folder.rglob("*.nbi"):
            with contextlib.suppress(OSError):
                if index.stat().st_mtime_ns <= newest:
                    index.unlink()
                    gone += 1
    return gone


def _folders(root: Path) -> Iterator[Path]:
    """Where compiled code may be kept; the compiler is asked (and loaded) only where it cannot be beside the sources alone."""
    beside = [root / package for package in COMPILED]
    yield from beside
    places = [pycache if (pycache := folder / "__pycache__").exists() else folder for folder in beside]
    if "NUMBA_CACHE_DIR" in os.environ or not all(os.access(place, os.W_OK) for place in places):
        from keeper.rules import threshold
        from keeper.signals import bank

        yield from (Path(function.stats.cache_path) for function in (bank.missing, threshold.judge))
