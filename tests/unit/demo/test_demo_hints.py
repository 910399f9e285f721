"""Commands that work when they are pasted where the demo was started."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from keeper.app.cli.typed import keeper_command, typed
from keeper.app.demo import hints

pytestmark = pytest.mark.unit

EXCHANGE = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
PAGE = "http://127.0.0.1:8642/"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a space in its name and a keeper in it."""
    folder = tmp_path / "a folder"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "keeper").touch(mode=0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", [str(folder / ".venv" / "bin" / "keeper"), "demo"])
    monkeypatch.setattr("shutil.which", lambda _: None)
    return folder


@pytest.mark.parametrize(
    ("path", "text"),
    [("x/y", "x/y"), ("x y/z", "'x y/z'"), ("z", "./z"), ("/else where/z", "'/else where/z'"), ("/else/z", "/else/z")],
)
def test_typed__below_and_elsewhere__is_short_and_quoted(here: Path, path: str, text: str) -> None:
    assert typed(here / path) == text


def test_keeper_command__not_on_path__is_its_relative_path(here: Path) -> None:
    assert keeper_command() == ".venv/bin/keeper"


def test_keeper_command__on_path__is_its_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: str(here / ".venv" / "bin" / "keeper"))
    assert keeper_command() == "keeper"


def test_keeper_command__another_one_on_path__is_still_the_path(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "other").touch()
    monkeypatch.setattr("shutil.which", lambda _: str(here / "other"))
    assert keeper_command() == ".venv/bin/keeper"


def test_keeper_command__started_by_no_file__is_its_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["-c"])
    assert keeper_command() == "keeper"


def test_keeper_command__as_a_module__names_the_interpreter(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [str(here / "keeper" / "__main__.py")])
    monkeypatch.setattr("sys.executable", str(here / ".venv" / "bin" / "python"))
    assert keeper_command() == ".venv/bin/python -m keeper"


@pytest.mark.parametrize("scenario", hints.OTHERS)
def test_afterwards__each_scenario__log_verify_forgery_and_another_scenario(here: Path, scenario: str) -> None:
    commands = [command for _, command in hints.afterwards(here / ".demo" / "x-1" / "keeper.yaml", scenario)]
    log = {"council": "log --kind proposal", "private": "log --kind broadcast"}.get(scenario, "log")
    assert commands[:2] == [f".venv/bin/keeper audit .demo/x-1/keeper.yaml {verb}" for verb in (log, "verify")]
    assert len(commands) == 4
    assert commands[2].splitlines() == [
        "LC_ALL=C sed -i.bak 's/ETH-PERP/ETH-PERQ/' .demo/x-1/keeper.db",
        commands[1],
    ]
    assert not commands[3].endswith(f" {scenario}")


def test_afterwards__folder_with_a_blank__is_quoted(here: Path) -> None:
    forgery = hints.afterwards(here / "my demo" / "keeper.yaml", "calm")[2][1].splitlines()[0]
    assert shlex.split(forgery)[-1] == "my demo/keeper.db"


def test_meanwhile__long_commands__are_broken_so_that_a_shell_reads_them_as_one(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "cast_program", lambda: here / "node_modules" / ".bin" / "cast")
    found = [command for _, command in hints.meanwhile(here / "keeper.yaml", "http://127.0.0.1:41234", EXCHANGE, PAGE)]
    curl, cast, on_chain, page, status = found
    assert max(len(line) for command in found for line in command.splitlines()) <= 76, "with the indent of four, 80"
    assert len(shlex.split(curl)) == 7
    assert shlex.split(cast.replace("\\\n", ""))[-2:] == [
        "paused(bytes32)(bool)",
        "0x4554482d50455250" + "00" * 24,
    ]
    assert cast.startswith("node_modules/.bin/cast call --rpc-url http://127.0.0.1:41234 ")
    assert on_chain == ".venv/bin/keeper audit ./keeper.yaml verify --on-chain"
    assert (page, status) == (f"{PAGE}status", ".venv/bin/keeper status ./keeper.yaml")


def test_of_the_council__each__is_a_command_or_the_address_of_a_page(here: Path) -> None:
    safe_tx_hash = "0x" + "4f" * 32
    found = hints.of_the_council(here / "keeper.yaml", safe_tx_hash, "http://127.0.0.1:41234/")
    show, page, *others = [command for _, command in found if not command.endswith("/status")]
    assert "http://127.0.0.1:41234/status" in [command for _, command in found]
    assert show == ".venv/bin/keeper council ./keeper.yaml show 0x4f4f4f4f4f"
    assert page == f"http://127.0.0.1:41234/proposals/{safe_tx_hash}"
    assert [shlex.split(command)[1] for command in others] == ["council", "council", "audit"]
    assert max(len(line) for command in (show, *others) for line in command.splitlines()) <= 76


def test_meanwhile__no_cast__has_curl_alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "cast_program", lambda: None)
    found = hints.meanwhile(here / "keeper.yaml", "http://127.0.0.1:1", EXCHANGE, PAGE)
    commands = [command.split()[0] for _, command in found]
    assert commands == ["curl", ".venv/bin/keeper", f"{PAGE}status", ".venv/bin/keeper"]
