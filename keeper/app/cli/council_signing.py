"""``keeper council confirm`` and ``reject``: an owner signs here, or is told exactly what to sign elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.app.cli.council import (
    VIA,
    Place,
    alarming,
    found,
    looked_at,
    misnamed,
    opened,
    refusal_of,
    refused,
    run,
    write_new,
)
from keeper.app.cli.council_document import document, transaction_document
from keeper.app.cli.council_keys import NOBODY_ASKED, Key, agreed, read_signature
from keeper.app.cli.council_table import file_text
from keeper.app.cli.council_words import Line, about, alarms, hashes, missing_text, say, short, wrapped
from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command
from keeper.app.council.matter import Standing
from keeper.app.exit_codes import Exit
from keeper.app.pages.wording import dead_text
from keeper.domain.errors import AuditError, Refused, UnitError
from keeper.domain.safe_signatures import SignatureKind, approve_call, kind_of, named_owner, recover_owner

if TYPE_CHECKING:
    from keeper.adapters.signing.local import LocalSigner
    from keeper.app.cli.council_table import CouncilTable
    from keeper.app.council.matter import Matter
    from keeper.domain.safe import SafeTransaction

ANSWER = "--yes answers for you"
REJECTION = (
    "A rejection takes nothing out of the queue. It is a transaction of its own with the same nonce, that does nothing: once enough owners "
    "have signed and executed it, the nonce is used and the other one can never be executed."
)


@dataclass(frozen=True, slots=True)
class Signing:
    """How somebody signs. None of them: they are told what to sign elsewhere."""

    key: Key
    signature: str | None = None
    approve_on_chain: bool = False
    typed_data: Path | None = None
    yes: bool = False
    despite_alarms: bool = False

    def __post_init__(self) -> None:
        ways = (self.key.named, self.signature is not None, self.approve_on_chain)
        if sum(ways) > 1:
            raise UnitError("more than one way to sign is given", remedy="a key, --signature or --approve-on-chain")


def confirm(output: Output, place: Place, name: str, signing: Signing) -> int:
    """One owner's signature; FOUND when it is refused, or alarms stand in the way. Raises KeeperError."""
    return run(output, _confirm(output, place, name, signing))


def reject(output: Output, place: Place, name: str, signing: Signing, *, withdraw: bool) -> int:
    """Proposes and signs what uses the nonce up, or takes the keeper's own proposal back. Raises KeeperError."""
    return run(output, _reject(output, place, name, signing, withdraw=withdraw))


async def _confirm(output: Output, place: Place, name: str, signing: Signing) -> int:
    async with opened(place) as (_, table):
        matter = await found(table, name)
        say(output, about(matter, place.now_ms))
        await looked_at(output, table, matter)
        if over := misnamed(matter, name) or _over(matter):
            return refused(output, "not signed", over)
        if alarming(output, matter, "not signed", despite=signing.despite_alarms):
            return Exit.FOUND
        return await _sign(output, place, table, matter, signing)


async def _sign(output: Output, place: Place, table: CouncilTable, matter: Matter, signing: Signing) -> int:
    if signing.approve_on_chain or not (signing.key.named or signing.signature is not None):
        return _elsewhere(output, matter.transaction, signing, f"{place.typed} confirm {short(matter.hash)}")
    return await _sign_by(output, place, table, matter, signing, await _hand(matter.transaction, signing))


async def _sign_by(
    output: Output, place: Place, table: CouncilTable, matter: Matter, signing: Signing, hand: _Hand
) -> int:
    if why := _kept_from(output, matter, hand, signing):
        return refused(output, "not signed", why, ANSWER if NOBODY_ASKED in why else "")
    signature = await hand.sign(matter.transaction)
    try:
        now = await table.confirm(matter, signature, via=hand.via, despite_alarms=signing.despite_alarms)
    except (UnitError, Refused) as error:
        return refusal_of(output, "the signature was not taken", error)
    return _signed(output, place, now, hand.owner)


