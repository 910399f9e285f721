"""``keeper council`` and ``keeper restore`` with their flags and help; what they do is in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeper.app.cli.groups import DEFAULT_CONFIG, ConfigGroup
from keeper.app.cli.output import Output

if TYPE_CHECKING:
    from keeper.app.cli.council import Place
    from keeper.app.cli.council_delegates import Asked
    from keeper.app.cli.council_signing import Signing

council_app = typer.Typer(cls=ConfigGroup, rich_markup_mode=None, invoke_without_command=True)
delegate_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
council_app.add_typer(
    delegate_app, name="delegate", help="Who may propose in an owner's name: delegate add | remove | list."
)

Hash = Annotated[str, typer.Argument(help="The safeTxHash, or at least its first 6 digits.", metavar="HASH")]
Route = Annotated[
    str | None, typer.Option("--route", help="The route to the Safe, where the configuration has more than one.")
]
Keystore = Annotated[
    Path | None,
    typer.Option("--keystore", help="The key, as an encrypted keystore (cast wallet import).", metavar="FILE"),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="The keystore's password; left out: it is asked for.", metavar="FILE"),
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="The key, as hex in a file that nobody else may read.", metavar="FILE")
]
Signature = Annotated[
    str | None,
    typer.Option("--signature", help="A signature that was made elsewhere, over the hash shown.", metavar="0x.."),
]
OnChain = Annotated[
    bool, typer.Option("--approve-on-chain", help="Print the call with which an owner approves the hash on the chain.")
]
TypedData = Annotated[
    Path | None,
    typer.Option("--typed-data", help="Write the EIP-712 document to sign elsewhere to a new file.", metavar="FILE"),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where this is no terminal.")]
DespiteAlarms = Annotated[
    bool, typer.Option("--despite-alarms", help="Even though alarms are shown: only when you know why they are there.")
]
DelegateArgument = Annotated[
    str | None, typer.Argument(help="The delegate's address; left out: that of the keeper's key.", metavar="ADDRESS")
]
Everywhere = Annotated[bool, typer.Option("--every-safe", help="For every Safe of the owner, not for this one alone.")]

SIGN_HELP = (
    "Compare the safeTxHash with what your wallet shows, digit by digit: it is computed here, from what would be executed. Without a key and "
    "without --signature nothing is signed, and what to sign elsewhere is printed. Exit codes: 0 signed or printed, 1 refused or alarming, "
    "2 usage, 3 the node or the service is out of reach, 130 interrupted: nothing was signed."
)
OUT_OF_REACH = "2 usage, 3 the node or the service is out of reach."
LOOK_HELP = f"Exit codes: 0 nothing is alarming, 1 something is, {OUT_OF_REACH}"
EXECUTE_HELP = (
    "Exit codes: 0 executed, or printed what to send; 1 not yet, refused or alarming, or it came to something else than was signed; "
    "2 usage; 3 the node or the service is out of reach; 130 interrupted."
)
EXPORT_HELP = f"Exit codes: 0 written, 1 not written, or alarming, {OUT_OF_REACH}"
SERVE_HELP = "Exit codes: 0 ended by SIGTERM, 2 usage, 3 it cannot listen, or the log or a node is out of reach, 130 ended by Ctrl-C."
DELEGATE_HELP = f"Exit codes: 0 done, or printed what to sign; 1 refused, {OUT_OF_REACH}"


@council_app.callback()
def council(ctx: typer.Context, route: Route = None) -> None:
    """What waits for the owners of the Safe: keeper council CONFIG queue | show | confirm | reject | execute."""
    ctx.meta["route"] = route
    if ctx.invoked_subcommand is None:
        council_queue(ctx)


@council_app.command("queue", epilog=LOOK_HELP)
def council_queue(ctx: typer.Context) -> None:
    """List what is open, in the order in which it must be executed; also without a command."""
    from keeper.app.cli.council import queue

    raise typer.Exit(queue(ctx.ensure_object(Output), _place(ctx)))


@council_app.command("show", epilog=f"For example: keeper council keeper.yaml show 0x4f0c12. {LOOK_HELP}")
def council_show(ctx: typer.Context, name: Hash) -> None:
    """Say in plain words what one proposal changes, why, what comes after it, who has signed, and which hashes to compare."""
    from keeper.app.cli.council import show

    raise typer.Exit(show(ctx.ensure_object(Output), _place(ctx), name))


@council_app.command("confirm", epilog=SIGN_HELP)
def council_confirm(
    ctx: typer.Context,
    name: Hash,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    key_file: KeyFile = None,
    signature: Signature = None,
    approve_on_chain: OnChain = False,
    typed_data: TypedData = None,
    yes: Yes = False,
    despite_alarms: DespiteAlarms = False,
) -> None:
    """Sign a proposal as one of the owners, after showing all of it."""
    from keeper.app.cli.council_signing import confirm

    signing = _signing(keystore, password_file, key_file, signature, approve_on_chain, typed_data, yes, despite_alarms)
    raise typer.Exit(confirm(ctx.ensure_object(Output), _place(ctx), name, signing))


@council_app.command("reject", epilog=SIGN_HELP)
def council_reject(
    ctx: typer.Context,
    name: Hash,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    key_file: KeyFile = None,
    signature: Signature = None,
    approve_on_chain: OnChain = False,
    typed_data: TypedData = None,
    yes: Yes = False,
    withdraw: Annotated[
        bool,
        typer.Option(
            "--withdraw", help="Take this keeper's own proposal out of the queue, while nobody has signed it."
        ),
    ] = False,
    despite_alarms: DespiteAlarms = False,
) -> None:
    """Propose and sign what uses the proposal's nonce up and does nothing else; it must be executed, as every other proposal."""
    from keeper.app.cli.council_signing import reject

    signing = _signing(keystore, password_file, key_file, signature, approve_on_chain, typed_data, yes, despite_alarms)
    raise typer.Exit(reject(ctx.ensure_object(Output), _place(ctx), name, signing, withdraw=withdraw))


