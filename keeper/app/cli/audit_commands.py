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
SERVE_CODES = (
    "Exit codes: 0 ended by SIGTERM, 1 there is no log yet, 2 usage, 3 it cannot listen, or the log is out of reach, "
    "130 ended by Ctrl-C."
)
LAST_RECORD = 2**63 - 1
"""The largest number that a record can have."""

Witnesses = Annotated[
    list[Path] | None,
    typer.Option(
        "--witness",
        help="A witness's file of checkpoints to compare with; may be given more than once.",
        metavar="FILE",
    ),
]
Signer = Annotated[
    str | None, typer.Option("--signer", help="The address that must have signed the checkpoints.", metavar="0x..")
]


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
    witness: Witnesses = None,
    signer: Signer = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="With --on-chain: an address with which the keeper sends, besides those that the log names; may be given more than once.",
            metavar="0x..",
        ),
    ] = None,
) -> None:
    """Check every record against the chain of hashes, evidence and checkpoints; name the first bad one."""
    from keeper.app.cli.verify_log import verify

    output, config = ctx.ensure_object(Output), ctx.meta["config"]
    witnesses, keys = tuple(witness or ()), tuple(key or ())
    raise typer.Exit(verify(output, config, on_chain=on_chain, witnesses=witnesses, signer=signer, keys=keys))


@audit_app.command("export")
def audit_export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A new folder for the bundle.", metavar="DIR")],
) -> None:
    """Write the log into a folder that anybody can check: lines of JSON, Parquet, evidence, checkpoints, how to check it."""
    from keeper.app.cli.bundle import export

    raise typer.Exit(export(ctx.ensure_object(Output), ctx.meta["config"], folder))


@audit_app.command("verify-export")
def audit_verify_export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder that `export` wrote.", metavar="DIR")],
    signer: Signer = None,
    witness: Witnesses = None,
) -> None:
    """Check a bundle without database and network: every file, record, link, signature, piece of evidence and table."""
    from keeper.app.cli.bundle import verify_export

    code = verify_export(ctx.ensure_object(Output), folder, signer=signer, witnesses=tuple(witness or ()))
    raise typer.Exit(code)


@audit_app.command("reproduce", epilog="For example: keeper audit keeper.yaml reproduce ETH-PERP@19284411")
def audit_reproduce(
    ctx: typer.Context,
    incident: Annotated[str, typer.Argument(help="The incident; the beginning of its name is enough.")],
    archive: Annotated[
        Path | None,
        typer.Option(
            "--archive", help="Where archived evidence is, if not where the configuration says.", metavar="DIR"
        ),
    ] = None,
) -> None:
    """Decide an incident again from what the log holds of it, and compare every decision byte for byte."""
    from keeper.app.cli.reproduce import reproduce

    raise typer.Exit(reproduce(ctx.ensure_object(Output), ctx.meta["config"], incident, archive))


@audit_app.command("archive")
def audit_archive(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would move.")] = False,
) -> None:
    """Move evidence that is older than `audit.retention.keep` into files; the running keeper does it once a day."""
    from keeper.app.cli.archive import archive

    raise typer.Exit(archive(ctx.ensure_object(Output), ctx.meta["config"], dry_run=dry_run))


@audit_app.command("serve", epilog=SERVE_CODES)
def audit_serve(
    ctx: typer.Context,
    listen: Annotated[
        str,
        typer.Option(
            help="Where: host:port. Elsewhere than on this machine only with `http: tokens:`.", metavar="HOST:PORT"
        ),
    ] = "127.0.0.1:8643",
) -> None:
    """Serve the log over HTTP, read-only: pages for people, an API for programs. No keeper need run."""
    from keeper.app.cli.audit_serve import serve

    raise typer.Exit(serve(ctx.ensure_object(Output), ctx.meta["config"], listen))


@audit_app.command("token")
def audit_token(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose token it is.")],
) -> None:
    """Make a random token for the API and the pages of the log, and print its hash for the configuration."""
    from keeper.app.cli.audit_serve import token

    raise typer.Exit(token(ctx.ensure_object(Output), name))
