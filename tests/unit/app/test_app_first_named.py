"""Only the command that the first word names is built; whoever names none, or errs, sees them all."""

from __future__ import annotations

import pytest
import typer.main

from keeper.app.cli import _first_named, run_command
from keeper.app.cli.root import app

pytestmark = pytest.mark.unit

GROUPS = [str(group.name) for group in app.registered_groups]
COMMANDS = [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]


@pytest.mark.parametrize("name", [*GROUPS, *COMMANDS])
def test_first_named__a_command__is_built_alone_and_as_it_is_among_all(name: str) -> None:
    alone = typer.main.get_command(_first_named(app, [name, "--help"]))
    together = typer.main.get_command(app)

    assert list(alone.commands) == [name]  # type: ignore[attr-defined]
    mine, theirs = alone.commands[name], together.commands[name]  # type: ignore[attr-defined]
    assert [parameter.opts for parameter in mine.params] == [parameter.opts for parameter in theirs.params]
    assert [parameter.opts for parameter in alone.params] == [parameter.opts for parameter in together.params]


@pytest.mark.parametrize("argv", [[], ["--help"], ["--json", "audit"], ["adit"], ["adit", "audit"]], ids=str)
def test_first_named__no_command__is_the_whole_program(argv: list[str]) -> None:
    assert _first_named(app, argv) is app


def test_first_named__asked_for_one__the_program_keeps_all() -> None:
    _first_named(app, ["audit"])

    assert [str(group.name) for group in app.registered_groups] == GROUPS
    assert len(app.registered_commands) == len(COMMANDS)


def test_run_command__word_that_is_no_command__says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["adit"]) == 2
    assert "No such command 'adit'" in capsys.readouterr().err
