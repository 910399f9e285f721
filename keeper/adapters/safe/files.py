"""Proposals without any service: one JSON file for each, which is sent around, signed, and read back strictly.

What the file says is held against the hash that is computed here from its typed data, and each signature against that hash. Only the summary is
not covered by any signature: it helps whoever opens the file, and nobody decides by it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from keeper.adapters.whole_file import write_whole
from keeper.domain.errors import UnitError, Unreachable
from keeper.domain.record import Json
from keeper.domain.safe import Operation, SafeTransaction
from keeper.domain.safe_signatures import recover_owner
from keeper.domain.text import printable, shown
from keeper.ports.council import Skipped

FORMAT: Final = "keeper-safe-proposal-1"
ENDED: Final = "ended"
"""The folder inside for what nobody shall sign any more."""
LARGEST: Final = 4 << 20
"""Bytes of a file; a block has no room for as much calldata."""
MOST_FILES: Final = 500
"""So many are read at most."""
_MOST_LINES: Final = 100
_NAME: Final = re.compile(r"(?P<safe>0x[0-9A-Fa-f]{40})-(?P<nonce>[0-9]{1,78})-[0-9a-f]{8,64}\.json")
_DIGITS: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class ProposalFile:
    """``signatures`` are owners' keys', each checked against the safeTxHash; whether they are still owners only the chain can tell."""

    path: Path
    transaction: SafeTransaction
    summary: tuple[str, ...] = ()
    signatures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FolderPage:
    """In the order of nonce."""

    found: tuple[ProposalFile, ...]
    skipped: tuple[Skipped, ...] = ()


def file_name(transaction: SafeTransaction, digits: int = 8) -> str:
    """``SAFE-nonce-HASH8.json``; all 64 digits where another transaction has that name already."""
    return f"{transaction.safe}-{transaction.nonce}-{transaction.hash.hex()[:digits]}.json"


def write_proposal(folder: Path, transaction: SafeTransaction, summary: Sequence[str] = ()) -> ProposalFile:
    """Writes it, and makes the folder. Again keeps the signatures that are there. Raises Unreachable.

    A file that is in its place and cannot be read is replaced: nothing in it could be used.
    """
    lines = tuple(printable(line, 500) for line in summary[:_MOST_LINES])
    with _writing(folder):
        path, there = _place(folder, transaction)
        return _write(ProposalFile(path, transaction, lines, there.signatures if there is not None else {}))


def add_signature(path: Path, owner: str, signature: bytes) -> ProposalFile:
    """Adds a key's signature over the safeTxHash. Raises UnitError when it is not the owner's, and as ``read_proposal`` does."""
    with _writing(path.parent):
        found = read_proposal(path)
        _check(found.transaction, owner, signature)
        return _write(replace(found, signatures={**found.signatures, owner: signature}))


def put_aside(folder: Path, transaction: SafeTransaction) -> Path | None:
    """Moves its file, with the signatures in it, to where nobody looks for something to sign; None: there is none. Raises Unreachable."""
    if not folder.exists():
        return None
    with _writing(folder):
        path, there = _place(folder, transaction)
        if there is None:
            return None
        try:
            (folder / ENDED).mkdir(exist_ok=True)
            number, aside = 1, folder / ENDED / path.name
            while aside.exists():
                number += 1
                aside = folder / ENDED / f"{path.stem}-{number}.json"
            path.rename(aside)
        except FileNotFoundError:
            return None  # somebody else was faster
        except OSError as error:
            raise _unreachable(path, "moved", error) from None
    return aside


def read_proposal(path: Path) -> ProposalFile:
    """Raises UnitError for anything that ``write_proposal`` and ``add_signature`` do not write, and Unreachable."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise UnitError("it is not a plain file")
            with os.fdopen(handle, "rb", closefd=False) as file:
                content = file.read(LARGEST + 1)
        finally:
            os.close(handle)
    except OSError as error:
        raise _unreachable(path, "read", error) from None
    return _from_text(path, content)


def read_folder(folder: Path, safe: str | None = None, since_nonce: int = 0) -> FolderPage:
    """The proposals in the folder; what is none is told. Raises Unreachable; a folder that is not there is empty.

    A file whose name says that it is of another Safe than ``safe``, or of an earlier nonce, is not read. Those that are named as they are written
    come first, the newest first, so that whatever else lies there hides none of them.
    """
    try:
        names = _names(folder, safe, since_nonce)
    except FileNotFoundError:
        return FolderPage(())
    except OSError as error:
        raise _unreachable(folder, "read", error) from None
    found: list[ProposalFile] = []
    skipped: list[Skipped] = []
    if len(names) > MOST_FILES:
        others = f"more than {MOST_FILES} files: {len(names) - MOST_FILES} others are not read"
        skipped.append(Skipped(str(folder), others))
    for name in names[:MOST_FILES]:
        try:
            found.append(read_proposal(folder / name))
        except (UnitError, Unreachable) as error:
            skipped.append(Skipped(printable(name), printable(error.message)))
    return FolderPage(tuple(sorted(found, key=lambda one: one.transaction.nonce)), tuple(skipped))


