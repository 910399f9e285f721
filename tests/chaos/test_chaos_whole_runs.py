"""Seeded runs with the whole ``keeper run``, its configuration and its way to block builders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.support.chaos.ground import grounded
from tests.support.chaos.lives import Whole
from tests.support.chaos.scenario import Fault, draw
from tests.support.chaos.series import Series, holds

# One node for all: each run begins with the same chain.
pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def series(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Series]:
    folder = tmp_path_factory.mktemp("whole")
    async with grounded(folder) as ground:
        yield Series(ground, folder, postgres=False, thorough=False, kind=Whole)


@pytest.mark.parametrize(
    ("seed", "fault"), [(1, Fault.NONE), (2, Fault.RELAYS_REFUSE), (3, Fault.RELAYS_LOSE)], ids=lambda value: str(value)
)
async def test_run__of_the_whole_keeper__has_its_effect_once_and_a_whole_log(
    series: Series, seed: int, fault: Fault
) -> None:
    drawn = draw(seed, ("private",))
    kills = drawn.kills or (0.5,)
    await holds(
        series,
        replace(drawn, fault=fault, at=0, blocks=2, kills=kills, database="sqlite", confirmations=1, public_after=2),
    )
