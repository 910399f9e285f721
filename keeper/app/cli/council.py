"""``keeper council``: what waits for the owners of the Safe, one proposal in plain words, their signatures, and what executes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keeper.app.cli import logs
from keeper.app.cli.council_document import brief, document, state_document
from keeper.app.cli.council_table import file_text, table_of
from keeper.app.cli.council_words import alarms, row, say, shown
from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command, typed
from keeper.app.exit_codes import Exit
from keeper.domain.errors import AuditError, KeeperError, UnitError

if TYPE_CHECKING:
    from keeper.app.cli.council_table import CouncilTable
    from keeper.app.council.matter import Matter
    from keeper.config.model import Config
    from keeper.domain.proposal import Confirmation

VIA: Final = "command-line"
SHORTEST: Final = 6
"""Digits of a hash that may name it."""


class Form(StrEnum):
    """What a file of a proposal is for."""

    PROPOSAL = "proposal"
    """Everything that others need to sign without any service, with the signatures that are there."""
    TYPED_DATA = "typed-data"
    """What a wallet signs (EIP-712), alone."""
    SAFE_APP = "safe-app"
    """A batch for the Transaction Builder of the Safe web app, which proposes it anew with a nonce of its own."""


HOW: Final = {
    Form.PROPOSAL: "what others need to read and sign it without any service, with the signatures that are there",
    Form.TYPED_DATA: "sign it with: cast wallet sign --data --from-file FILE",
    Form.SAFE_APP: "load it in the Transaction Builder of the Safe web app; it becomes a proposal with a nonce, and a hash, of its own",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which configuration, and which of its routes to a Safe (None: the only one). ``now_ms`` is for the words of how long ago."""

    config: str
    route: str | None = None
    now_ms: int = field(default_factory=lambda: _now_ms())

    @property
    def typed(self) -> str:
        """The configuration as it stands in commands that are printed."""
        return "-" if self.config == "-" else typed(Path(self.config)).removeprefix("./")


def queue(output: Output, place: Place) -> int:
    """What is open, in the order of nonce; FOUND when something of it is alarming. Raises KeeperError."""
    return run(output, _queue(output, place))


def show(output: Output, place: Place, name: str) -> int:
    """Everything about one; FOUND when it is alarming. Raises KeeperError."""
    return run(output, _show(output, place, name))


def export(output: Output, place: Place, name: str, file: Path, form: Form, *, despite_alarms: bool) -> int:
    """Writes it as a new file; FOUND when it is alarming. Raises KeeperError."""
    return run(output, _export(output, place, name, file, form, despite_alarms=despite_alarms))


def serve(output: Output, place: Place) -> int:
    """The pages of council and log, until it is ended: INTERRUPTED by Ctrl-C, DONE by SIGTERM. Raises KeeperError."""
    return run(output, _serve(output, place))


def run(output: Output, command: object) -> int:
    """One command from beginning to end."""
    assert asyncio.iscoroutine(command), "commands are coroutines"
    logs.set_up(output.verbosity)
    return int(asyncio.run(command))


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[tuple[Config, CouncilTable]]:
    """Raises ConfigurationError, UnitError without a Safe in the configuration, KeeperError."""
    from keeper.config import load

    config = load(place.config)
    async with table_of(config, place.route) as table:
        yield config, table


async def found(table: CouncilTable, name: str) -> Matter:
    """The matter that the hash, or the beginning of one, names. Raises UnitError."""
    digits = name.lower().removeprefix("0x")
    if not SHORTEST <= len(digits) <= 64 or not all(digit in "0123456789abcdef" for digit in digits):
        raise UnitError(
            f"{name!r} is no safeTxHash", remedy=f"give at least its first {SHORTEST} digits; see: keeper council queue"
        )
    return await table.matter("0x" + digits)


def misnamed(matter: Matter, name: str) -> str:
    """Why this is not what was named: a service may have other fields under a hash than those that it is the hash of. Empty when it is."""
    if matter.hash.removeprefix("0x").startswith(name.lower().removeprefix("0x")):
        return ""
    return f"what is said to be {name} has the hash {matter.hash} when it is computed here"


async def looked_at(output: Output, table: CouncilTable, matter: Matter) -> None:
    """Writes down that somebody has read it. That the log does not take it keeps nobody from reading."""
    try:
        await table.seen(matter, via=VIA)
    except AuditError as error:
        output.error(f"it is not written down that this was looked at: {error.message}", error.remedy)


def refused(output: Output, what: str, why: str, remedy: str = "") -> int:
    """The check found something: nothing was done."""
    output.failed(f"{what}: {why}", remedy)
    return Exit.FOUND


def alarming(output: Output, matter: Matter, what: str, *, despite: bool) -> bool:
    """Whether alarms stand in the way; says so."""
    if not matter.alarms or despite:
        return False
    output.failed(
        f"{what}: {matter.alarms[0].text}",
        "find out why first; --despite-alarms only when you know that the proposal is right",
    )
    return True


def refusal_of(output: Output, what: str, error: KeeperError) -> int:
    """A signature or a proposal that was not taken."""
    return refused(output, what, error.message, error.remedy)