@dataclass(frozen=True, slots=True)
class _Hand:
    """Who signs: with a key that is here, or with a signature that was made elsewhere."""

    owner: str
    via: str
    signer: LocalSigner | None = None
    made: bytes = b""

    async def sign(self, transaction: SafeTransaction) -> bytes:
        return await self.signer.sign_safe(transaction) if self.signer is not None else self.made


async def _hand(transaction: SafeTransaction, signing: Signing) -> _Hand:
    """Raises UnitError for a signature that is none, SigningError."""
    if signing.signature is None:
        signer = await signing.key.open()
        return _Hand(signer.address, f"{VIA}/{signing.key.kind}", signer)
    made = read_signature(signing.signature)
    by_key = kind_of(made) in (SignatureKind.EOA, SignatureKind.ETH_SIGN)
    owner = recover_owner(transaction.hash, made) if by_key else named_owner(made)
    return _Hand(owner, f"{VIA}/signature", made=made)


def _kept_from(output: Output, matter: Matter, hand: _Hand, signing: Signing) -> str:
    """Why nothing is signed; empty when it is."""
    why = _no_use(matter, hand.owner)
    if why or hand.signer is None:
        return why
    return agreed(output, matter.hash, yes=signing.yes)


def _no_use(matter: Matter, owner: str) -> str:
    """Why a signature of this address would be worth nothing; empty when it counts."""
    if owner not in matter.state.owners:
        return f"{owner} is no owner of the Safe {matter.state.safe}"
    if owner not in matter.former and any(one.owner == owner and one.counts for one in matter.signed):
        return f"{_who(matter, owner)} has signed it already"
    return ""


def _over(matter: Matter) -> str:
    if matter.standing is Standing.EXECUTED:
        return f"it was executed{f' by {matter.executed_tx}' if matter.executed_tx else ''}"
    if matter.standing is Standing.DEAD:
        return dead_text(matter)
    return ""


def _who(matter: Matter, owner: str) -> str:
    """With the member's name, where the configuration has one."""
    name = next((one.name for one in (*matter.signed, *matter.not_signed) if one.owner == owner), "")
    return f"{name} {owner}" if name else owner


def _signed(output: Output, place: Place, matter: Matter, owner: str) -> int:
    output.say("")
    output.say(f"signed by {_who(matter, owner)}", "bold green")
    if matter.missing:
        say(output, wrapped("", missing_text(matter, matter.not_signed)))
    else:
        output.say(
            f"enough owners have signed; next: {keeper_command()} council {place.typed} execute {short(matter.hash)}"
        )
    output.document({"ok": True, "signer": owner, **document(matter)})
    return Exit.DONE


def _elsewhere(output: Output, transaction: SafeTransaction, signing: Signing, back: str) -> int:
    """What to sign with another tool, or to send from a wallet; ``back`` is the command that takes the signature."""
    if signing.typed_data is not None:
        write_new(signing.typed_data, file_text(transaction))
    said: dict[str, object] = {"ok": True, "signed": False, "transaction": transaction_document(transaction)}
    if signing.approve_on_chain:
        call = approve_call(transaction)
        said["approve"] = {"to": call.to, "data": "0x" + call.data.hex(), "value_wei": "0"}
        lines = _approval(transaction, call.to, "0x" + call.data.hex())
    else:
        said["typed_data"] = transaction.typed_data()
        lines = _instructions(transaction, signing.typed_data, back)
    say(output, lines)
    output.document(said)
    return Exit.DONE


def _approval(transaction: SafeTransaction, to: str, data: str) -> Iterator[Line]:
    yield Line("")
    yield Line(f"Send this from the owner's own address, without value: it approves {transaction.hash_text}", "bold")
    yield Line(f"  to    {to}")
    yield Line(f"  data  {data}")
    yield Line(
        "  The Safe's hash does not depend on who sends it: whatever is approved stays so until the nonce is used."
    )


def _instructions(transaction: SafeTransaction, file: Path | None, back: str) -> Iterator[Line]:
    yield Line("")
    yield Line("Nothing was signed. Sign it where the key is, then give the signature back:", "bold")
    if file is not None:
        yield Line(
            f"  cast wallet sign --data --from-file {file} --ledger      (a hardware wallet shows the hashes above)"
        )
    else:
        yield Line("  cast wallet sign --data --from-file FILE --ledger  (write FILE with --typed-data FILE)")
    yield Line(f"  cast wallet sign --no-hash {transaction.hash_text}")
    yield Line(f"  {keeper_command()} council {back} --signature 0x..")


