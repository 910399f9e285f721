"""What an operator types before anything runs: init, check, schema, db, version, help; and what is typed wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from keeper import __version__
from keeper.app.cli import check
from keeper.app.cli.init_command import Preset
from keeper.config.template import PRESETS
from keeper.domain.errors import Problem
from tests.support.keeper_process import ROOT, Done, environment, in_process, keeper

pytestmark = pytest.mark.e2e

BAD = sorted((ROOT / "tests" / "unit" / "config" / "bad").glob("*.yaml"))
GOOD = ROOT / "tests" / "unit" / "config" / "good.yaml"
SECRETS = {
    "NODE_KEY": "node-key-5e1f",
    "EXCHANGE_KEY": "exchange-key-77aa",
    "KEEPER_KEYSTORE_PASSWORD": "correct-horse-battery",
    "KEEPER_NOTIFY_URL": "tgram://bot-token-91/chat-id-17",
}
HEAVY = {"web3", "eth_account", "numba", "sqlalchemy", "alembic", "httpx", "apprise", "apscheduler", "polars"}


def problems(done: Done) -> list[dict[str, Any]]:
    """The document of INTERFACE, checked for its shape."""
    document = json.loads(done.out)
    assert document.keys() == {"ok", "errors"}
    assert document["ok"] is False
    found: list[dict[str, Any]] = document["errors"]
    for each in found:
        assert list(each) == ["path", "line", "found", "message", "hint"]
        assert each["line"] is None or each["line"] >= 1
        assert all(isinstance(each[key], str) for key in ("path", "found", "message", "hint"))
        assert each["path"]
        assert each["message"]
    return found


# -- check --------------------------------------------------------------------------------------------------------------------


def test_check__there_are_enough_broken_files() -> None:
    assert len(BAD) >= 12


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_check__broken_file__exit_2_and_every_error_with_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    done = in_process("--json", "check", path)
    assert done.code == 2
    found = problems(done)
    assert found
    lines = [each["line"] for each in found if each["line"] is not None]
    assert lines == sorted(lines)
    people = in_process("check", path)
    assert people.code == 2
    assert people.out == ""
    for each in found:
        assert each["message"] in people.err
    for secret in SECRETS.values():
        assert secret not in done.out + done.err + people.err


def test_check__many_errors__all_at_once_as_a_user_runs_it(tmp_path: Path) -> None:
    done = keeper("--json", "check", BAD[0].with_name("many.yaml"), cwd=tmp_path, env=SECRETS)
    assert done.code == 2
    assert done.err == ""
    assert len(problems(done)) > 3


@pytest.mark.parametrize("name", ["good.yaml", "good-dash"])
def test_check__good_file__exit_0_and_its_hash(name: str, tmp_path: Path) -> None:
    stdin = GOOD.read_text("utf-8") if name == "good-dash" else None
    done = keeper("--json", "check", "-" if stdin else GOOD, cwd=tmp_path, env=SECRETS, stdin=stdin)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["ok"] is True
    assert document["errors"] == []
    assert re.fullmatch(r"0x[0-9a-f]{64}", document["hash"])
    assert done.err == ""


def test_check__standard_input_that_is_broken__the_same_errors_as_the_file() -> None:
    text = BAD[0].with_name("many.yaml").read_text("utf-8")
    from_stdin = keeper("--json", "check", "-", env=SECRETS, stdin=text)
    from_file = keeper("--json", "check", BAD[0].with_name("many.yaml"), env=SECRETS)
    assert problems(from_stdin) == problems(from_file)


@pytest.mark.parametrize("command", ["check", "run", "status"])
def test_command__no_configuration__exit_2_with_the_remedy(command: str, tmp_path: Path) -> None:
    done = keeper(command, cwd=tmp_path)
    assert done.code == 2
    assert "there is no such file" in done.err
    assert "keeper init" in done.err
    assert done.out == ""


def test_check__people__see_what_was_found_and_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    text = GOOD.read_text("utf-8")
    broken = text.replace("mode: live", "mode: alive").replace("${KEEPER_NOTIFY_URL}", "x${KEEPER_NOTIFY_URL} y")
    (tmp_path / "keeper.yaml").write_text(broken, "utf-8")
    said = in_process("check", tmp_path / "keeper.yaml").err
    assert "keeper.mode: not one of the words allowed here (found: alive)\n" in said
    assert not any(secret in said for secret in SECRETS.values())
    assert "(found: x" not in said


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("alive", " (found: alive)"),
        ("", ""),
        ("${NODE_KEY}", ""),
        ("kee", ""),
    ],
)
def test_check__found_value__is_shown_unless_it_is_said_already(found: str, shown: str) -> None:
    assert check._found(Problem("keeper.mode", 1, found, "no variable kee")) == shown
    assert check._found(Problem(f"keeper.{found}", 1, found, "unknown key")) == ""


def test_check__one_of_each__is_counted_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert " 1 market, 2 rules, " in in_process("check", GOOD).out


def test_check__a_folder__exit_2_without_a_traceback(tmp_path: Path) -> None:
    done = in_process("check", tmp_path)
    assert done.code == 2
    assert "Traceback" not in done.err


# -- init, schema, db, version ------------------------------------------------------------------------------------------------


def test_init__new_folder__what_it_writes_passes_check_and_sends_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "neu ö"
    done = keeper("--json", "init", folder)
    assert done.code == 0
    document = json.loads(done.out)
    assert sorted(document["files"]) == sorted([str(folder / "keeper.yaml"), str(folder / ".env")])
    text = (folder / "keeper.yaml").read_text("utf-8")
    assert yaml.safe_load(text)["keeper"]["mode"] == "shadow"
    variables = dict(
        line.split("=", 1) for line in (folder / ".env").read_text().splitlines() if re.match(r"^[A-Z_]+=", line)
    )
    checked = keeper("--json", "check", folder / "keeper.yaml", env=variables)
    assert checked.code == 0, checked.out
    assert (folder / ".env").stat().st_mode & 0o077 == 0


def test_init__without_its_variables__check_names_each(tmp_path: Path) -> None:
    assert in_process("init", tmp_path / "new").code == 0
    found = problems(in_process("--json", "check", tmp_path / "new" / "keeper.yaml"))
    assert {"KEEPER_RPC_URL", "KEEPER_NOTIFY_URL"} <= {
        word for each in found for word in re.findall(r"[A-Z_]{4,}", each["message"])
    }


@pytest.mark.parametrize("there", ["keeper.yaml", ".env"])
def test_init__a_file_is_there__refused_and_untouched(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("mine")
    done = in_process("--json", "init", tmp_path)
    assert done.code == 2
    assert "exists already" in json.loads(done.out)["error"]["message"]
    assert (tmp_path / there).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_init__unknown_preset__exit_2(tmp_path: Path) -> None:
    done = in_process("init", tmp_path / "new", "--preset", "bogus")
    assert done.code == 2
    assert (
        "'bogus' is not one of 'safe', 'stablecoin-peg', 'staking-ratio', 'major-perp', 'lending-oracle', " in done.err
    )
    assert json.loads(in_process("--json", "init", tmp_path / "new", "--preset", "bogus").out)["ok"] is False
    assert not (tmp_path / "new").exists()


def test_init__presets__those_that_there_are_are_listed() -> None:
    assert {preset.value for preset in Preset} == set(PRESETS)
    shown = "".join(in_process("init", "--help").out.split())
    assert "--preset<" + "|".join(PRESETS) + ">" in shown


def test_init__next_command__works_when_pasted(tmp_path: Path) -> None:
    said = keeper("init", "a folder", cwd=tmp_path).out
    command = said.partition("then: ")[2].strip()
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "KEEPER_RPC_URL is not set" in done.stderr


def test_init__folder_that_cannot_be__exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = in_process("init", tmp_path / "file" / "inside")
    assert done.code == 2
    assert "cannot write" in done.err


def test_schema__is_json_schema_with_and_without_json() -> None:
    plain, as_json = in_process("schema"), in_process("--json", "schema")
    assert plain.code == as_json.code == 0
    assert json.loads(plain.out) == json.loads(as_json.out)
    assert json.loads(plain.out)["$schema"].startswith("https://json-schema.org/")


def test_version__json__versions_and_commit() -> None:
    document = json.loads(keeper("--json", "version").out)
    assert document["version"] == __version__
    assert document["commit"] is None or re.fullmatch(r"[0-9a-f]{40}", document["commit"])
    assert {"web3", "eth-account", "sqlalchemy"} <= document["dependencies"].keys()
    assert all(re.fullmatch(r"0x[0-9a-f]{64}", digest) for digest in document["contracts"].values())
    assert "PerpExchange" in document["contracts"], "built by make setup"
    assert f"keeper {__version__}" in keeper("version").out


def test_db__new_database__upgrade_makes_it_current(tmp_path: Path) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text('audit: {url: "sqlite:///new.db"}\n')
    before = in_process("--json", "db", config, "current")
    assert before.code == 1
    assert json.loads(before.out) == {"ok": False, "revision": None, "head": "0004"}
    done = keeper("--json", "db", config, "upgrade")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"ok": True, "revision": "0004", "head": "0004"}
    assert done.err == ""
    again = in_process("--json", "db", config, "current")
    assert (again.code, json.loads(again.out)["ok"]) == (0, True)
    assert in_process("db", config, "upgrade").code == 0, "safe to repeat"


def test_db__database_out_of_reach__exit_3(tmp_path: Path) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text('audit: {url: "sqlite:///nowhere/new.db"}\n')
    done = in_process("db", config, "upgrade")
    assert done.code == 3
    assert "->" in done.err


# -- what is typed wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("nope",),
        ("run", "--nope"),
        ("--nope",),
        ("demo", "--scenario", "nope"),
        ("demo", "--seed", "x"),
        ("audit",),
        ("audit", "x.yaml", "nope"),
        ("db", "x.yaml"),
        ("check", "a.yaml", "b.yaml"),
    ],
)
def test_usage__wrong__exit_2_and_with_json_one_document(args: tuple[str, ...], tmp_path: Path) -> None:
    done = in_process(*args)
    assert done.code == 2
    assert "Traceback" not in done.err
    as_json = in_process("--json", *args)
    assert as_json.code == 2
    if not as_json.out.startswith("Usage"):
        assert json.loads(as_json.out)["ok"] is False


def test_usage__unknown_command__as_a_user_sees_it() -> None:
    done = keeper("paws")
    assert done.code == 2
    assert "No such command" in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("args", "usage"),
    [
        (("audit",), "Usage: keeper audit [CONFIG] COMMAND [ARGS]..."),
        (("audit", "log"), "Usage: keeper audit [CONFIG] log [OPTIONS]"),
        (("audit", "x.yaml", "verify"), "Usage: keeper audit [CONFIG] verify [OPTIONS]"),
        (("db", "upgrade"), "Usage: keeper db [CONFIG] upgrade [OPTIONS]"),
    ],
)
def test_help__command_of_a_group__says_where_the_configuration_goes(args: tuple[str, ...], usage: str) -> None:
    assert usage in in_process(*args, "--help").out


def test_help__every_command__says_what_it_does() -> None:
    top = in_process("--help")
    assert top.code == 0
    commands = re.findall(r"^  ([a-z]+)  ", top.out, re.MULTILINE)
    assert {"demo", "init", "check", "schema", "run", "status", "audit", "db", "version"} <= set(commands)
    for command in commands:
        assert in_process(command, "--help").code == 0


# -- imports ------------------------------------------------------------------------------------------------------------------


def imported(*args: str | Path, env: dict[str, str] | None = None, code: int = 0) -> set[str]:
    """The top-level packages that a command has imported when it ends, with this exit code."""
    program = (
        "import sys\n"
        "from keeper.app.cli import run_command\n"
        "code = run_command(sys.argv[1:])\n"
        "print('IMPORTED', code, *sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment(env),
        check=True,
    )
    word, ended_with, *names = done.stderr.splitlines()[-1].split()
    assert (word, ended_with) == ("IMPORTED", str(code)), done.stderr
    return set(names)


def test_imports__help__nothing_heavy() -> None:
    assert not imported("--help") & HEAVY


def test_imports__audit_log__nothing_heavy(finished: Path) -> None:
    for form in ("table", "csv", "jsonl"):
        assert not imported("audit", finished / "keeper.yaml", "log", "--format", form) & (HEAVY | {"numpy", "rich"})


def test_imports__status__no_chain_and_no_compiler(finished: Path) -> None:
    assert not imported("status", finished / "keeper.yaml", code=1) & {"web3", "eth_account", "numba", "sqlalchemy"}


def test_imports__check__no_chain_no_compiler_no_database(tmp_path: Path) -> None:
    assert not imported("check", GOOD, env=SECRETS) & {"web3", "eth_account", "numba", "sqlalchemy"}


def test_imports__a_command_that_needs_them__has_them(finished: Path) -> None:
    assert "sqlalchemy" in imported("db", finished / "keeper.yaml", "current")