@council_app.command("execute", epilog=EXECUTE_HELP)
def council_execute(
    ctx: typer.Context,
    name: Hash,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    key_file: KeyFile = None,
    yes: Yes = False,
    despite_alarms: DespiteAlarms = False,
) -> None:
    """Carry out what enough owners have signed, with any key that can pay for it; without a key, print what to send."""
    from keeper.app.cli.council_executing import execute
    from keeper.app.cli.council_keys import Key

    key = Key(keystore, password_file, key_file)
    raise typer.Exit(execute(ctx.ensure_object(Output), _place(ctx), name, key, yes=yes, despite_alarms=despite_alarms))


@council_app.command("export", epilog=EXPORT_HELP)
def council_export(
    ctx: typer.Context,
    name: Hash,
    file: Annotated[Path, typer.Argument(help="A new file.", metavar="FILE")],
    form: Annotated[
        str,
        typer.Option("--as", help="proposal: to sign without a service; typed-data: for a wallet; safe-app: a batch."),
    ] = "proposal",
    despite_alarms: DespiteAlarms = False,
) -> None:
    """Write a proposal as a file: for others to sign, for a wallet, or for the Safe web app."""
    from keeper.app.cli.council import Form, export

    if form not in set(Form):
        raise typer.BadParameter(f"one of: {', '.join(Form)}", param_hint="--as")
    code = export(ctx.ensure_object(Output), _place(ctx), name, file, Form(form), despite_alarms=despite_alarms)
    raise typer.Exit(code)


@council_app.command("serve", epilog=SERVE_HELP)
def council_serve(ctx: typer.Context) -> None:
    """Serve the council's pages and those of the log without a keeper, until Ctrl-C; `http` of the configuration says where."""
    from keeper.app.cli.council import serve

    raise typer.Exit(serve(ctx.ensure_object(Output), _place(ctx)))


@delegate_app.command("list", epilog=DELEGATE_HELP)
def delegate_list(ctx: typer.Context) -> None:
    """List who may propose in the owners' names."""
    from keeper.app.cli.council_delegates import show

    raise typer.Exit(show(ctx.ensure_object(Output), _place(ctx)))


