"""The whole keeper adjusts a parameter: made of the current value, read back, followed, and left alone when it is as tight as it may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.devnet.world import Role
from keeper.domain.record import RecordKind
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import MARKET, Setup, Stage, staged

pytestmark = pytest.mark.integration

PART = f"effect-lasts:{MARKET}/pause-market"
LIMIT = 1_000_000_000_000
PAUSES = """\
    kind: pause
    target: "{exchange}"
    call: "pauseMarket(bytes32)"
    args: ["{{id}}"]
    read: {{call: "paused(bytes32)(bool)", args: ["{{id}}"], expect: "true"}}
    undo: {{call: "unpauseMarket(bytes32)", args: ["{{id}}"]}}
"""
ADJUSTS = """\
    kind: adjust
    target: "{exchange}"
    call: "setWithdrawalLimit(bytes32,uint256)"
    args: ["{{id}}", "{{new}}"]
    new: "current * 0.3"
    bounds: {{min: {least}}}
    max_step: 50%
    read: {{call: "withdrawalLimit(bytes32)(uint256)", args: ["{{id}}"]}}
    safe_side: lower
"""


def write(stage: Stage, *, least: int) -> None:
    """The usual configuration, with an adjustment for its action."""
    text = stage.write(Setup()).read_text("utf-8")
    old = PAUSES.format(exchange=stage.world.exchange)
    assert text.count(old) == 1
    stage.config.write_text(text.replace(old, ADJUSTS.format(exchange=stage.world.exchange, least=least)), "utf-8")


async def test_adjust__a_trip__halves_the_limit_and_tells_when_it_is_raised_again(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        write(stage, least=1_000)
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            assert stage.outcomes() == [("included", "effect-verified")]
            assert await stage.world.withdrawal_limit(MARKET) == LIMIT // 2
            block = await stage.node.block_number()
            await stage.mine_until(lambda: stage.evaluated() >= block + 3, ended=service.ended)
            assert stage.faults(PART) == []
            await stage.world.grant(Role.RISK, stage.world.admin.address)
            call = "setWithdrawalLimit(bytes32,uint256)"
            key = stage.world.market_id(MARKET)
            await stage.world.transact(stage.world.admin, stage.world.exchange, call, key, LIMIT // 2 + 1)
            await stage.mine_until(lambda: bool(stage.faults(PART)), ended=service.ended)
            await service.end()
        assert stage.faults(PART) == [("down", "taken-back")]
        (intent,) = [record.body["adjustment"] for record in stage.records(RecordKind.INTENT)]
        assert isinstance(intent, dict)
        assert [intent[key] for key in ("current", "wanted", "clamps", "new")] == [
            str(LIMIT),
            str(LIMIT * 3 // 10),
            ["max_step"],
            str(LIMIT // 2),
        ]
        assert await stage.world.withdrawal_limit(MARKET) == LIMIT // 2 + 1
        stage.assert_log_holds()


async def test_adjust__as_tight_as_the_bounds_allow__sends_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        write(stage, least=LIMIT)
        async with inside(stage.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await service.end()
        assert stage.outcomes() == [("superseded", "already-in-effect")]
        assert stage.records(RecordKind.ATTEMPT) == []
        assert [one for one in stage.records(RecordKind.FAULT) if "readiness" in str(one.body)] == []
        stage.assert_log_holds()
