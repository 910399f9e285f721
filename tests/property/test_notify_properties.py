"""Whatever happens in whatever order: nobody is left believing something that is not so, and who has answered is left in peace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.app import courier as courier_module
from keeper.domain.matters import Escalation, Policy
from keeper.domain.record import Record
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.notify_stage import POLL_MS, NotifyStage, down, fault_record, up

pytestmark = pytest.mark.property

MINUTE = 60_000
KEYS = ("x", "y")
ALL = Policy("all", group_ms=2_000, repeat_ms=10 * MINUTE)
PAGER = Policy("pager", Severity.CRITICAL, group_ms=2_000, escalate=Escalation(0, 5 * MINUTE, 3))
LATE = Policy("late", Severity.CRITICAL, escalate=Escalation(3 * MINUTE, 5 * MINUTE, 3))

Step = tuple[str, str]
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["down", "up", "ack"]), st.sampled_from(KEYS)),
        st.tuples(st.just("wait"), st.sampled_from(["1", "10", "100", "700"])),
        st.just(("restart", "")),
    ),
    min_size=1,
    max_size=14,
)


def keys_of(record: Record) -> list[str]:
    keys = record.body.get("keys")
    return [str(one) for one in keys] if isinstance(keys, list) else [str(record.body.get("key"))]


async def play(course: Sequence[Step]) -> tuple[list[tuple[str, str, str]], set[str], set[str]]:
    """(receiver or step, key, what) in order; which are down at the end; which of them are acknowledged."""
    stage = NotifyStage(ALL, PAGER, LATE, keyed=["pager"])
    await stage.start()
    is_down: set[str] = set()
    acked: set[str] = set()
    marks: list[tuple[int, str, str]] = []
    try:
        for what, word in course:
            if what == "wait":
                await stage.clock.advance(int(word) * 1_000)
            elif what == "restart":
                await stage.start()
                await stage.tell(*[down(key) for key in sorted(is_down)])  # a new process finds out for itself
            elif what == "down" and word not in is_down:
                is_down.add(word)
                await stage.write(fault_record(word, stage.clock.now_ms(), is_down=True))
                await stage.tell(down(word))
            elif what == "up" and word in is_down:
                is_down.remove(word)
                acked.discard(word)
                await stage.write(fault_record(word, stage.clock.now_ms(), is_down=False))
                marks.append((await size(stage), "up", word))
                await stage.tell(up(word))
            elif what == "ack" and word in is_down and word not in acked:
                await stage.clock.advance(4_000)  # what was on its way has arrived
                if await stage.ack(word):
                    acked.add(word)
                    marks.append((await size(stage), "ack", word))
        await stage.clock.advance(15 * MINUTE)
        told = await stage.told()
    finally:
        await stage.stop()
    heard = [
        (record.seq, str(record.body.get("notifier", "")), key, str(record.body.get("state")))
        for record in told
        if record.body.get("notifier")
        for key in keys_of(record)
    ]
    events = [(seq, name, key, state) for seq, name, key, state in heard]
    events += [(seq, "mark", f"fault/{key}", what) for seq, what, key in marks]
    events.sort(key=lambda each: (each[0], each[1] != "mark"))
    return [(name, key, state) for _, name, key, state in events], is_down, acked


async def size(stage: NotifyStage) -> int:
    await stage.clock.advance(100)
    return (await stage.store.head())[0] + 1


@given(course=steps)
@settings(max_examples=40, deadline=None)
def test_telling__any_course__people_believe_what_is_so_and_answered_ones_are_left_in_peace(
    course: list[Step],
) -> None:
    with patch.object(courier_module, "ASIDE_S", 0), patch.object(courier_module, "POLL_S", POLL_MS / 1000):
        events, is_down, _ = asyncio.run(play(course))
    for receiver in ("all", "pager", "late"):
        last: dict[str, str] = {}
        quiet: set[str] = set()
        for who, key, what in events:
            if who == "mark" and what == "ack":
                quiet.add(key)
            elif who == "mark" and what == "up":
                quiet.discard(key)
            elif who == receiver:
                assert not (key in quiet and what != "ended"), f"{receiver} was told of {key} after it was acknowledged"
                last[key] = what
        for name in KEYS:
            key = f"fault/{name}"
            if name in is_down:
                if key not in quiet or receiver != "late":
                    assert last.get(key) in ("told", "again"), f"{receiver} does not know that {key} is down: {events}"
            else:
                assert last.get(key) in (None, "ended"), f"{receiver} believes that {key} is down: {events}"


@given(
    severities=st.lists(st.sampled_from(list(Severity)), min_size=1, max_size=30),
    least=st.sampled_from(list(Severity)),
    group_ms=st.sampled_from([0, 2_000]),
)
@settings(max_examples=30, deadline=None)
def test_routing__any_notices__everyone_gets_exactly_what_it_wants(
    severities: list[Severity], least: Severity, group_ms: int
) -> None:
    async def run() -> set[str]:
        stage = NotifyStage(Policy("a", least, group_ms=group_ms))
        await stage.start()
        await stage.tell(*[Notice(f"alert/{n}", f"t{n}", "b", one) for n, one in enumerate(severities)])
        await stage.clock.advance(5_000)
        told = await stage.told()
        await stage.stop()
        return {key for record in told for key in keys_of(record)}

    with patch.object(courier_module, "ASIDE_S", 0), patch.object(courier_module, "POLL_S", POLL_MS / 1000):
        heard = asyncio.run(run())
    order = list(Severity)
    wanted = {f"alert/{n}" for n, one in enumerate(severities) if order.index(one) >= order.index(least)}
    assert heard == wanted
