"""What a soak is worth: everything is drawn from the seed, and each bar can fall short."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from keeper.domain.record import GENESIS, Json, Record, RecordKind
from tests.support.soak import verdicts
from tests.support.soak.command import announced, table
from tests.support.soak.plan import LAST_QUIET_S, MARKETS, RELOADS, VENUES, What, draw
from tests.support.soak.usage import Usage, children, usage

pytestmark = pytest.mark.chaos


def record(what: RecordKind, market: str | None = None, **body: Json) -> Record:
    return Record(1, "2026-03-10T12:00:00.000Z", what, market, None, None, None, body, GENESIS, GENESIS)


def tick(number: int) -> Record:
    return record(RecordKind.TICK, block={"number": number})


def chain(event: str, first: int, last: int) -> Record:
    return record(RecordKind.CHAIN, event=event, first=first, last=last)


# -- the plan --------------------------------------------------------------------------------------------------------------------


def test_plan__of_the_same_seed__is_the_same() -> None:
    assert draw(7, 60) == draw(7, 60)
    assert draw(7, 60) != draw(8, 60)


@pytest.mark.parametrize("minutes", [2, 60])
@pytest.mark.parametrize("seed", range(20))
def test_plan__of_any_seed__has_everything_and_ends_in_quiet(seed: int, minutes: int) -> None:
    plan = draw(seed, minutes)
    assert plan.count(What.RELOAD) == RELOADS
    assert plan.count(What.SHOCK) >= 5
    assert plan.count(What.LOSE) + plan.count(What.HANG) >= 2
    assert plan.count(What.VENUE) >= 20
    assert len(set(plan.shocked())) == len(plan.shocked())
    assert set(plan.shocked()) <= set(range(MARKETS))
    assert {event.number for event in plan.events if event.what is What.VENUE} <= set(range(VENUES))
    assert [event.at_s for event in plan.events] == sorted(event.at_s for event in plan.events)
    assert plan.events[-1].at_s <= plan.length_s - LAST_QUIET_S
    for what in (What.SHOCK, What.VENUE, What.RELOAD):
        assert min(event.at_s for event in plan.events if event.what is what) < plan.warm_up_s, what
    assert str(seed) in announced(plan)


# -- memory and processor -----------------------------------------------------------------------------------------------------------


def samples(sizes: list[int], cores: float = 0.2) -> list[Usage]:
    return [Usage(float(at), size, size, cores * at) for at, size in enumerate(sizes)]


@pytest.mark.parametrize(("last", "holds"), [(1049, True), (1050, False), (900, True)])
def test_memory__at_each_side_of_five_percent(last: int, holds: bool) -> None:
    sizes = [10] * 20 + [1000] * 20 + [5000] * 60 + [last] * 20
    assert verdicts.memory(samples(sizes), 20).holds is holds


def test_memory__that_grows_while_it_warms_up__is_flat() -> None:
    assert verdicts.memory(samples([*range(100, 1100), *[1100] * 1000]), 1000).holds


def test_memory__with_hardly_any_samples__is_not_taken_for_flat() -> None:
    assert not verdicts.memory(samples([1] * 24), 20).holds


@pytest.mark.parametrize(("cores", "holds"), [(0.49, True), (0.5, False), (1.3, False)])
def test_processor__at_each_side_of_half_a_core(cores: float, holds: bool) -> None:
    assert verdicts.processor(samples([1] * 50, cores)).holds is holds


def test_usage__of_a_process_with_a_child__counts_both() -> None:
    text = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (child,) = children(process.pid)
        both, alone = usage(process.pid, 1.0), usage(child, 2.0)
        assert both.rss_kb > alone.rss_kb > 0
        assert both.rss_kb >= both.pss_kb > 0
        assert both.at_s == 1.0
        os.kill(child, 9)
        process.kill()
    with pytest.raises((FileNotFoundError, ProcessLookupError)):
        usage(process.pid, 0.0)


# -- records -------------------------------------------------------------------------------------------------------------------------


GOOD = [tick(5), tick(6), chain("gap", 7, 8), tick(9), chain("skipped", 10, 10), chain("backfilled", 11, 11), tick(11)]


def test_blocks__that_are_evaluated_or_told__are_complete() -> None:
    assert verdicts.blocks(GOOD, 11).holds


@pytest.mark.parametrize(
    ("records", "last", "what"),
    [
        ([one for one in GOOD if one is not GOOD[1]], 11, "missing [6]"),
        ([one for one in GOOD if one is not GOOD[2]], 11, "missing [7, 8]"),
        (GOOD[:-1], 11, "missing [11]"),
        (GOOD, 12, "missing [12]"),
        ([*GOOD, tick(6)], 11, "twice [6]"),
        ([], 11, ""),
    ],
    ids=["no tick", "no gap", "backfilled and never evaluated", "the newest", "twice", "nothing"],
)
def test_blocks__of_which_one_is_missing_or_doubled__fall_short(records: list[Record], last: int, what: str) -> None:
    bar = verdicts.blocks(records, last)
    assert not bar.holds
    assert what in bar.detail


@pytest.mark.parametrize(
    ("paused", "failed", "holds"),
    [
        (["A", "B"], 0, True),
        (["A"], 0, False),
        (["A", "B", "B"], 0, False),
        (["A", "B", "C"], 0, False),
        (["A", "B"], 1, False),
    ],
    ids=["each once", "one never", "one twice", "another market", "one reverted"],
)
def test_effects__are_one_for_each_shock(paused: list[str], failed: int, holds: bool) -> None:
    assert verdicts.effects(paused, failed, ["A", "B"]).holds is holds


INTENT, END = record(RecordKind.INTENT, "A"), record(RecordKind.OUTCOME, "A", kind="included", reason="")
FAILED = record(RecordKind.OUTCOME, "A", kind="expired", reason="node-unreachable")


@pytest.mark.parametrize(
    ("records", "holds"),
    [
        ([INTENT, END], True),
        ([INTENT], False),
        ([INTENT, FAILED], False),
        ([INTENT, END, INTENT, END], False),
        ([], False),
        ([INTENT, END, replace(INTENT, market="B"), replace(END, market="B")], False),
    ],
    ids=["once", "no end", "a bad end", "twice", "never", "another market"],
)
def test_intents__are_one_for_each_shock_with_a_good_end(records: list[Record], holds: bool) -> None:
    assert verdicts.intents(records, ["A"]).holds is holds


def configured(*hashes: str) -> list[Record]:
    """Each names the one before; after ``!`` it does not."""
    befores = [None, *(one.removeprefix("!") for one in hashes)]
    return [
        record(RecordKind.CONFIGURATION, hash=one.removeprefix("!"), previous=None if one.startswith("!") else before)
        for before, one in zip(befores, hashes, strict=False)
    ]


@pytest.mark.parametrize(
    ("hashes", "lost", "holds"),
    [
        (["a", "b", "c"], [0, 0], True),
        (["a", "b"], [0], False),
        (["a", "b", "b"], [0, 0], False),
        (["a", "b", "!c"], [0, 0], False),
        (["a", "b", "c"], [0, 3], False),
        (["a", "b", "c"], [0], False),
    ],
    ids=["both", "one never", "one changed nothing", "one does not say from what", "windows lost", "not looked at"],
)
def test_reloads__are_all_taken_with_their_windows(hashes: list[str], lost: list[int], holds: bool) -> None:
    assert verdicts.reloads(configured(*hashes), lost, 2).holds is holds


def test_ready_signals__count_those_of_the_name_that_have_a_value() -> None:
    ready: dict[str, Json] = {"name": "volatility", "status": "ready"}
    body: dict[str, Json] = {"signals": [ready, ready | {"status": "warming"}, ready | {"name": "divergence"}, ready]}
    assert verdicts.ready_signals(body, "volatility") == 2


def test_table__says_what_falls_short_and_why() -> None:
    text = table([verdicts.Bar("a", "1", "2", holds=True), verdicts.Bar("b", "3", "4", holds=False, detail="since")])
    assert "FALLS SHORT" in text.splitlines()[1]
    assert "FALLS SHORT" not in text.splitlines()[0]
    assert text.splitlines()[-1] == "b: since"
