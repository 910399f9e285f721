"""``keeper demo``."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

from keeper.app.cli import logs
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit
from keeper.devnet.markets import market_id
from keeper.devnet.scenarios import SHAKEN
from keeper.domain.abi import encode_function, parse_signature
from keeper.domain.errors import KeeperError


def run(output: Output, scenario: str, seed: int, directory: Path | None, *, keep: bool) -> int:
    """Plays a scenario, proves it, says where everything stays. Raises KeeperError when a tool or the folder cannot be used."""
    # The story is the demo's log; the keeper's own lines come with -v.
    logs.set_up(output.verbosity or logs.SILENT)
    return asyncio.run(play_and_prove(output, scenario, seed, _folder(directory, scenario), keep=keep))


async def play_and_prove(output: Output, scenario: str, seed: int, folder: Path, *, keep: bool) -> int:
    from keeper.adapters.audit.verify import verify
    from keeper.app.demo.proof import lines, prove, read_all
    from keeper.app.demo.stage import performed
    from keeper.app.demo.story import Story

    story = Story(output)
    story.opening(scenario, seed)
    url = f"sqlite:///{folder / 'keeper.db'}"
    async with performed(scenario, seed, folder, story) as played:
        records = await asyncio.to_thread(read_all, url)
        verification = await asyncio.to_thread(verify, url)
        proof = prove(played, records, verification, url)
        story.ending(lines(proof, played, records), proven=proof.ok)
        story.next_steps(_next_steps(_shown(played.config_path), scenario))
        output.document(proof.document)
        if keep:
            story.look_around(_questions(played.node_url, played.exchange))
            await asyncio.Event().wait()
    return Exit.DONE if proof.ok else Exit.FOUND


def _folder(directory: Path | None, scenario: str) -> Path:
    """Each run has a folder of its own, so that runs side by side do not meet."""
    if directory is None:
        base = Path.cwd() / ".demo"
        number = 1
        while True:
            folder = base / f"{scenario}-{number}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                number += 1
            except OSError as error:
                raise _unusable(base, error) from None
            else:
                return folder
    folder = directory.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from None
    if (folder / "keeper.db").exists():
        raise KeeperError(
            f"{folder} holds the log of an earlier run", remedy="name another folder: a log is never overwritten"
        )
    return folder


def _unusable(folder: Path, error: OSError) -> KeeperError:
    return KeeperError(f"cannot use {folder}: {error.strerror}", remedy="name a folder you may write: --dir DIR")


def _shown(path: Path) -> str:
    """As short as it can be typed here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here)) if path.is_relative_to(here) else str(path))


def _next_steps(config: str, scenario: str) -> list[tuple[str, str]]:
    keeper = shlex.quote(os.path.relpath(sys.argv[0])) if "/" in sys.argv[0] else "keeper"
    other = "volatility" if scenario == "divergence" else "divergence"
    return [
        (f"{keeper} audit {config} log", "what was seen, decided, sent and got back"),
        (f"{keeper} audit {config} verify", "change a byte of keeper.db beside it first, and see"),
        (f"{keeper} demo --scenario {other}", "another story"),
    ]


def _questions(node_url: str, exchange: str) -> list[tuple[str, str]]:
    market = market_id(SHAKEN)
    data = encode_function(parse_signature("paused(bytes32)(bool)"), (market,)).hex()
    call = f'{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{{"to":"{exchange}","data":"0x{data}"}},"latest"]}}'
    return [
        (f"cast call --rpc-url {node_url} {exchange} 'paused(bytes32)(bool)' {market}", f"is {SHAKEN} paused?"),
        (f"curl -s -H 'content-type: application/json' -d '{call}' {node_url}", "the same without cast"),
    ]
