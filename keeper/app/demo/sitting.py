"""The council's part of the demo: a restore is proposed, read, held against a service that lies, signed by two members, and executed.

It is done with the functions of ``keeper restore`` and ``keeper council``, while the keeper goes on watching.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.clock import SystemClock
from keeper.app.cli.own_transaction import send_and_wait
from keeper.app.cli.restore import changes_in, planned, why_of
from keeper.app.council.council import ALARMED, Council
from keeper.app.council.ledger import Place, Step, What
from keeper.app.council.matter import Matter, Standing
from keeper.app.council.onchain import SafeReader
from keeper.app.council.opening import open_council
from keeper.app.council.restoring import Restore
from keeper.app.demo.chamber import Chamber, signer_of
from keeper.app.demo.sitting_words import SittingWords
from keeper.app.nodes import open_nodes
from keeper.config.model import Config
from keeper.devnet.safe_service.faults import FIELD_LIES
from keeper.devnet.scenarios import SHAKEN
from keeper.domain.errors import KeeperError, UnitError
from keeper.domain.evm import Receipt
from keeper.domain.record import RecordKind, RecordQuery
from keeper.domain.safe_signatures import exec_call, joined

VIA: Final = "demo"
SIGNERS: Final = ("Ada", "Ben")
EXECUTOR: Final = "Cleo"
"""Has not signed: whoever pays may execute what enough owners have signed."""
LIES: Final = {name: lie for name, lie in FIELD_LIES.items() if name != "safe"}
"""Of each field that is signed, and of the hash. What the service tells of another Safe is not taken for an answer at all."""
BLOCKS: Final = 25
"""Mined at most until the keeper has noticed something."""

Mine = Callable[[], Awaitable[None]]
"""One block with the prices of now."""


@dataclass(frozen=True, slots=True)
class Look:
    """The proposal while the service lied in one field. ``alarm`` names the field; ``refused`` is why nothing was signed; empty: it was not so."""

    field: str
    alarm: str
    refused: str


async def sit(config: Config, chamber: Chamber, words: SittingWords, mine: Mine) -> tuple[Look, ...]:
    """From the paused market to the open one; what was seen while the service lied. Nothing where nothing is to be put back. Raises KeeperError."""
    incident = await asyncio.to_thread(_incident, config.audit.url.reveal())
    if incident is None:
        return ()
    words.convened()
    restore = await planned(config, incident)
    if not restore.calls:
        return ()
    words.planned(restore)
    async with open_council(config) as council:
        matter = await _proposed(council, restore)
        words.proposed(matter)
        await council.seen(matter, via=VIA)
        looks = await _lied_to(council, chamber, matter)
        words.lied_to(looks)
        for name in SIGNERS:
            signature = await chamber.signer(name).sign_safe(matter.transaction)
            matter = await council.confirm(matter, signature, via=VIA)
            words.signed(name, matter)
            await _noticed(config, matter, Step.SIGNED, mine, count=len(matter.signed))
        if matter.standing is not Standing.READY:
            raise KeeperError(f"two members have signed, and the proposal is {matter.standing.value}")
        receipt = await _executed(config, council, chamber, matter, mine)
        words.executed(EXECUTOR, receipt)
    noticed = await _noticed(config, matter, Step.EXECUTED, mine)
    paused = await chamber.council.world.paused(SHAKEN, block=receipt.block_number)
    words.read_back(paused, receipt.block_number, noticed=noticed)
    return looks


def _incident(url: str) -> str | None:
    """The newest incident of the log."""
    records = page_sync(url, RecordQuery(kinds=(RecordKind.INCIDENT,), newest_first=True, limit=1))
    return records[0].incident if records else None


async def _proposed(council: Council, restore: Restore) -> Matter:
    """As ``keeper restore`` does it."""
    place = Place(restore.back[0].market, None, restore.incident)
    matter = await council.draft(
        [(call.to, 0, call.data) for call in restore.calls],
        title=restore.title,
        why=why_of(restore),
        what=What.RESTORE,
        place=place,
        changes=changes_in(restore),
    )
    return await council.propose(matter, what=What.RESTORE, place=place, facts={"restores": restore.incident})


async def _lied_to(council: Council, chamber: Chamber, matter: Matter) -> tuple[Look, ...]:
    """A look while the service tells another value of one field, for each field; and a member who would sign what it tells."""
    looks = []
    member = chamber.signer(SIGNERS[0])
    for name, lie in LIES.items():
        chamber.service.alter = lie
        try:
            told = await council.matter(matter.hash)
            alarm = next((each.text for each in told.alarms if names(each.text, name)), "")
            try:
                await council.confirm(told, await member.sign_safe(told.transaction), via=VIA)
                refused = ""
            except UnitError as error:
                refused = error.message if error.message.startswith(ALARMED) else ""
        finally:
            chamber.service.alter = None
        looks.append(Look(name, alarm, refused))
    return tuple(looks)


def names(alarm: str, name: str) -> bool:
    """Whether an alarm is about this field of the service's answers."""
    if name == "safeTxHash":
        return alarm.startswith("the service calls it ")
    return alarm.lower().startswith(f"{name.lower()}: ")


async def _executed(config: Config, council: Council, chamber: Chamber, matter: Matter, mine: Mine) -> Receipt:
    """As ``keeper council execute`` does it, with the key of a member."""
    clock = SystemClock()
    signatures = joined(await council.confirmations(matter), matter.state.threshold)
    nodes = open_nodes(config.chain, clock)
    try:
        sending = asyncio.create_task(
            send_and_wait(
                exec_call(matter.transaction, signatures),
                signer_of(chamber.council.members[EXECUTOR]),
                nodes.fleet,
                nodes.fleet,
                nodes.broadcasters,
                clock,
                chain_id=config.chain.id,
            )
        )
        while not sending.done():
            await mine()
        receipt = await sending
        reader = SafeReader(nodes.fleet, nodes.told, config.chain.id, matter.state.safe)
        block = receipt.block_number
        execution = (await reader.executions({matter.hash}, block, block)).get(matter.hash)
    finally:
        await nodes.close()
    ok = execution is not None and execution.ok
    await council.executed(matter, tx_hash=receipt.tx_hash, block=block, ok=ok, via=VIA)
    return receipt


async def _noticed(config: Config, matter: Matter, step: Step, mine: Mine, count: int = 1) -> bool:
    """Mines until the running keeper has written this step down so often; what it has not, the proof will miss."""
    url = config.audit.url.reveal()
    for _ in range(BLOCKS):
        if await asyncio.to_thread(_steps, url, matter.hash, step) >= count:
            return True
        await mine()
    return False


def _steps(url: str, safe_tx_hash: str, step: Step) -> int:
    records = page_sync(url, RecordQuery(kinds=(RecordKind.PROPOSAL,), limit=1_000))
    return sum((one.body.get("safe_tx_hash"), one.body.get("step")) == (safe_tx_hash, step) for one in records)
