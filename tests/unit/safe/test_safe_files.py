"""Proposals as files: written whole, read strictly, signed one after the other."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.safe import files
from keeper.adapters.safe.files import add_signature, file_name, put_aside, read_folder, read_proposal, write_proposal
from keeper.domain.errors import UnitError, Unreachable
from keeper.domain.safe import Operation, SafeTransaction
from keeper.domain.safe_signatures import approved_signature
from tests.support.safe_proposals import KEEPER, OTHER_SAFE, OWNERS, PAUSE, SAFE, message_signature, proposal, signature

pytestmark = pytest.mark.unit


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def signed(number: int, transaction: SafeTransaction = PAUSE) -> bytes:
    return signature(number, transaction.hash)


def test_file__its_name__is_safe_nonce_and_hash(tmp_path: Path) -> None:
    written = write_proposal(tmp_path / "a new" / "folder", PAUSE, ["Pause the market ETH-PERP."])
    assert written.path.name == f"{SAFE}-7-{PAUSE.hash_text[2:10]}.json" == file_name(PAUSE)
    assert written.path.stat().st_mode & 0o777 == 0o644


def test_file__what_it_holds__is_for_people_and_for_wallets(tmp_path: Path) -> None:
    document = json.loads(write_proposal(tmp_path, PAUSE, ["Pause the market ETH-PERP."]).path.read_text())
    assert document["format"] == "keeper-safe-proposal-1"
    assert document["summary"] == ["Pause the market ETH-PERP."]
    assert document["typedData"] == PAUSE.typed_data()
    assert document["hashes"] == {
        "domain": "0x" + PAUSE.domain_hash.hex(), "message": "0x" + PAUSE.message_hash.hex(), "safeTxHash": PAUSE.hash_text,
    }  # fmt: skip


def test_file__read_back__is_the_same(tmp_path: Path) -> None:
    big = (1 << 256) - 1
    full = proposal(
        value=big, nonce=big, safe_tx_gas=1, base_gas=2, gas_price=3, gas_token=KEEPER, refund_receiver=SAFE,
        operation=Operation.DELEGATECALL, data=b"\x00" * 5_000,
    )  # fmt: skip
    for transaction in (PAUSE, full, proposal(data=b"")):
        written = write_proposal(tmp_path, transaction, ["Words: ü, \x1b[31m"])
        found = read_proposal(written.path)
        assert found == written
        assert (found.transaction, found.summary) == (transaction, ("Words: ü, [31m",))


def test_add_signature__plain_and_by_eth_sign__are_kept_and_again_changes_nothing(tmp_path: Path) -> None:
    path = write_proposal(tmp_path, PAUSE).path
    by_message = message_signature(1, PAUSE.hash)
    for _ in range(2):
        add_signature(path, OWNERS[0], signed(0))
        add_signature(path, OWNERS[1], by_message)
    assert read_proposal(path).signatures == {OWNERS[0]: signed(0), OWNERS[1]: by_message}


def test_write__again__keeps_the_signatures(tmp_path: Path) -> None:
    path = write_proposal(tmp_path, PAUSE, ["Before."]).path
    add_signature(path, OWNERS[0], signed(0))
    again = write_proposal(tmp_path, PAUSE, ["After."])
    assert read_proposal(path) == again
    assert (again.summary, again.signatures) == (("After.",), {OWNERS[0]: signed(0)})


def test_write__over_what_cannot_be_used__replaces_it(tmp_path: Path) -> None:
    path = tmp_path / file_name(PAUSE)
    path.write_text("{")
    write_proposal(tmp_path, PAUSE)
    assert read_proposal(path).transaction == PAUSE


@pytest.mark.parametrize(
    ("owner", "made"),
    [
        (OWNERS[1], signed(0)),
        (OWNERS[0], signed(0, proposal(value=1))),
        (OWNERS[0].lower(), signed(0)),
        (OWNERS[0], b""),
        (OWNERS[0], signed(0)[:64] + b"\x1f"),
        (OWNERS[0], approved_signature(OWNERS[0])),
    ],
    ids=["of another", "for another", "no checksum", "empty", "another kind", "approved on chain"],
)
def test_add_signature__that_is_not_the_owners_key_for_this__is_refused(
    tmp_path: Path, owner: str, made: bytes
) -> None:
    path = write_proposal(tmp_path, PAUSE).path
    with pytest.raises(UnitError):
        add_signature(path, owner, made)
    assert read_proposal(path).signatures == {}


def message(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["typedData"]["message"].update({name: value})


ALTERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "to": message("to", KEEPER), "value": message("value", "1"), "data": message("data", "0x"), "operation": message("operation", 1),
    "nonce": message("nonce", "8"), "safeTxGas": message("safeTxGas", "1"), "baseGas": message("baseGas", "1"),
    "gasPrice": message("gasPrice", "1"), "gasToken": message("gasToken", KEEPER), "refundReceiver": message("refundReceiver", KEEPER),
    "a number as number": message("value", 0), "an operation as truth": message("operation", False), "no address": message("to", None),
    "lower case": message("to", PAUSE.to.lower()), "one more in the message": message("more", "1"),
    "chain": lambda d: d["typedData"]["domain"].update(chainId="1"), "safe": lambda d: d["typedData"]["domain"].update(verifyingContract=KEEPER),
    "one more in the domain": lambda d: d["typedData"]["domain"].update(name="x"),
    "types": lambda d: d["typedData"]["types"]["SafeTx"].pop(), "primary type": lambda d: d["typedData"].update(primaryType="Other"),
    "domain hash": lambda d: d["hashes"].update(domain="0x" + "00" * 32), "message hash": lambda d: d["hashes"].update(message="0x"),
    "hash": lambda d: d["hashes"].update(safeTxHash="0x" + "00" * 32), "no hashes": lambda d: d.pop("hashes"),
    "no typed data": lambda d: d.pop("typedData"), "no message": lambda d: d["typedData"].pop("message"),
    "one more": lambda d: d.update(more=1), "format": lambda d: d.update(format="keeper-safe-proposal-2"),
    "no signatures": lambda d: d.pop("signatures"), "signatures of another form": lambda d: d.update(signatures=[]),
    "signature": lambda d: d["signatures"].update({OWNERS[0]: "0x" + signed(1).hex()}),
    "signature of no bytes": lambda d: d["signatures"].update({OWNERS[1]: None}),
    "signature under another name": lambda d: d["signatures"].update({OWNERS[1]: d["signatures"][OWNERS[0]]}),
    "no summary": lambda d: d.pop("summary"), "summary of another form": lambda d: d.update(summary=[1]),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_read__altered_in_any_part__is_refused(tmp_path: Path, name: str) -> None:
    path = write_proposal(tmp_path, PAUSE, ["Pause."]).path
    add_signature(path, OWNERS[0], signed(0))
    edited(path, ALTERED[name])
    with pytest.raises(UnitError):
        read_proposal(path)
    with pytest.raises(UnitError):
        add_signature(path, OWNERS[2], signed(2))


def test_read__altered_together_with_its_hashes__loses_its_signatures(tmp_path: Path) -> None:
    """Somebody can write another proposal into the file, but nobody's signature goes with it."""
    path = write_proposal(tmp_path, PAUSE).path
    add_signature(path, OWNERS[0], signed(0))
    other = json.loads(write_proposal(tmp_path / "other", proposal(value=1)).path.read_text())
    edited(path, lambda d: d.update(typedData=other["typedData"], hashes=other["hashes"]))
    with pytest.raises(UnitError, match="is not that of"):
        read_proposal(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": "keeper-order-1"}']
)
def test_read__another_file__is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(UnitError):
        read_proposal(path)


