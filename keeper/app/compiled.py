"""Compiled code on disk is used only when it is newer than everything it was made from.

The compiler keeps what it made beside each module, and looks at that module alone to tell whether it is still right. A function of another
module that was compiled into it may have changed since: a clone that was updated would then run half of the old rules. So what is older
than the newest source is thrown away, before any of it is loaded.

Where that place cannot be written, or NUMBA_CACHE_DIR names another, it is kept elsewhere, and thrown away there.
"""

from __future__ import annotations

import contextlib
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
    """Where compiled code may be kept: beside the sources, and where the compiler says that it keeps that of each package."""
    from keeper.rules import threshold
    from keeper.signals import bank

    yield from (root / package for package in COMPILED)
    for function in (bank.missing, threshold.judge):
        if (folder := function.stats.cache_path) is not None:
            yield Path(folder)
