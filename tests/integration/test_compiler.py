"""The compiler's wrapper, as forge calls it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.support.keeper_process import ROOT

pytestmark = pytest.mark.integration

SOLC = ROOT / "scripts" / "solc"


def compiled(source: str) -> dict[str, Any]:
    settings = {"outputSelection": {"*": {"*": ["abi"]}}}
    question = {"language": "Solidity", "sources": {"A.sol": {"content": source}}, "settings": settings}
    command = [str(SOLC), "--standard-json"]
    done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_compiler__its_version__is_the_last_line() -> None:
    said = subprocess.run([SOLC, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1].startswith("Version: 0.8.28+commit.")


@pytest.mark.parametrize("size", [0, 1_400_000], ids=["small", "beyond the compiler's stack"])
def test_compiler__sources_of_any_size__are_compiled(size: int) -> None:
    answer = compiled(f"pragma solidity ^0.8.28; /* {'ä' * size} */ contract A {{ function f() external {{}} }}")
    assert [entry["name"] for entry in answer["contracts"]["A.sol"]["A"]["abi"]] == ["f"]


def test_compiler__an_error__is_told_with_its_place() -> None:
    [error] = [each for each in compiled("contract A {")["errors"] if each["severity"] == "error"]
    assert "A.sol:1:13" in error["formattedMessage"]
