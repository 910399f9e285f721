"""Keeping the checkpoints of other keepers: what one of them showed once, it cannot show differently later without being found out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final
from weakref import WeakKeyDictionary

from keeper.adapters.audit.times import from_iso
from keeper.domain.checkpoint import SignedCheckpoint, from_document, is_well_formed, signed_by, to_document
from keeper.domain.errors import AuditError, UnitError
from keeper.domain.record import Draft, Json, RecordKind, RecordQuery
from keeper.domain.verdict import Severity
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice

PAGE: Final = 500
MOST_PAGES: Final = 200
"""How far back the checkpoint of one signer is looked for: 100,000 of all signers."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class WitnessReason(StrEnum):
    """Why a checkpoint was not kept."""

    MALFORMED = "malformed"
    UNKNOWN_SIGNER = "unknown-signer"
    NOT_SIGNED = "not-signed"
    OLDER = "older"
    ANOTHER_LOG = "another-log"
    """The signer's log began with another record than the one that it showed before."""
    MISSING = "missing"
    """Some before it were not shown here."""
    FORK = "fork"
    """The signer shows two histories: the same number or the same record, and another head."""


MOST_FINDINGS: Final = 3
"""Of one signer: after these everybody knows, and a key in wrong hands must not fill the log."""
FINDINGS: Final = frozenset({WitnessReason.ANOTHER_LOG, WitnessReason.FORK})
"""Both texts are signed by the same key, so these need people: they are recorded and told."""


class WitnessRefused(AuditError):
    """A checkpoint was not kept."""

    def __init__(self, reason: WitnessReason, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


async def take_witness(
    document: Mapping[str, object],
    *,
    store: AuditStore,
    witness_for: Mapping[str, str],
    clock: Clock,
    tell: Callable[[Notice], None] | None = None,
) -> SignedCheckpoint:
    """Keeps the checkpoint as a record of the kind ``witness``, and gives it back once that is durable. The same one again is kept once.

    ``witness_for`` are the addresses, by name, whose checkpoints are kept. ``tell`` hears of two histories of one signer, which are recorded as well.
    Raises WitnessRefused with the reason, AuditError when the log cannot be read or written.
    """
    name, signed = _checked(document, witness_for)
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):  # two at once must not both be the next
        newest = await _held(store, signed.checkpoint.signer)
        if newest is not None:
            try:
                if await _is_held(store, signed, newest):
                    return signed
            except WitnessRefused as refused:
                if refused.reason in FINDINGS:
                    await _report(store, clock, tell, name, signed, newest, refused)
                raise
        await store.append([_draft(clock, name, signed)])
    return signed


def _checked(document: Mapping[str, object], witness_for: Mapping[str, str]) -> tuple[str, SignedCheckpoint]:
    """The checkpoint and the name of its signer here. Raises WitnessRefused."""
    remedy = "send it as `keeper` makes it: the object of one line of a witness's file"
    try:
        signed = from_document(document)
    except ValueError as error:
        raise WitnessRefused(WitnessReason.MALFORMED, f"this is no checkpoint: {error}", remedy=remedy) from None
    if not is_well_formed(signed.checkpoint) or not _is_time(signed.checkpoint.at):
        raise WitnessRefused(
            WitnessReason.MALFORMED, "this is no checkpoint: a hash, a number or the time in it", remedy=remedy
        )
    signer = signed.checkpoint.signer
    name = next((name for name, address in witness_for.items() if address == signer), None)
    if name is None:
        raise WitnessRefused(
            WitnessReason.UNKNOWN_SIGNER,
            "the checkpoint is of a signer whose checkpoints are not kept here",
            remedy="its operator asks the operator here to name the signer under audit.witness_for",
        )
    try:
        really = signed_by(signed)
    except UnitError as error:
        raise WitnessRefused(WitnessReason.NOT_SIGNED, error.message, remedy=remedy) from None
    if really != signer:
        raise WitnessRefused(
            WitnessReason.NOT_SIGNED,
            "the signature is not the signer's for this checkpoint",
            remedy="somebody else made it: look at who sends it",
        )
    return name, signed


def _is_time(text: str) -> bool:
    try:
        from_iso(text)
    except ValueError:
        return False
    return True


