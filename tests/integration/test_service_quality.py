"""A rule whose sources disagree, through the whole service on a real node: held and told, or tripped, as the rule says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from keeper.domain.record import RecordKind
from tests.support.keeper_inside import Inside, inside
from tests.support.keeper_stage import MARKET, Setup, Stage, staged, until
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

DERIVED = """\
  both: {kind: derived, how: median, of: [oracle, spot], outlier: 1%}
  fair: {kind: constant, value: 3000, unit: price}
"""


@asynccontextmanager
async def course(folder: Path, without: str) -> AsyncIterator[tuple[Stage, Inside, Webhook]]:
    """The market's rule goes by the median of two oracles, of which the shock moves one."""
    async with staged(folder) as stage:
        with webhook() as hook:
            notify = f'{{kind: apprise, url: "{hook.address()}", min_severity: info}}'
            stage.write(Setup(notify=(notify,), more_sources=DERIVED))
            text = stage.config.read_text("utf-8")
            for old, new in (
                ("of: oracle, against: spot", "of: both, against: fair"),
                ("severity: critical", f"severity: critical\n        without: {without}"),
            ):
                assert text.count(old) == 1
                text = text.replace(old, new)
            stage.config.write_text(text, "utf-8")
            async with inside(stage.config) as service:
                await service.watching()
                await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
                assert stage.records(RecordKind.DECISION) == []
                await stage.shock()
                yield stage, service, hook


def titles(hook: Webhook) -> list[str]:
    return [str(document["title"]) for _, document in hook.received]


async def test_sources_disagree__without_alert__held_recorded_and_told_and_nothing_is_sent(tmp_path: Path) -> None:
    async with course(tmp_path, "alert") as (stage, service, hook):
        await stage.mine_until(lambda: bool(stage.records(RecordKind.DECISION)), ended=service.ended)
        await until(lambda: any("cannot see" in title for title in titles(hook)))
        await until(lambda: any("source:both is down" in title for title in titles(hook)))
        await service.end()
        (held,) = stage.records(RecordKind.DECISION)
        assert (held.body["kind"], held.body["reason"]) == ("hold", "input-not-usable-alert")
        observations = held.body["observations"]
        assert isinstance(observations, list)
        assert [one["source"] for one in observations if isinstance(one, dict)] == ["both", "oracle", "spot", "fair"]
        assert stage.faults("source:both") == [("down", "disagree")]
        alert = next(document for _, document in hook.received if "cannot see" in document["title"])
        assert alert["type"] == "failure", "the rule is critical"
        assert "both is disagree: more than 1% apart" in alert["message"]
        assert await stage.sent() == []
        stage.assert_log_holds()


async def test_sources_disagree__without_trip__the_market_is_paused(tmp_path: Path) -> None:
    async with course(tmp_path, "trip") as (stage, service, _):
        await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
        await service.end()
        assert stage.outcomes() == [("included", "effect-verified")]
        await stage.assert_paused_once()
        act = next(one for one in stage.records(RecordKind.DECISION) if one.body["kind"] == "act")
        verdict = act.body["verdict"]
        assert isinstance(verdict, dict)
        assert verdict["reason"] == "input-not-usable-counts-as-breach"
        assert act.market == MARKET
        stage.assert_log_holds()
