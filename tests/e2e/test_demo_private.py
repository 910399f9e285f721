"""``keeper demo --scenario private --keep`` as a newcomer runs it: a pause that no public pool saw, one that falls back loudly, and its commands."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

import httpx
import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.reading import page_sync
from keeper.domain.record import Record, RecordKind, RecordQuery
from tests.support.demo_text import commands, too_wide
from tests.support.forked_keeper import forked_keeper
from tests.support.keeper_process import Running

pytestmark = pytest.mark.e2e

TOLD = (
    "of blocks: titan (50 %)",
    "the public pool is watched",
    "TRIPPED ETH-PERP",
    "to builders alone",
    "which no pool has seen",
    "Second act",
    "TRIPPED BTC-PERP",
    "FALLBACK no builder takes it",
    "it never held",
    "before it was the first transaction of block",
    "it held",
    "said before that: sent publicly",
    "refused by titan, buildernet and quasar",
    "Proven: ETH-PERP was paused in block",
    "no public pool held it before",
    "the log said so first",
)


async def test_demo__private_kept__one_pause_that_nobody_saw_and_one_that_falls_back_loudly(tmp_path: Path) -> None:
    async with Running(["demo", "--scenario", "private", "--keep"], tmp_path, cwd=tmp_path) as run:
        await run.says(r"status [\s\\]*\S+keeper.yaml")
        text = " ".join(run.out.split())
        said = [text.index(word) for word in TOLD]
        assert said == sorted(said)
        assert too_wide(run.out) == []
        _hold_against_the_log(tmp_path / ".demo" / "private-1")
        on_chain = next(command for command in commands(run.out) if "--on-chain" in command)
        _, *words = shlex.split(on_chain.replace("\\\n", ""))
        done = forked_keeper(*words, cwd=tmp_path)
        assert done.code == 0, done.out + done.err
        config = (tmp_path / ".demo" / "private-1" / "keeper.yaml").read_text("utf-8")
        (builder,) = re.findall(r'titan: \{url: "(http://127\.0\.0\.1:\d+/titan)"', config)
        assert _status(builder) == 405, "the builders are still there"
        assert await run.end(signal.SIGINT) == 130
        assert run.err == ""
        with pytest.raises(httpx.ConnectError):
            _status(builder)


def _hold_against_the_log(folder: Path) -> None:
    """The first pause went to builders alone; of the second the log said that it falls back before it was public."""
    records = list(page_sync(sqlite_url(folder / "keeper.db"), RecordQuery(limit=1_000)))
    first, second = (_sent(records, market) for market in ("ETH-PERP", "BTC-PERP"))
    assert first, "it was sent"
    assert [record.body["public"] for record in first] == [False] * len(first)
    assert "accepted" in {record.body["answer"] for record in first}
    fallback = next(record for record in second if "fallback" in record.body)
    assert fallback.body["fallback"] == {"reason": "refused", "blocks": 0}
    answers = fallback.body["answers"]
    assert isinstance(answers, list)
    assert {(one["to"], one["answer"]) for one in answers if isinstance(one, dict)} == {
        (name, "refused") for name in ("titan", "buildernet", "quasar")
    }
    public = [record for record in second if record.body["public"] and record is not fallback]
    assert public, "it was published"
    assert all(record.seq > fallback.seq for record in public)
    outcomes = [record for record in records if record.kind is RecordKind.OUTCOME]
    assert [(record.market, record.body["kind"]) for record in outcomes] == [
        ("ETH-PERP", "included"),
        ("BTC-PERP", "included"),
    ]


def _sent(records: list[Record], market: str) -> list[Record]:
    return [record for record in records if record.kind is RecordKind.BROADCAST and record.market == market]


def _status(url: str) -> int:
    with httpx.Client(trust_env=False) as client:
        return client.get(url).status_code
