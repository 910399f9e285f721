"""All commands with their flags and help; what they do is in the module of the same name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keeper.app.cli.audit_commands import audit_app
from keeper.app.cli.council_commands import RESTORE_HELP, council_app, restore
from keeper.app.cli.groups import DEFAULT_CONFIG, ConfigGroup
from keeper.app.cli.incidents_commands import incidents_app
from keeper.app.cli.init_command import init
from keeper.app.cli.notify_commands import notify_app
from keeper.app.cli.output import Output

app = typer.Typer(
    name="keeper",
    help="A circuit-breaker keeper: it watches prices and protocol state, pauses what is in danger, and proves what it did.",
    epilog="Start with: keeper demo. Exit codes: 0 done, 1 the check found something, 2 usage or configuration, "
    "3 something outside could not be reached, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
switch_app = typer.Typer(cls=ConfigGroup, no_args_is_help=True, rich_markup_mode=None)
breaker_app = typer.Typer(cls=ConfigGroup, no_args_is_help=True, rich_markup_mode=None)
db_app = typer.Typer(cls=ConfigGroup, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(
    audit_app,
    name="audit",
    help="Read, verify, export and serve the audit log: keeper audit CONFIG log.",
)
app.add_typer(
    incidents_app,
    name="incidents",
    help="What happened, and a report of it for others: keeper incidents CONFIG list | show | report.",
)
app.add_typer(
    switch_app,
    name="switch",
    help="Forbid the keeper to act, or allow it again: keeper switch CONFIG off | on | list.",
)
app.add_typer(
    breaker_app,
    name="breaker",
    help="What several keepers sign together for a breaker: keeper breaker CONFIG orders | sign | call.",
)
app.add_typer(
    council_app,
    name="council",
    help="What waits for the owners of the Safe: keeper council CONFIG queue | show | confirm | reject | execute.",
)
app.add_typer(
    notify_app,
    name="notify",
    help="What people were told and have not answered, and whether they can be reached: keeper notify CONFIG list | ack | test.",
)
app.add_typer(db_app, name="db", help="The database's schema: keeper db CONFIG upgrade | current.")

Config = Annotated[str, typer.Argument(help="The configuration file; - is standard input.", metavar="CONFIG")]


class Scenario(StrEnum):
    DIVERGENCE = "divergence"
    VOLATILITY = "volatility"
    CALM = "calm"
    BREAKER = "breaker"
    COUNCIL = "council"
    PRIVATE = "private"


@app.callback()
def keeper(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Log errors only.")] = False,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Log more; twice: libraries too.")] = 0,
) -> None:
    output = ctx.ensure_object(Output)
    output.as_json = as_json
    output.verbosity = -1 if quiet else verbose


@app.command()
def demo(
    ctx: typer.Context,
    scenario: Annotated[Scenario, typer.Option(help="Which story to play.")] = Scenario.DIVERGENCE,
    seed: Annotated[int, typer.Option(help="The same seed plays the same prices.")] = 1,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configuration and database stay afterwards.", show_default=".demo/"),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the node up until Ctrl-C, to look around.")] = False,
) -> None:
    """Show the whole job on a local chain: calm, shock, trip, paused, proven."""
    from keeper.app.demo.command import run

    raise typer.Exit(run(ctx.ensure_object(Output), scenario.value, seed, directory, keep=keep))


app.command()(init)


@app.command()
def check(ctx: typer.Context, config: Config = DEFAULT_CONFIG) -> None:
    """Check a configuration offline: all errors at once, each with its place and the remedy."""
    from keeper.app.cli.check import run

    raise typer.Exit(run(ctx.ensure_object(Output), config))


@app.command()
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from keeper.app.cli.check import print_schema

    print_schema(ctx.ensure_object(Output))


@app.command()
def reload(ctx: typer.Context, config: Config = DEFAULT_CONFIG) -> None:
    """Have the running keeper take over the changed configuration, after the same check as `keeper check`.

    Windows of signals and rules whose own definition has not changed go on; what is new begins empty. The keeper reads the file that it was started
    with; SIGHUP does the same. What it refuses is in its log, and the old configuration goes on.
    """
    from keeper.app.cli.reload import run

    raise typer.Exit(run(ctx.ensure_object(Output), config))


@app.command()
def drill(
    ctx: typer.Context,
    config: Config = DEFAULT_CONFIG,
    fork: Annotated[
        str | None,
        typer.Option(help="The node whose chain is forked; the first primary endpoint when left out.", metavar="URL"),
    ] = None,
    market: Annotated[str, typer.Option(help="Which market; the most severe rule that acts, when left out.")] = "",
    rule: Annotated[str, typer.Option(help="Which rule is to trip.")] = "",
    source: Annotated[str, typer.Option(help="Which source goes wrong; any that trips the rule, when left out.")] = "",
    factor: Annotated[
        str, typer.Option(help="By which factor: 0.9 is a fall by a tenth. The smallest that trips, when left out.")
    ] = "",
    in_source: Annotated[
        bool, typer.Option("--in-source", help="Change what the source says, and not the contract that it reads.")
    ] = False,
    block_time: Annotated[float, typer.Option(help="Seconds between the blocks of the fork.", min=0.2, max=60)] = 1.0,
    patience: Annotated[
        float, typer.Option(help="Seconds until the rule must have tripped.", min=5, max=86_400)
    ] = 300.0,
    report: Annotated[
        Path | None, typer.Option(help="Where the report goes: .md or .json.", show_default="drills/TIME.md")
    ] = None,
) -> None:
    """Rehearse the whole way on a fork: a breach on purpose, the trip, the transaction, the effect, each stage measured.

    The keeper of this configuration runs against a fork of its chain, with its own key, and under a chain id of its own: what is signed there is
    worth nothing elsewhere. A source, or the contract that it reads, is changed by as little as trips the rule. Afterwards the fork is put back and
    thrown away; a report and a record in the log stay. Nobody is told, and no real builder, Safe or chain gets anything.
    """
    from keeper.app.cli.drill import asked_for, run

    asked = asked_for(market, rule, source, factor, in_source=in_source, block_s=block_time, patience_s=patience)
    raise typer.Exit(run(ctx.ensure_object(Output), config, asked, fork, report))


@app.command()
def doctor(ctx: typer.Context, config: Config = DEFAULT_CONFIG) -> None:
    """Examine everything the keeper depends on, online and read only: one line each, with the remedy."""
    from keeper.app.cli.doctor import run

    raise typer.Exit(run(ctx.ensure_object(Output), config))


@app.command()
def run(
    ctx: typer.Context,
    config: Config = DEFAULT_CONFIG,
    shadow: Annotated[bool, typer.Option("--shadow", help="Decide and record, never sign or send.")] = False,
) -> None:
    """Run the keeper until it is told to stop (Ctrl-C, SIGTERM)."""
    from keeper.app.cli.run import run as run_service

    raise typer.Exit(run_service(ctx.ensure_object(Output), config, shadow=shadow))


@app.command()
def watch(
    ctx: typer.Context,
    config: Config = DEFAULT_CONFIG,
    once: Annotated[bool, typer.Option("--once", help="Look once and print what is wrong; exit code 1 if so.")] = False,
) -> None:
    """The dead man's switch: tells when no block is evaluated any more, or the keeper missed a trip. A process of its own; needs no key."""
    from keeper.app.cli.watch import run as run_watch

    raise typer.Exit(run_watch(ctx.ensure_object(Output), config, once=once))


