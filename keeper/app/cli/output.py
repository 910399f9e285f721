"""What a command prints: one JSON document or text for people on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Document = Mapping[str, object] | Sequence[object]


@dataclass(slots=True)
class Output:
    """``verbosity`` -1 quiet, 0 normal, 1 and more: more log lines. Colour only on a terminal, and never when NO_COLOR is set (rich looks)."""

    as_json: bool = False
    verbosity: int = 0
    answered: bool = False
    """A document was printed."""
    _console: Console | None = field(default=None, repr=False)

    @property
    def console(self) -> Console:
        """Standard output for people; nothing reaches it when the answer is JSON."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=self.as_json, quiet=self.as_json, highlight=False, soft_wrap=True)
        return self._console

    def say(self, text: str = "", style: str | None = None) -> None:
        """A line for people; markup in it is not interpreted, so that foreign text cannot colour our terminal."""
        if not self.as_json:
            self.console.print(text, style=style, markup=False, emoji=False)

    def document(self, document: Document) -> None:
        """The answer for machines; printed only with ``--json``."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            self.answered = True

    def error(self, message: str, remedy: str = "") -> None:
        """What went wrong and what to do, on standard error."""
        sys.stderr.write(f"keeper: {message}\n" + (f"  -> {remedy}\n" if remedy else ""))
