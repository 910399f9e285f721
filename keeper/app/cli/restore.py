"""``keeper restore``: proposes to the council to put back what the keeper changed in an incident, after showing what that comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keeper.app.cli import logs, nothing_yet
from keeper.app.cli.asking import NOTHING_TYPED, ask, at_terminal
from keeper.app.cli.council import Place, refusal_of, refused, write_new
from keeper.app.cli.council_document import document
from keeper.app.cli.council_keys import NOBODY_ASKED
from keeper.app.cli.council_table import file_text, table_of
from keeper.app.cli.council_words import after, alarms, changes, hashes, say, short, wrapped
from keeper.app.cli.output import Output, counted
from keeper.app.cli.typed import keeper_command
from keeper.app.council.restoring import Fate, Restore
from keeper.app.exit_codes import Exit
from keeper.app.pages.amounts import with_share
from keeper.domain.abi import encode_call
from keeper.domain.errors import OutsideError, Refused, UnitError

if TYPE_CHECKING:
    from keeper.app.cli.council_table import CouncilTable
    from keeper.app.council.executions import Ended
    from keeper.app.council.ledger import Proposed
    from keeper.app.council.matter import Change, Matter
    from keeper.app.nodes import Nodes
    from keeper.config.model import Config

STYLES: Final = {Fate.BACK: "bold", Fate.AS_BEFORE: "dim", Fate.CHANGED_SINCE: "yellow", Fate.LEFT: "bold yellow"}


@dataclass(frozen=True, slots=True)
class Asked:
    """``out``: write what the owners sign to this file, and propose nothing."""

    incident: str
    dry_run: bool = False
    out: Path | None = None
    yes: bool = False


def run(output: Output, place: Place, asked: Asked) -> int:
    """DONE also when there is nothing to do; FOUND when it cannot be put back from here, would fail, or is not proposed. Raises KeeperError."""
    logs.set_up(output.verbosity)
    return asyncio.run(_run(output, place, asked))


async def _run(output: Output, place: Place, asked: Asked) -> int:
    from keeper.app.council.ledger import Place as InLog
    from keeper.app.council.ledger import What
    from keeper.config import load

    config = load(place.config)
    if not nothing_yet.log_exists(config.audit.url.reveal()):
        return nothing_yet.say_so(output, place.config)
    restore = await planned(config, asked.incident)
    _show(output, restore)
    if not restore.calls:
        return _nothing(output, restore)
    in_log = InLog(restore.back[0].market, None, restore.incident)
    async with table_of(config, place.route) as table:
        calls = [(call.to, 0, call.data) for call in restore.calls]
        matter = await table.draft(
            calls,
            title=restore.title,
            why=why_of(restore),
            what=What.RESTORE,
            place=in_log,
            changes=changes_in(restore),
        )
        _show_matter(output, matter)
        if matter.after.goes_through is False:
            return refused(
                output, "not proposed", f"it would fail: {matter.after.text}", "correct the `undo` of the actions"
            )
        if asked.out is not None:
            write_new(asked.out, file_text(matter.transaction))
            output.say(f"wrote {asked.out}: what the owners sign; nothing was proposed")
        if asked.dry_run or asked.out is not None:
            output.document({"ok": True, "proposed": False, **_document(restore), "matter": document(matter)})
            return Exit.DONE
        if (waiting := await _waiting(table, matter)) is not None:
            output.say("the same waits already: it is not proposed twice", "bold green")
            return _told(output, place, restore, waiting)
        if why := _agreed(output, yes=asked.yes):
            return refused(output, "not proposed", why, "--yes answers for you" if why == NOBODY_ASKED else "")
        try:
            facts = {"restores": restore.incident}
            now = await table.propose(matter, what=What.RESTORE, place=in_log, facts=facts)
        except (UnitError, Refused) as error:
            return refusal_of(output, "not proposed", error)
        except OutsideError:
            output.say(
                f"kept: {matter.hash} is in the log and a file; a running keeper sends it when the service answers"
            )
            raise
    output.say(f"proposed: {now.hash}", "bold green")
    return _told(output, place, restore, now)


def _nothing(output: Output, restore: Restore) -> int:
    """FOUND where something is not as before, and nobody can tell here how to put it back."""
    stuck = any(item.fate is Fate.LEFT for item in restore.items)
    words = "nothing can be put back from here: see above" if stuck else "nothing to put back"
    output.say(words, "bold yellow" if stuck else "bold green")
    output.document({"ok": not stuck, "proposed": False, **_document(restore)})
    return Exit.FOUND if stuck else Exit.DONE


async def _waiting(table: CouncilTable, drafted: Matter) -> Matter | None:
    """What does the same and waits already: in the service's queue, or in a file that is not there yet."""
    from keeper.app.council.proposer import same_calls

    if drafted.from_service:
        return drafted
    return next((one for one in await table.queue() if same_calls(one.transaction, drafted.transaction)), None)


