"""``keeper council execute``: carries out what enough owners have signed, with the key of whoever pays for it, and reads back what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keeper.app.cli.council import VIA, Place, alarming, found, misnamed, opened, refusal_of, refused, run
from keeper.app.cli.council_document import brief, transaction_document
from keeper.app.cli.council_keys import NOBODY_ASKED, Key, agreed
from keeper.app.cli.council_words import after, alarms, changes, hashes, missing_text, named, say, short, wrapped
from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command
from keeper.app.council.matter import Standing
from keeper.app.exit_codes import Exit
from keeper.app.pages.amounts import grouped
from keeper.app.pages.wording import dead_text
from keeper.domain.errors import AuditError, UnitError

if TYPE_CHECKING:
    from keeper.app.council.matter import Change, Matter
    from keeper.app.nodes import Nodes
    from keeper.config.model import Config
    from keeper.domain.action import Call
    from keeper.domain.block import BlockStamp
    from keeper.domain.evm import Receipt

    Read = list[tuple[Change, str | None]]


def execute(output: Output, place: Place, name: str, key: Key, *, yes: bool, despite_alarms: bool) -> int:
    """Sends it, or without a key prints what to send; FOUND when it cannot be executed yet, or came to something else. Raises KeeperError."""
    return run(output, _execute(output, place, name, key, yes=yes, despite_alarms=despite_alarms))


async def _execute(output: Output, place: Place, name: str, key: Key, *, yes: bool, despite_alarms: bool) -> int:
    from keeper.domain.safe_signatures import exec_call, joined

    async with opened(place) as (config, table):
        matter = await found(table, name)
        _summary(output, matter)
        if not_yet := misnamed(matter, name) or _not_yet(matter, place):
            return refused(output, "not executed", not_yet)
        if alarming(output, matter, "not executed", despite=despite_alarms):
            return Exit.FOUND
        signatures = joined(await table.confirmations(matter), matter.state.threshold)
        call = exec_call(matter.transaction, signatures)
        if not key.named:
            return _by_hand(output, matter, call)
        if why := agreed(output, matter.hash, yes=yes, verb="execute"):
            return refused(output, "not executed", why, "--yes answers for you" if why == NOBODY_ASKED else "")
        try:
            receipt, ok, read = await _send(config, matter, call, key)
        except UnitError as error:
            return refusal_of(output, "not executed", error)
        try:
            await table.executed(
                matter, tx_hash=receipt.tx_hash, block=receipt.block_number, ok=ok, via=f"{VIA}/{key.kind}"
            )
        except AuditError as error:  # it is done, whatever the log says
            output.error(f"it is not written down: {error.message}", error.remedy)
    return _told(output, matter, receipt, read, ok=ok)


def _summary(output: Output, matter: Matter) -> None:
    say(output, alarms(matter))
    output.say(matter.title, "bold")
    say(output, changes(matter))
    say(output, after(matter))
    say(output, hashes(matter.transaction))


def _not_yet(matter: Matter, place: Place) -> str:
    """Why the Safe would refuse it; empty when it would not."""
    match matter.standing:
        case Standing.READY:
            return ""
        case Standing.WAITING:
            return missing_text(matter, matter.not_signed)
        case Standing.BEHIND:
            first = matter.state.nonce
            look = f"{keeper_command()} council {place.typed} queue"
            return f"nonce {first} must be executed or rejected first, this one has {matter.transaction.nonce}; see: {look}"
        case Standing.EXECUTED:
            return f"it was executed already{f' by {matter.executed_tx}' if matter.executed_tx else ''}"
        case Standing.DEAD:
            return dead_text(matter)


def _by_hand(output: Output, matter: Matter, call: Call) -> int:
    data = "0x" + call.data.hex()
    output.say("")
    output.say("Enough owners have signed. Anybody may send this, without value; who sends it pays the gas:", "bold")
    output.say(f"  to    {call.to}\n  data  {data}")
    output.document({"ok": True, "executed": False, "to": call.to, "data": data, "value_wei": "0", **brief(matter)})
    return Exit.DONE


async def _send(config: Config, matter: Matter, call: Call, key: Key) -> tuple[Receipt, bool, Read]:
    """The receipt, whether the Safe says that its call worked, and each value that was to change as it is at that block."""
    from keeper.adapters.clock import SystemClock
    from keeper.app.cli.own_transaction import send_and_wait
    from keeper.app.council.onchain import SafeReader
    from keeper.app.nodes import open_nodes
    from keeper.domain.block import BlockStamp

    signer = await key.open()
    clock = SystemClock()
    nodes = open_nodes(config.chain, clock)
    try:
        receipt = await send_and_wait(
            call, signer, nodes.fleet, nodes.fleet, nodes.broadcasters, clock, chain_id=config.chain.id
        )
        block = BlockStamp(receipt.block_number, receipt.block_hash, "", 0)
        ok = False
        if receipt.status == 1:
            reader = SafeReader(nodes.fleet, nodes.told, config.chain.id, matter.state.safe)
            told = await reader.executions({matter.hash}, block.number, block.number)
            execution = told.get(matter.hash)
            ok = execution is not None and execution.ok
        return receipt, ok, await _read(nodes, matter, block)
    finally:
        await nodes.close()


async def _read(nodes: Nodes, matter: Matter, block: BlockStamp) -> Read:
    from keeper.app.council.restoring import value_of
    from keeper.domain.abi import encode_call
    from keeper.domain.action import FunctionCall

    views = [FunctionCall(each.contract, each.asked, each.args) for each in matter.changes]
    results = await nodes.fleet.read([encode_call(view) for view in views], block) if views else ()
    values = [value_of(view, result) for view, result in zip(views, results, strict=True)]
    return list(zip(matter.changes, values, strict=True))


def _told(output: Output, matter: Matter, receipt: Receipt, read: Read, *, ok: bool) -> int:
    differs = [(change, now) for change, now in read if change.after is not None and now != change.after]
    output.say("")
    where = f"{receipt.tx_hash} in block {receipt.block_number}"
    if ok:
        output.say(f"executed: {where}", "bold green")
    else:
        reverted = (
            "the transaction reverted" if receipt.status != 1 else "the Safe's call failed, and its nonce is used"
        )
        output.say(f"FAILED: {reverted}: {where}", "bold red")
    for change, now in read:
        odd = now != change.after if change.after is not None else False
        expected = f", and {change.after} was expected" if odd else ""
        value = now if now is not None else "(not readable)"
        say(output, wrapped("  ", grouped(f"{named(change)} is {value} now{expected}"), "bold red" if odd else None))
    output.document(
        {
            "ok": ok and not differs,
            "executed": ok,
            "tx_hash": receipt.tx_hash,
            "block": receipt.block_number,
            "status": receipt.status,
            "effects": [
                {"contract": each.contract, "call": each.asked, "args": list(each.args), "before": each.before, "expected": each.after, "now": now}
                for each, now in read
            ],
            "transaction": transaction_document(matter.transaction),
        }
    )  # fmt: skip
    if not ok:
        output.error(f"{short(matter.hash)} did not do what was signed", "read the trace of the transaction")
    return Exit.DONE if ok and not differs else Exit.FOUND