async def _is_held(store: AuditStore, signed: SignedCheckpoint, newest: SignedCheckpoint) -> bool:
    """Whether it is here already; False when it is the next one. Raises WitnessRefused."""
    one, last = signed.checkpoint, newest.checkpoint
    if signed == newest:
        return True
    if one.genesis != last.genesis:
        raise _finding(WitnessReason.ANOTHER_LOG, signed, newest, "the log begins with another record than before")
    if (one.keeper, one.chain_id) != (last.keeper, last.chain_id):
        raise _finding(WitnessReason.ANOTHER_LOG, signed, newest, "it is of another keeper or chain than before")
    if one.number > last.number:
        _check_next(signed, newest)
        return False
    held = await _held(store, one.signer, one.number)
    if held == signed:
        return True
    if held is not None:
        raise _finding(WitnessReason.FORK, signed, held, "another checkpoint of the same number was shown before")
    raise WitnessRefused(
        WitnessReason.OLDER,
        f"checkpoint {one.number} is older than checkpoint {last.number}, which is kept here",
        remedy=f"send those after {last.number}",
    )


def _check_next(signed: SignedCheckpoint, newest: SignedCheckpoint) -> None:
    """Raises WitnessRefused for a later one that does not follow the newest."""
    one, last = signed.checkpoint, newest.checkpoint
    if one.seq < last.seq or (one.seq == last.seq and one.head != last.head):
        raise _finding(WitnessReason.FORK, signed, newest, "the log got shorter, or its last record another one")
    if from_iso(one.at) < from_iso(last.at):
        raise _finding(WitnessReason.FORK, signed, newest, "it is of a time before the one that was shown last")
    if one.number > last.number + 1:
        raise WitnessRefused(
            WitnessReason.MISSING,
            f"checkpoint {one.number} does not follow checkpoint {last.number}, which is the last one kept here",
            remedy=f"send the missing ones first, from {last.number + 1} on, in order",
        )
    if one.prev != newest.signature:
        raise _finding(WitnessReason.FORK, signed, newest, "it does not follow the checkpoint before it")


def _finding(reason: WitnessReason, signed: SignedCheckpoint, held: SignedCheckpoint, why: str) -> WitnessRefused:
    one, other = signed.checkpoint, held.checkpoint
    return WitnessRefused(
        reason,
        f"{one.signer} signed two histories: {why} (number {one.number}, record {one.seq}; kept: number {other.number}, record {other.seq})",
        remedy="keep both, and ask the operator of that keeper: its log was cut off, replaced or written anew",
    )


async def _held(store: AuditStore, signer: str, number: int | None = None) -> SignedCheckpoint | None:
    """The newest that is kept of this signer, or the one of this number."""
    after = 0
    for _ in range(MOST_PAGES):
        query = RecordQuery(kinds=(RecordKind.WITNESS,), newest_first=True, after=after, limit=PAGE)
        page = await store.page(query)
        for record in page:
            held = record.body.get("checkpoint")
            if "finding" in record.body or not isinstance(held, dict) or held.get("signer") != signer:
                continue
            found = from_document(held)
            if number is None or found.checkpoint.number == number:
                return found
            if found.checkpoint.number < number:
                return None
        if len(page) < PAGE:
            return None
        after = page[-1].seq
    return None


async def _report(
    store: AuditStore,
    clock: Clock,
    tell: Callable[[Notice], None] | None,
    name: str,
    signed: SignedCheckpoint,
    newest: SignedCheckpoint,
    refused: WitnessRefused,
) -> None:
    """Both signed texts into the log, and people are told: once of each number, and of a signer only of the first few."""
    signer = signed.checkpoint.signer
    query = RecordQuery(kinds=(RecordKind.WITNESS,), newest_first=True, limit=PAGE)
    shown = [record.body.get("checkpoint") for record in await store.page(query) if "finding" in record.body]
    numbers = {each.get("number") for each in shown if isinstance(each, Mapping) and each.get("signer") == signer}
    if signed.checkpoint.number in numbers or len(numbers) >= MOST_FINDINGS:
        return
    draft = _draft(clock, name, signed)
    body = dict(draft.body) | {
        "finding": refused.reason.value,
        "message": refused.message,
        "kept": dict(to_document(newest)),
    }
    await store.append([Draft(draft.kind, body, draft.at_ms)])
    if tell is not None:
        title = f"the log of {name} was changed"
        tell(Notice(f"witness/{signer}", title, f"{refused.message}\n{refused.remedy}", Severity.CRITICAL))


def _draft(clock: Clock, name: str, signed: SignedCheckpoint) -> Draft:
    body: dict[str, Json] = {"name": name, "checkpoint": dict(to_document(signed)), "missed": 0}
    return Draft(RecordKind.WITNESS, body, clock.now_ms())
