"""The spool file: durable lines, chained; a torn end is let go, damage is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.spool import LIMIT, Spool, SpoolFull, spool_state
from keeper.adapters.audit.spool_lines import SpoolDamaged
from keeper.domain.errors import AlreadyRunning, StoreUnavailable
from keeper.domain.record import GENESIS, Draft, RecordKind
from tests.support.audit_log import T0, story, tick

pytestmark = pytest.mark.unit

LOG = "0x" + "ab" * 32


def filled(path: Path, *batches: list[Draft], reserved: int = 0) -> Spool:
    spool = Spool.open(path, reserved=reserved)
    spool.begin(7, LOG, T0, "gone")
    for batch in batches:
        spool.append(batch)
    return spool


def read_back(path: Path) -> list[Draft]:
    spool = Spool.open(path)
    try:
        return [draft for line in spool.lines() for draft in line.drafts]
    finally:
        spool.close()


def test_spool__written_and_read__is_the_same(tmp_path: Path) -> None:
    evidence = pack({"signals": ["a", "b"]})
    with_evidence = Draft(RecordKind.TICK, {"evidence": evidence.hash}, T0, evidence=evidence)
    filled(tmp_path / "s", story(), [with_evidence]).close()

    spool = Spool.open(tmp_path / "s")
    assert spool.head is not None
    assert (spool.head.seq, spool.head.log, spool.head.since_ms, spool.head.reason) == (7, LOG, T0, "gone")
    assert [line.drafts for line in spool.lines()] == [tuple(story()), (with_evidence,)]
    assert spool.records == len(story()) + 1
    assert [line.first for line in spool.lines(after=len(story()))] == [len(story())]
    spool.close()


def test_spool__anybody_else__may_not_read_it(tmp_path: Path) -> None:
    (tmp_path / "s").touch(mode=0o644)
    filled(tmp_path / "s", [tick()]).close()
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


def test_spool__held_by_another__is_refused(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", [tick()])
    with pytest.raises(AlreadyRunning):
        Spool.open(tmp_path / "s")
    spool.close()
    Spool.open(tmp_path / "s").close()


def test_spool__not_needed__makes_no_file(tmp_path: Path) -> None:
    Spool.open(tmp_path / "s").close()
    assert not (tmp_path / "s").exists()


def test_spool__a_link__is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "s").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable):
        Spool.open(tmp_path / "s")


@pytest.mark.parametrize("reserved", [0, 1 << 16])
def test_spool__cut_anywhere_in_the_last_line__keeps_those_before(tmp_path: Path, reserved: int) -> None:
    path = tmp_path / "s"
    spool = filled(path, [tick()], [tick(T0 + 1)], reserved=reserved)
    whole, first_end = spool.size, path.read_bytes().index(b"\n", path.read_bytes().index(b"\n") + 1) + 1
    spool.close()
    data = path.read_bytes()
    for cut in range(first_end, whole):
        path.write_bytes(data[:cut] + b"\0" * (len(data) - cut if reserved else 0))
        assert read_back(path) == [tick()]
    path.write_bytes(data)
    assert read_back(path) == [tick(), tick(T0 + 1)]


def test_spool__appended_after_a_torn_end__leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    spool = filled(path, [tick()], [tick(T0 + 1, note="x" * 500)])
    spool.close()
    os.truncate(path, path.stat().st_size - 3)
    spool = Spool.open(path)
    spool.append([tick(T0 + 2)])
    spool.close()
    assert read_back(path) == [tick(), tick(T0 + 2)]


def test_spool__any_byte_changed_before_the_last_line__is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s"
    filled(path, [tick()], [tick(T0 + 1)]).close()
    data = path.read_bytes()
    last = data[:-1].rindex(b"\n") + 1
    for place in range(0, last, 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(SpoolDamaged) as caught:
            Spool.open(path)
        assert caught.value.remedy


@pytest.mark.parametrize("order", [(0, 2), (0, 2, 1), (0, 1, 1, 2), (1, 2)])
def test_spool__lines_missing_or_out_of_place__is_damage(tmp_path: Path, order: tuple[int, ...]) -> None:
    path = tmp_path / "s"
    filled(path, [tick()], [tick(T0 + 1)], [tick(T0 + 2)]).close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in order) + lines[3])
    with pytest.raises(SpoolDamaged):
        Spool.open(path)


def test_spool__at_its_limit__takes_what_fits_and_nothing_beyond(tmp_path: Path) -> None:
    probe = filled(tmp_path / "probe", [tick()])
    size = probe.size
    probe.close()
    exact = Spool.open(tmp_path / "exact", limit=size)
    exact.begin(7, LOG, T0, "gone")
    exact.append([tick()])
    with pytest.raises(SpoolFull):
        exact.append([tick()])
    exact.close()
    less = Spool.open(tmp_path / "less", limit=size - 1)
    less.begin(7, LOG, T0, "gone")
    with pytest.raises(SpoolFull):
        less.append([tick()])
    assert less.records == 0
    less.close()


def test_spool__room_reserved__is_taken_from_the_disk_at_once_and_again_after_it_was_emptied(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", [tick()], reserved=1 << 16)
    assert (tmp_path / "s").stat().st_size == 1 << 16
    spool.clear()
    assert (tmp_path / "s").stat().st_size == 1 << 16
    assert spool.head is None
    spool.begin(0, GENESIS, T0, "again")
    spool.append([tick(T0 + 9)])
    spool.close()
    assert read_back(tmp_path / "s") == [tick(T0 + 9)]


def test_spool_state__says_what_waits_while_another_holds_it(tmp_path: Path) -> None:
    assert spool_state(tmp_path / "s") is None
    spool = filled(tmp_path / "s", [tick()], [tick(T0 + 1)], reserved=1 << 16)
    found = spool_state(tmp_path / "s")
    assert found is not None
    assert (found.records, found.since_ms, found.reason, found.torn) == (2, T0, "gone", 0)
    spool.clear()
    assert spool_state(tmp_path / "s") is None
    spool.close()


def test_spool__write_that_fails__is_not_taken_and_the_next_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = filled(tmp_path / "s", [tick()])
    real = os.pwrite

    def half(descriptor: int, data: bytes, place: int) -> int:
        real(descriptor, data[: len(data) // 2], place)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(StoreUnavailable, match="No space left"):
            spool.append([tick(T0 + 1, note="x" * 300)])
    spool.append([tick(T0 + 2)])
    spool.close()
    assert read_back(tmp_path / "s") == [tick(), tick(T0 + 2)]


def refused(path: Path) -> SpoolDamaged:
    """Neither opening nor looking at it changes a byte."""
    before = path.read_bytes()
    with pytest.raises(SpoolDamaged):
        spool_state(path)
    with pytest.raises(SpoolDamaged) as caught:
        Spool.open(path, reserved=1 << 16)
    assert path.read_bytes() == before
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("bad", [0, 1, ord("x")])
@pytest.mark.parametrize("reserved", [0, 1 << 16])
def test_spool__any_byte_of_any_whole_line_is_another__is_damage(tmp_path: Path, bad: int, reserved: int) -> None:
    path = tmp_path / "s"
    spool = filled(path, [tick()], [tick(T0 + 1)], reserved=reserved)
    end = spool.size
    spool.close()
    data = path.read_bytes()
    for place in {*range(0, end, 11), end - 2, end - 1}:
        if (place, bad) == (end - 1, 0):
            continue  # as if the last write had ended just before its end
        path.write_bytes(data[:place] + bytes([bad]) + data[place + 1 :])
        refused(path)


@pytest.mark.parametrize("lost", [range(300), range(1), range(200, 700)])
def test_spool__a_piece_of_it_is_zeros__is_damage(tmp_path: Path, lost: range) -> None:
    path = tmp_path / "s"
    filled(path, [tick()], [tick(T0 + 1)], [tick(T0 + 2)]).close()
    data = bytearray(path.read_bytes())
    data[lost.start : lost.stop] = bytes(len(lost))
    path.write_bytes(data)
    refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"SQLite format 3\0" + b"x" * 5_000,
        b"SQLite format 3\0" + bytes(5_000),
        b"59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        b"59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d\n",
        b'{"address":"70997970c51812dc3a010c7d01b50e0d17dc79c8","crypto":{}}',
        b'{"at":"2026-03-01T00:00:00.000Z","chain_id":1',
        b"keeper: {name: k}\n",
        b"\n",
        b"\0\0x",
        bytes(100) + b"\n",
        b"x",
    ],
)
def test_spool__a_file_of_another_content__is_never_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"  # as which it is left out of the search for secrets
    path.write_bytes(content)
    path.chmod(0o644)
    assert str(path) in refused(path).message
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.unlink()
    spool = Spool.open(path)  # it comes there only after the start
    path.write_bytes(content)
    with pytest.raises(SpoolDamaged):
        spool.begin(7, LOG, T0, "gone")
    assert path.read_bytes() == content
    spool.close()


def test_spool__begun_by_another_after_the_start__is_not_written_over(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path / "s")
    filled(tmp_path / "s", [tick()]).close()
    with pytest.raises(SpoolDamaged, match="somebody else"):
        spool.begin(7, LOG, T0, "gone")
    spool.close()
    assert read_back(tmp_path / "s") == [tick()]


@pytest.mark.parametrize("reserved", [0, 1 << 16])
def test_spool__head_cut_anywhere__is_empty_and_is_begun_anew(tmp_path: Path, reserved: int) -> None:
    path = tmp_path / "s"
    spool = filled(path, reserved=reserved)
    end = spool.size
    spool.close()
    data = path.read_bytes()
    for cut in range(end):
        path.write_bytes(data[:cut] + bytes(len(data) - cut if reserved else 0))
        assert read_back(path) == []
    spool = filled(path, [tick()])
    spool.close()
    assert read_back(path) == [tick()]


def test_spool__larger_than_any_spool__is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    filled(path, [tick()]).close()
    os.truncate(path, LIMIT)
    Spool.open(path).close()
    os.truncate(path, 3 << 30)

    def read(*_: object) -> bytes:
        raise AssertionError("nothing is read of it")

    monkeypatch.setattr(os, "pread", read)
    monkeypatch.setattr(Path, "read_bytes", read)
    for look in (Spool.open, spool_state):
        with pytest.raises(SpoolDamaged, match="at most"):
            look(path)


def test_spool__a_pipe__is_no_spool_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s")
    for look in (Spool.open, spool_state):
        with pytest.raises(SpoolDamaged, match="not a file"):
            look(tmp_path / "s")


def test_spool__set_aside__keeps_the_file_and_begins_a_new_one(tmp_path: Path) -> None:
    spool = filled(tmp_path / "s", [tick()])
    data = (tmp_path / "s").read_bytes()
    for number in (1, 2):
        kept = spool.set_aside()
        assert kept == tmp_path / f"s.damaged-{number}"
        assert kept.read_bytes() == data
        assert (spool.head, spool.records) == (None, 0)
        spool.begin(7, LOG, T0, "gone")
        spool.append([tick()])
    spool.close()
    assert read_back(tmp_path / "s") == [tick()]
