"""The board behind the page of the status, and what is shown of it: the newest of everything, bounded, and nothing called armed that is not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.app.faults import Fault
from keeper.app.pages import status_board
from keeper.app.pages.settings import PageSettings
from keeper.app.pages.status_board import LATE_AT_MOST_MS, LATE_FROM_MS
from keeper.app.pages.status_facts import NOTHING, Facts, Incident
from keeper.app.pages.status_press import PARTS, rendered
from keeper.app.pages.status_rows import View
from keeper.app.pages.status_view import DETAILED, ROWS_MAX, view_of
from keeper.app.pages.status_words import READY_WORDS, Standing, number, progress, readiness_words, room_words, used
from keeper.config.model import Mode
from keeper.domain.intent import Attempt, Intent, IntentState
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.units import Span, Unit
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice
from tests.support.log_site import HOSTILE
from tests.support.status_stage import BLOCK_MS, StatusStage

pytestmark = pytest.mark.unit

ETH, BTC = "ETH-PERP", "BTC-PERP"


def view(stage: StatusStage, facts: Facts = NOTHING) -> View:
    return view_of(stage.parts, stage.board.seen(), facts, stage.clock.now_ms())


def html(stage: StatusStage, facts: Facts = NOTHING, *, live: bool = False) -> str:
    settings = PageSettings(stage.clock)
    return "".join(rendered(view(stage, facts), settings, stage.clock.now_ms(), live=live).values())


def test_view__calm_and_probed__says_so_and_has_every_rule_with_its_headroom() -> None:
    stage = StatusStage((ETH, BTC))
    stage.run(12)
    stage.probed()
    seen = view(stage)
    assert (seen.level, seen.headline) == ("ok", "All calm: 2 markets, 4 rules inside, nothing down")
    rule = seen.markets[0].rules[0]
    assert (rule.rule, rule.value, rule.threshold, rule.side) == ("oracle-divergence", "0.1 %", "2 %", "above")
    assert (rule.standing, rule.room, round(rule.used or 0, 6)) == (Standing.OK, "95 % left", 0.05)
    assert (seen.armed, len(seen.readiness)) == (4, 4)


def test_view__before_any_block__says_that_nothing_was_evaluated() -> None:
    stage = StatusStage((ETH,))
    seen = view(stage)
    assert (seen.level, seen.headline, seen.block, seen.markets) == ("warn", "No block evaluated yet", None, ())
    assert "No block was evaluated yet." in html(stage)


def test_view__a_rule_trips__its_market_is_first_and_the_incident_is_open() -> None:
    stage = StatusStage((ETH, BTC))
    stage.run(3)
    stage.tick({BTC: "0.05"})
    seen = view(stage)
    assert (seen.markets[0].market, seen.markets[0].standing) == (BTC, Standing.TRIPPED)
    assert seen.level == "bad"
    assert seen.headline == f"1 market tripped: {BTC}"
    assert [(one.market, one.closed_ms) for one in seen.incidents] == [(BTC, None)]
    stage.run(1)
    (ended,) = view(stage).incidents
    assert ended.closed_ms is not None


@pytest.mark.parametrize(("blocks", "standing", "share"), [(1, Standing.BEYOND, 1 / 3), (2, Standing.BEYOND, 2 / 3)])
def test_view__beyond_but_not_long_enough__says_how_far_the_persistence_is(
    blocks: int, standing: Standing, share: float
) -> None:
    stage = StatusStage((ETH,), hold=Span(blocks=3))
    stage.run(2)
    stage.run(blocks, {ETH: "0.05"})
    rule = view(stage).markets[0].rules[0]
    assert rule.standing is standing
    assert rule.progress == pytest.approx(share)
    assert rule.progress_words == f"beyond for {blocks} of 3 blocks"
    stage.run(3 - blocks, {ETH: "0.05"})
    tripped = view(stage).markets[0].rules[0]
    assert (tripped.standing, tripped.progress) == (Standing.TRIPPED, None)


def test_view__an_input_is_missing__the_rule_is_held_and_says_which() -> None:
    stage = StatusStage((ETH,))
    stage.run(10)
    stage.run(1, dead=[ETH])
    rule = view(stage).markets[0].rules[0]
    assert rule.standing is Standing.HELD
    assert rule.why == f"{ETH}-spot is missing (no answer within 1 s)"
    assert (rule.value, rule.used, rule.room) == ("", None, "")
    assert 'class="gauge none" role="meter"' in html(stage)


def test_view__too_little_data__is_said_and_is_not_ok() -> None:
    stage = StatusStage((ETH,))
    stage.run(1)
    assert [rule.standing for rule in view(stage).markets[0].rules] == [Standing.OK, Standing.NO_DATA]


@pytest.mark.parametrize("state", list(ReadinessState))
def test_readiness__every_state__is_called_armed_only_where_it_is(state: ReadinessState) -> None:
    found = ActionReadiness(ETH, "pause-market", state)
    assert readiness_words(found).startswith("armed") == found.is_armed
    stage = StatusStage((ETH,))
    stage.tick()
    stage.board.probed([found, ActionReadiness(ETH, "limit", ReadinessState.NOT_READY)])
    seen = view(stage)
    assert seen.armed == found.is_armed
    shown = html(stage)
    assert ("✓</span> armed" in shown) == found.is_armed
    assert READY_WORDS[state] in shown


def test_readiness__never_probed__is_not_known_and_nothing_on_the_page_is_armed() -> None:
    stage = StatusStage((ETH,))
    stage.run(10)
    seen = view(stage)
    assert [one.words for one in seen.readiness] == ["not known", "not known"]
    assert (seen.armed, seen.level, seen.headline) == (0, "warn", "2 actions not probed yet")
    assert "</span> armed" not in html(stage)
    shadow = StatusStage((ETH,), mode=Mode.SHADOW)
    shadow.run(10)
    assert view(shadow).level == "ok", "nothing is to be sent"


def test_readiness__one_action_would_not_work__is_red_with_reason_and_remedy_also_at_its_market() -> None:
    stage = StatusStage((ETH, BTC))
    stage.run(10)
    stage.probed((BTC, "pause-market"))
    stage.down(f"readiness:{BTC}/pause-market", "the key lacks the role", severity=Severity.CRITICAL)
    seen = view(stage)
    assert (seen.level, seen.headline) == ("bad", f"1 action NOT armed: pause-market on {BTC}")
    assert seen.faults == (), "told once"
    assert {row.market: row.unarmed for row in seen.markets} == {ETH: (), BTC: ("pause-market: NOT ARMED",)}
    shown = html(stage)
    assert "lacks the role PAUSER" in shown
    assert "grant it, then wait for the next block" in shown


def test_board__a_part_goes_down_and_comes_back__is_there_meanwhile() -> None:
    stage = StatusStage((ETH,))
    stage.run(10)
    stage.probed()
    stage.down("heads", "no node answers", "start one")
    assert [(one.part, one.message, one.remedy) for one in view(stage).faults] == [
        ("heads", "no node answers", "start one")
    ]
    stage.board.mended("heads")
    assert view(stage).level == "ok"


def test_board__a_notice_is_not_delivered__is_there_until_one_is() -> None:
    stage = StatusStage((ETH,))
    stage.not_delivered("slack")
    stage.not_delivered("slack")
    (one,) = view(stage).undelivered
    assert (one.notifier, one.count, one.message) == ("slack", 2, "the receiver answered 502")
    notice = Notice("x", "t", "b", Severity.INFO)
    stage.board.notified("mail", notice, Delivery(True))
    assert len(view(stage).undelivered) == 1
    stage.board.notified("slack", notice, Delivery(False, suppressed=True))
    assert view(stage).undelivered == ()


def test_board__however_much_happens__keeps_a_bounded_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_board, "FAULTS_MAX", 3)
    stage = StatusStage((ETH,))
    for number_ in range(400):
        stage.board.fault(Fault(f"part-{number_}", "x", "m", "", 0), Severity.WARNING)
        stage.not_delivered(f"notifier-{number_}")
        stage.tick({ETH: "0.05" if number_ % 2 else "0"})
    seen = stage.board.seen()
    assert len(seen.faults) == 3
    assert len(seen.undelivered) == status_board.UNDELIVERED_MAX
    assert len(seen.incidents) == status_board.INCIDENTS_MAX
    assert len(view(stage).incidents) <= ROWS_MAX


@pytest.mark.parametrize(
    ("apart_ms", "late_ms"),
    [(500, LATE_FROM_MS), (2_500, 10_000), (12_000, 48_000), (600_000, LATE_AT_MOST_MS)],
)
def test_board__blocks_come_so_often__the_next_is_late_after_four_of_them(apart_ms: int, late_ms: int) -> None:
    stage = StatusStage((ETH,))
    tick = stage.tick()
    for number_ in range(1, 6):
        block = replace(tick.block, number=tick.block.number + number_)
        stage.board.ticked(replace(tick, block=block, at_ms=tick.at_ms + number_ * apart_ms))
    assert stage.board.seen().late_ms == late_ms


def test_view__two_hundred_markets__details_those_where_something_is_up_and_lists_the_rest() -> None:
    names = [f"M{index:03}" for index in range(200)]
    stage = StatusStage(names)
    stage.run(2)
    stage.tick({"M100": "0.05", "M101": "0.019"})
    seen = view(stage)
    assert [row.market for row in seen.markets if row.detailed] == ["M100", "M101"]
    assert len(seen.markets) == 200
    stage.tick(dict.fromkeys(names, "0.05"))
    assert sum(row.detailed for row in view(stage).markets) == DETAILED
    assert len(html(stage, live=True)) < 80_000


def test_rendering__hostile_texts__are_escaped_and_shortened() -> None:
    stage = StatusStage((ETH,))
    stage.run(2)
    stage.down(HOSTILE, HOSTILE * 100, HOSTILE)
    stage.not_delivered(HOSTILE, HOSTILE)
    stage.board.probed([ActionReadiness(ETH, HOSTILE, ReadinessState.NOT_READY, HOSTILE, HOSTILE * 100, HOSTILE)])
    intent = Intent(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE, IntentState.SUBMITTED, 0, 0, "0x", "0x", "", (_attempt(HOSTILE),)
    )
    facts = Facts(
        intents=[intent], incidents=[Incident(HOSTILE, HOSTILE, HOSTILE, 0, None)], trouble=HOSTILE, signs=True
    )
    shown = html(stage, facts)
    assert "<script" not in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown
    assert "&lt;script&gt;" in shown
    assert len(shown) < 40_000


def test_rendering__live__leaves_out_what_passes_by_itself_so_that_nothing_changes_without_news() -> None:
    stage = StatusStage((ETH,))
    stage.run(3)
    settings = PageSettings(stage.clock)
    before = rendered(view(stage), settings, stage.clock.now_ms(), live=True)
    after = rendered(view(stage), settings, stage.clock.now_ms() + 59_000, live=True)
    assert before == after
    assert tuple(before) == PARTS
    assert "1 min ago" in html_at(stage, 60_000)


def html_at(stage: StatusStage, after_ms: int) -> str:
    now = stage.clock.now_ms() + after_ms
    return "".join(rendered(view(stage), PageSettings(stage.clock), now, live=False).values())


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0321, Unit.RATIO, "3.21 %"),
        (0.5, Unit.VOLATILITY, "50 %"),
        (1234567.0, Unit.PRICE, "1,234,567"),
        (12.0, Unit.SECONDS, "12 s"),
        (1.0, Unit.FLAG, "1"),
        (-3.25, Unit.SCORE, "-3.25"),
        (float("nan"), Unit.PRICE, ""),
        (float("inf"), Unit.PRICE, ""),
    ],
)
def test_number__in_its_unit(value: float, unit: Unit, text: str) -> None:
    assert number(value, unit) == text


@pytest.mark.parametrize(
    ("headroom", "share", "text"),
    [
        (1.0, 0.0, "100 % left"),
        (0.004, 0.996, "under 1 % left"),
        (0.0, 1.0, "at the threshold"),
        (-0.004, 1.004, "just beyond"),
        (-0.5, 1.5, "50 % beyond"),
        (-1e9, 1e9 + 1, "far beyond"),
        (3.0, 0.0, "300 % left"),
        (float("nan"), None, ""),
    ],
)
def test_headroom__in_words_and_as_a_share(headroom: float, share: float | None, text: str) -> None:
    assert used(headroom) == (None if share is None else pytest.approx(share))
    assert room_words(headroom) == text


def test_progress__of_a_time__is_the_share_that_has_passed() -> None:
    stage = StatusStage((ETH,), hold=Span(ms=10 * BLOCK_MS))
    stage.run(2)
    stage.run(6, {ETH: "0.05"})
    tick = stage.board.seen().tick
    assert tick is not None
    row = tick.table.wiring.rules[0]
    found = progress(row.rule, tick.verdicts[0], tick.at_ms, tick.block.number)
    assert found is not None
    assert found[0] == "beyond for 10 s of 20 s"
    assert found[1] == pytest.approx(0.5)


def test_source__a_value_nobody_could_read__is_cut() -> None:
    stage = StatusStage((ETH,))
    tick = stage.tick()
    long = replace(tick.observations[0], value=Decimal(3) * 10**60)
    stage.board.ticked(replace(tick, observations=(long, *tick.observations[1:])))
    assert len(view(stage).sources[0].value) <= 61


def _attempt(text: str) -> Attempt:
    return Attempt("i", 1, 1, "0x", 0, 1, 1, 1, "0x", "0x", text, "0x", 0)


@pytest.mark.parametrize(
    ("reason", "level", "words"),
    [
        ("locked", "warn", "held back: locked"),
        ("shadow", "ok", "would work; shadow sends nothing"),
    ],
)
def test_readiness__held_back__is_said_and_not_armed(reason: str, level: str, words: str) -> None:
    stage = StatusStage((ETH,))
    stage.run(12)
    stage.probed()
    stage.board.probed(
        [ActionReadiness(ETH, each.action, ReadinessState.HELD_BACK, reason) for each in view(stage).readiness]
    )
    seen = view(stage)
    assert (seen.level, seen.armed) == (level, 0)
    assert {one.words for one in seen.readiness} == {words}
