"""The command line. Heavy packages are imported by the command that needs them, never here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import Typer
    from typer.models import TyperInfo


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point ``keeper``: never returns, ends the process with a code of ``exit_codes``."""
    given = list(sys.argv[1:] if argv is None else argv)
    if "run" in given:
        # nothing was read yet, so there is nothing to reload; to end, as the signal does by itself, is not what is meant
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.exit(run_command(given))


def run_command(argv: list[str]) -> int:
    """One command; the exit code. Every expected failure ends in a message with a remedy, not in a traceback."""
    import typer.main

    from keeper.app.cli.output import Output
    from keeper.app.cli.root import app
    from keeper.app.exit_codes import Exit, exit_code
    from keeper.domain.errors import ConfigurationError, KeeperError

    if sys.stdout is None:
        return _no_output("it is closed")
    output = Output()
    try:
        typer.main.get_command(_first_named(app, argv)).main(args=argv, prog_name="keeper", obj=output)
    except SystemExit as ending:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            pass  # whoever read has read enough
        except OSError as error:
            return _no_output(error.strerror or type(error).__name__)
        code = ending.code if isinstance(ending.code, int) else 0
        if code == Exit.USAGE and "--json" in argv and not output.answered:
            output.as_json = True  # a command line that cannot be read ends before the option is looked at
            output.document({"ok": False, "error": {"message": "wrong usage", "remedy": "see standard error"}})
        return code
    except ConfigurationError as error:
        from keeper.app.cli.check import show_problems

        show_problems(output, error)
        return int(exit_code(error))
    except KeeperError as error:
        output.failed(error.message, error.remedy)
        return int(exit_code(error))
    except OSError as error:
        # what a command itself reads and writes it has words for; this is the terminal, the pipe or the disk behind standard output
        if error.filename is None:
            return _no_output(error.strerror or type(error).__name__)
        output.failed(f"{error.filename}: {error.strerror}", "look at its permissions and its disk")
        return int(Exit.OUTSIDE)
    return 0


def _no_output(why: str) -> int:
    """Nothing more can be said on standard output: no verdict was given, so none may be read from the exit code."""
    from keeper.app.exit_codes import Exit

    with suppress(OSError, AttributeError):
        sys.stderr.write(f"keeper: cannot write to standard output: {why}\n")
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what waits in the buffer has nowhere to go
    return int(Exit.OUTSIDE)


def _first_named(app: Typer, argv: list[str]) -> Typer:
    """The program with nothing but the command that the first word names, if it names one: the others need not be built to run it."""
    groups = [group for group in app.registered_groups if group.name in argv[:1]]
    commands = [one for one in app.registered_commands if (one.name or one.callback.__name__) in argv[:1]]  # type: ignore[union-attr]
    if not groups and not commands:
        return app
    alone = copy(app)
    alone.registered_groups, alone.registered_commands = [_second_named(group, argv) for group in groups], commands
    return alone


def _second_named(group: TyperInfo, argv: list[str]) -> TyperInfo:
    """The same for a group that is followed by the configuration and the command, or by the command alone."""
    inside = group.typer_instance
    known = {one.name: one for one in inside.registered_commands} if inside else {}
    words = argv[1:3] if argv[1:2] == ["-"] or not argv[1:2] or not argv[1].startswith("-") else []
    name = next((word for word in words if word in known), None)
    if inside is None or name is None:
        return group
    alone, only = copy(group), copy(inside)
    only.registered_groups, only.registered_commands, alone.typer_instance = [], [known[name]], only
    return alone
