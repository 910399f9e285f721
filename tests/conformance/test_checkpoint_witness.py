"""What every witness does: a file, an address that takes posts, and the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.adapters.witness.file import FileWitness
from keeper.adapters.witness.memory import MemoryWitness
from keeper.adapters.witness.post import PostWitness
from keeper.domain.checkpoint import SignedCheckpoint, from_document
from keeper.domain.errors import OutsideError
from keeper.ports.witness import Witness
from tests.support.signed_checkpoints import GENESIS_HASH, row_of
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.conformance

ANOTHER = "0x" + "2b" * 32


@dataclass
class Stage:
    """``again`` is the same witness after a restart; ``kept`` what is kept there; ``fail`` makes it fail, ``mend`` work again."""

    witness: Witness
    again: Callable[[], Witness]
    kept: Callable[[], list[SignedCheckpoint]]
    fail: Callable[[], None]
    mend: Callable[[], None]


def in_memory(_: Path, __: Webhook) -> Stage:
    one = MemoryWitness()
    return Stage(one, lambda: one, lambda: one.kept, lambda: setattr(one, "away", True), lambda: _back(one))


def _back(one: MemoryWitness) -> None:
    one.away = False


def by_file(folder: Path, _: Webhook) -> Stage:
    place = folder / "elsewhere"
    place.mkdir()
    path = place / "checkpoints.jsonl"

    def kept() -> list[SignedCheckpoint]:
        import json

        return [from_document(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    def fail() -> None:
        place.rename(folder / "gone")
        place.write_text("no folder")

    def mend() -> None:
        place.unlink()
        (folder / "gone").rename(place)

    return Stage(FileWitness(path), lambda: FileWitness(path), kept, fail, mend)


def by_post(folder: Path, hook: Webhook) -> Stage:
    def made() -> Witness:
        return PostWitness(f"http://127.0.0.1:{hook.port}/hook", "tok-3n", folder / "cursor.json")

    def kept() -> list[SignedCheckpoint]:
        return [from_document(document) for _, document in hook.received]

    return Stage(made(), made, kept, lambda: setattr(hook, "status", 500), lambda: setattr(hook, "status", 200))


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture(params=[in_memory, by_file, by_post])
async def stage(request: pytest.FixtureRequest, tmp_path: Path, hook: Webhook) -> AsyncIterator[Stage]:
    made: Stage = request.param(tmp_path, hook)
    yield made
    await made.witness.close()


async def test_last__nothing_kept__is_0(stage: Stage) -> None:
    assert await stage.witness.last(GENESIS_HASH) == 0


async def test_keep__in_order__is_kept_as_it_is_and_remembered_after_a_restart(stage: Stage) -> None:
    row = await row_of(3)
    for one in row:
        await stage.witness.keep(one)
    assert stage.kept() == row
    assert await stage.witness.last(GENESIS_HASH) == 3
    again = stage.again()
    assert await again.last(GENESIS_HASH) == 3
    await again.close()


async def test_last__of_another_log__is_0(stage: Stage) -> None:
    await stage.witness.keep((await row_of(1))[0])
    assert await stage.witness.last(ANOTHER) == 0


async def test_keep__it_fails__says_so_with_a_remedy_and_keeps_the_rest_later(stage: Stage) -> None:
    row = await row_of(2)
    await stage.witness.keep(row[0])
    stage.fail()
    with pytest.raises(OutsideError) as caught:
        await stage.witness.keep(row[1])
    assert caught.value.remedy
    assert "tok-3n" not in caught.value.message
    stage.mend()
    assert await stage.witness.last(GENESIS_HASH) == 1
    await stage.witness.keep(row[1])
    assert await stage.witness.last(GENESIS_HASH) == 2


async def test_name__shows_no_secret(stage: Stage) -> None:
    assert stage.witness.name
    assert "hook" not in stage.witness.name


@pytest.mark.parametrize("only_additions", [False, True])
async def test_file__torn_last_line__goes_on_in_a_new_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_additions: bool
) -> None:
    if only_additions:

        def refuse(*_: int) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("keeper.adapters.witness.file.os.ftruncate", refuse)
    row = await row_of(2)
    path = tmp_path / "checkpoints.jsonl"
    witness = FileWitness(path)
    await witness.keep(row[0])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"number":2,"se')
    assert await witness.last(GENESIS_HASH) == 1
    await witness.keep(row[1])
    torn = b'{"number":2,"se\n' if only_additions else b""
    assert path.read_bytes().startswith(whole + torn + b'{"at":')
    assert await witness.last(GENESIS_HASH) == 2
    assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


async def test_file__a_symbolic_link__is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    with pytest.raises(OutsideError):
        await FileWitness(tmp_path / "link").keep((await row_of(1))[0])
    assert (tmp_path / "precious").read_text() == "x"


@pytest.mark.parametrize(("status", "remedy"), [(401, "token"), (409, "what it says"), (503, "again"), (302, "`url`")])
async def test_post__answers_no__is_told_without_secrets(
    hook: Webhook, tmp_path: Path, status: int, remedy: str
) -> None:
    hook.status = status
    hook.location = "http://127.0.0.1:9/elsewhere"
    witness = PostWitness(f"http://127.0.0.1:{hook.port}/secret-path-77", "tok-3n", tmp_path / "cursor")
    with pytest.raises(OutsideError) as caught:
        await witness.keep((await row_of(1))[0])
    await witness.close()
    assert f"HTTP {status}" in caught.value.message
    assert remedy in caught.value.remedy
    assert "secret-path-77" not in caught.value.message
    assert await witness.last(GENESIS_HASH) == 0
    assert len(hook.received) == 1


async def test_post__hangs__is_given_up(hook: Webhook, tmp_path: Path) -> None:
    hook.hang = True
    witness = PostWitness(f"http://127.0.0.1:{hook.port}/", "", tmp_path / "cursor", timeout_s=0.2)
    with pytest.raises(OutsideError, match="does not answer"):
        await witness.keep((await row_of(1))[0])
    await witness.close()


@pytest.mark.parametrize("text", ["", "[]", '{"number": true}', '{"number": "3", "genesis": 1}', "\x00"])
async def test_post__cursor_is_damaged__begins_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "cursor").write_text(text)
    assert await PostWitness("http://127.0.0.1:9/", "", tmp_path / "cursor").last(GENESIS_HASH) == 0


KEY = b"59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
FOREIGN = [
    KEY,
    KEY + b"\n",
    b'{"address":"70997970c51812dc3a010c7d01b50e0d17dc79c8","crypto":{}}',
    b"SQLite format 3\0" + b"x" * 5_000,
    b"SQLite format 3\0" + b"x" * 400_000,
    b"keeper: {name: k}\naudit:\n  url: x\n",
    b'{"doubt":false,"first":0}\n',
    b"\0" * 64,
    b"\n" + KEY,
]


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize("after_checkpoints", [False, True])
async def test_file__of_somebody_else__is_left_as_it_is(
    tmp_path: Path, content: bytes, after_checkpoints: bool
) -> None:
    row = await row_of(2)
    path = tmp_path / "key"  # as which it is left out of the search for secrets
    if after_checkpoints:
        await FileWitness(path).keep(row[0])
    path.write_bytes((path.read_bytes() if after_checkpoints else b"") + content)
    before = path.read_bytes()
    with pytest.raises(OutsideError, match="something else") as caught:
        await FileWitness(path).keep(row[1])
    assert "file of its own" in caught.value.remedy
    assert path.read_bytes() == before


async def test_file__cut_anywhere_in_its_last_line__goes_on(tmp_path: Path) -> None:
    row = await row_of(2)
    path = tmp_path / "file"
    await FileWitness(path).keep(row[0])
    first = path.read_bytes()
    await FileWitness(path).keep(row[1])
    both = path.read_bytes()
    for cut in range(len(first), len(both)):
        path.write_bytes(both[:cut])
        witness = FileWitness(path)
        known = await witness.last(GENESIS_HASH)
        assert known == (2 if cut == len(both) - 1 else 1)
        await witness.keep(row[1])
        assert path.read_bytes().startswith(both), "what was whole stays, also where only its end of line was missing"


async def test_file__a_pipe__is_refused_at_once(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutsideError):
        await FileWitness(tmp_path / "pipe").keep((await row_of(1))[0])