async def _queue(output: Output, place: Place) -> int:
    async with opened(place) as (_, table):
        matters = list(await table.queue())
        state = await table.state()
    for matter in matters:
        say(output, row(matter, place.now_ms))
    if not matters:
        output.say(f"nothing waits for the owners of {state.safe}; its next nonce is {state.nonce}")
    else:
        output.say(f"\nRead one: {keeper_command()} council {place.typed} show {matters[0].hash[:12]}", "dim")
    output.document({"ok": True, "safe": state_document(state), "queue": [brief(matter) for matter in matters]})
    return Exit.FOUND if any(matter.alarms for matter in matters) else Exit.DONE


async def _show(output: Output, place: Place, name: str) -> int:
    async with opened(place) as (_, table):
        matter = await found(table, name)
        say(output, shown(matter, place.now_ms, place.typed))
        await looked_at(output, table, matter)
    output.document({"ok": True, **document(matter)})
    return Exit.FOUND if matter.alarms else Exit.DONE


async def _export(output: Output, place: Place, name: str, file: Path, form: Form, *, despite_alarms: bool) -> int:
    async with opened(place) as (_, table):
        matter = await found(table, name)
        if other := misnamed(matter, name):
            return refused(output, "not written", other)
        say(output, alarms(matter))
        if alarming(output, matter, "not written", despite=despite_alarms):
            return Exit.FOUND
        confirmations = await table.confirmations(matter) if form is Form.PROPOSAL else ()
    write_new(file, _as_file(matter, confirmations, file, form, place.now_ms))
    output.say(f"wrote {file}: {matter.hash}\n  {HOW[form]}")
    output.document({"ok": True, "file": str(file), "hash": matter.hash, "alarms": [one.text for one in matter.alarms]})
    return Exit.FOUND if matter.alarms else Exit.DONE


def _as_file(matter: Matter, confirmations: Sequence[Confirmation], file: Path, form: Form, now_ms: int) -> str:
    import json

    from keeper.adapters.safe.batch_file import batch_file
    from keeper.adapters.safe.files import ProposalFile, to_document
    from keeper.domain.multisend import decode_multisend
    from keeper.domain.safe import Operation
    from keeper.domain.safe_signatures import SignatureKind, kind_of

    transaction = matter.transaction
    if form is Form.TYPED_DATA:
        return file_text(transaction)
    if form is Form.PROPOSAL:
        by_key = (SignatureKind.EOA, SignatureKind.ETH_SIGN)
        signatures = {one.owner: one.signature for one in confirmations if kind_of(one.signature) in by_key}
        proposal = ProposalFile(file, transaction, (matter.title, *matter.why), signatures)
        return json.dumps(to_document(proposal), indent=2) + "\n"
    calls = [(transaction.to, transaction.value, transaction.data)]
    if transaction.operation is Operation.DELEGATECALL:
        inner = decode_multisend(transaction.data)
        if inner is None or any(one.operation is not Operation.CALL for one in inner):
            raise UnitError("the Safe web app's batches hold plain calls, and this is none", remedy="--as typed-data")
        calls = [(one.to, one.value, one.data) for one in inner]
    return batch_file(
        transaction.chain_id,
        transaction.safe,
        calls,
        name=matter.title,
        created_ms=now_ms,
        description=" ".join(line if line.endswith((".", "!", "?")) else f"{line}." for line in matter.why),
    )


async def _serve(output: Output, place: Place) -> int:
    from keeper.adapters.clock import SystemClock
    from keeper.app.api.access import AccessSettings
    from keeper.app.api.desk import open_desk
    from keeper.app.cli.serving import until_ended
    from keeper.app.pages.server import build_app
    from keeper.app.pages.settings import PageSettings
    from keeper.config.http import DEFAULT_LISTEN
    from keeper.config.model import HttpConfig

    async with opened(place) as (config, table):
        http = config.http or HttpConfig(*DEFAULT_LISTEN, "", False)
        clock, access = SystemClock(), AccessSettings(http.host, http.tokens, http.rate, http.url)
        settings = PageSettings(
            clock=clock,
            approve=http.approve,
            url=http.url,
            listen_host=http.host,
            config=place.typed,
            members=table.route.members,
        )

        def started(address: str) -> None:
            output.say(f"the council's page: {address}/, the log: {address}/audit  (Ctrl-C ends it)")
            output.document({"ok": True, "url": f"{address}/", "approve": settings.approve})

        async with open_desk(config.audit.url.reveal(), access, clock, place.typed) as desk:
            return await until_ended(build_app(table, settings, desk), http.host, http.port, started)


def write_new(file: Path, text: str) -> None:
    """Raises UnitError where something is there already, or nothing can be written."""
    try:
        with file.open("x", encoding="utf-8") as opened_file:
            opened_file.write(text)
    except FileExistsError:
        raise UnitError(f"{file} is there already", remedy="name a file that is not") from None
    except OSError as error:
        raise UnitError(f"{file} cannot be written ({type(error).__name__})", remedy="name another place") from None


def _now_ms() -> int:
    from keeper.adapters.clock import SystemClock

    return SystemClock().now_ms()