@app.command()
def status(ctx: typer.Context, config: Config = DEFAULT_CONFIG) -> None:
    """One screen: markets, signals against thresholds, faults, open intents, and what failed in an open incident."""
    from keeper.app.cli.status import run

    raise typer.Exit(run(ctx.ensure_object(Output), config))


@app.command()
def replay(
    ctx: typer.Context,
    config: Annotated[str, typer.Argument(help="The configuration file; - is standard input.", metavar="CONFIG")],
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            help="CSV (plain or gzip) or Parquet: time,source,value or bars or rounds.",
            metavar="DATA...",
            show_default=False,
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="Which series a source is: SOURCE=VENUE:SYMBOL; once per source.", metavar="MAP"),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="YAML with the incidents (name, market, onset, end) to score against.", metavar="FILE"),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="An HTML page to write.", metavar="FILE.html")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads; left out: one per processor.")] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort rows that are out of order, instead of refusing.")] = False,
    from_audit: Annotated[
        bool,
        typer.Option("--from-audit", help="Instead of files: decide again what this keeper recorded, and compare."),
    ] = False,
    block_time: Annotated[
        str, typer.Option(help="How long a block lasts, for what the configuration counts in blocks.", metavar="TIME")
    ] = "12s",
) -> None:
    """Run the same engine on history: what would have tripped, when, and how that compares with labelled incidents."""
    from keeper.app.cli.replay import Request, run
    from keeper.domain.units import parse_duration_ms

    if from_audit == bool(data):
        raise typer.BadParameter("name files of history, or --from-audit without any", param_hint="DATA...")
    if from_audit and (mapping or labels or report or sort):
        raise typer.BadParameter("takes none of --map, --labels, --report and --sort", param_hint="--from-audit")
    if report and report.suffix.lower() not in (
        ".html",
        ".htm",
    ):  # a file of history named by mistake would be overwritten
        raise typer.BadParameter("name a file that ends in .html", param_hint="--report")
    block_ms = parse_duration_ms(block_time)
    if block_ms <= 0:
        raise typer.BadParameter("a block lasts longer than that", param_hint="--block-time")
    request = Request(
        config=config,
        data=tuple(data or ()),
        mapping=tuple(mapping or ()),
        labels=labels,
        report=report,
        jobs=jobs,
        sort=sort,
        block_ms=block_ms,
        from_audit=from_audit,
    )
    raise typer.Exit(run(ctx.ensure_object(Output), request))


