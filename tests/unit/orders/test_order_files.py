"""A folder that anybody may write to: what is no signed order is told, never used, and never in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from keeper.adapters.orders.document import LARGEST, from_text, to_document, to_text
from keeper.adapters.orders.files import MOST_FILES, FileOrderBook, file_name
from keeper.domain.errors import UnitError, Unreachable
from tests.support.orders import ORDER, order, signed_by

pytestmark = pytest.mark.unit


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """With one good order in it."""
    await FileOrderBook(tmp_path).put(await signed_by(0))
    return tmp_path


async def skipped(folder: Path) -> dict[str, str]:
    page = await FileOrderBook(folder).look(0)
    assert [one.signer for one in page.signed] == [(await signed_by(0)).signer], "the good one is found all the same"
    return {each.place: each.why for each in page.skipped}


async def test_put__leaves_one_readable_file_and_nothing_else(folder: Path) -> None:
    path = folder / file_name(await signed_by(0))
    assert [entry.name for entry in os.scandir(folder)] == [path.name]
    assert path.name == f"{ORDER.digest.hex()}-{(await signed_by(0)).signer}.json"
    assert path.stat().st_mode & 0o777 == 0o644
    assert json.loads(path.read_text()) == to_document(await signed_by(0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 5_000, "not JSON"),
        (b"[]", "format"),
        (b"{}", "format"),
        (b'{"format": "keeper-order-2"}', "format"),
        (b'{"format": "keeper-order-1"}', "no signer"),
        (b" " * (LARGEST + 1), "more than"),
        (b"9" * 5_000, "not JSON"),
    ],
    ids=["empty", "not text", "deep", "a list", "empty object", "another format", "no fields", "huge", "huge number"],
)
async def test_rubbish__is_skipped_with_the_reason(folder: Path, text: bytes, words: str) -> None:
    (folder / "rubbish.json").write_bytes(text)
    found = await skipped(folder)
    assert words in found["rubbish.json"]


@pytest.mark.parametrize(
    "changed",
    [
        {"values": ["1"]},
        {"nonce": 9},
        {"deadline_s": ORDER.deadline_s + 1},
        {"chain_id": 1},
        {"signer": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"},
        {"signature": "0x" + "11" * 65},
        {"signature": "0x" + "zz" * 65},
        {"signature": "0x1b"},
        {"evidence": "0x" + "12" * 32},
        {"digest": "0x" + "12" * 32},
        {"approved": True},
    ],
    ids=lambda changed: str(next(iter(changed))),
)
async def test_changed__in_any_field__is_skipped(folder: Path, changed: dict[str, object]) -> None:
    text = json.dumps(to_document(await signed_by(0)) | changed)
    (folder / "changed.json").write_text(text)
    assert set(await skipped(folder)) == {"changed.json"}


async def test_recomputed_digest__and_an_old_signature__is_skipped(folder: Path) -> None:
    signed = await signed_by(0)
    other = order(nonce=9)
    text = to_document(signed) | {"nonce": 9, "digest": "0x" + other.digest.hex()}
    (folder / "forged.json").write_text(json.dumps(text))
    found = await skipped(folder)
    assert "not that of" in found["forged.json"]


async def test_link_pipe_and_folder__are_skipped_and_nobody_waits(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "real.json"
    elsewhere.write_text(to_text(await signed_by(1)))
    (folder / "link.json").symlink_to(elsewhere)
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    assert set(await skipped(folder)) == {"link.json", "folder.json", "pipe.json"}


async def test_other_names__are_not_looked_at(folder: Path) -> None:
    for name in ("notes.txt", ".hidden.tmp", "order.json.part"):
        (folder / name).write_text("{")
    assert await skipped(folder) == {}


@pytest.mark.parametrize("junk", ["0{}.json", "z{}.json", "0{}-0x00.json"])
async def test_thousands_of_other_names__do_not_crowd_the_orders_out(folder: Path, junk: str) -> None:
    for number in range(MOST_FILES + 1):
        (folder / junk.format(number)).write_text("{}")
    assert str(folder) in await skipped(folder)


async def test_changed_after_it_was_read__is_read_again(folder: Path) -> None:
    book = FileOrderBook(folder)
    assert len((await book.look(0)).signed) == 1
    path = folder / file_name(await signed_by(0))
    path.write_text("{}")
    page = await book.look(0)
    assert (page.signed, len(page.skipped)) == ((), 1)
    await book.put(await signed_by(0))
    assert len((await book.look(0)).signed) == 1
    path.unlink()
    assert (await book.look(0)).signed == ()


async def test_the_same_order_under_two_names__counts_once(folder: Path) -> None:
    (folder / "copy.json").write_text(to_text(await signed_by(0)))
    assert await skipped(folder) == {}


async def test_name_with_control_characters__cannot_reach_a_terminal(folder: Path) -> None:
    (folder / "\x1b[2Jx.json").write_text("{")
    (name,) = await skipped(folder)
    assert name.isprintable()


async def test_folder_that_is_a_file__is_unreachable_with_the_remedy(tmp_path: Path) -> None:
    place = tmp_path / "a file"
    place.write_text("")
    book = FileOrderBook(place)
    with pytest.raises(Unreachable) as error:
        await book.look(0)
    assert "orders" in error.value.remedy
    with pytest.raises(Unreachable):
        await book.put(await signed_by(0))


async def test_text__through_and_back__is_the_same() -> None:
    for what in (ORDER, order(values=(1, 2**256 - 1))):
        signed = await signed_by(2, what)
        assert from_text(to_text(signed).encode()) == signed


async def test_text__not_bytes_of_utf_8__is_refused() -> None:
    with pytest.raises(UnitError):
        from_text("\ud800".encode("utf-8", "surrogatepass"))