async def planned(config: Config, incident: str) -> Restore:
    """Reads the log, and the chain at its newest block. Raises UnitError, AuditError, OutsideError."""
    from keeper.adapters.audit.store import SqlAuditStore
    from keeper.adapters.clock import SystemClock
    from keeper.app.council.restoring import plan_restore
    from keeper.app.nodes import open_nodes

    store = await SqlAuditStore.open(config.audit.url.reveal())
    nodes = open_nodes(config.chain, SystemClock())
    try:
        look_up = partial(_ends, config.chain.id, nodes)
        return await plan_restore(incident, store.page, config.actions, nodes.fleet, look_up)
    finally:
        await nodes.close()
        await store.close()


async def _ends(chain_id: int, nodes: Nodes, asked: Sequence[Proposed]) -> dict[str, Ended]:
    """What became of these proposals, by the chain: the log knows of an execution only when the keeper was running, or a command did it."""
    from keeper.app.council.executions import Ended, Executions
    from keeper.app.council.onchain import SafeReader

    found: dict[str, Ended] = {}
    block = await nodes.fleet.head()
    for safe in sorted({one.transaction.safe for one in asked}):
        reader = SafeReader(nodes.fleet, nodes.told, chain_id, safe)
        mine = [(one.transaction, one) for one in asked if one.transaction.safe == safe]
        try:
            state = await reader.state(block)
        except OutsideError as error:  # a Safe of former days is no reason to leave a market paused
            found |= {one.hash_text: Ended(unsure=error.message) for one, _ in mine}
        else:
            found |= await Executions(reader).of(mine, state)
    return found


def _show(output: Output, restore: Restore) -> None:
    output.say(f"{restore.incident}, at block {restore.block.number}", "bold")
    for item in restore.items:
        say(output, wrapped("  ", with_share(item.text, item.now, item.old), STYLES[item.fate]))
    if not restore.items:
        output.say("  the keeper changed nothing in it")
    for note in restore.notes:
        say(output, wrapped("  note: ", note, "yellow"))


def _show_matter(output: Output, matter: Matter) -> None:
    say(output, alarms(matter))
    say(output, changes(matter))
    say(output, after(matter))
    for remark in matter.remarks:
        if remark not in matter.alarms:
            say(output, wrapped(f"  {remark.level.value}: ", remark.text))
    say(output, hashes(matter.transaction))
    nonce = matter.transaction.nonce
    output.say(f"  nonce {nonce} of the Safe {matter.state.safe}, {matter.state.threshold} owners must sign")


def _agreed(output: Output, *, yes: bool) -> str:
    """Why it is not proposed; empty when somebody said yes."""
    if yes:
        return ""
    if output.as_json or not at_terminal():
        return NOBODY_ASKED
    answer = ask("Propose this to the council? (yes/no) ", "proposed")
    if not answer:
        return NOTHING_TYPED
    return "" if answer.lower() in ("y", "yes") else "the answer was not yes"


def _told(output: Output, place: Place, restore: Restore, matter: Matter) -> int:
    output.say(f"next: {keeper_command()} council {place.typed} show {short(matter.hash)}")
    output.document({"ok": True, "proposed": True, **_document(restore), "matter": document(matter)})
    return Exit.DONE


def why_of(restore: Restore) -> list[str]:
    """For whoever is asked to sign it."""
    count, one = counted(len(restore.back), "value"), len(restore.back) == 1
    return [
        f"In {restore.incident} the keeper changed {count} that {'is still as it left it' if one else 'are still as it left them'}",
        *restore.notes,
        *(item.text for item in restore.rest),
    ]


def changes_in(restore: Restore) -> list[Change]:
    from keeper.app.council.matter import Change

    return [
        Change(item.view.target, item.view.signature, item.view.args, item.now, None, item.old, item.name)
        for item in restore.back
        if item.view is not None
    ]


def _document(restore: Restore) -> dict[str, object]:
    items = []
    for item in restore.items:
        call = encode_call(item.undo) if item.undo is not None else None
        items.append(
            {
                "fate": item.fate.value,
                "market": item.market,
                "action": item.action,
                "contract": item.view.target if item.view else None,
                "call": item.view.signature if item.view else None,
                "args": list(item.view.args) if item.view else [],
                "before_incident": item.old,
                "left_by_keeper": item.left,
                "now": item.now,
                "why": item.why,
                "undo": {"to": call.to, "data": "0x" + call.data.hex()} if call else None,
            }
        )
    return {"incident": restore.incident, "block": restore.block.number, "items": items, "notes": list(restore.notes)}
