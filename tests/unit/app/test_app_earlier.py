"""What the engine is told of earlier runs."""

from __future__ import annotations

import pytest

from keeper.app import earlier
from keeper.domain.outcome import OutcomeKind
from keeper.domain.snapshot import ActionOutcome
from tests.support.execution_stage import T0, Stage, limit, pause

pytestmark = pytest.mark.unit

NOW_MS = T0 + 1_000_000


async def told(stage: Stage, *, live: bool = True, taken_up: bool = False) -> list[ActionOutcome]:
    executor = stage.executor(pause(), limit())
    if taken_up:
        await executor.recover()
    armed = {pause().key, limit().key}
    return await earlier.outcomes(stage.store, armed, executor.open_works, NOW_MS, live=live)


async def test_earlier__empty_log__is_nothing() -> None:
    assert await told(Stage()) == []


async def test_earlier__what_worked__is_told_with_its_time() -> None:
    stage = Stage()
    executor = await stage.ready()
    await stage.act(executor)
    await stage.head(executor)
    (outcome,) = await told(stage)
    assert outcome == ActionOutcome(*pause().key, OutcomeKind.INCLUDED, "effect-verified", T0 + 12_000)


async def test_earlier__several_ends_of_one_action__only_the_newest_counts() -> None:
    stage = Stage()
    executor = await stage.ready(pause(), limit())
    stage.signer.broken = True
    await stage.act(executor, pause(), limit())
    stage.signer.broken = False
    stage.clock.ms += 1
    await stage.act(executor, pause())
    await stage.head(executor)
    kinds = {outcome.action: outcome.kind for outcome in await told(stage)}
    assert kinds == {"pause": OutcomeKind.INCLUDED, "limit": OutcomeKind.FAILED}


async def test_earlier__still_open__is_in_flight_and_nothing_else() -> None:
    stage = Stage()
    await stage.act(await stage.ready())
    assert await told(stage, taken_up=True) == [ActionOutcome(*pause().key, OutcomeKind.SUBMITTED, "taken-up", NOW_MS)]


@pytest.mark.parametrize("live", [True, False])
async def test_earlier__a_dry_run__counts_for_a_dry_run_only(live: bool) -> None:
    stage = Stage()
    executor = await stage.ready(live=False)
    await stage.act(executor)
    kinds = [outcome.kind for outcome in await told(stage, live=live)]
    assert kinds == ([] if live else [OutcomeKind.DRY_RUN])


async def test_earlier__actions_of_another_configuration__are_left_out() -> None:
    stage = Stage()
    executor = await stage.ready(pause("OLD"))
    await stage.act(executor, pause("OLD"))
    await stage.head(executor)
    assert await told(stage) == []
