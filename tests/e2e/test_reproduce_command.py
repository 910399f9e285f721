"""``keeper audit reproduce`` as an auditor types it, on the log of a real run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.keeper_process import keeper

pytestmark = pytest.mark.e2e


def test_reproduce__a_real_run__every_decision_is_the_same(finished: Path) -> None:
    with closing(sqlite3.connect(finished / "keeper.db")) as connection:
        rows = connection.execute("SELECT DISTINCT incident FROM records WHERE kind = 'incident'").fetchall()
        ticks, beside = connection.execute(
            "SELECT count(*), count(e.hash) FROM records r LEFT JOIN evidence e ON e.seq = r.seq WHERE r.kind = 'tick'"
        ).fetchone()
    assert ticks == beside > 0
    assert rows
    for (incident,) in rows:
        done = keeper("--json", "audit", finished / "keeper.yaml", "reproduce", incident, cwd=finished)
        document = json.loads(done.out)
        assert (done.code, document["ok"], document["remarks"]) == (0, True, []), document
        assert {one["verdict"] for one in document["decisions"]} == {"same"}
        assert [one["says"] for one in document["decisions"]][:2] == ["opened", "act"]
