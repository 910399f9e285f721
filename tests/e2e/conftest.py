"""The local world for the tests of this folder, and the log of one real run."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.support.devnet import *  # noqa: F403
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_stage import Setup, staged


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a keeper that tripped, paused and was stopped: ``keeper.yaml`` and ``keeper.db``. Copy it before changing it."""
    folder = tmp_path_factory.mktemp("finished")

    async def run() -> None:
        async with staged(folder) as stage:
            stage.write(Setup())
            async with ForkedRunning(["run", stage.config], folder) as keeper:
                await keeper.watching()
                await stage.shock()
                await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper.ended)
                assert await keeper.end() == 0, keeper.err

    asyncio.run(run())
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of ``finished`` that a test may break."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))