def test_read__what_is_no_plain_file__is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UnitError, match="plain file"):
        read_proposal(tmp_path / "pipe.json")
    write_proposal(tmp_path, PAUSE)
    (tmp_path / "link.json").symlink_to(tmp_path / file_name(PAUSE))
    with pytest.raises(Unreachable):
        read_proposal(tmp_path / "link.json")
    with pytest.raises(Unreachable, match="cannot be read"):
        read_proposal(tmp_path / "nothing.json")


def test_read__too_large__is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_proposal(tmp_path, PAUSE).path
    monkeypatch.setattr(files, "LARGEST", path.stat().st_size)
    read_proposal(path)
    monkeypatch.setattr(files, "LARGEST", path.stat().st_size - 1)
    with pytest.raises(UnitError, match="more than"):
        read_proposal(path)


def test_folder__all_in_order_of_nonce__and_what_is_none_is_told(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "not there").found == ()
    for nonce in (12, 9, 10):
        write_proposal(tmp_path, proposal(nonce=nonce))
    (tmp_path / "rubbish.json").write_text("{")
    (tmp_path / "readme.txt").write_text("not looked at")
    page = read_folder(tmp_path)
    assert [one.transaction.nonce for one in page.found] == [9, 10, 12]
    assert [(one.place, one.why) for one in page.skipped] == [("rubbish.json", "it is not JSON")]


