"""The checker of slither's findings: each is answered in words, and each answer is for something that is found."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from scripts.prove_findings import BadAnswers, SlitherFailed, complaints, entry, read_answers, read_report
from tests.support.keeper_process import ROOT

pytestmark = pytest.mark.unit

TEXT = (
    "Box.expire(bytes32) (contracts/Box.sol#{0}-{1}) uses timestamp for comparisons\n"
    "\tDangerous comparisons:\n\t- block.timestamp < s.expiresAt (contracts/Box.sol#{1})\n"
)
SAYS = "Box.expire(bytes32) uses timestamp for comparisons\nDangerous comparisons:\n- block.timestamp < s.expiresAt"


def report(*texts: str, check: str = "timestamp") -> dict[str, Any]:
    found = [
        {"check": check, "description": text, "first_markdown_element": "contracts/Box.sol#L4-L9"} for text in texts
    ]
    return {"success": True, "error": None, "results": {"detectors": found} if found else {}}


def answer(says: str = SAYS, check: str = "timestamp", reason: str = "hours, not seconds") -> str:
    return f"[[answer]]\ncheck = '{check}'\nreason = '{reason}'\nfindings = ['''\n{says}\n''']\n"


def test_findings__without_any__no_complaint() -> None:
    assert complaints(read_report(report()), read_answers("")) == []


def test_findings__an_answered_one__is_let_go_wherever_it_stands() -> None:
    for lines in ((4, 9), (140, 150)):
        assert complaints(read_report(report(TEXT.format(*lines))), read_answers(answer())) == []


def test_findings__a_new_one__fails_with_its_place_and_the_entry_to_fill_in() -> None:
    [complaint] = complaints(read_report(report(TEXT.format(4, 9))), read_answers(""))
    assert complaint.startswith("contracts/Box.sol:4-9: not answered:")
    written = tomllib.loads(complaint.partition("\n\n")[2])
    assert [each["check"] for each in written["answer"]] == ["timestamp"]
    assert SAYS in written["answer"][0]["findings"][0]


def test_findings__the_entry_to_fill_in__is_refused_until_a_reason_stands_in_it() -> None:
    [finding] = read_report(report(TEXT.format(4, 9)))
    with pytest.raises(BadAnswers):
        read_answers(entry(finding))
    answers = read_answers(entry(finding).replace('reason = ""', 'reason = "hours, not seconds"'))
    assert complaints([finding], answers) == []


def test_findings__an_answered_one_that_grew__fails() -> None:
    grown = TEXT.format(4, 9) + "\t- block.timestamp == s.readyAt (contracts/Box.sol#8)\n"
    new, old = complaints(read_report(report(grown)), read_answers(answer()))
    assert "block.timestamp == s.readyAt" in new
    assert old.startswith("answered, and not found: timestamp: Box.expire")


def test_findings__the_same_text_of_another_check__fails() -> None:
    assert len(complaints(read_report(report(TEXT, check="weak-prng")), read_answers(answer()))) == 2


def test_findings__one_answer__is_for_one_of_two_equal_ones() -> None:
    found = read_report(report(TEXT.format(4, 9), TEXT.format(14, 19)))
    assert len(complaints(found, read_answers(answer()))) == 1
    assert complaints(found, read_answers(answer() * 2)) == []


@pytest.mark.parametrize(
    "text", [answer(reason=""), answer(reason="fine"), "[[answer]]\ncheck = 'timestamp'\n", answer() + "since = 1\n"]
)
def test_answers__that_lack_something__are_refused(text: str) -> None:
    with pytest.raises(BadAnswers):
        read_answers(text)


def test_report__of_a_run_that_failed__is_not_taken_for_a_clean_one() -> None:
    with pytest.raises(SlitherFailed, match="compilation"):
        read_report({"success": False, "error": "compilation failed", "results": {}})


def test_answers__of_this_repository__can_be_read() -> None:
    read_answers((ROOT / "tests" / "solidity" / "findings.toml").read_text("utf-8"))
