"""The code hashes of ``keeper version``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.app.cli import version
from keeper.app.cli.output import Output
from keeper.domain.address import keccak256

pytestmark = pytest.mark.unit


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("foundry.toml", "package.json"):
        (tmp_path / name).touch()
    (tmp_path / "contracts" / "demo").mkdir(parents=True)
    return tmp_path


def artefact(clone: Path, file: str, contract: str, code: str) -> None:
    folder = clone / "out" / f"{file}.sol"
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "abi": [],
        "bytecode": {"object": "0x6001" if code != "0x" else "0x"},
        "deployedBytecode": {"object": code},
    }
    (folder / f"{contract}.json").write_text(json.dumps(document))


def test_code_hashes__contract_and_interface__only_what_has_code(clone: Path) -> None:
    for name in ("Breaker", "IBreaker", "NotBuilt"):
        (clone / "contracts" / "demo" / f"{name}.sol").touch()
    artefact(clone, "Breaker", "Breaker", "0x6002")
    artefact(clone, "Breaker", "Helper", "0x6003")
    artefact(clone, "IBreaker", "IBreaker", "0x")
    artefact(clone, "Test", "Elsewhere", "0x6004")
    assert version.code_hashes(clone) == {
        "Breaker": "0x" + keccak256(bytes.fromhex("6002")).hex(),
        "Helper": "0x" + keccak256(bytes.fromhex("6003")).hex(),
    }


def test_code_hashes__nothing_built__is_empty(clone: Path) -> None:
    (clone / "contracts" / "demo" / "Breaker.sol").touch()
    assert version.code_hashes(clone) == {}


@pytest.mark.parametrize("contracts", [{}, {"Breaker": "0x" + "ab" * 32}])
def test_version__says_the_hashes_or_that_there_are_none(
    contracts: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(version, "code_hashes", lambda: contracts)
    version.run(Output())
    text = capsys.readouterr().out
    assert ("none built here; make setup" in text) is not bool(contracts)
    assert all(f"{name} {digest}" in text for name, digest in contracts.items())
    version.run(Output(as_json=True))
    assert json.loads(capsys.readouterr().out)["contracts"] == contracts
