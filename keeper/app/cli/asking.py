"""A question on a terminal, that one Ctrl-C ends.

Under asyncio the first Ctrl-C only asks the running task to stop, and the read that waits for an answer goes on: while a question stands, it raises.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.domain.errors import Interrupted

NOTHING_TYPED = "nothing was typed"


def at_terminal() -> bool:
    """Whether somebody can be asked. Where a service manager closed standard input, nobody can."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: str, done: str) -> str:
    """The line typed, without the blanks around it; empty for Ctrl-D and for Enter alone.

    ``done`` is what does not happen after Ctrl-C: ``signed``. Raises Interrupted.
    """
    with _interruptible(done):
        sys.stderr.write(question)
        sys.stderr.flush()
        line = sys.stdin.readline()
    if not line.endswith("\n"):
        sys.stderr.write("\n")  # Ctrl-D leaves the cursor behind the question
    return line.strip()


def ask_hidden(question: str, done: str) -> str | None:
    """The same for a password, which is not shown and keeps its blanks; None for Ctrl-D."""
    import getpass

    with _interruptible(done):
        try:
            return getpass.getpass(question, stream=sys.stderr)
        except EOFError:
            sys.stderr.write("\n")
            return None


@contextmanager
def _interruptible(done: str) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise Interrupted(f"interrupted: nothing was {done}") from None
    finally:
        signal.signal(signal.SIGINT, before)
