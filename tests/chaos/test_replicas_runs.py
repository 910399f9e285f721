"""Seeded runs with two keepers on one PostgreSQL: never two effects, never none.

How soon a death is taken over is a matter of time, which no test judges: it is printed, and `make chaos-replicas` holds it against its bar.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.replicas.command import line, runs, summary

pytestmark = pytest.mark.chaos

FIRST_SEED = 48
RUNS = 10
LANES = 2


@pytest.mark.timeout(400)
async def test_replicas__in_ten_seeded_runs__have_each_effect_once(tmp_path: Path) -> None:
    played = await runs(range(FIRST_SEED, FIRST_SEED + RUNS), tmp_path, LANES)
    failed = [line(number, RUNS, one) for number, one in enumerate(played, start=1) if one.problems]
    assert len(played) == RUNS
    print(summary(played))
    assert not failed, "\n".join([summary(played), *failed])
