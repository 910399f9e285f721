"""``keeper init --contract``: what is missing is asked for, the contracts are read, and what was found is said."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.app.cli.init import Wanted, write
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.domain.abi import parse_signature
from keeper.domain.address import checksum_address, parse_address
from keeper.domain.errors import KeeperError, UnitError, WrongChain

if TYPE_CHECKING:
    from keeper.app.drafting.draft import Draft, Proposal

MAY = {True: "the keeper may", False: "the keeper may NOT", None: "whether the keeper may cannot be told"}
RPC = "KEEPER_RPC_URL"


def asked(wanted: Wanted) -> Wanted:
    """What is missing, from whoever sits at the terminal; Enter alone leaves a thing out. Raises Interrupted at Ctrl-C: nothing was written."""
    from keeper.app.cli.asking import ask

    contracts = list(wanted.contracts)
    if not contracts:
        sys.stderr.write("A contract to read, as 0x... or name=0x...; Enter alone for a configuration without one.\n")
        while line := ask(f"contract{' (Enter: no more)' if contracts else ''}: ", "written"):
            try:
                _named((line,))
                contracts.append(line)
            except UnitError as error:
                sys.stderr.write(f"{error.message}: {error.remedy}\n")
    if not contracts:
        return wanted
    rpc = wanted.rpc or _from_environment() or ask("node (wss:// or https://): ", "written")
    keeper = wanted.keeper or ask("address of the keeper's key (Enter: not known yet): ", "written")
    return replace(wanted, contracts=tuple(contracts), rpc=rpc, keeper=keeper)


def drafted(output: Output, wanted: Wanted) -> int:
    """Reads, says and writes; FOUND when no action can be proposed, and then nothing is written. Raises KeeperError."""
    from keeper.app.drafting.writing import configuration, environment

    if not wanted.contracts:
        raise KeeperError("no contract is named", remedy="add --contract name=0x..., or leave the other flags out")
    rpc = wanted.rpc or _from_environment()
    if not rpc:
        raise KeeperError("no node is named", remedy=f"add --rpc wss://... or set {RPC}")
    draft = asyncio.run(_draft(replace(wanted, rpc=rpc)))
    _say(output, draft)
    document = _document(draft)
    if not draft.proposals:
        output.say("no action can be proposed: nothing was written", "bold red")
        output.document({"ok": False, "files": [], **document})
        return Exit.FOUND
    write(output, wanted.directory, configuration(draft), environment(rpc), document)
    return Exit.DONE


async def _draft(wanted: Wanted) -> Draft:
    from keeper.adapters.chain.slots import SlotReader
    from keeper.app.drafting.contract import Look
    from keeper.app.drafting.draft import draft_of
    from keeper.config.shape import NAME, NAME_HINT

    named, keeper = _named(wanted.contracts), _address(wanted.keeper) if wanted.keeper else ""
    abi = _selectors(wanted.abi) if wanted.abi else frozenset[bytes]()
    market = wanted.market.strip()
    if market and not NAME.fullmatch(market):
        raise KeeperError(f"a market's name is {NAME_HINT}", remedy="--market ETH-USD")
    node = SlotReader(wanted.rpc)
    try:
        chain_id = await node.chain_id()
        if wanted.chain_id and chain_id != wanted.chain_id:
            raise WrongChain(
                f"{node.name} is of chain {chain_id}, and --chain says {wanted.chain_id}", remedy="name another node"
            )
        return await draft_of(Look(node, await node.head()), chain_id, named, keeper, market, abi)
    finally:
        await node.close()


def _from_environment() -> str:
    from keeper.config.environment import Environment, EnvironmentProblem, NotSet

    try:
        return Environment.of(None).fill(f"${{{RPC}}}")
    except NotSet:
        return ""
    except EnvironmentProblem as problem:
        raise KeeperError(problem.message, remedy=problem.hint) from None


def _named(texts: tuple[str, ...]) -> dict[str, str]:
    """Addresses by name. Raises UnitError."""
    found: dict[str, str] = {}
    for number, text in enumerate(texts, start=1):
        before, sign, after = text.rpartition("=")
        name = before.strip() if sign else f"contract-{number}"
        if not name or name in found or not all(letter.isalnum() or letter in "-_." for letter in name):
            raise UnitError(f"{name!r} is no name for a contract here", remedy="letters, digits, - _ and ., each once")
        found[name] = _address(after.strip())
    return found


def _address(text: str) -> str:
    return checksum_address(parse_address(text))


def _selectors(file: Path) -> frozenset[bytes]:
    """Of the functions in a JSON ABI, alone or in an artifact with `abi`; those with lists and tuples are passed over. Raises KeeperError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        entries = found["abi"] if isinstance(found, dict) else found
        functions = [entry for entry in entries if entry.get("type") == "function"]
        texts = [f"{entry['name']}({','.join(each['type'] for each in entry['inputs'])})" for entry in functions]
    except OSError as error:
        raise KeeperError(f"cannot read {file}: {error.strerror}", remedy="name a file with a JSON ABI") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise KeeperError(
            f"{file} holds no JSON ABI", remedy="the list of functions, or an artifact that holds it"
        ) from None
    selectors = set()
    for text in texts:
        try:
            selectors.add(parse_signature(text).selector)
        except UnitError:
            continue
    return frozenset(selectors)


def _say(output: Output, draft: Draft) -> None:
    output.say(f"chain {draft.chain_id}")
    for contract in draft.contracts:
        through = f" -> {' -> '.join(contract.through)}" if contract.through else ""
        output.say(
            f"{contract.name} {contract.address}{through}: {counted(len(contract.selectors), 'function')} in its code"
        )
    for held in draft.rights:
        output.say(f"  {held.text}")
    for one in draft.proposals:
        output.say(f"action {one.name}: {one.pattern.call} of {one.contract}; {one.pattern.view} is {one.now} now")
        output.say(f"  needs {one.needs}; {MAY[one.may]}: {one.why}", "bold red" if one.may is False else None)
    for doubt in draft.doubts:
        output.say(f"not told: {doubt}", "yellow")


def _document(draft: Draft) -> dict[str, object]:
    return {
        "chain_id": draft.chain_id,
        "keeper": draft.keeper or None,
        "contracts": [
            {"name": one.name, "address": one.address, "through": list(one.through), "functions": len(one.selectors)}
            for one in draft.contracts
        ],
        "rights": [
            {"contract": one.contract, "right": one.right, "held_by": one.who or None, "keeper_has": one.keeper_has}
            for one in draft.rights
        ],
        "actions": [_action(one) for one in draft.proposals],
        "markets": {name: asset or None for name, asset in draft.markets.items()},
        "not_told": list(draft.doubts),
    }


def _action(one: Proposal) -> dict[str, object]:
    return {
        "name": one.name,
        "contract": one.target,
        "call": one.pattern.call,
        "read": one.pattern.view,
        "read_at": one.read_at,
        "now": one.now,
        "undo": one.pattern.undo or None,
        "needs": one.needs,
        "keeper_may": one.may,
        "why": one.why,
    }
