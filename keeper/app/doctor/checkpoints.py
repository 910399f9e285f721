"""The log's checkpoints: whether they can be signed, whether the log still is what was signed, and who keeps them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from pathlib import Path

from keeper.adapters.audit.checkpoints import SqlCheckpointBook
from keeper.adapters.audit.location import sqlite_file
from keeper.app.checkpoint_parts import open_identity, open_witnesses, own_witness, same_key
from keeper.app.checkpoints import WentBack, check_onward
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.reach import why_unreachable
from keeper.config import model
from keeper.config.audit import AuditConfig, CheckpointConfig, FileWitness, UrlWitness
from keeper.domain.checkpoint import Checkpoint
from keeper.domain.errors import AuditError, OutsideError, SigningError
from keeper.ports.witness import Witness

NAME = "checkpoints"
GUIDE = "docs/operator/audit.md"


async def examine_checkpoints(config: model.Config, senders: Collection[str]) -> Check:
    """``senders`` sign transactions. Nothing is signed, and nothing is given to a witness."""
    audit = config.audit
    if audit.checkpoints is None:
        message = f"none are made: the end of the log could be cut off, and nobody would see it; to sign it: {GUIDE}"
        return Check(NAME, Health.OK, message)
    try:
        identity = await open_identity(audit.checkpoints, audit.signer or "")
        if identity.address in senders:
            raise same_key(identity.address)
        if identity.address in audit.witness_for.values():
            raise own_witness(identity.address)
        newest = await _newest(audit, identity.address)
    except (SigningError, WentBack) as error:
        return Check(NAME, Health.FAIL, error.message, error.remedy)
    made = f"the newest is number {newest.number} of {newest.at}" if newest is not None else "none was made yet"
    count = len(audit.checkpoints.witnesses)
    said = f"signed by {identity.address}; {made}; {count} witness{'' if count == 1 else 'es'}"
    trouble = await _trouble(audit, audit.checkpoints, newest)
    found = [trouble] if trouble is not None else []
    if audit.signer is None:  # said beside trouble too: whoever sets it up looks here for the line
        found.append(
            ("no auditor knows whose signature it must be", f'write `signer: "{identity.address}"` in `audit`')
        )
    if not found:
        return Check(NAME, Health.OK, said)
    messages, remedies = zip(*found, strict=True)
    return Check(NAME, Health.WARN, "; ".join((said, *messages)), "; ".join(remedies))


async def checkpoint_signer(config: model.Config) -> str:
    """Whose address signs checkpoints; empty: nobody's, or it cannot be had, which ``examine_checkpoints`` says."""
    if config.audit.checkpoints is None:
        return ""
    try:
        return (await open_identity(config.audit.checkpoints)).address
    except SigningError:
        return ""


async def _newest(audit: AuditConfig, signer: str) -> Checkpoint | None:
    """The last one, if the log still is what it says. None also where there is no log that can be read: its own line says that. Raises WentBack."""
    path = sqlite_file(audit.url.reveal())
    if path is not None and not path.exists():
        return None
    book = SqlCheckpointBook(audit.url.reveal())
    try:
        newest = await book.newest()
        if newest is None:
            return None
        check_onward(newest.checkpoint, await book.look(newest.checkpoint.seq), signer)
        return newest.checkpoint
    except WentBack:
        raise
    except AuditError:
        return None
    finally:
        await book.close()


async def _trouble(audit: AuditConfig, made: CheckpointConfig, newest: Checkpoint | None) -> tuple[str, str] | None:
    """The first thing that is wrong with the witnesses, and the remedy."""
    if not made.witnesses:
        return (
            "nobody but this machine keeps them: whoever can change the database and has the identity's key can make them anew",
            f"name somebody else under `audit.checkpoints.witnesses`: {GUIDE}",
        )
    for one, witness in zip(made.witnesses, open_witnesses(audit), strict=True):
        if (found := await _of_witness(one, witness, newest)) is not None:
            return found
    files = [one for one in made.witnesses if isinstance(one, FileWitness)]
    if len(files) == len(made.witnesses) and all(_beside(audit, one) for one in files):
        return (
            "their only witness is a file on the disk of the log: whoever can change one can change the other",
            "name a file of another machine, or an address",
        )
    return None


async def _of_witness(
    one: FileWitness | UrlWitness, witness: Witness, newest: Checkpoint | None
) -> tuple[str, str] | None:
    try:
        kept = await witness.last(newest.genesis) if newest is not None else 0
    except OutsideError as error:
        return error.message, error.remedy
    if isinstance(one, FileWitness):
        if not await asyncio.to_thread(_writable, Path(one.path)):
            return f"{witness.name} cannot be written to", "make the file and its folder writable for the keeper"
    elif cause := await why_unreachable(one.url.reveal()):
        return f"{witness.name}: {cause}", "look at the `url` of the witness: is the service up, the network open?"
    if newest is not None and kept < newest.number:
        remedy = (
            "a running keeper gives it the others; if none runs, start it, and look at its faults: keeper status CONFIG"
        )
        return f"{witness.name} is known to keep {kept or 'none'} of {newest.number}", remedy
    return None


def _writable(path: Path) -> bool:
    return os.access(path if path.exists() else path.parent, os.W_OK)


def _beside(audit: AuditConfig, one: FileWitness) -> bool:
    """Whether both are on one disk; a database elsewhere is not."""
    path = sqlite_file(audit.url.reveal())
    if path is None:
        return False
    try:
        return path.parent.stat().st_dev == Path(one.path).parent.stat().st_dev
    except OSError:
        return False