@delegate_app.command("add", epilog=DELEGATE_HELP)
def delegate_add(
    ctx: typer.Context,
    address: DelegateArgument = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    key_file: KeyFile = None,
    signature: Signature = None,
    typed_data: TypedData = None,
    label: Annotated[str, typer.Option(help="What the service calls it.")] = "keeper",
    everywhere: Everywhere = False,
) -> None:
    """Let an address, by default the keeper's, propose in an owner's name; the owner signs that. It can sign and execute nothing."""
    from keeper.app.cli.council_delegates import add

    asked = _asked(address, keystore, password_file, key_file, signature, typed_data, label, everywhere)
    raise typer.Exit(add(ctx.ensure_object(Output), _place(ctx), asked))


@delegate_app.command("remove", epilog=DELEGATE_HELP)
def delegate_remove(
    ctx: typer.Context,
    address: DelegateArgument = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    key_file: KeyFile = None,
    signature: Signature = None,
    typed_data: TypedData = None,
    everywhere: Everywhere = False,
) -> None:
    """Take that back, by the owner's key or the delegate's own."""
    from keeper.app.cli.council_delegates import remove

    asked = _asked(address, keystore, password_file, key_file, signature, typed_data, "keeper", everywhere)
    raise typer.Exit(remove(ctx.ensure_object(Output), _place(ctx), asked))


RESTORE_HELP = (
    "Only what is still as the keeper left it is put back, to what the log says it was before the incident; what somebody changed since is left "
    "alone. The keeper never loosens by itself: the owners of the Safe sign this, or do not. Exit codes: 0 proposed, or nothing to do; 1 it cannot "
    "be put back from here, would fail, or nobody said yes; 2 usage or an unknown incident; 3 a node or the service is out of reach; 130 interrupted."
)


def restore(
    ctx: typer.Context,
    config: Annotated[str, typer.Argument(help="The configuration file; - is standard input.", metavar="CONFIG")],
    incident: Annotated[
        str | None,
        typer.Argument(help="The incident, as the log names it: ETH-PERP@123.", metavar="INCIDENT", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be proposed, and propose nothing.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write what the owners sign to a new file, and propose nothing.", metavar="FILE"),
    ] = None,
    yes: Yes = False,
    route: Route = None,
) -> None:
    """Propose to the council to put back what the keeper changed in an incident."""
    from keeper.app.cli.council import Place
    from keeper.app.cli.restore import Asked, run

    if incident is None and (config == "-" or Path(config).suffix in (".yaml", ".yml") or Path(config).exists()):
        raise typer.BadParameter(
            f"which one? keeper audit {config} log --kind incident lists them", param_hint="INCIDENT"
        )
    if incident is None:  # CONFIG may be left out
        config, incident = DEFAULT_CONFIG, config
    asked = Asked(incident, dry_run=dry_run, out=out, yes=yes)
    raise typer.Exit(run(ctx.ensure_object(Output), Place(config, route), asked))


def _place(ctx: typer.Context) -> Place:
    from keeper.app.cli.council import Place

    return Place(ctx.meta["config"], ctx.meta.get("route"))


def _signing(
    keystore: Path | None,
    password_file: Path | None,
    key_file: Path | None,
    signature: str | None,
    approve_on_chain: bool,
    typed_data: Path | None,
    yes: bool,
    despite_alarms: bool,
) -> Signing:
    from keeper.app.cli.council_keys import Key
    from keeper.app.cli.council_signing import Signing

    key = Key(keystore, password_file, key_file)
    return Signing(key, signature, approve_on_chain, typed_data, yes, despite_alarms)


def _asked(
    address: str | None,
    keystore: Path | None,
    password_file: Path | None,
    key_file: Path | None,
    signature: str | None,
    typed_data: Path | None,
    label: str,
    everywhere: bool,
) -> Asked:
    from keeper.app.cli.council_delegates import Asked
    from keeper.app.cli.council_keys import Key

    return Asked(address, Key(keystore, password_file, key_file), label, everywhere, signature, typed_data)
