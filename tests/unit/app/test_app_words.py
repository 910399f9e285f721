"""What people read: summaries of records, notices, exit codes, times on the command line."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keeper.adapters import clock as clock_module
from keeper.app import notices, records, statements, switch_records
from keeper.app.breakers import pledges
from keeper.app.cli import log_formats, log_times
from keeper.app.cli.audit import LogQuery
from keeper.app.cli.evidence_lines import evidence_lines
from keeper.app.cli.log_formats import as_document
from keeper.app.cli.output import Output
from keeper.app.cli.summaries import SUMMARIES, summary
from keeper.app.exit_codes import Exit, exit_code
from keeper.domain import errors
from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import breaker_id
from keeper.domain.decision import BreakerEvent, IncidentEvent, IncidentPhase
from keeper.domain.errors import ConfigurationError, KeeperError, Problem
from keeper.domain.intent import Intent, IntentState
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.order import order_body
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import GENESIS, Draft, Json, Record, RecordKind
from keeper.domain.testimony import Difference, Otherwise, QuorumPolicy, Silence, Statement, Testimony, Word
from keeper.domain.verdict import RuleState, Severity, Verdict, VerdictReason
from keeper.engine.engine import compile_engine
from keeper.engine.evidence import decision_body, incident_body, tick_body
from keeper.execution.work import Work
from keeper.ports.notifier import Notice
from tests.support.audit_log import attempt, broadcast, opening, outcome, receipt, receipt_gone
from tests.support.engine_world import run, snapshot, spec
from tests.support.execution_stage import VAULT, pause
from tests.support.orders import ORDER
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

VERDICT = Verdict(
    "ETH-PERP", "depeg", "gap", RuleState.TRIPPED, VerdictReason.BREACHED, 0.061, 0.02, -2.05, 1, 7, Severity.CRITICAL
)
CLOCK_MS = 1_772_366_400_000
"""2026-03-01T12:00:00Z."""
LOCKED = BreakerEvent("M", "tripped", "locked", "lock", "by hand", "M@1", 1, 7, CLOCK_MS)


def record(kind: RecordKind, body: dict[str, Json], market: str | None = "ETH-PERP") -> Record:
    return Record(1, "2026-03-01T12:00:00.000Z", kind, market, "pause", None, None, body, GENESIS, GENESIS)


def recorded(draft: Draft) -> Record:
    return record(draft.kind, dict(draft.body))


def trip_bodies() -> dict[RecordKind, dict[str, Json]]:
    """What the engine itself writes down at a trip."""
    tick = run(compile_engine(spec()), [snapshot(5, {"oracle": "1.00", "spot": "1.10"})])[-1]
    return {
        RecordKind.TICK: dict(tick_body(tick)),
        RecordKind.INCIDENT: dict(incident_body(tick.incidents[0])),
        RecordKind.DECISION: dict(decision_body(tick.decisions[0])),
    }


def every_kind() -> dict[RecordKind, tuple[Record, str]]:
    """A record of each kind as the keeper writes it, and words that its summary must have."""
    bodies = trip_bodies()
    effect: dict[str, Json] = {"call": "paused()(bool)", "before": "false", "after": "true", "block": 9}
    intent = {**opening().body, "call": "pauseMarket(bytes32)"}
    sent = {**broadcast().body, "route": "public", "message": ""}
    return {
        RecordKind.START: (
            recorded(records.start(1, name="n", mode="live", chain_id=5, sender=None)),
            "n version",
        ),
        RecordKind.CONFIGURATION: (recorded(records.configuration(1, "0xc0de", {"a": 1})), "0xc0de"),
        RecordKind.TICK: (record(RecordKind.TICK, bodies[RecordKind.TICK]), "block 5"),
        RecordKind.STATE: (record(RecordKind.STATE, {"number": 5}), "what the engine remembers after block 5"),
        RecordKind.ARCHIVE: (
            record(RecordKind.ARCHIVE, {"file": "evidence-3-9-ab.parquet", "count": 6, "first_seq": 3, "last_seq": 9}),
            "evidence of 6 records, 3 to 9, moved to evidence-3-9-ab.parquet",
        ),
        RecordKind.GAP: (
            record(
                RecordKind.GAP,
                {
                    "event": "written-late",
                    "from_ms": "1763700000000",
                    "records": 42,
                    "left_out": 7,
                    "reason": "disk full",
                    "spool": {"file": "keeper.spool"},
                },
            ),
            "the next 42 records waited in keeper.spool since 2025-11-21T04:40:00.000Z: disk full; 7 ticks were left out",
        ),
        RecordKind.READINESS: (
            record(
                RecordKind.READINESS,
                {"state": "not-ready", "reason": "missing-role", "message": "no role", "remedy": "", "block": 7},
            ),
            "not-ready (missing-role): no role, block 7",
        ),
        RecordKind.DRILL: (
            record(
                RecordKind.DRILL,
                {"ok": True, "where": "fork", "rule": "wide", "breach": "spot falls by 3%", "problem": ""},
            ),
            "wide on a fork passed: spot falls by 3%",
        ),
        RecordKind.COMPARISON: (
            record(RecordKind.COMPARISON, {"who": "keeper-first", "message": "the keeper would have been first"}),
            "the keeper would have been first",
        ),
        RecordKind.WITNESS: (
            record(
                RecordKind.WITNESS,
                {"name": "other", "checkpoint": {"number": 3, "seq": 40, "head": "0x" + "ab" * 32}, "missed": 0},
            ),
            "kept checkpoint 3 of other: record 40, head 0xabababab..",
        ),
        RecordKind.INCIDENT: (record(RecordKind.INCIDENT, bodies[RecordKind.INCIDENT]), "opened M@5: wide: gap"),
        RecordKind.DECISION: (record(RecordKind.DECISION, bodies[RecordKind.DECISION]), "act (tripped)"),
        RecordKind.INTENT: (record(RecordKind.INTENT, intent), "pauseMarket(bytes32) on 0x5FbDB"),
        RecordKind.ATTEMPT: (recorded(attempt()), "nonce 5, 0x"),
        RecordKind.BROADCAST: (record(RecordKind.BROADCAST, sent), "accepted by public"),
        RecordKind.RECEIPT: (recorded(receipt()), "status 1 in block 9"),
        RecordKind.EFFECT: (record(RecordKind.EFFECT, effect), "paused()(bool) false -> true at block 9"),
        RecordKind.OUTCOME: (recorded(outcome()), "included (effect-verified): paused"),
        RecordKind.VERIFICATION: (
            recorded(records.verification(1, ok=True, records=9, head="0xab", problem="")),
            "ok: 9 records, head 0xab",
        ),
        RecordKind.JOB: (recorded(records.job(1, "probe", state="failing", message="x")), "probe"),
        RecordKind.FAULT: (
            recorded(records.fault(1, "heads", down=True, reason="unreachable", message="no answer")),
            "heads is down (unreachable): no answer",
        ),
        RecordKind.CHAIN: (
            recorded(records.chain(1, "failed-over", {"origin": "primary-1", "to": "primary-2", "reason": "lagging"})),
            "heads and reads come from primary-2 instead of primary-1 (lagging)",
        ),
        RecordKind.NOTIFICATION: (
            recorded(records.notification(1, "log", "incident/1", delivered=False, message="x")),
            "incident/1 by log: NOT delivered",
        ),
        RecordKind.SWITCH: (
            recorded(
                switch_records.record(Intervention(InterventionKind.SWITCHED_OFF, 1, "M", reason="upgrade"), "ana")
            ),
            "market M off, by ana: upgrade",
        ),
        RecordKind.BREAKER: (
            recorded(records.breaker(LOCKED)),
            "M tripped -> locked until 2026-03-01T12:00:00.000Z: by hand",
        ),
        RecordKind.ORDER: (
            recorded(pledges.draft({**order_body(ORDER), "step": "signed", "signer": "0xAb"}, 1, None)),
            "pause ETH-PERP: signed by 0xAb, nonce 1, until 2023-11-14 22:23:20 UTC",
        ),
        RecordKind.PROPOSAL: (
            recorded(
                Draft(
                    RecordKind.PROPOSAL,
                    {"step": "signed", "safe_tx_hash": "0x" + 64 * "a", "owner": "0xAb", "count": 1, "threshold": 2},
                    1,
                )
            ),
            "0xaaaaaaaa..: signed, by 0xAb (1 of 2)",
        ),
        RecordKind.STOP: (recorded(records.stop(1, "asked to stop")), "asked to stop"),
    }


# -- summaries ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(RecordKind), ids=str)
def test_summary__each_kind_as_it_is_written__is_one_line_with_what_matters(kind: RecordKind) -> None:
    written, words = every_kind()[kind]
    line = summary(written)
    assert words in line
    assert "\n" not in line


@pytest.mark.parametrize("kind", list(RecordKind), ids=str)
def test_summary__body_of_another_version__is_shown_as_it_is(kind: RecordKind) -> None:
    assert "colour blue" in summary(record(kind, {"colour": "blue"}))
    assert summary(record(kind, {})) is not None


@pytest.mark.parametrize("kind", sorted(SUMMARIES), ids=str)
@pytest.mark.parametrize("nonsense", [None, 7, [], {}, "text"], ids=repr)
def test_summary__every_value_is_nonsense__still_a_line(kind: RecordKind, nonsense: Json) -> None:
    body: dict[str, Json] = dict.fromkeys(every_kind()[kind][0].body, nonsense)
    assert isinstance(summary(record(kind, body)), str)


@pytest.mark.parametrize(
    ("new", "refusal", "words"),
    [("500", None, "effect now 1000, to be 500 (current * 0.5)"), (None, "at-bound", "no new value (at-bound)")],
)
def test_summary__an_adjustment__says_from_what_to_what(new: str | None, refusal: str | None, words: str) -> None:
    made_of: dict[str, Json] = {"expression": "current * 0.5", "new": new, "refusal": refusal}
    body = {**opening().body, "call": "setLimit(uint256)", "effect_before": "1000", "adjustment": made_of}
    assert words in summary(record(RecordKind.INTENT, body))


def test_summary__receipt_that_is_gone__says_so() -> None:
    assert "is not in a block any more" in summary(recorded(receipt_gone()))


def test_summary__broken_log__cannot_be_overlooked() -> None:
    broken = records.verification(1, ok=False, records=3, head="0x", problem="record 4")
    assert summary(recorded(broken)).startswith("BROKEN")


@pytest.mark.parametrize(
    ("event", "details", "words"),
    [
        ("gap", {"first": 3, "last": 7, "reason": "x"}, "blocks 3 to 7 were missed and are not evaluated: x"),
        ("backfilled", {"first": 3, "last": 7}, "blocks 3 to 7 were missed and are evaluated late"),
        ("skipped", {"first": 3, "last": 7, "total": 9}, "3 to 7 were passed over for a newer one; 9 since the start"),
        (
            "reorg",
            {"depth": 2, "old_number": 8, "new_number": 9, "new_hash": "0xab"},
            "reorganisation, 2 deep: block 8 gave way to 9 0xab",
        ),
        ("something-new", {"colour": "blue"}, "colour blue"),
    ],
)
def test_summary__way_along_the_chain__says_what_happened(event: str, details: dict[str, Json], words: str) -> None:
    assert words in summary(recorded(records.chain(1, event, details)))


def test_summary__decision_that_others_were_asked_about__says_how_many_agree() -> None:
    body = trip_bodies()[RecordKind.DECISION]
    assert "nodes agree" not in summary(record(RecordKind.DECISION, body))
    body["testimony"] = {"agreeing": 1, "of": 3, "needed": 2}
    assert summary(record(RecordKind.DECISION, body)).endswith("; 1 of 3 nodes agree, 2 needed")


# -- evidence -----------------------------------------------------------------------------------------------------------------


def observed(source: str, **changed: Json) -> dict[str, Json]:
    plain: dict[str, Json] = {
        "source": source,
        "value": "2822.23",
        "unit": "price",
        "received_ms": str(CLOCK_MS),
        "at_ms": None,
        "block": None,
        "quality": "ok",
        "reason": "",
    }
    return plain | changed


def deciding(kind: str = "act", reason: str = "tripped", **more: Json) -> Record:
    body = {**trip_bodies()[RecordKind.DECISION], "kind": kind, "reason": reason}
    body["observations"] = [
        observed("oracle", block={"number": 14}, at_ms=str(CLOCK_MS - 5)),
        observed("eth-spot", value="2999.9", at_ms=str(CLOCK_MS - 9)),
        observed("thin-venue", quality="thin", reason="volume 3 is below 10"),
        observed("lost-venue", value=None, quality="missing", reason="no answer\nfor 3 s"),
    ]
    return record(RecordKind.DECISION, body | more)


@pytest.mark.parametrize(
    ("kind", "reason"), [("act", "tripped"), ("act", "retry-after-failure"), ("declined", "no-quorum")]
)
def test_evidence__decision_about_acting__each_source_with_value_time_and_quality(kind: str, reason: str) -> None:
    assert evidence_lines(deciding(kind, reason)) == [
        "oracle      2822.23 price  block 14, of 2026-03-01T11:59:59.995Z  ok",
        "eth-spot    2999.9 price   of 2026-03-01T11:59:59.991Z            ok",
        "thin-venue  2822.23 price  received 2026-03-01T12:00:00.000Z      thin: volume 3 is below 10",
        "lost-venue  no value       received 2026-03-01T12:00:00.000Z      missing: no answer | for 3 s",
    ]


@pytest.mark.parametrize(("kind", "reason"), [("declined", "cooldown"), ("hold", "input-not-usable")])
def test_evidence__any_other_decision__is_not_spread_out(kind: str, reason: str) -> None:
    assert evidence_lines(deciding(kind, reason)) == []


def test_evidence__nodes_that_were_asked__each_with_what_it_said() -> None:
    policy = QuorumPolicy(3, 100, Otherwise.HOLD)
    differs = Statement("verify-2", Word.DISAGREES, differences=(Difference(0, "0x01", "0x02"),))
    silent = Statement("verify-3", Word.SILENT, Silence.DEADLINE, "no answer in 100 ms")
    testimony = Testimony(snapshot(5, {}).block, (Statement("verify-1", Word.AGREES), differs, silent))
    body = statements.testimony_body(testimony, policy, ["source:oracle"])
    assert evidence_lines(deciding("declined", "no-quorum", testimony=body))[4:] == [
        "node verify-1 agrees",
        "node verify-2 disagrees: source:oracle is 0x02 there and 0x01 at the endpoint in use",
        "node verify-3 silent (no-answer-in-time): no answer in 100 ms",
    ]


@pytest.mark.parametrize("nonsense", [None, 7, [7], [{}], {}, "text", [{"source": "x"}]], ids=repr)
def test_evidence__body_of_another_version__none(nonsense: Json) -> None:
    assert evidence_lines(deciding(observations=nonsense)) == []
    assert isinstance(evidence_lines(deciding(testimony=nonsense)), list)
    assert isinstance(evidence_lines(deciding(testimony={"statements": nonsense})), list)


def test_evidence__other_kinds_of_record__none() -> None:
    assert not any(evidence_lines(each) for kind, (each, _) in every_kind().items() if kind is not RecordKind.DECISION)


# -- notices ------------------------------------------------------------------------------------------------------------------


def ended(kind: OutcomeKind, remedy: str = "send ETH", tx_hash: str | None = "0xabc") -> Notice:
    intent = Intent("i-1", "ETH-PERP", "pause", "inc-1", IntentState.DONE, 1, 2, "0x", "0x", "false")
    return notices.of_outcome(
        Work(intent, None), Outcome(kind, Reason.EFFECT_VERIFIED, "what happened", remedy, tx_hash)
    )


@pytest.mark.parametrize("kind", list(OutcomeKind), ids=str)
def test_notice__outcome__anything_but_success_is_critical(kind: OutcomeKind) -> None:
    good = {OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED, OutcomeKind.DRY_RUN}
    notice = ended(kind)
    assert notice.severity is (Severity.WARNING if kind in good else Severity.CRITICAL)
    assert kind.value in notice.title
    assert notice.key == "outcome/i-1"


def test_notice__outcome__message_remedy_transaction_and_incident_in_lines() -> None:
    assert ended(OutcomeKind.FAILED).body.splitlines() == [
        "what happened",
        "send ETH",
        "transaction 0xabc",
        "incident inc-1",
    ]
    assert ended(OutcomeKind.FAILED, "", None).body.splitlines() == ["what happened", "incident inc-1"]


def test_notice__outcome_of_a_trip__names_the_breaker_and_its_contract() -> None:
    armed = pause()
    armed = replace(armed, action=replace(armed.action, breaker=BreakerTrip(VAULT, breaker_id("pause ETH-PERP"))))
    intent = Intent("i-1", "ETH-PERP", "pause", "inc-1", IntentState.DONE, 1, 2, "0x", "0x", "false")
    notice = notices.of_outcome(Work(intent, armed), Outcome(OutcomeKind.INCLUDED, Reason.EFFECT_VERIFIED, "done"))
    assert f"breaker pause ETH-PERP of contract {VAULT}" in notice.body.splitlines()


@pytest.mark.parametrize(
    ("phase", "severity", "title"),
    [
        (IncidentPhase.OPENED, Severity.CRITICAL, "ETH-PERP: depeg tripped"),
        (IncidentPhase.CLOSED, Severity.INFO, "ETH-PERP: all rules are clear"),
    ],
)
def test_notice__incident__the_numbers_and_how_bad_it_is(phase: IncidentPhase, severity: Severity, title: str) -> None:
    notice = notices.of_incident(IncidentEvent("inc-1", "ETH-PERP", phase, VERDICT, 1, 7))
    assert (notice.title, notice.severity, notice.key) == (title, severity, "incident/inc-1")
    assert "gap = 0.061, threshold 0.02, block 7" in notice.body
    assert ("stays paused until the council lifts it" in notice.body) is (phase is IncidentPhase.CLOSED)


def test_notice__incident_of_a_warning__is_a_warning() -> None:
    warning = replace(VERDICT, severity=Severity.WARNING)
    event = IncidentEvent("inc-1", "ETH-PERP", IncidentPhase.OPENED, warning, 1, 7)
    assert notices.of_incident(event).severity is Severity.WARNING


# -- exit codes ---------------------------------------------------------------------------------------------------------------

ERRORS = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KeeperError)]
OUTSIDE = {"OutsideError", "Unreachable", "Busy", "Refused", "MalformedAnswer", "SignerAway", "StoreUnavailable"}


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_exit_code__each_error__what_was_written_wrong_is_2_what_does_not_answer_is_3(kind: type[KeeperError]) -> None:
    error = kind((Problem("a", 1, "b", "c"),)) if kind is ConfigurationError else kind("x")
    expected = Exit.OUTSIDE if kind.__name__ in OUTSIDE else Exit.USAGE
    assert exit_code(error) is (Exit.INTERRUPTED if kind is errors.Interrupted else expected)


def test_exit_codes__are_those_that_people_rely_on() -> None:
    assert {code.name: code.value for code in Exit} == {
        "DONE": 0,
        "FOUND": 1,
        "USAGE": 2,
        "OUTSIDE": 3,
        "INTERRUPTED": 130,
    }


# -- times and filters --------------------------------------------------------------------------------------------------------


@pytest.fixture
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "SystemClock", lambda: ManualClock(CLOCK_MS))


@pytest.mark.usefixtures("_noon")
@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (None, None),
        ("2026-03-01T12:00", CLOCK_MS),
        ("2026-03-01T12:00:00Z", CLOCK_MS),
        ("2026-03-01T14:00:00+02:00", CLOCK_MS),
        ("2026-03-01", CLOCK_MS - 12 * 3_600_000),
        ("2026-03-01T12:00:00.123Z", CLOCK_MS + 123),
        ("2026-03-01T12:00:00.001Z", CLOCK_MS + 1),
        ("2026-03-01T12:00:00.999999Z", CLOCK_MS + 999),
        ("0001-01-01T00:00+14:00", 0),
        ("1969-12-31", 0),
        ("2h", CLOCK_MS - 2 * 3_600_000),
        ("90s", CLOCK_MS - 90_000),
        ("1ms", CLOCK_MS - 1),
        ("0s", CLOCK_MS),
        ("100000d", 0),
    ],
)
def test_time__readable__is_exact_to_the_millisecond(text: str | None, ms: int | None) -> None:
    assert log_times.time_ms(text) == ms


@pytest.mark.parametrize("ms", range(0, 1_000, 7))
def test_time__as_the_log_writes_it__comes_back_exactly(ms: int) -> None:
    at = datetime.fromtimestamp(CLOCK_MS // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms:03}Z"
    assert log_times.time_ms(at) == CLOCK_MS + ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "3 blocks", "-5m", "2026-13-01", "12:00", "1e5s", "\x00", "9" * 40 + "d"]
)
def test_time__not_readable__says_how_to_write_one(text: str) -> None:
    with pytest.raises(KeeperError) as caught:
        log_times.time_ms(text)
    assert "is not a time" in caught.value.message
    assert "2h for two hours ago" in caught.value.remedy


def asked(**changed: object) -> LogQuery:
    plain = LogQuery(None, None, (), None, None, None, 100, None, False)
    return replace(plain, **changed)  # type: ignore[arg-type]


def test_query__plain__the_newest_without_ticks() -> None:
    query = asked().to_query()
    assert query.newest_first
    assert set(query.kinds) == set(RecordKind) - {RecordKind.TICK, RecordKind.STATE}


def test_query__ticks__all_kinds() -> None:
    assert asked(ticks=True).to_query().kinds == ()


def test_query__kinds__exactly_those() -> None:
    assert asked(kinds=("tick", "stop")).to_query().kinds == (RecordKind.TICK, RecordKind.STOP)


@pytest.mark.parametrize(("cursor", "after", "newest_first"), [(None, 0, True), (0, 0, False), (7, 7, False)])
def test_query__cursor__turns_to_oldest_first(cursor: int | None, after: int, newest_first: bool) -> None:
    query = asked(cursor=cursor).to_query()
    assert (query.after, query.newest_first) == (after, newest_first)


def test_query__unknown_kind__names_the_known() -> None:
    with pytest.raises(KeeperError) as caught:
        asked(kinds=("tikc",)).to_query()
    assert "tick" in caught.value.remedy


def test_document__every_column_and_the_kind_as_text() -> None:
    document = as_document(record(RecordKind.STOP, {"reason": "x"}))
    assert set(document) == {*log_formats.COLUMNS}
    assert document["kind"] == "stop"
    json.dumps(document)


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_csv__cell_that_a_spreadsheet_would_run__is_text(value: str) -> None:
    assert log_formats._not_a_formula(value) == "'" + value


@pytest.mark.parametrize("value", ["", "pause", 7, None, "1=1"])
def test_csv__any_other_cell__is_as_it_is(value: object) -> None:
    assert log_formats._not_a_formula(value) == value


# -- output -------------------------------------------------------------------------------------------------------------------


def test_output__json__documents_only(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.say("hello")
    before = output.answered
    output.document({"ä": "1"})
    assert (before, output.answered) == (False, True)
    said = capsys.readouterr()
    assert json.loads(said.out) == {"ä": "1"}
    assert said.err == ""


def test_output__people__text_only_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.say("[red]not a colour[/red] :bomb:")
    output.document({"a": 1})
    assert capsys.readouterr().out == "[red]not a colour[/red] :bomb:\n"


def test_output__error__with_and_without_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error("broken", "mend it")
    Output().error("broken")
    assert capsys.readouterr().err == "keeper: broken\n  -> mend it\nkeeper: broken\n"


def test_summary__of_a_replica_s_start_and_a_reload__says_who_leads_and_what_was_before() -> None:
    body = dict(every_kind()[RecordKind.START][0].body)
    took: dict[str, Json] = {
        "replica": "b",
        "fence": 2,
        "took_over": {"from": "a", "why": "session-ended", "silent_ms": "1458"},
    }
    line = summary(record(RecordKind.START, {**body, **took}))
    assert "replica b with fence 2, took over from a (session-ended)" in line
    assert "fence" not in summary(record(RecordKind.START, body))
    reloaded = summary(record(RecordKind.CONFIGURATION, {"hash": "0xbb", "previous": "0xaa"}))
    assert reloaded == "0xbb, in place of 0xaa"
