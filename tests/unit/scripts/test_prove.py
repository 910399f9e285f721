"""What `make prove` makes of the provers' reports. No prover runs here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts import prove

pytestmark = pytest.mark.unit


def proof(**changes: Any) -> dict[str, Any]:
    plain = {"name": "check_a(uint256)", "exitcode": 0, "num_paths": [5, 4, 0], "num_bounded_loops": 0}
    return {"test_results": {"tests/A.t.sol:A": [plain, plain | changes]}}


def test_proofs__all_of_them_proved__are_counted() -> None:
    assert prove.judge_proofs(proof()) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exitcode": 1}, "A.check_a.*: not proved"),
        ({"exitcode": 2}, "not proved"),
        ({"num_bounded_loops": 1}, "a loop was not followed to its end"),
        ({"num_paths": [5, 0, 0]}, "nothing was shown"),
    ],
)
def test_proofs__one_that_shows_less_than_it_says__fails(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(prove.NotProven, match=said):
        prove.judge_proofs(proof(**changes))


def test_proofs__none__fails() -> None:
    with pytest.raises(prove.NotProven, match="nothing to prove"):
        prove.judge_proofs({"test_results": {}})


@pytest.mark.parametrize(
    ("measured", "written", "said"),
    [
        ({"a": 5}, {"a": 5}, []),
        ({"a": 6}, {"a": 5}, ["a: 6 gas, +1"]),
        ({"a": 4}, {"a": 5}, ["a: 4 gas, -1"]),
        ({"a": 5, "b": 1}, {"a": 5}, ["b: 1 gas, not written down"]),
        ({"a": 5}, {"a": 5, "b": 1}, ["b: written down, and not measured any more"]),
    ],
)
def test_gas__any_difference__is_named(measured: dict[str, int], written: dict[str, int], said: list[str]) -> None:
    assert prove.compare_gas(measured, written) == said


def test_environment__of_a_part__keeps_to_its_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prove, "MADE", tmp_path)
    monkeypatch.setenv("FOUNDRY_PROFILE", "deep")
    words = prove.environment("findings", FORGE_SNAPSHOT_EMIT="true")
    assert words["FOUNDRY_OUT"] == ".prove/findings/out"
    assert words["FOUNDRY_CACHE_PATH"] == ".prove/findings/cache"
    assert words["HOME"] == str(tmp_path / "home")
    assert words["FORGE_SNAPSHOT_EMIT"] == "true"
    assert "FOUNDRY_PROFILE" not in words, "the caller's own settings do not change what is shown"


def part(error: str) -> Callable[[], str]:
    def act() -> str:
        if error:
            raise prove.NotProven(error)
        return "shown"

    return act


@pytest.mark.parametrize(("error", "code", "said"), [("", 0, "shown"), ("Box.sol:4", 1, "NOT SHOWN\nBox.sol:4")])
def test_main__when_one_part_fails__the_others_run_and_the_exit_code_tells(
    error: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prove, "PARTS", {"symbolic": part(error), "gas": part("")})
    assert prove.main(["symbolic", "gas"]) == code
    out = capsys.readouterr().out
    assert said in out
    assert "gas (0 s): shown" in out


def test_main__no_part_named__is_all_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [name for name in prove.PARTS if name != "write-gas"] == prove.ALL
    monkeypatch.setattr(prove, "PARTS", {name: part("") for name in prove.ALL})
    assert prove.main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == prove.ALL


def test_last_lines__are_without_colours() -> None:
    assert prove.last_lines("a\n\x1b[31mb\x1b[0m\n", count=1) == "b"
