"""Finding the repository, the node and the compiled contracts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.devnet.toolchain import anvil_binary, cast_program, load_artifact, platform_package, repository_root
from keeper.domain.errors import SetupError

pytestmark = pytest.mark.unit


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone, with a space in its name."""
    root = tmp_path / "a clone"
    (root / "keeper" / "devnet").mkdir(parents=True)
    (root / "foundry.toml").touch()
    (root / "package.json").touch()
    return root


def write_artifact(root: Path, **fields: object) -> None:
    folder = root / "out" / "Thing.sol"
    folder.mkdir(parents=True)
    document = {"abi": [], "bytecode": {"object": "0x6001"}, "deployedBytecode": {"object": "0x6002"}, **fields}
    (folder / "Thing.json").write_text(json.dumps(document))


def test_repository_root__from_a_folder_below__is_found(clone: Path) -> None:
    assert repository_root(clone / "keeper" / "devnet") == clone


@pytest.mark.parametrize("missing", ["foundry.toml", "package.json"])
def test_repository_root__one_of_its_signs_is_missing__raises(clone: Path, missing: str) -> None:
    (clone / missing).unlink()
    with pytest.raises(SetupError, match="no folder upwards"):
        repository_root(clone / "keeper")


def test_repository_root__by_default__is_the_one_of_this_test() -> None:
    assert repository_root() == Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("system", "machine", "package"),
    [
        ("linux", "x86_64", "anvil-linux-amd64"),
        ("linux", "aarch64", "anvil-linux-arm64"),
        ("darwin", "arm64", "anvil-darwin-arm64"),
        ("win32", "AMD64", "anvil-win32-amd64"),
        ("linux", "riscv64", "anvil-linux-riscv64"),
    ],
)
def test_platform_package__each_platform__has_npms_name(system: str, machine: str, package: str) -> None:
    assert platform_package(system, machine) == package


def test_anvil_binary__in_node_modules__is_preferred(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/elsewhere/anvil")
    binary = clone / "node_modules" / "@foundry-rs" / platform_package() / "bin" / "anvil"
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert anvil_binary(clone) == binary


def test_anvil_binary__only_on_path__is_taken(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/elsewhere/{name}")
    assert anvil_binary(clone) == Path("/elsewhere/anvil")


def test_anvil_binary__nowhere__raises_with_remedy(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SetupError, match="no anvil") as caught:
        anvil_binary(clone)
    assert caught.value.remedy == "run: make setup"


def test_load_artifact__compiled__has_abi_and_both_codes(clone: Path) -> None:
    write_artifact(clone, abi=[{"type": "constructor", "inputs": []}])
    artifact = load_artifact("Thing", clone)
    assert (artifact.name, artifact.bytecode, artifact.deployed_bytecode) == ("Thing", "0x6001", "0x6002")
    assert artifact.abi == ({"type": "constructor", "inputs": []},)


def test_load_artifact__contract_in_a_file_of_another_name__is_found(clone: Path) -> None:
    write_artifact(clone)
    (clone / "out" / "Thing.sol" / "Thing.json").rename(clone / "out" / "Thing.sol" / "Other.json")
    assert load_artifact("Other", clone, file="Thing").name == "Other"


def test_load_artifact__not_compiled__names_the_file_and_the_remedy(clone: Path) -> None:
    with pytest.raises(SetupError, match=r"out.Thing\.sol.Thing\.json is missing") as caught:
        load_artifact("Thing", clone)
    assert caught.value.remedy == "run: make setup"


@pytest.mark.parametrize("code", ["0x", "", None, "6001", "0x60__$library$__", "0x600"])
def test_load_artifact__no_linked_code__raises(clone: Path, code: object) -> None:
    write_artifact(clone, bytecode={"object": code})
    with pytest.raises(SetupError, match="no linked code"):
        load_artifact("Thing", clone)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"abi": [], "bytecode": 1}', "{"])
def test_load_artifact__not_an_artifact__raises(clone: Path, text: str) -> None:
    write_artifact(clone)
    (clone / "out" / "Thing.sol" / "Thing.json").write_text(text)
    with pytest.raises(SetupError, match="not a compiled contract"):
        load_artifact("Thing", clone)


def test_cast_program__in_node_modules__comes_before_the_one_on_path(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/elsewhere/cast")
    assert cast_program(clone) == Path("/elsewhere/cast")
    program = clone / "node_modules" / ".bin" / "cast"
    program.parent.mkdir(parents=True)
    program.touch()
    assert cast_program(clone) == program


def test_cast_program__nowhere__is_none(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert cast_program(clone) is None
