"""``keeper incidents`` with its flags and help; what the commands do is in the module beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keeper.app.cli.groups import ConfigGroup
from keeper.app.cli.output import Output

LAST_RECORD = 2**63 - 1
LIMIT = 20
incidents_app = typer.Typer(cls=ConfigGroup, rich_markup_mode=None, invoke_without_command=True)

Name = Annotated[
    str,
    typer.Argument(help="The incident, such as ETH-PERP@15, or as much of it as no other begins with.", metavar="ID"),
]
CODES = "Exit codes: 0 done, 1 there is no log yet, 2 no such incident or wrong usage, 3 the database is out of reach."


class ReportFormat(StrEnum):
    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"


@incidents_app.callback()
def incidents(ctx: typer.Context) -> None:
    """Incidents by the log: keeper incidents CONFIG list | show ID | report ID; without a command: list."""
    if ctx.invoked_subcommand is None:
        incidents_list(ctx)


@incidents_app.command(
    "list", epilog=f"For example: keeper incidents CONFIG list --since 7d --market ETH-PERP. {CODES}"
)
def incidents_list(
    ctx: typer.Context,
    market: Annotated[str | None, typer.Option(help="Only this market.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Opened from this time on: 2026-03-01T12:00 (UTC) or 7d ago as `7d`.")
    ] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are open.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most this many.")] = LIMIT,
    cursor: Annotated[
        int | None, typer.Option(min=1, max=LAST_RECORD, help="The incidents opened before this record: the next page.")
    ] = None,
) -> None:
    """List incidents, newest first: state, rule, how long, what was done and what came of it."""
    from keeper.app.cli.incidents import Wanted, show_list

    wanted = Wanted(market, since, only_open, limit, cursor)
    raise typer.Exit(show_list(ctx.ensure_object(Output), ctx.meta["config"], wanted))


@incidents_app.command("show", epilog=f"For example: keeper incidents CONFIG show ETH-PERP@15. {CODES}")
def incidents_show(ctx: typer.Context, name: Name) -> None:
    """Tell one incident on a screen: what happened, the figures, block by block."""
    from keeper.app.cli.incidents import show

    raise typer.Exit(show(ctx.ensure_object(Output), ctx.meta["config"], name))


@incidents_app.command(
    "report", epilog=f"For example: keeper incidents CONFIG report ETH-PERP@15 --format html -o incident.html. {CODES}"
)
def incidents_report(
    ctx: typer.Context,
    name: Name,
    form: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format", help="Markdown, one HTML file with its picture, or JSON; left out: md, and json with --json."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new file to write to, instead of standard output.", metavar="FILE"),
    ] = None,
) -> None:
    """Write a post-mortem that is fit for publication: summary, figures, timeline, evidence, transactions, how to check it."""
    from keeper.app.cli.incidents import report

    output = ctx.ensure_object(Output)
    if form is None:
        form = ReportFormat.JSON if output.as_json and file is None else ReportFormat.MARKDOWN
    raise typer.Exit(report(output, ctx.meta["config"], name, form.value, file))
