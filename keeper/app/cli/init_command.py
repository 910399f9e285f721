"""The flags of ``keeper init``; what it does is in the modules ``init`` and ``init_reading``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keeper.app.cli.output import Output


class Preset(StrEnum):
    SAFE = "safe"
    STABLECOIN_PEG = "stablecoin-peg"
    STAKING_RATIO = "staking-ratio"
    MAJOR_PERP = "major-perp"
    LENDING_ORACLE = "lending-oracle"
    OPENZEPPELIN_PAUSABLE = "openzeppelin-pausable"
    AAVE_V3 = "aave-v3"
    COMPOUND_FLAG = "compound-flag"
    GMX_PARAMETER = "gmx-parameter"
    SAFE_MODULE = "safe-module"
    LIDO_BREAKER = "lido-breaker"


def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Where to write keeper.yaml and .env.", metavar="DIR")] = Path(),
    preset: Annotated[
        Preset | None,
        typer.Option(help="What to start from: what is watched, or the protocol that is called.", show_default="safe"),
    ] = None,
    rpc: Annotated[
        str, typer.Option(help="The node that is asked about --contract.", metavar="URL", show_default="KEEPER_RPC_URL")
    ] = "",
    contract: Annotated[
        list[str] | None,
        typer.Option(help="A contract of yours, as 0x... or name=0x...; again for each.", metavar="[NAME=]ADDRESS"),
    ] = None,
    keeper_address: Annotated[
        str, typer.Option(help="The address of the keeper's key: whose rights are looked up.", metavar="ADDRESS")
    ] = "",
    abi: Annotated[
        Path | None, typer.Option(help="A JSON ABI of the contracts, where their code does not tell.", metavar="FILE")
    ] = None,
    market: Annotated[str, typer.Option(help="What the market is called.", metavar="NAME")] = "",
    chain: Annotated[int, typer.Option(help="The chain that the node must be of.", metavar="ID", min=0)] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing, also on a terminal.")] = False,
) -> None:
    """Write a commented keeper.yaml and .env in safe mode (nothing is ever sent).

    Without --contract they are a preset. With it the contracts are read: which functions pause or limit something, which view shows it, who may call
    them and whether the keeper's address could now; each becomes an action. Nothing is sent, and a file that exists is kept. What is missing is asked
    for on a terminal.

    keeper init my-vault --rpc wss://... --contract vault=0x... --keeper-address 0x...
    """
    from keeper.app.cli.init import Wanted, run

    wanted = Wanted(
        directory=directory,
        preset=preset.value if preset else "",
        rpc=rpc,
        contracts=tuple(contract or ()),
        keeper=keeper_address,
        abi=abi,
        market=market,
        chain_id=chain,
        ask=not yes,
    )
    raise typer.Exit(run(ctx.ensure_object(Output), wanted))
