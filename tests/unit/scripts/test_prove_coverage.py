"""The checker of coverage: what never ran is named by file and line, unless a reason was written down."""

from __future__ import annotations

import pytest

from scripts.prove_coverage import BadAnswers, complaints, read_answers, solidity, totals
from tests.support.keeper_process import ROOT

pytestmark = pytest.mark.unit

FILE = "contracts/Box.sol"
SOURCES = {FILE: "pragma x;\ncontract Box {\n    if (a) revert No();\n    b = 1;\n}\n"}
NONE = read_answers("")


def tracefile(line: int = 1, branch: str = "1", file: str = FILE) -> str:
    return f"TN:\nSF:{file}\nDA:3,7\nBRDA:3,0,0,{branch}\nFN:3,f\nFNDA:0,f\nDA:4,{line}\nLF:2\nend_of_record\n"


def answers(kind: str = "line", line: str = "b = 1;", times: int = 1) -> str:
    entry = f'[[uncovered]]\nfile = "{FILE}"\nkind = "{kind}"\nline = "{line}"\nreason = "cannot be reached here"\n'
    return entry * times


def test_coverage__everything_ran__no_complaint() -> None:
    assert complaints(tracefile(), SOURCES, NONE) == []
    assert totals(tracefile(), SOURCES) == (2, 1)


def test_coverage__a_line_that_never_ran__is_named() -> None:
    assert complaints(tracefile(line=0), SOURCES, NONE) == ["contracts/Box.sol:4: never ran: b = 1;"]


@pytest.mark.parametrize("taken", ["0", "-"])
def test_coverage__a_branch_never_taken__is_named(taken: str) -> None:
    [complaint] = complaints(tracefile(branch=taken), SOURCES, NONE)
    assert complaint == "contracts/Box.sol:3: has a branch that was never taken: if (a) revert No();"


def test_coverage__a_line_with_a_reason__is_let_go_wherever_it_stands() -> None:
    assert complaints(tracefile(line=0), SOURCES, read_answers(answers())) == []
    moved = {FILE: "// more\n" + SOURCES[FILE]}
    assert complaints(tracefile(line=0).replace("DA:4", "DA:5"), moved, read_answers(answers())) == []


def test_coverage__a_reason_for_another_kind_or_line__does_not_count() -> None:
    for other in (answers(kind="branch"), answers(line="b = 2;")):
        found = complaints(tracefile(line=0), SOURCES, read_answers(other))
        assert "contracts/Box.sol:4: never ran: b = 1;" in found
        assert any("answered for, and covered" in each for each in found)


def test_coverage__one_reason__is_for_one_of_two_equal_lines() -> None:
    sources = {FILE: SOURCES[FILE].replace("}\n", "    b = 1;\n}\n")}
    lcov = tracefile(line=0).replace("LF:2", "DA:5,0")
    assert complaints(lcov, sources, read_answers(answers())) == ["contracts/Box.sol:5: never ran: b = 1;"]
    assert complaints(lcov, sources, read_answers(answers(times=2))) == []


def test_coverage__a_reason_that_is_not_needed__fails() -> None:
    [complaint] = complaints(tracefile(), SOURCES, read_answers(answers()))
    assert complaint == "contracts/Box.sol: answered for, and covered: line `b = 1;`"


@pytest.mark.parametrize(
    ("source", "missed"),
    [
        ("contract A {}", True),
        ("abstract contract A {}", True),
        ("library A {}", True),
        ("interface A {}", False),
        ("// the contract A", False),
    ],
)
def test_coverage__a_source_that_was_not_measured__fails_when_it_has_code(source: str, missed: bool) -> None:
    found = complaints(tracefile(), SOURCES | {"contracts/A.sol": source}, NONE)
    assert found == ["contracts/A.sol: has code and was not measured: no test uses it"] * missed


def test_coverage__files_outside_of_the_sources__do_not_count() -> None:
    assert complaints(tracefile() + tracefile(line=0, file="tests/solidity/A.t.sol"), SOURCES, NONE) == []


@pytest.mark.parametrize(
    "text",
    [
        answers().replace('reason = "cannot be reached here"', ""),
        answers().replace("cannot be reached here", "no"),
        answers(kind="statement"),
        answers() + 'since = "2026"\n',
    ],
)
def test_answers__that_lack_something__are_refused(text: str) -> None:
    with pytest.raises(BadAnswers):
        read_answers(text)


def test_answers__of_this_repository__can_be_read() -> None:
    read_answers((ROOT / "tests" / "solidity" / "uncovered.toml").read_text("utf-8"))


def test_sources__of_this_repository__are_all_below_contracts() -> None:
    assert {"contracts/CircuitBreaker.sol", "contracts/demo/PerpExchange.sol"} <= solidity(ROOT).keys()
