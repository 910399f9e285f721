"""What to try next, as it must be typed in the folder where the demo was started; it works when pasted into a shell."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from keeper.devnet.markets import market_id
from keeper.devnet.scenarios import SHAKEN
from keeper.devnet.toolchain import cast_program
from keeper.domain.abi import encode_function, parse_signature

PAUSED = "paused(bytes32)(bool)"
OTHERS = {
    "divergence": ("--scenario volatility", "The ladder: a limit first, then the pause"),
    "volatility": ("--scenario calm", "Noise only: nothing may trip"),
    "calm": ("--scenario divergence", "An oracle that goes wrong: the pause"),
}
"""Which scenario to see after this one."""

Command = tuple[str, str]
"""What it is for, and the command."""


def afterwards(config: Path, scenario: str) -> list[Command]:
    """What can be done when everything is down again."""
    keeper, file = keeper_command(), typed(config)
    option, what = OTHERS[scenario]
    return [
        ("What was seen, decided, sent and got back:", f"{keeper} audit {file} log"),
        ("Is it untouched? Change one byte of keeper.db beside it, and ask again:", f"{keeper} audit {file} verify"),
        (f"{what} (add --keep to ask its chain):", f"{keeper} demo {option}"),
    ]


def meanwhile(config: Path, node_url: str, exchange: str) -> list[Command]:
    """What can be asked while the node and the venue are up."""
    keeper, file = keeper_command(), typed(config)
    market = market_id(SHAKEN)
    data = encode_function(parse_signature(PAUSED), (market,)).hex()
    by_curl = (
        f"curl -s {node_url} -H 'content-type: application/json' -d '{{\n"
        '"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{\n'
        f'"to":"{exchange}","data":\n"0x{data}"\n'
        '},"latest"]}\''
    )
    commands = [(f"Is {SHAKEN} paused? Ask its contract; a result that ends with 1 is a yes:", by_curl)]
    if (cast := cast_program()) is not None:
        by_cast = f"{typed(cast)} call --rpc-url {node_url} \\\n  {exchange} '{PAUSED}' \\\n  {market}"
        commands.append(("The same with cast:", by_cast))
    return [
        *commands,
        ("A keeper on what is there now (Ctrl-C ends it):", f"{keeper} run {file}"),
        ("What it sees, in one screen:", f"{keeper} status {file}"),
    ]


def keeper_command() -> str:
    """How this program is called here: by name when that finds it, else by its path."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{typed(Path(sys.executable))} -m keeper"
    found = shutil.which("keeper")
    if found is not None and started.is_file() and Path(found).samefile(started):
        return "keeper"
    return typed(started)


def typed(path: Path) -> str:
    """The path for a shell, relative where it lies below the current folder."""
    path, here = path.absolute(), Path.cwd()
    text = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return shlex.quote(text if "/" in text else f"./{text}")
