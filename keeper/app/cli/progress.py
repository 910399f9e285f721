"""How far long work is."""

from __future__ import annotations

import sys

from keeper.app.cli.output import Output


class Progress:
    """One line on standard error that is written over, on a terminal only."""

    def __init__(self, output: Output) -> None:
        self._on = sys.stderr.isatty() and output.verbosity >= 0

    def say(self, text: str) -> None:
        if self._on:
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()

    def end(self) -> None:
        if self._on:
            sys.stderr.write("\r\x1b[K")
