"""Files of proposals: a folder that somebody holds keeps nobody waiting, and what is over is put where nobody signs it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keeper.adapters.safe.files import ENDED, add_signature, file_name, put_aside, read_folder, write_proposal
from keeper.app.council.filing import Filing
from keeper.domain.errors import Unreachable
from tests.support.council_world import a_route, pause_of
from tests.support.eventually import eventually
from tests.support.safe_proposals import OWNERS, signature

pytestmark = pytest.mark.unit


@dataclass
class Bench:
    folder: Path
    said: list[Unreachable | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.filing = Filing(a_route(self.folder), self.said.append, within_s=0.05)
        self.files = self.folder / "proposals"

    async def until(self, done: Path, there: bool = True) -> None:
        await eventually(lambda: done.exists() is there)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """By somebody else, as a backup does."""
    folder.mkdir(exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(handle)


def signed(folder: Path) -> Path:
    path = write_proposal(folder, pause_of(), ["Pause"]).path
    add_signature(path, OWNERS[0], signature(0, pause_of().hash))
    return path


async def test_leave__the_folder_is_held__told_and_tried_again_until_it_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with held(bench.files):
        await bench.filing.leave(pause_of(), "Pause")
        assert isinstance(bench.said[-1], Unreachable)
        bench.filing.again({})
        await asyncio.sleep(0)
        assert not (bench.files / file_name(pause_of())).exists()
    await bench.until(bench.files / file_name(pause_of()))
    while bench.said[-1] is not None:
        bench.filing.again({})
        await asyncio.sleep(0.005)


async def test_later__the_folder_is_held__nobody_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with held(bench.files):
        bench.filing.later(pause_of(), "Pause")
        assert await bench.filing.signers(pause_of()) == frozenset()
    await bench.until(bench.files / file_name(pause_of()))


async def test_signers__what_ended_cannot_be_put_aside__not_known_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.app.council.filing.READ_S", 0.01)
    bench = Bench(tmp_path)
    path = signed(bench.files)
    with held(bench.files):
        bench.filing.again({pause_of().hash_text: pause_of()})
        assert await bench.filing.signers(pause_of()) is None
    await bench.until(path, there=False)


async def test_signers__of_an_earlier_file__are_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert await bench.filing.signers(pause_of()) == frozenset()
    signed(bench.files)
    assert await bench.filing.signers(pause_of()) == frozenset({OWNERS[0]})
    (bench.files / file_name(pause_of())).write_text("no proposal")
    assert await bench.filing.signers(pause_of()) == frozenset()


async def test_again__what_ended__is_put_aside_with_its_signatures_and_the_next_one_begins_without(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    path = signed(bench.files)
    bench.filing.again({pause_of().hash_text: pause_of()})
    assert await bench.filing.signers(pause_of()) == frozenset(), "it waits for that"
    assert (bench.files / ENDED / path.name).exists()
    assert read_folder(bench.files).found == ()
    await bench.filing.leave(pause_of(), "Pause")
    assert await bench.filing.signers(pause_of()) == frozenset()
    bench.filing.again({})
    bench.filing.again({pause_of().hash_text: pause_of()})
    await bench.until(path, there=False)
    assert len(list((bench.files / ENDED).iterdir())) == 2


def test_put_aside__none_there__is_nothing(tmp_path: Path) -> None:
    assert put_aside(tmp_path, pause_of()) is None
    assert not (tmp_path / ENDED).exists()