async def _reject(output: Output, place: Place, name: str, signing: Signing, *, withdraw: bool) -> int:
    async with opened(place) as (_, table):
        matter = await found(table, name)
        if other := misnamed(matter, name):  # its nonce may be that of what somebody needs
            return refused(output, "not rejected", other)
        if over := _over(matter):
            return refused(output, "nothing to reject", over)
        if withdraw:
            return await _withdraw(output, table, matter)
        if matter.transaction.is_rejection:
            return refused(output, "nothing to reject", "this is a rejection itself: sign it with `confirm`")
        what = f"{matter.title} ({short(matter.hash)}, nonce {matter.transaction.nonce})"
        say(output, wrapped("Rejects: ", what, "bold"))
        say(output, wrapped("", REJECTION))
        proposal = await table.draft_rejection(matter)
        say(output, alarms(proposal))
        if alarming(output, proposal, "not rejected", despite=signing.despite_alarms):
            return Exit.FOUND
        say(output, hashes(proposal.transaction))
        if signing.approve_on_chain or not (signing.key.named or signing.signature is not None):
            return _elsewhere(output, proposal.transaction, signing, f"{place.typed} reject {short(matter.hash)}")
        hand = await _hand(proposal.transaction, signing)
        if proposal.from_service:  # somebody has proposed it before: one more signature
            code = await _sign_by(output, place, table, proposal, signing, hand)
        else:
            code = await _propose_rejection(output, place, table, matter, proposal, signing, hand)
        if code == Exit.DONE:
            await _unwanted(output, table, matter, hand)
        return code


async def _unwanted(output: Output, table: CouncilTable, matter: Matter, hand: _Hand) -> None:
    """The rejection itself does not say which proposal with its nonce it is for."""
    try:
        await table.unwanted(matter, owner=hand.owner, via=hand.via)
    except AuditError as error:  # it is signed, whatever the log says
        output.error(f"it is not written down which proposal was rejected: {error.message}", error.remedy)


async def _propose_rejection(
    output: Output,
    place: Place,
    table: CouncilTable,
    matter: Matter,
    proposal: Matter,
    signing: Signing,
    hand: _Hand,
) -> int:
    """``proposal`` rejects ``matter``."""
    from keeper.app.council.ledger import Place as InLog
    from keeper.app.council.ledger import What

    if why := _kept_from(output, proposal, hand, signing):
        return refused(output, "not rejected", why, ANSWER if NOBODY_ASKED in why else "")
    signature = await hand.sign(proposal.transaction)
    in_log = InLog(matter.market, matter.action, matter.incident)
    try:
        now = await table.propose(proposal, what=What.REJECTION, place=in_log, signature=signature, sender=hand.owner)
        if not any(one.owner == hand.owner for one in now.signed):  # a service takes it as a signature too
            now = await table.confirm(now, signature, via=hand.via, despite_alarms=signing.despite_alarms)
    except (UnitError, Refused) as error:
        return refusal_of(output, "the rejection was not taken", error)
    return _signed(output, place, now, hand.owner)


async def _withdraw(output: Output, table: CouncilTable, matter: Matter) -> int:
    signed = [one.owner for one in matter.signed if one.counts]
    if signed:
        why = f"{', '.join(signed)} signed it, and whoever has kept that can still use it"
        return refused(output, "not withdrawn", why, "reject it: then it can never be executed")
    if not matter.ours:
        return refused(output, "not withdrawn", "this keeper did not propose it", "ask who did, or reject it")
    try:
        await table.withdraw(matter)
    except (UnitError, Refused) as error:
        return refusal_of(output, "not withdrawn", error)
    output.say(f"taken out of the service's queue: {matter.hash}", "bold green")
    output.document({"ok": True, "withdrawn": True, "hash": matter.hash})
    return Exit.DONE
