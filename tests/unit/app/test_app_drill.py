"""Drills: the smallest breach that trips a rule, what is chosen, what is changed, what the report says."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keeper.app.drill.breach import Breach, Injector
from keeper.app.drill.live_drill import LiveDrill
from keeper.app.drill.on_chain import NOW, answering
from keeper.app.drill.plan import Asked, Target, chosen, not_before, sources_of, targets
from keeper.app.drill.report import NO_ACTION, ActionDrilled, DrillReport
from keeper.app.drill.searching import Found, acts, smallest_breach, tried
from keeper.app.drill.stand_in import CHAIN_ID, left_out, on_fork
from keeper.config import load, model
from keeper.config.jobs import DigestConfig, HeartbeatConfig, JobsConfig
from keeper.config.replicas import ReplicasConfig
from keeper.config.secret import Secret
from keeper.domain.errors import KeeperError
from keeper.domain.observation import Observation, Quality
from keeper.domain.record import Draft, RecordKind
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import Severity
from keeper.engine.engine import Engine, compile_engine
from keeper.engine.spec import EngineSpec
from keeper.engine.tick import Tick
from tests.support.engine_world import BLOCK_MS, market, price, rule, snapshot, spec, volatility

pytestmark = pytest.mark.unit

CALM = {"oracle": "100", "spot": "100"}


def searched(world: EngineSpec, name: str = "wide", *, most: int = 50, calm: int = 3) -> Found | None:
    engine, state, tick = after(world, calm)
    seen = {each.source: each for each in tick.observations}
    target = Target("M", name, ("pause",))
    common = (engine, state, seen, tick.block, tick.at_ms, "M", name)
    return smallest_breach(*common, sources=sources_of(world, tick, target), block_ms=BLOCK_MS, most_ticks=most)


def after(world: EngineSpec, calm: int = 3):  # type: ignore[no-untyped-def]
    engine: Engine = compile_engine(world)
    state, tick = engine.initial_state(), None
    for number in range(1, calm + 1):
        state, tick = engine.tick(state, snapshot(number, CALM))
    assert isinstance(tick, Tick)
    return engine, state, tick


# -- the search ----------------------------------------------------------------------------------------------------------------------


def test_search__a_threshold_of_two_percent__takes_the_first_step_beyond_it() -> None:
    found = searched(spec())
    assert found is not None
    assert found.ticks == 1
    assert found.breach == Breach("spot", Decimal("0.98")), "100 to 98 are 2.04 %"
    assert acts(found.decisions) == ("pause",)


def test_search__persistence_of_four_blocks__says_so_many_ticks() -> None:
    found = searched(spec([market(rules=[rule(hold=Span(blocks=4))])]))
    assert found is not None
    assert found.ticks == 4


@pytest.mark.parametrize(("most", "reached"), [(4, True), (3, False)])
def test_search__no_longer_than_allowed__is_the_end(most: int, reached: bool) -> None:
    assert (searched(spec([market(rules=[rule(hold=Span(blocks=4))])]), most=most) is not None) is reached


def test_search__what_it_tries__leaves_the_state_as_it_was() -> None:
    engine, state, tick = after(spec())
    kept = engine.save(state).body()
    seen = {each.source: each for each in tick.observations}
    assert smallest_breach(
        engine, state, seen, tick.block, tick.at_ms, "M", "wide", sources=["oracle"], block_ms=BLOCK_MS
    )
    assert engine.save(state).body() == kept


def test_search__window_without_enough_data__finds_nothing() -> None:
    world = spec([market(signals=[volatility()], rules=[rule(signal="vol", above="0.9", clear="0.1")])])
    assert searched(world, most=1) is None


def test_search__a_source_that_is_down__is_not_multiplied() -> None:
    engine, state, tick = after(spec())
    seen = {each.source: each for each in tick.observations}
    seen["spot"] = replace(seen["spot"], quality=Quality.MISSING, value=None)
    found = smallest_breach(
        engine, state, seen, tick.block, tick.at_ms, "M", "wide", sources=["spot"], block_ms=BLOCK_MS, most_ticks=3
    )
    assert found is None


def test_tried__a_breach_that_is_too_small__is_none() -> None:
    engine, state, tick = after(spec())
    seen = {each.source: each for each in tick.observations}
    common = (engine, state, seen, tick.block, tick.at_ms, "M", "wide")
    assert tried(*common, Breach("spot", Decimal("1.001")), block_ms=BLOCK_MS) is None
    assert tried(*common, Breach("spot", Decimal("1.1")), block_ms=BLOCK_MS) is not None


# -- what is chosen ------------------------------------------------------------------------------------------------------------------


def test_targets__the_most_severe_rule_that_acts__comes_first() -> None:
    rules = [
        rule("soft", severity=Severity.WARNING),
        rule("alarm", severity=Severity.CRITICAL, actions=("alert",)),
        rule("hard", severity=Severity.CRITICAL, actions=("alert", "pause")),
    ]
    assert [each.rule for each in targets(spec([market(rules=rules)]), Asked())] == ["hard", "soft"]


@pytest.mark.parametrize(
    ("asked", "word"),
    [(Asked(market="X"), "no market X"), (Asked(rule="wiide"), "no rule wiide")],
)
def test_targets__a_name_that_is_not_there__is_named(asked: Asked, word: str) -> None:
    with pytest.raises(KeeperError) as caught:
        targets(spec(), asked)
    assert word in caught.value.message
    assert caught.value.remedy


def test_targets__nothing_acts__says_what_to_do() -> None:
    with pytest.raises(KeeperError, match="no rule names an action"):
        targets(spec([market(rules=[rule(actions=("alert",))])]), Asked())


def test_chosen__factor_without_source__is_refused() -> None:
    with pytest.raises(KeeperError, match="needs the source"):
        chosen(Asked(factor=Decimal(1)), ["a"])
    with pytest.raises(KeeperError, match="does not look at b"):
        chosen(Asked(source="b"), ["a"])
    assert chosen(Asked(source="a"), ["a"]) is None
    assert chosen(Asked(source="a", factor=Decimal(2)), ["a"]) == Breach("a", Decimal(2))


def test_not_before__what_is_in_effect_already__comes_last() -> None:
    done, open_ = Target("A", "r", ("pause",)), Target("B", "r", ("pause",))
    assert not_before({("A", "pause"): True}, [done, open_]) == [open_, done]


# -- what is changed -----------------------------------------------------------------------------------------------------------------


class Quiet:
    """A feed that says one thing."""

    name, interval_ms = "spot", 100

    async def poll(self) -> Observation:
        return price("spot", "100")

    async def close(self) -> None:
        return None


async def test_injector__only_while_it_is_on__changes_only_its_source() -> None:
    injector = Injector()
    (feed,) = injector.feeds([Quiet()])
    assert (await feed.poll()).value == 100
    injector.now = Breach("spot", Decimal("0.9"))
    assert (await feed.poll()).value == 90
    injector.now = Breach("other", Decimal("0.9"))
    assert (await feed.poll()).value == 100
    injector.now = Breach("spot", None)
    silent = await feed.poll()
    assert (silent.value, silent.quality) == (None, Quality.MISSING)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (Breach("s", Decimal("0.97")), "s falls by 3%"),
        (Breach("s", Decimal("1.005")), "s rises by 0.5%"),
        (Breach("s", Decimal(10)), "s rises by 900%"),
        (Breach("s", None), "s falls silent"),
    ],
)
def test_breach__in_words(breach: Breach, words: str) -> None:
    assert str(breach) == words


def test_answering__the_places_it_jumps_to__are_jump_destinations() -> None:
    code = answering(b"\xfe\xaf\x96\x8c", [7, NOW], "0x" + "11" * 20)
    places = [int.from_bytes(code[at + 1 : at + 3]) for at in (44, 84)]
    assert [code[at + 3] for at in (44, 84)] == [0x57, 0x57]
    assert [code[place] for place in places] == [0x5B, 0x5B]


# -- on the live chain ---------------------------------------------------------------------------------------------------------------


def live(world: EngineSpec, blocks: int, spot: str = "100"):  # type: ignore[no-untyped-def]
    engine, state, tick = after(world)
    for number in range(10, 10 + blocks):
        state, tick = engine.tick(state, snapshot(number, {"oracle": "100", "spot": spot}))
    found: list[Draft] = []
    faults: list[str] = []
    told: Any = SimpleNamespace(
        up=lambda part, _: faults.append(f"{part} up"),
        down=lambda part, reason, *_, **__: faults.append(f"{part} {reason}"),
    )
    clock: Any = SimpleNamespace(monotonic_ms=lambda: 0.0, now_ms=lambda: 1)
    edges: Any = SimpleNamespace(clock=clock)
    drilled = LiveDrill(engine, lambda: state, {}, edges, cast(Any, None), told, found.append, 1, {})
    drilled.ticked(tick)
    return drilled, found, faults


async def test_live_drill__rule_that_trips_and_nothing_is_to_be_done__does_not_pass() -> None:
    drilled, found, faults = live(spec(), 0)
    await drilled.run()
    assert [draft.body["ok"] for draft in found] == [False]
    assert faults == ["drill:M/wide drill-failed"]
    assert found[0].body["problem"] == NO_ACTION[0]


async def test_live_drill__market_with_an_open_incident__is_left_alone() -> None:
    drilled, found, faults = live(spec(), 2, "50")
    await drilled.run()
    assert (found, faults) == ([], [])


# -- where it runs -------------------------------------------------------------------------------------------------------------------


LOOKED_AT = {
    *("path", "hash", "document", "keeper", "chain", "audit", "sources", "engine", "actions", "signer", "lanes"),
    *("routes", "notify", "http", "invariants", "budget", "jobs", "watch"),
}
"""Sections of the configuration of which it is known what a drill makes of them."""


def config_of(tmp_path: Path) -> model.Config:
    from keeper.config.template import template

    path = tmp_path / "keeper.yaml"
    text, _ = template("safe")
    path.write_text(text.replace("confirmations: 2", "confirmations: 9"), encoding="utf-8")
    return load(
        str(path), environ={"KEEPER_RPC_URL": "wss://node.example/a", "KEEPER_NOTIFY_URL": "json://node.example/b"}
    )


def test_on_fork__nothing_of_the_real_world__is_left(tmp_path: Path) -> None:
    config = on_fork(config_of(tmp_path), "ws://127.0.0.1:1", tmp_path)
    assert config.chain.id == CHAIN_ID
    assert [each.url.reveal() for each in config.chain.endpoints] == ["ws://127.0.0.1:1"]
    assert (config.notify, config.http, config.chain.quorum) == ((), None, {})
    assert config.audit.url.reveal().endswith("drill.db")
    assert config.audit.checkpoints is None
    assert config.keeper.mode is model.Mode.SHADOW, "without a key nothing can be sent"


def test_on_fork__dead_man_replicas_and_jobs__are_left_out(tmp_path: Path) -> None:
    plain = config_of(tmp_path)
    jobs = JobsConfig(HeartbeatConfig(url=Secret("https://dead-man.example/x")), DigestConfig(480), drill_ms=1_000)
    config = replace(plain, keeper=replace(plain.keeper, replicas=ReplicasConfig(6_000, "one")), jobs=jobs)
    config = replace(config, watch=cast(Any, "watched"))
    fork = on_fork(config, "ws://127.0.0.1:1", tmp_path)
    assert fork.jobs.heartbeat.url is None, "it would say that the keeper lives while only the drill does"
    assert (fork.jobs.digest.at_minute, fork.jobs.drill_ms) == (None, None)
    assert (fork.keeper.replicas, fork.watch) == (None, None)
    assert "jobs.heartbeat" in left_out(config)
    assert "jobs.heartbeat" not in left_out(plain)
    known = {each.name for each in fields(model.Config)}
    assert known == LOOKED_AT, "a section more: can a drill reach the world by it?"


def test_left_out__no_signer__is_said(tmp_path: Path) -> None:
    assert "simulated and not sent" in left_out(config_of(tmp_path))["signer"]


# -- what is said of it --------------------------------------------------------------------------------------------------------------


def report(**changes: object) -> DrillReport:
    action = ActionDrilled(
        "pause", "pause()", "0x" + "11" * 20, "public", "included", "done", 7, "false", "true", "true", "false",
        {"verified": 9.5, "head": 0.0, "odd": 3.0}, ok=True,
    )  # fmt: skip
    plain = DrillReport(
        True, 1_700_000_000_000, "fork", CHAIN_ID, 5, "M", "wide", "spot falls by 3%", "the fork", 2, 1234.5, (action,), True,
        left_out={"notify": "nobody was told"},
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_report__as_a_record__holds_no_fractions_and_names_the_market() -> None:
    draft = report().record()
    assert (draft.kind, draft.market) == (RecordKind.DRILL, "M")
    assert draft.body["breach_to_trip_ms"] == "1234.500"
    assert draft.body["ok"] is True


def test_report__as_a_page__has_stages_in_order_and_what_it_does_not_prove() -> None:
    page = report().markdown()
    assert "**Passed**" in page
    assert page.index("heard of | 0.0") < page.index("read back | 9.5") < page.index("odd | 3.0")
    assert "- notify: nobody was told" in page


def test_report__that_failed__says_what_is_wrong_first() -> None:
    page = report(ok=False, problem="it did not trip", remedy="look").markdown()
    assert page.index("FAILED") < page.index("it did not trip") < page.index("breach")


def test_units__of_what_is_seen__stay() -> None:
    assert Breach("spot", Decimal(2)).of(price("spot", "1.5")).unit is Unit.PRICE
