"""``keeper audit`` with its flags and help; what the commands do is in the modules beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keeper.app.cli.groups import ConfigGroup
from keeper.app.cli.output import Output

audit_app = typer.Typer(cls=ConfigGroup, no_args_is_help=True, rich_markup_mode=None)

LOG_EXAMPLES = (
    "For example: keeper audit CONFIG log --kind incident --since 2h; "
    "keeper audit CONFIG log --cursor 0 --limit 10000 --ticks --format parquet --output log.parquet."
)
LAST_RECORD = 2**63 - 1
"""The largest number that a record can have."""


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


@audit_app.command("log", epilog=LOG_EXAMPLES)
def audit_log(
    ctx: typer.Context,
    market: Annotated[str | None, typer.Option(help="Only this market.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only records of this kind; may be given more than once.")
    ] = None,
    incident: Annotated[str | None, typer.Option(help="Only this incident.")] = None,
    since: Annotated[
        str | None, typer.Option(help="From this time on: 2026-03-01T12:00 (UTC) or 2h ago as `2h`.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before this time; written as for --since.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many records.")] = 100,
    cursor: Annotated[
        int | None,
        typer.Option(min=0, max=LAST_RECORD, help="The records after this number, oldest first; 0 from the start."),
    ] = None,
    fmt: Annotated[
        Format,
        typer.Option("--format", help="A table to read, or every column: csv and jsonl as text, parquet as a file."),
    ] = Format.TABLE,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new file to write to, instead of standard output.", metavar="FILE"),
    ] = None,
    ticks: Annotated[bool, typer.Option("--ticks", help="Show the record of every evaluated block too.")] = False,
) -> None:
    """Print the log: the newest records that fit, in order."""
    from keeper.app.cli.audit import LogQuery, print_log

    query = LogQuery(market, action, tuple(kind or ()), incident, since, until, limit, cursor, ticks)
    raise typer.Exit(print_log(ctx.ensure_object(Output), ctx.meta["config"], query, fmt.value, file))


@audit_app.command("verify")
def audit_verify(
    ctx: typer.Context,
    on_chain: Annotated[
        bool, typer.Option("--on-chain", help="Then ask the nodes: every transaction, effect and trip of a breaker.")
    ] = False,
) -> None:
    """Check every record against the chain of hashes; name the first bad one."""
    from keeper.app.cli.audit import verify

    raise typer.Exit(verify(ctx.ensure_object(Output), ctx.meta["config"], on_chain=on_chain))
