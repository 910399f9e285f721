"""What to try next, as it must be typed in the folder where the demo was started; it works when pasted into a shell."""

from __future__ import annotations

from pathlib import Path

from keeper.app.cli.typed import folded, keeper_command, typed
from keeper.devnet.markets import market_id
from keeper.devnet.scenarios import SHAKEN
from keeper.devnet.toolchain import cast_program
from keeper.domain.abi import encode_function, parse_signature

PAUSED = "paused(bytes32)(bool)"
FORGED = SHAKEN[:-1] + "Q"
"""As long as the name it stands for: a database keeps its form, and only its content is another one."""
OTHERS = {
    "divergence": ("--scenario volatility", "The ladder: a limit first, then the pause"),
    "volatility": ("--scenario calm", "Noise only: nothing may trip"),
    "calm": ("--scenario breaker", "A key without any role, and a pause that ends by itself"),
    "breaker": ("--scenario council", "A market that only two of three people may open again"),
    "council": ("--scenario private", "A pause that nobody can see before its block, and one that everybody can"),
    "private": ("--scenario divergence", "The same oracle, in public"),
}
"""Which scenario to see after this one."""

Command = tuple[str, str]
"""What it is for, and the command."""


def afterwards(config: Path, scenario: str) -> list[Command]:
    """What can be done when everything is down again."""
    keeper, file = keeper_command(), typed(config)
    option, what = OTHERS[scenario]
    forge = folded("LC_ALL=C", "sed", "-i.bak", f"'s/{SHAKEN}/{FORGED}/'", typed(config.with_name("keeper.db")))
    verify = folded(keeper, "audit", file, "verify")
    return [
        _log(keeper, file, scenario),
        ("Is it untouched?", verify),
        ("Forge one name in it, and ask again (keeper.db.bak stays as it was):", f"{forge}\n{verify}"),
        (f"{what} (add --keep to ask its chain):", folded(keeper, "demo", *option.split())),
    ]


def _log(keeper: str, file: str, scenario: str) -> Command:
    log = (keeper, "audit", file, "log")
    if scenario == "council":
        return "What became of the proposal, step by step:", folded(*log, "--kind", "proposal")
    if scenario == "private":
        return "What was sent where, and what each builder answered:", folded(*log, "--kind", "broadcast")
    return "What was seen, decided, sent and got back:", folded(*log)


def of_the_council(config: Path, safe_tx_hash: str, page_url: str) -> list[Command]:
    """What can be asked while the node, the council's service and the keeper with its pages are up."""
    keeper, file = keeper_command(), typed(config)
    council = (keeper, "council", file)
    return [
        ("The proposal as a member reads it, with the council's clock:", folded(*council, "show", safe_tx_hash[:12])),
        ("The same on a page, in a browser:", f"{page_url}proposals/{safe_tx_hash}"),
        ("What waits for signatures now (nothing):", folded(*council, "queue")),
        ("Who may propose in whose name:", folded(*council, "delegate", "list")),
        ("What the keeper watches, live, in a browser:", f"{page_url}status"),
        ("Does the log agree with the chain, both ways?", folded(keeper, "audit", file, "verify", "--on-chain")),
    ]


def meanwhile(config: Path, node_url: str, exchange: str, page_url: str) -> list[Command]:
    """What can be asked while the node, the venue and the keeper are up."""
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
        by_cast = folded(typed(cast), "call", "--rpc-url", node_url, exchange, f"'{PAUSED}'", market)
        commands.append(("The same with cast:", by_cast))
    return [
        *commands,
        ("Does the log agree with the chain, both ways?", folded(keeper, "audit", file, "verify", "--on-chain")),
        ("What the keeper sees, live, in a browser:", f"{page_url}status"),
        ("The same in one screen of a terminal:", folded(keeper, "status", file)),
    ]
