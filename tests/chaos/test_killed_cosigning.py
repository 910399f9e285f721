"""kill -9 of a keeper that signs together with another: nothing it signed is lost, nothing contradicts it, and there is one trip."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from keeper.adapters.audit.verify import verify
from keeper.domain.order import order_from
from keeper.domain.record import RecordKind
from tests.support.cosigning_service import paired, trips
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import MARKET

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("moment", ["decided", "pledged", "signed"])
async def test_killed__as_it_signs__the_next_run_goes_on_and_they_trip_once(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "orders"
    async with paired(tmp_path, str(folder)) as (one, two):
        stage = one.stage

        def reached() -> bool:
            if moment == "signed":
                return any(folder.glob("*.json"))
            return bool(stage.records(RecordKind.DECISION if moment == "decided" else RecordKind.ORDER))

        async with ForkedRunning(["run", one.stage.config], tmp_path) as running:
            await running.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=running.ended)
            await stage.shock()
            await stage.node.mine()
            await running.until(reached, moment)
            assert await running.end(signal.SIGKILL) == -signal.SIGKILL
        pledged = {order_from(record.body) for record in stage.records(RecordKind.ORDER)}
        for path in folder.glob("*.json"):
            path.unlink()
        async with inside(one.stage.config) as first, inside(two.stage.config) as second:
            for service in (first, second):
                await service.watching()
            if pledged:
                await stage.mine_until(lambda: any(folder.glob("*.json")), ended=first.ended)
            await stage.mine_until(
                lambda: _good(one.outcomes("pause-market")) and _good(two.outcomes("pause-market")), ended=first.ended
            )
            for service in (first, second):
                await service.end()
        assert len(await trips(one)) == 1
        assert await stage.world.paused(MARKET)
        signed = [
            order_from(record.body) for record in stage.records(RecordKind.ORDER) if record.body["step"] == "signed"
        ]
        assert pledged <= set(signed)
        assert not any(first.excludes(second) for first in signed for second in signed)
        for each in (one, two):
            assert verify(each.stage.url).ok


def _good(outcomes: list[tuple[str, str]]) -> bool:
    return any(kind in ("included", "superseded") for kind, _ in outcomes)
