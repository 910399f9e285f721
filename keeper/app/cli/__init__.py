"""The command line. Heavy packages are imported by the command that needs them, never here."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point ``keeper``: never returns, ends the process with a code of ``exit_codes``."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """One command; the exit code. Every expected failure ends in a message with a remedy, not in a traceback."""
    import click

    from keeper.app.cli.output import Output
    from keeper.app.cli.root import app
    from keeper.app.exit_codes import Exit, exit_code
    from keeper.domain.errors import ConfigurationError, KeeperError

    output = Output()
    try:
        import typer.main

        code = typer.main.get_command(app).main(args=argv, prog_name="keeper", standalone_mode=False, obj=output)
        return int(code or 0)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return int(Exit.USAGE)
    except (KeyboardInterrupt, click.Abort):
        output.error("interrupted")
        return int(Exit.INTERRUPTED)
    except ConfigurationError as error:
        from keeper.app.cli.check import show_problems

        show_problems(output, error)
        return int(Exit.USAGE)
    except KeeperError as error:
        output.error(error.message, error.remedy)
        output.document({"ok": False, "error": {"message": error.message, "remedy": error.remedy}})
        return int(exit_code(error))
    except BrokenPipeError:
        # The reader of our output went away (``keeper audit log | head``): not an error, and nothing more can be said.
        sys.stderr.close()
        return int(Exit.DONE)