@app.command()
def version(ctx: typer.Context) -> None:
    """Print the version, the commit, the versions of what it stands on, and the contracts' code hashes."""
    from keeper.app.cli.version import run

    run(ctx.ensure_object(Output))


app.command("restore", epilog=RESTORE_HELP)(restore)


SwitchMarket = Annotated[str | None, typer.Option("--market", help="Only this market.")]
SwitchRule = Annotated[str | None, typer.Option("--rule", help="Only what this rule asks for.")]
SwitchAction = Annotated[str | None, typer.Option("--action", help="Only this action; alert too.")]
SwitchReason = Annotated[str, typer.Option("--reason", help="Why, for the log and for those who come after.")]


@switch_app.command("off")
def switch_off(
    ctx: typer.Context,
    reason: SwitchReason,
    market: SwitchMarket = None,
    rule: SwitchRule = None,
    action: SwitchAction = None,
) -> None:
    """Forbid everything, or what the options name. The keeper goes on watching, recording and telling."""
    from keeper.app.cli.switch import Request, run
    from keeper.domain.intervention import InterventionKind

    asked = Request(InterventionKind.SWITCHED_OFF, market, rule, action, reason)
    raise typer.Exit(run(ctx.ensure_object(Output), ctx.meta["config"], asked))


@switch_app.command("on")
def switch_on(
    ctx: typer.Context,
    reason: SwitchReason,
    market: SwitchMarket = None,
    rule: SwitchRule = None,
    action: SwitchAction = None,
) -> None:
    """Allow it again; for a market, or for everything, it also ends a lock."""
    from keeper.app.cli.switch import Request, run
    from keeper.domain.intervention import InterventionKind

    asked = Request(InterventionKind.SWITCHED_ON, market, rule, action, reason)
    raise typer.Exit(run(ctx.ensure_object(Output), ctx.meta["config"], asked))


@switch_app.command("list")
def switch_list(ctx: typer.Context) -> None:
    """Show what is off, since when and why."""
    from keeper.app.cli.switch import show

    raise typer.Exit(show(ctx.ensure_object(Output), ctx.meta["config"]))


OrderFile = Annotated[Path, typer.Argument(help="A file of the folder `orders`, as a keeper wrote it.", metavar="FILE")]


@breaker_app.command("orders")
def breaker_orders(ctx: typer.Context) -> None:
    """List what waits for signatures: breaker, values, evidence, who has signed, how many are missing, time left."""
    from keeper.app.cli.breaker import show

    raise typer.Exit(show(ctx.ensure_object(Output), ctx.meta["config"]))


@breaker_app.command("sign", epilog="For example: keeper breaker keeper.yaml sign orders/4f0c..-0x7099...json")
def breaker_sign(ctx: typer.Context, file: OrderFile) -> None:
    """Sign an order by hand, although no rule of this keeper has tripped; its log keeps it. A keeper that has decided the same signs by itself."""
    from keeper.app.cli.breaker import sign

    raise typer.Exit(sign(ctx.ensure_object(Output), ctx.meta["config"], file))


@breaker_app.command("call")
def breaker_call(ctx: typer.Context, file: OrderFile) -> None:
    """Print the call that carries an order's signatures, for when no keeper is up to send it. Nothing is sent."""
    from keeper.app.cli.breaker import call

    raise typer.Exit(call(ctx.ensure_object(Output), ctx.meta["config"], file))


@db_app.command("upgrade")
def db_upgrade(ctx: typer.Context) -> None:
    """Bring the schema to the one this version needs."""
    from keeper.app.cli.db import upgrade

    upgrade(ctx.ensure_object(Output), ctx.meta["config"])


@db_app.command("current")
def db_current(ctx: typer.Context) -> None:
    """Show the schema's revision, and the one this version needs."""
    from keeper.app.cli.db import current

    raise typer.Exit(current(ctx.ensure_object(Output), ctx.meta["config"]))
