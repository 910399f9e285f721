"""``keeper status``: what it says before the first block, in trouble, and when nobody knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from keeper.adapters import clock as clock_module
from keeper.app import records
from keeper.app.cli.output import Output
from keeper.app.cli.status import run
from keeper.app.cli.typed import keeper_command
from keeper.app.faults import Faults
from keeper.domain.circuit_breaker import breaker_id
from keeper.domain.order import TripOrder, order_body
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import Draft, Json, RecordKind
from tests.support.audit_log import write_log
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

NOW_MS = 1_772_366_400_000


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "SystemClock", lambda: ManualClock(NOW_MS))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "keeper.yaml"
    file.write_text("audit: {url: 'sqlite:///keeper.db'}\n")
    return file


def start(ago_s: float) -> Draft:
    return records.start(NOW_MS - round(ago_s * 1000), name="n", mode="shadow", chain_id=1, sender=None)


def down(ago_s: float, part: str = "heads") -> Draft:
    at_ms = NOW_MS - round(ago_s * 1000)
    return records.fault(at_ms, part, down=True, reason="unreachable", message="no answer", remedy="look at the node")


def up(ago_s: float, part: str = "heads") -> Draft:
    return records.fault(NOW_MS - round(ago_s * 1000), part, down=False, reason="recovered", message="works again")


def stop(ago_s: float) -> Draft:
    return records.stop(NOW_MS - round(ago_s * 1000), "asked to stop")


def verdict(value: str, headroom: str) -> dict[str, Json]:
    return {
        "market": "ETH-PERP",
        "rule": "depeg",
        "signal": "gap",
        "state": "clear",
        "reason": "warming-up",
        "value": value,
        "threshold": "0.02",
        "headroom": headroom,
        "since_ms": str(NOW_MS - 7),
    }


def tick(ago_s: float, value: str = "0.01", headroom: str = "0.5") -> Draft:
    at_ms = NOW_MS - round(ago_s * 1000)
    body: dict[str, Json] = {
        "at_ms": str(at_ms),
        "block": {"number": 7},
        "verdicts": [verdict(value, headroom)],
        "breakers": {"ETH-PERP": "armed"},
    }
    return Draft(RecordKind.TICK, body, at_ms)


async def said(
    config: Path, drafts: Sequence[Draft], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, dict[str, object]]:
    """The exit code, the text for people, the document for machines."""
    await write_log(config.with_name("keeper.db"), drafts)
    code = run(Output(), str(config))
    text = capsys.readouterr().out
    assert run(Output(as_json=True), str(config)) == code
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    assert document["ok"] is (code == 0)
    return code, text, document


async def test_status__source_and_endpoint_are_down__each_carries_what_to_do(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts: list[Draft] = [start(9)]
    faults = Faults(ManualClock(NOW_MS), drafts.append, lambda _: None)
    faults.down("source:spot", "missing", "spot: prices.example answered HTTP 404")
    faults.down("endpoint:verify-1", "connection-lost", "wss://node.example: connection refused")
    _, text, document = await said(config, drafts, capsys)
    remedies = {fault["part"]: fault["remedy"] for fault in document["faults"]}  # type: ignore[attr-defined]
    assert "path in `url`" in remedies["source:spot"]
    assert "nothing listens there" in remedies["endpoint:verify-1"]
    for remedy in remedies.values():
        assert f"\n  -> {remedy}\n" in text


async def test_status__down_before_the_first_block__says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, document = await said(config, [start(9), down(8), down(7, "source:x"), up(3, "source:x")], capsys)
    assert code == 1
    assert text.startswith("running (shadow), no block evaluated yet, last record 3 s ago\n")
    assert "down: heads (unreachable): no answer\n  -> look at the node" in text
    assert "source:x" not in text
    assert (document["state"], document["running"], document["block"]) == ("running", True, None)
    assert document["last_record_s_ago"] == 3.0
    assert [fault["part"] for fault in document["faults"]] == ["heads"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("ago_s", "state"), [(60.0, "running"), (60.001, "silent")])
async def test_status__no_stop_and_no_record__silent_above_a_minute(
    ago_s: float, state: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, document = await said(config, [start(100), tick(ago_s)], capsys)
    assert document["state"] == state
    assert code == (0 if state == "running" else 1)
    assert ("running? (shadow)" in text) is (state == "silent")
    assert ("it was killed" in text) is (state == "silent")
    assert ("last record 60 s ago" in text) is (state == "silent")


async def test_status__stopped_before_the_first_block__is_stopped(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, document = await said(config, [start(900), down(899), stop(800)], capsys)
    assert (code, document["state"], document["running"]) == (1, "stopped", False)
    assert text.startswith("stopped (shadow), no block evaluated yet, last record 800 s ago\n")
    assert "down: heads" in text


async def test_status__stopped_after_blocks__is_not_well(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, document = await said(config, [start(9), tick(5), stop(1)], capsys)
    assert (code, document["state"]) == (1, "stopped")
    assert text.startswith("stopped (shadow), block 7, evaluated 5 s ago\n")


async def test_status__started_again_without_a_block_since__is_not_well(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = await said(config, [start(900), tick(850), stop(800), start(5)], capsys)
    assert code == 1
    assert text.startswith("running (shadow), no block evaluated since it started, block 7, evaluated 850 s ago")


async def test_status__no_value_yet__is_not_a_number_for_nobody(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, document = await said(config, [start(9), tick(1, "nan", "nan")], capsys)
    assert "gap: no value yet (warming-up)" in text
    assert "nan" not in text
    (shown,) = document["verdicts"]  # type: ignore[misc]
    assert (shown["value"], shown["threshold"], shown["headroom"]) == (None, "0.02", None)  # type: ignore[has-type]


async def test_status__json__times_are_iso_8601(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, document = await said(config, [start(9), tick(1)], capsys)
    (shown,) = document["verdicts"]  # type: ignore[misc]
    assert shown["since"] == "2026-03-01T11:59:59.993Z"  # type: ignore[has-type]
    assert "since_ms" not in shown  # type: ignore[has-type]


# -- what an open incident still waits for ------------------------------------------------------------------------------------


def incident(phase: str, name: str = "ETH-PERP@7", market: str = "ETH-PERP") -> Draft:
    return Draft(RecordKind.INCIDENT, {"id": name, "phase": phase}, NOW_MS, market=market, incident=name)


def ended(kind: str, action: str = "pause", name: str = "ETH-PERP@7", market: str = "ETH-PERP") -> list[Draft]:
    """An action of an incident that came to this end."""
    intent = f"{name}/{action}/{kind}"
    opened: dict[str, Json] = {
        "to": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
        "data": "0x12",
        "effect_before": "false",
        "expires_ms": str(NOW_MS),
        "route": "public",
    }
    body: dict[str, Json] = {"kind": kind, "reason": "missing-role", "message": "no role", "remedy": "grant PAUSER"}
    return [
        Draft(each, said, NOW_MS, market=market, action=action, incident=name, intent=intent)
        for each, said in ((RecordKind.INTENT, opened), (RecordKind.OUTCOME, body))
    ]


@pytest.mark.parametrize("kind", [kind.value for kind in OutcomeKind if kind is not OutcomeKind.SUBMITTED])
async def test_status__open_incident__what_was_not_done_is_said_with_its_remedy(
    kind: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, document = await said(config, [start(9), incident("opened"), *ended(kind), tick(1)], capsys)
    if kind in {"included", "superseded", "dry-run"}:
        assert (code, document["failed"]) == (0, [])
        assert "nothing is down, no intent is open" in text
        return
    assert code == 1
    assert document["failed"] == [
        {
            "market": "ETH-PERP",
            "action": "pause",
            "incident": "ETH-PERP@7",
            "at": "2026-03-01T12:00:00.000Z",
            "kind": kind,
            "reason": "missing-role",
            "message": "no role",
            "remedy": "grant PAUSER",
        }
    ]
    assert f"NOT DONE: pause on ETH-PERP, incident ETH-PERP@7: {kind} (missing-role)" in text
    assert ": no role\n  -> grant PAUSER\n" in text
    assert "nothing is down" not in text


async def test_status__incident_is_closed__its_failures_are_history(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts = [start(9), incident("opened"), *ended("failed"), incident("closed"), tick(1)]
    code, _, document = await said(config, drafts, capsys)
    assert (code, document["failed"]) == (0, [])


async def test_status__done_at_the_second_try__is_well(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drafts = [start(9), incident("opened"), *ended("failed"), *ended("included"), tick(1)]
    assert (await said(config, drafts, capsys))[0] == 0


async def test_status__failed_after_it_was_done__is_not_well(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drafts = [start(9), incident("opened"), *ended("included"), *ended("failed"), tick(1)]
    assert (await said(config, drafts, capsys))[0] == 1


async def test_status__several_markets_and_actions__each_newest_ending_of_its_open_incident(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts = [
        start(9),
        incident("opened"),
        *ended("failed", "limit"),
        incident("opened", "BTC-PERP@8", "BTC-PERP"),
        *ended("expired", "pause", "BTC-PERP@8", "BTC-PERP"),
        *ended("failed", "pause"),
        *ended("included", "limit"),
        tick(1),
    ]
    _, _, document = await said(config, drafts, capsys)
    found = [(each["market"], each["action"], each["kind"]) for each in document["failed"]]  # type: ignore[attr-defined]
    assert found == [("BTC-PERP", "pause", "expired"), ("ETH-PERP", "pause", "failed")]


async def test_status__incident_of_the_run_before__is_not_open_any_more(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts = [start(9), incident("opened"), *ended("failed"), start(5), tick(1)]
    assert (await said(config, drafts, capsys))[0] == 0


# -- breakers on the chain ----------------------------------------------------------------------------------------------------

CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
PAUSE_ETH = breaker_id("pause ETH-PERP")


def turned(after: str, until_ms: int | None, market: str = "ETH-PERP", nonce: int = 1) -> Draft:
    """As ``keeper.app.breakers.words.record_of`` writes it."""
    body: dict[str, Json] = {
        "market": market,
        "contract": CONTRACT,
        "id": breaker_id(f"pause {market}"),
        "name": f"pause {market}",
        "before": "ready",
        "after": after,
        "trigger": "chain",
        "reason": "why",
        "nonce": nonce,
        "at_ms": str(NOW_MS - 5_000),
        "block": 7,
        "until_ms": None if until_ms is None else str(until_ms),
    }
    return Draft(RecordKind.BREAKER, body, NOW_MS - 5_000, market=market, action="pause")


def own_view() -> Draft:
    """What the keeper thinks of the market: no contract."""
    body: dict[str, Json] = {"market": "ETH-PERP", "before": "armed", "after": "tripped", "trigger": "trip"}
    return Draft(RecordKind.BREAKER, body, NOW_MS, market="ETH-PERP")


@pytest.mark.parametrize(
    ("after", "until_ms", "words"),
    [
        ("tripped", NOW_MS + 60_000, "tripped until 2026-03-01 12:01:00 UTC\n"),
        ("tripped", NOW_MS, "tripped until 2026-03-01 12:00:00 UTC (its end is due, and not in the log yet)\n"),
        ("ratified", None, "ratified at 2026-03-01 11:59:55 UTC: its trip stays until the council lifts it\n"),
        ("lifted", NOW_MS + 60_000, "lifted at 2026-03-01 11:59:55 UTC, locked until 2026-03-01 12:01:00 UTC\n"),
        ("lifted", NOW_MS, "lifted at 2026-03-01 11:59:55 UTC\n"),
        ("expired", None, "expired at 2026-03-01 11:59:55 UTC\n"),
    ],
)
async def test_status__breaker_on_the_chain__its_newest_turn_is_under_its_market(
    after: str, until_ms: int | None, words: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts = [start(9), turned("tripped", 7, nonce=0), turned(after, until_ms), own_view(), tick(1)]
    code, text, document = await said(config, drafts, capsys)
    assert code == 0
    assert f"\nETH-PERP  (keeper: armed)\n  breaker contract: pause ETH-PERP {words}" in text
    assert text.count("breaker contract") == 1
    (shown,) = document["contract_breakers"]  # type: ignore[misc]
    expected = {"market": "ETH-PERP", "contract": CONTRACT, "id": PAUSE_ETH, "name": "pause ETH-PERP", "nonce": 1}
    assert expected.items() <= shown.items()  # type: ignore[has-type]
    assert shown["state"] == after  # type: ignore[has-type]
    assert (shown["until"] is None) is (until_ms is None)  # type: ignore[has-type]


async def test_status__breaker_of_a_market_without_verdicts__is_said_all_the_same(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, _ = await said(config, [start(9), turned("expired", None, "SOL-PERP"), tick(1)], capsys)
    assert "\nSOL-PERP\n  breaker contract: pause SOL-PERP expired at" in text


# -- orders that wait for signatures ------------------------------------------------------------------------------------------


def order(step: str = "signed", *, left_s: int = 60, by_hand: bool = False) -> Draft:
    asked = TripOrder(1, CONTRACT, PAUSE_ETH, (), b"\1" * 32, 3, NOW_MS // 1000 + left_s)
    body = {**order_body(asked), "step": step, "signer": CONTRACT}
    if by_hand:
        return Draft(RecordKind.ORDER, body, NOW_MS)
    return Draft(RecordKind.ORDER, body, NOW_MS, market="ETH-PERP", action="pause", incident="ETH-PERP@7")


async def test_status__order_without_enough_signatures__is_not_done(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts = [start(9), incident("opened"), order(), order(left_s=50), tick(1)]
    code, text, document = await said(config, drafts, capsys)
    assert code == 1
    digest = order(left_s=50).body["digest"]
    line = f"NOT DONE: pause on ETH-PERP waits for signatures (order {digest}, until 2026-03-01 12:00:50 UTC)\n  -> "
    assert line in text
    assert text.count("NOT DONE") == 1
    assert f"breaker {config} orders" in text
    assert "nothing is down" not in text
    assert document["waiting_for_signatures"] == [
        {
            "market": "ETH-PERP",
            "action": "pause",
            "incident": "ETH-PERP@7",
            "digest": digest,
            "contract": CONTRACT,
            "breaker": "pause ETH-PERP",
            "until": "2026-03-01T12:00:50.000Z",
        }
    ]


async def test_status__order_signed_by_hand__is_named_by_its_breaker(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = await said(config, [start(9), order(by_hand=True), *ended("included"), tick(1)], capsys)
    assert code == 1
    assert "NOT DONE: breaker pause ETH-PERP waits for signatures" in text


@pytest.mark.parametrize(
    "later",
    [
        ended("included"),
        ended("included")[:1],
        [order("complete")],
        [order("not-needed")],
        [turned("tripped", NOW_MS + 60_000)],
        [incident("closed")],
    ],
    ids=["outcome", "intent", "complete", "not needed", "tripped", "closed"],
)
async def test_status__order_that_came_to_something__waits_no_more(
    later: list[Draft], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts = [start(9), incident("opened"), order(), *later, tick(1)]
    code, text, document = await said(config, drafts, capsys)
    assert (code, document["waiting_for_signatures"]) == (0, [])
    assert "NOT DONE" not in text


async def test_status__order_whose_deadline_is_past__waits_no_more(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = await said(config, [start(9), order(left_s=0), tick(1)], capsys)
    assert code == 0


async def test_status__something_of_before_the_order__does_not_end_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [turned("expired", None), *ended("included"), incident("closed")]
    code, _, _ = await said(config, [start(9), *before, incident("opened"), order(), tick(1)], capsys)
    assert code == 1


def test_status__no_log__says_what_to_run(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Output(), str(config)) == 1
    text = capsys.readouterr().out
    assert "no log yet" in text
    assert f"{keeper_command()} run {config}" in text
    assert not config.with_name("keeper.db").exists()


async def test_status__log_without_a_record__says_what_to_run(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, document = await said(config, [], capsys)
    assert (code, document["state"]) == (1, "never-started")
    assert f"{keeper_command()} run {config}" in text


async def test_status__foreign_text__cannot_move_the_cursor(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = records.fault(NOW_MS, "x", down=True, reason="r", message="\x1b[2J\x07owned")
    _, text, _ = await said(config, [start(9), hostile], capsys)
    assert not set(text) & {"\x1b", "\x07"}
    assert "owned" in text