def to_document(found: ProposalFile) -> dict[str, Json]:
    """The hashes are there to be compared, and computed anew by whoever reads the file."""
    transaction = found.transaction
    signatures: dict[str, Json] = {
        owner: "0x" + signature.hex() for owner, signature in sorted(found.signatures.items())
    }
    return {
        "format": FORMAT,
        "summary": list(found.summary),
        "hashes": {
            "domain": "0x" + transaction.domain_hash.hex(),
            "message": "0x" + transaction.message_hash.hex(),
            "safeTxHash": transaction.hash_text,
        },
        "typedData": transaction.typed_data(),
        "signatures": signatures,
    }


# -- inside --------------------------------------------------------------------------------------------------------------------


def _place(folder: Path, transaction: SafeTransaction) -> tuple[Path, ProposalFile | None]:
    """Its file, and what is in it; None: it is not there, or nothing in it could be used. Raises Unreachable."""
    for name in (file_name(transaction), file_name(transaction, 64)):
        path = folder / name
        if not path.exists():
            return path, None
        try:
            there = read_proposal(path)
        except UnitError:
            return path, None
        if there.transaction == transaction:
            return path, there
    return path, None  # a file with its whole hash that holds another


def _names(folder: Path, safe: str | None, since_nonce: int) -> list[str]:
    """In the order in which they are read."""
    found = []
    for entry in os.scandir(folder):
        if not entry.name.endswith(".json"):
            continue
        named = _NAME.fullmatch(entry.name)
        if named and (safe not in (None, named["safe"]) or int(named["nonce"]) < since_nonce):
            continue
        try:
            changed_ns = entry.stat(follow_symlinks=False).st_mtime_ns
        except FileNotFoundError:
            continue  # moved away meanwhile
        found.append((named is None, -changed_ns, entry.name))
    return [name for _, _, name in sorted(found)]


def _write(found: ProposalFile) -> ProposalFile:
    try:
        write_whole(found.path, json.dumps(to_document(found), indent=2) + "\n")
    except OSError as error:
        raise _unreachable(found.path, "written", error) from None
    return found


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Two who write at once do it one after the other, so that no signature is lost."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _unreachable(folder, "written", error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise _unreachable(folder, "locked", error) from None
        yield
    finally:
        os.close(handle)


def _from_text(path: Path, content: bytes) -> ProposalFile:
    if len(content) > LARGEST:
        raise UnitError(f"it has more than {LARGEST} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise UnitError("it is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UnitError(f"it is not a document of the format {FORMAT}")
    transaction = _transaction(document.get("typedData"))
    summary, signatures = document.get("summary"), document.get("signatures")
    if not isinstance(summary, list) or not all(isinstance(line, str) for line in summary):
        raise UnitError("its summary is no list of lines")
    if not isinstance(signatures, dict):
        raise UnitError("its signatures are missing")
    read = {owner: _bytes(signature) for owner, signature in signatures.items()}
    for owner, signature in read.items():
        _check(transaction, owner, signature)
    lines = tuple(printable(line, 500) for line in summary[:_MOST_LINES])
    found = ProposalFile(path, transaction, lines, read)
    ours = to_document(found)
    # equal to the last part: nobody shall read something into it that is not signed
    for name in ours.keys() | document.keys():
        if name != "summary" and not _same(ours.get(name), document.get(name)):
            raise UnitError(
                f"{printable(name)} is not what the hash {transaction.hash_text} stands for", remedy="do not use it"
            )
    return found


def _transaction(typed: Any) -> SafeTransaction:
    """Only the fields: whether the rest is right shows when it is written again."""
    message = typed.get("message") if isinstance(typed, dict) else None
    domain = typed.get("domain") if isinstance(typed, dict) else None
    if not isinstance(message, dict) or not isinstance(domain, dict):
        raise UnitError("its typed data is missing, or is none")
    operation = message.get("operation")
    if isinstance(operation, bool) or operation not in (0, 1):
        raise UnitError(f"{shown(operation)} is no operation")
    return SafeTransaction(
        chain_id=_number(domain.get("chainId")),
        safe=domain.get("verifyingContract", ""),
        nonce=_number(message.get("nonce")),
        to=message.get("to", ""),
        data=_bytes(message.get("data")),
        value=_number(message.get("value")),
        operation=Operation(operation),
        safe_tx_gas=_number(message.get("safeTxGas")),
        base_gas=_number(message.get("baseGas")),
        gas_price=_number(message.get("gasPrice")),
        gas_token=message.get("gasToken", ""),
        refund_receiver=message.get("refundReceiver", ""),
    )


def _same(one: Any, other: Any) -> bool:
    """As JSON text, because Python takes True for 1 and 1.0 for 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _check(transaction: SafeTransaction, owner: str, signature: bytes) -> None:
    signer = recover_owner(transaction.hash, signature)
    if signer != owner:
        raise UnitError(
            f"the signature is not that of {shown(owner)} for {transaction.hash_text}, but that of {signer}",
            remedy="do not use it",
        )


def _number(found: Any) -> int:
    if not (isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 78):
        raise UnitError(f"{shown(found)} is no number in decimal text")
    return int(found)


def _bytes(found: Any) -> bytes:
    if isinstance(found, str) and found.startswith("0x") and len(found) % 2 == 0 and set(found[2:]) <= _DIGITS:
        return bytes.fromhex(found[2:])
    raise UnitError(f"{shown(found)} is not 0x and lower-case hexadecimal digits")


def _unreachable(path: Path, what: str, error: OSError) -> Unreachable:
    return Unreachable(
        f"{path} cannot be {what} ({type(error).__name__})",
        remedy="look at `files` of the route: is the folder there, may the keeper read and write it?",
    )
