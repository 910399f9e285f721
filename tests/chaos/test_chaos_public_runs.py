"""Seeded runs of the public route; ``make chaos`` does many more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.support.chaos.ground import grounded
from tests.support.chaos.scenario import draw
from tests.support.chaos.series import Series, holds

# One node for all: each run begins with the same chain.
pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def series(tmp_path_factory: pytest.TempPathFactory, postgres_server: Callable[[], str]) -> AsyncIterator[Series]:
    folder = tmp_path_factory.mktemp("public")
    async with grounded(folder, postgres_server) as ground:
        yield Series(ground, folder, postgres=True, thorough=False)


@pytest.mark.parametrize("seed", range(1, 14))
async def test_run__of_this_seed__has_its_effect_once_and_a_whole_log(series: Series, seed: int) -> None:
    await holds(series, draw(seed, ("public",)))
