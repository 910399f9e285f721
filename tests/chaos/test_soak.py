"""Two minutes of a soak. In a file of its own: it takes its time and hardly any work, and other tests run beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.soak.command import soak, table
from tests.support.soak.plan import draw

pytestmark = pytest.mark.chaos

SEED = 20261122
MINUTES = 2


@pytest.mark.timeout(400)
async def test_soak__of_two_minutes__holds_every_bar(tmp_path: Path) -> None:
    bars = await soak(draw(SEED, MINUTES), tmp_path)
    assert all(bar.holds for bar in bars), "\n" + table(bars)
