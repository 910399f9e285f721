"""What a publication says of rules and numbers, in words."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.app.incidents.markdown import markdown
from keeper.app.incidents.number_words import against, plain, short
from keeper.app.incidents.report import report_of
from keeper.app.incidents.rule_words import rule_of
from keeper.app.incidents.story import Rule, Story
from keeper.app.incidents.telling import read_story
from keeper.domain.record import Draft, Json, RecordKind
from tests.support import incident_log as log

pytestmark = pytest.mark.unit

WIDE: dict[str, Json] = {
    "when": {"signal": "divergence", "above": "2%", "for": "2 blocks"},
    "clear": {"below": "1%", "for": "5 blocks"},
    "severity": "critical",
    "actions": ["pause-market"],
}
WIDE_WORDS = (
    "it trips when divergence is above 2 % for 2 blocks, is clear again when divergence is below 1 % for 5 blocks "
    "and asks for pause-market"
)


def documented(rule: Json) -> dict[str, Json]:
    return {"markets": {log.MARKET: {"rules": {log.RULE: rule}}}}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (WIDE, Rule(WIDE_WORDS, share=True)),
        ({"when": {"signal": "price", "below": 100}}, Rule("it trips when price is below 100")),
        (
            {"when": {"any": [{"signal": "a", "above": "2%"}, {"signal": "b", "below": "50bps"}], "for": "30s"}},
            Rule("it trips when any of (a is above 2 %; b is below 50bps) for 30s"),
        ),
        (
            {
                "when": {"at_least": 2, "of": [{"signal": "a", "above": 1}, {"signal": "b", "above": 2}]},
                "unless": [WIDE["when"]],
            },
            Rule(
                "it trips when at least 2 of (a is above 1; b is above 2) and does not trip while divergence is above 2 % for 2 blocks"
            ),
        ),
        (
            {"when": {"signal": "a", "above": {"of": "b", "times": 3}}},
            Rule("it trips when a is above what it is held against (of b, times 3)"),
        ),
        ({}, Rule()),
        ({"when": "often"}, Rule()),
        ("never", Rule()),
    ],
)
def test_rule__of_each_form__is_said_in_words(rule: Json, expected: Rule) -> None:
    assert rule_of(documented(rule), log.MARKET, log.RULE) == expected


@pytest.mark.parametrize("document", [None, [], {"markets": []}, {"markets": {log.MARKET: {}}}])
def test_rule__that_the_document_does_not_have__is_no_rule(document: Any) -> None:
    assert rule_of(document, log.MARKET, log.RULE) == Rule()


@pytest.mark.parametrize(
    ("number", "share", "expected"),
    [
        ("0.059237631998427936", False, "0.0592376"),
        ("0.059237631998427936", True, "5.92 %"),
        ("2.9999998874795528e-05", False, "0.00003"),
        ("2.9999998874795528e-05", True, "0.003 %"),
        ("2822.22998939", False, "2822.23"),
        ("31573", False, "31573"),
        ("123456789.9", False, "123456790"),
        ("-0.02", True, "-2 %"),
        ("0", False, "0"),
        ("0E-30", False, "0"),
        ("1e-99", False, "1.000e-99"),
        ("1e99", False, "1.000e+99"),
        ("nan", False, "nan"),
        ("x\x1b[31m", True, "x [31m"),
    ],
)
def test_short__of_anything__is_what_people_read(number: str, share: bool, expected: str) -> None:
    assert short(number, share=share) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("2.9999998874795528e-05", "0.000029999998874795528"),
        ("1E+3", "1000"),
        ("0.020", "0.020"),
        ("nan", "nan"),
        ("1e-99", "1e-99"),
    ],
)
def test_plain__has_every_digit_and_no_exponent(number: str, expected: str) -> None:
    assert plain(number) == expected


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ("0.0592376", "5.92 % against 2 %"),
        ("0.0200004", "2.00004 % against 2 %"),
        ("0.02000000004", "2.000000004 % against 2 %"),
        ("0.02", "2 % against 2 %"),
    ],
)
def test_against__numbers_that_differ__look_different(observed: str, expected: str) -> None:
    assert against(observed, "0.02", share=True) == expected


def told(*drafts: Draft) -> Story:
    configured = Draft(RecordKind.CONFIGURATION, {"hash": log.CONFIG, "document": documented(WIDE)}, log.T0 - 60_000)
    found = read_story(log.page_of(log.records_of([configured, *drafts])), log.ID)
    assert found is not None
    return found


def test_report__of_shares__has_percents_in_words_and_every_digit_in_the_evidence() -> None:
    drafts = [one for one in log.whole() if one.kind is not RecordKind.CONFIGURATION]
    story = told(*drafts)
    made = markdown(report_of(story, "keeper.yaml"))
    assert WIDE_WORDS in made
    for wanted in (
        "divergence 5.99 % against 2 %",
        "| Observed | 5.99 % (0.0599) |",
        "| Threshold | 2 % (0.02) |",
        "| 5.99 % | 0.0599 | 0.02 |",
    ):
        assert wanted in made
    assert "0.0599 against 0.02" in made, "every digit"


def test_report__of_an_open_incident__says_as_of_which_record_everywhere() -> None:
    story = told(
        *log.before(),
        log.turn("opened", 15),
        log.decision(),
        log.tick(15, "0.06", "tripped"),
        log.tick(16, "0.06", "tripped"),
    )
    assert story.as_of is not None
    last = story.as_of.seq
    assert last == max(one.seq for one in story.course) == story.standing.last_seq
    report = report_of(story, "keeper.yaml")
    assert report.state.startswith(f"OPEN as of record {last}, ")
    assert [line for line in report.summary if line.startswith(f"As of record {last} (")]
    assert f"to {last} of its audit log" in report.footer
    assert story.standing.first_seq <= min(one.seq for one in story.course)


def test_report__of_a_closed_incident__is_as_of_no_record() -> None:
    story = told(*log.whole())
    assert story.as_of is None
    assert report_of(story, "keeper.yaml").state == "closed"


@pytest.mark.parametrize(
    ("notifier", "delivered", "words"),
    [
        ("log", True, "written to the keeper's own log only: incident/"),
        ("log", False, "could NOT be written to the keeper's own log: incident/"),
        ("webhook", True, "people were told by webhook: incident/"),
        ("webhook", False, "people could NOT be told by webhook: incident/"),
    ],
)
def test_timeline__the_keepers_own_log__is_nobody(notifier: str, delivered: bool, words: str) -> None:
    body: dict[str, Json] = {"key": f"incident/{log.ID}", "notifier": notifier, "delivered": delivered, "message": ""}
    story = told(*log.before(), log.turn("opened", 15), Draft(RecordKind.NOTIFICATION, body, log.seen_ms(15) + 20))
    (said,) = [one.words for one in story.moments if one.kind == "notification"]
    assert said.startswith(words)


def test_report__that_nothing_was_checked_for__says_so() -> None:
    made = markdown(report_of(told(*log.whole()), "keeper.yaml"))
    assert "Nothing of the log was checked for this report itself" in made
    for command in (
        "keeper audit keeper.yaml export bundle",
        "python3 bundle/verify.py",
        "keeper audit verify-export bundle",
    ):
        assert command in made
