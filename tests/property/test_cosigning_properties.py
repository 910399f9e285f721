"""Keepers that sign together, in any order of decisions, looks, restarts, losses and failures."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cosigning_scene import EXPIRES_MS, START, Member, Scene

pytestmark = pytest.mark.property

Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "decide",
                "look",
                "look",
                "anew",
                "anew",
                "restart",
                "pass",
                "book away",
                "book back",
                "log away",
                "log back",
                "lose",
            ]
        ),
        st.integers(0, 2),
        st.integers(1, 90),
    ),
    max_size=40,
)


def contradicts(member: Member) -> bool:
    """Whether its key signed other values for the same nonce while what it had signed before could still be carried out."""
    signed = member.hand.signed
    return any(
        second.excludes(first) and at_s <= first.deadline_s
        for place, (at_s, second) in enumerate(signed)
        for _, first in signed[:place]
    )


def trouble(scene: Scene, member: Member, what: str) -> None:
    if what == "restart":
        member.restart()
    elif what.startswith("book"):
        scene.book.away = what == "book away"
    elif what.startswith("log"):
        member.log.away = what == "log away"
    elif what == "lose":
        scene.book.lose()


async def play(scene: Scene, steps: list[Step]) -> None:
    limit = START
    for what, number, amount in steps:
        member = scene.members[number]
        if what == "decide" and not member.cosigning.waiting:
            member.decide(limit)
        elif what == "look":
            await member.look()
        elif what == "pass":
            await scene.pass_s(amount)
        elif what == "anew" and not scene.trip_count:  # somebody changes the limit, so that another value is wanted
            limit = START + amount
            scene.set_limit(limit)
            await member.look()
            if not member.cosigning.waiting:
                member.decide(limit)
            await member.look()
        else:
            trouble(scene, member, what)
        assert scene.trip_count <= 1
        assert not any(map(contradicts, scene.members))


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_cos_1__whatever_happens__no_key_contradicts_itself_and_everything_that_waits_ends(
    steps: list[Step],
) -> None:
    async def run() -> None:
        scene = Scene()
        await play(scene, steps)
        waiting = [(member, len(member.cosigning.waiting)) for member in scene.members]
        ended = [len(member.acted) + len(member.failed) for member in scene.members]
        scene.book.away = False
        for member in scene.members:
            member.log.away = False
        await scene.pass_s(EXPIRES_MS // 1000)
        for member in scene.members:
            await member.look()
            assert member.cosigning.waiting == ()
        for (member, left), before in zip(waiting, ended, strict=True):
            assert len(member.acted) + len(member.failed) == before + left

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_cos_2__after_any_trouble__two_that_want_the_same_trip_it_once(steps: list[Step]) -> None:
    async def run() -> None:
        scene = Scene()
        await play(scene, steps)
        if scene.trip_count > 0:
            return
        scene.book.away = False
        await scene.pass_s(EXPIRES_MS // 1000 + 1)
        for member in scene.members:
            member.log.away = False
            await member.look()
        limit = 2 * START
        scene.set_limit(limit)
        for member in scene.members[:2]:
            member.decide(limit)
        for _ in range(3):
            for member in scene.members[:2]:
                await member.look()
        assert scene.trip_count == 1

    asyncio.run(run())
