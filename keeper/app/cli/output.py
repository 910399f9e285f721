"""What a command prints: one JSON document or text for people on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

Document = Mapping[str, object] | Sequence[object]


def counted(number: int, thing: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def coloured(stream: TextIO) -> bool:
    """Whether styles may be used: on a terminal, unless NO_COLOR is set (rich looks)."""
    if not stream.isatty():
        return False
    from rich.console import Console

    return not Console(file=stream).no_color


def _harmless(text: str) -> str:
    """Foreign text that can neither colour the terminal nor move its cursor."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)


@dataclass(slots=True)
class Output:
    """``verbosity`` -1 quiet, 0 normal, 1 and more: more log lines."""

    as_json: bool = False
    verbosity: int = 0
    answered: bool = False
    """A document was printed."""
    _console: Console | None = field(default=None, repr=False)

    def say(self, text: str = "", style: str | None = None) -> None:
        """A line for people."""
        if self.as_json:
            return
        text = _harmless(text)
        if self._console is None and coloured(sys.stdout):
            from rich.console import Console

            self._console = Console(highlight=False, soft_wrap=True)
        if self._console is None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()  # a pipe shows each line when it is said, as a terminal does
        else:
            self._console.print(text, style=style, markup=False, emoji=False)

    def document(self, document: Document) -> None:
        """The answer for machines; printed only with ``--json``."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            self.answered = True

    def error(self, message: str, remedy: str = "") -> None:
        """What went wrong and what to do, on standard error."""
        sys.stderr.write(_harmless(f"keeper: {message}\n" + (f"  -> {remedy}\n" if remedy else "")))

    def failed(self, message: str, remedy: str) -> None:
        """The same, with the document that says it to machines."""
        self.error(message, remedy)
        self.document({"ok": False, "error": {"message": message, "remedy": remedy}})