def test_folder__other_files_in_front__hide_no_proposal(tmp_path: Path) -> None:
    for number in range(files.MOST_FILES):
        (tmp_path / f"0{number:04}.json").write_text("{}")
    write_proposal(tmp_path, PAUSE)
    page = read_folder(tmp_path, SAFE, 7)
    assert [one.transaction for one in page.found] == [PAUSE]
    assert page.skipped[0].why == f"more than {files.MOST_FILES} files: 1 others are not read"


def test_folder__what_its_name_says_to_be_over_or_of_another_safe__is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in (proposal(nonce=6), PAUSE, proposal(nonce=8), proposal(safe=OTHER_SAFE)):
        write_proposal(tmp_path, one)
    write_proposal(tmp_path, proposal(nonce=5)).path.rename(tmp_path / "sent around.json")
    read: list[str] = []
    real = files.read_proposal

    def counted(path: Path) -> files.ProposalFile:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(files, "read_proposal", counted)
    read_folder(tmp_path, SAFE, 7)
    assert sorted(read) == sorted([file_name(PAUSE), file_name(proposal(nonce=8)), "sent around.json"])


def test_folder__too_many__the_newest_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age in range(3):
        path = write_proposal(tmp_path, proposal(nonce=10 + age)).path
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    monkeypatch.setattr(files, "MOST_FILES", 2)
    assert [one.transaction.nonce for one in read_folder(tmp_path, SAFE, 7).found] == [10, 11]


def test_write__another_transaction_has_the_name__it_keeps_its_signatures_and_ours_gets_a_longer_one(
    tmp_path: Path,
) -> None:
    first, second = PAUSE, proposal(value=1)
    written = write_proposal(tmp_path, first)
    add_signature(written.path, OWNERS[0], signature(0, first.hash))
    taken = tmp_path / file_name(second)  # as if the first eight digits were equal
    written.path.rename(taken)
    other = write_proposal(tmp_path, second)
    assert other.path.name == f"{SAFE}-7-{second.hash_text[2:]}.json"
    assert read_proposal(other.path).signatures == {}
    assert read_proposal(taken).signatures == {OWNERS[0]: signature(0, first.hash)}
    add_signature(other.path, OWNERS[1], signature(1, second.hash))
    assert write_proposal(tmp_path, second).signatures == {OWNERS[1]: signature(1, second.hash)}
    assert put_aside(tmp_path, second) == tmp_path / "ended" / other.path.name
    assert taken.exists()


def test_folder__too_many_files__are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for nonce in range(3):
        write_proposal(tmp_path, proposal(nonce=nonce))
    monkeypatch.setattr(files, "MOST_FILES", 3)
    assert read_folder(tmp_path).skipped == ()
    monkeypatch.setattr(files, "MOST_FILES", 2)
    page = read_folder(tmp_path)
    assert (len(page.found), len(page.skipped)) == (2, 1)


def test_write__where_no_folder_can_be__is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match="cannot be written") as error:
        write_proposal(tmp_path / "file", PAUSE)
    assert "`files`" in error.value.remedy


def test_write__fails_half_way__leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_proposal(tmp_path, PAUSE).path

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unreachable):
        add_signature(path, OWNERS[0], signed(0))
    assert read_proposal(path).signatures == {}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_add_signature__by_several_at_once__loses_none(tmp_path: Path) -> None:
    path = write_proposal(tmp_path, PAUSE).path
    together = threading.Barrier(3)

    def sign(number: int) -> None:
        together.wait()
        add_signature(path, OWNERS[number], signed(number))

    threads = [threading.Thread(target=sign, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_proposal(path).signatures) == set(OWNERS)
