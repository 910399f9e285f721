"""The commands of ``keeper notify``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from keeper.app.cli.groups import ConfigGroup
from keeper.app.cli.output import Output

notify_app = typer.Typer(cls=ConfigGroup, no_args_is_help=True, rich_markup_mode=None)


class Loudness(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@notify_app.command("list")
def notify_list(ctx: typer.Context) -> None:
    """Show what is open: since when, how severe, who was told, and who has acknowledged it. Reads the log alone."""
    from keeper.app.cli.notify import show

    raise typer.Exit(show(ctx.ensure_object(Output), ctx.meta["config"]))


@notify_app.command("ack", epilog="For example: keeper notify keeper.yaml ack fault/heads --note 'on it'")
def notify_ack(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(help="A key or an id as `list` and the notice show it, or all.", metavar="KEY|ID|all")
    ],
    note: Annotated[str, typer.Option("--note", help="What you are doing about it, for the others.")] = "",
) -> None:
    """Say that somebody looks after it: the running keeper stops telling it again, and tells its end.

    With the id of an incident, everything that belongs to it. Something that gets worse, or another reason of the same fault, is told again.
    """
    from keeper.app.cli.notify import ack

    raise typer.Exit(ack(ctx.ensure_object(Output), ctx.meta["config"], what, note))


@notify_app.command("test")
def notify_test(
    ctx: typer.Context,
    receiver: Annotated[str | None, typer.Option("--receiver", help="Only this one, by its name.")] = None,
    severity: Annotated[Loudness, typer.Option("--severity", help="How severe the test is.")] = Loudness.CRITICAL,
) -> None:
    """Send a notice that says it is a test to each receiver. Exit code 1 when one could not be reached."""
    from keeper.app.cli.notify import test

    raise typer.Exit(test(ctx.ensure_object(Output), ctx.meta["config"], receiver, severity.value))
