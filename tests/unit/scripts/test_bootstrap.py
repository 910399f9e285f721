"""The set-up script: stamps, the lock, what it shows, what it removes. Nothing is installed here."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path: Path) -> ModuleType:
    """The script as a module, its clone being an empty folder."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = tmp_path  # type: ignore[attr-defined]
    module.STATE = tmp_path / ".setup"  # type: ignore[attr-defined]
    module.VENV = tmp_path / ".venv"  # type: ignore[attr-defined]
    module.VENV_PYTHON = tmp_path / ".venv" / "bin" / "python"  # type: ignore[attr-defined]
    module.NODE_TOOLS = tmp_path / "node_modules" / ".bin"  # type: ignore[attr-defined]
    module.STATE.mkdir()
    return module


class Recorder:
    """Stands in for the tools: keeps the commands, and fails or dies when told."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.commands: list[list[str]] = []
        self.error = error

    def run(self, step: str, command: list[str | Path], remedy: str) -> None:
        self.commands.append([str(word) for word in command])
        if self.error is not None:
            raise self.error


def python_files(root: Path, kinds: tuple[str, ...] = ("run", "dev")) -> None:
    (root / "requirements").mkdir(exist_ok=True)
    for kind in kinds:
        (root / "requirements" / f"{kind}.txt").write_text(f"{kind}==1 --hash=sha256:00\n")
    (root / "pyproject.toml").write_text("[project]\n")
    (root / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    (root / ".venv" / "bin" / "keeper").touch()


def apart_files(root: Path, folder: str, lock: str, programs: tuple[str, ...]) -> None:
    (root / "requirements").mkdir(exist_ok=True)
    (root / "requirements" / lock).write_text("tool==1 --hash=sha256:00\n")
    (root / folder / "bin").mkdir(parents=True)
    for name in programs:
        (root / folder / "bin" / name).touch()
    (root / folder / "bin" / "python").unlink(missing_ok=True)
    (root / folder / "bin" / "python").symlink_to(sys.executable)


def node_files(root: Path) -> None:
    (root / "package.json").write_text("{}")
    (root / "package-lock.json").write_text('{"packages": {}}')
    (root / "node_modules" / ".bin").mkdir(parents=True)
    (root / "node_modules" / ".bin" / "forge").touch()


# ------------------------------------------------------------------------------------------------------------- stamps


def test_digest__of_files__changes_with_content_name_and_presence(bootstrap: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "contracts"
    folder.mkdir()
    seen = {bootstrap.digest(folder)}
    (folder / "a.sol").write_text("1")
    seen.add(bootstrap.digest(folder))
    (folder / "a.sol").write_text("2")
    seen.add(bootstrap.digest(folder))
    (folder / "a.sol").rename(folder / "b.sol")
    seen.add(bootstrap.digest(folder))
    assert len(seen) == 4
    assert bootstrap.digest(folder) == bootstrap.digest(folder)


def test_digest__of_a_missing_file__differs_from_an_empty_one(bootstrap: ModuleType, tmp_path: Path) -> None:
    before = bootstrap.digest(tmp_path / "x")
    (tmp_path / "x").touch()
    assert bootstrap.digest(tmp_path / "x") != before


def test_stamp__a_step_that_worked__is_fresh_and_not_cut_off(bootstrap: ModuleType) -> None:
    stamp = bootstrap.Stamp("step")
    with stamp.writing("abc"):
        assert stamp.cut_off()
    assert (stamp.read(), stamp.cut_off()) == ("abc", False)


def test_stamp__a_tool_that_said_no__is_neither_fresh_nor_cut_off(bootstrap: ModuleType) -> None:
    stamp = bootstrap.Stamp("step")
    with stamp.writing("old"):
        pass
    with pytest.raises(bootstrap.SetupFailed), stamp.writing("new"):
        raise bootstrap.SetupFailed("no", "remedy")
    assert (stamp.read(), stamp.cut_off()) == ("", False)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
def test_stamp__a_step_that_was_cut_off__is_known_as_such(bootstrap: ModuleType, kind: type[BaseException]) -> None:
    stamp = bootstrap.Stamp("step")
    with pytest.raises(kind), stamp.writing("new"):
        raise kind
    assert (stamp.read(), stamp.cut_off()) == ("", True)


# -------------------------------------------------------------------------------------------------------------- steps


def test_packages__first_run__installs_with_hashes_then_the_project(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    tools = Recorder()
    assert bootstrap.install_packages(tools, bootstrap.Stamp("p"), dev=False)
    locked, project = tools.commands
    assert "--require-hashes" in locked
    assert locked[-1] == str(tmp_path / "requirements" / "run.txt")
    assert project[-2:] == ["-e", "."]
    assert all("--no-deps" in command for command in tools.commands)


def test_packages__second_run__does_nothing(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    bootstrap.install_packages(Recorder(), bootstrap.Stamp("p"), dev=False)
    tools = Recorder()
    assert not bootstrap.install_packages(tools, bootstrap.Stamp("p"), dev=False)
    assert tools.commands == []


def test_packages__a_plain_run_after_a_dev_run__keeps_the_tools(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    stamp = bootstrap.Stamp("p")
    bootstrap.install_packages(Recorder(), stamp, dev=True)
    assert not bootstrap.install_packages(Recorder(), stamp, dev=False)
    (tmp_path / "requirements" / "dev.txt").write_text("dev==2 --hash=sha256:00\n")
    tools = Recorder()
    assert bootstrap.install_packages(tools, stamp, dev=False)
    assert tools.commands[0][-1].endswith("dev.txt")


def test_packages__a_dev_run_after_a_plain_one__adds_the_tools(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    stamp = bootstrap.Stamp("p")
    bootstrap.install_packages(Recorder(), stamp, dev=False)
    tools = Recorder()
    assert bootstrap.install_packages(tools, stamp, dev=True)
    assert tools.commands[0][-1].endswith("dev.txt")


@pytest.mark.parametrize("change", ["requirements/run.txt", "pyproject.toml", ".venv/bin/keeper"])
def test_packages__when_something_they_depend_on_changed__are_installed_again(
    bootstrap: ModuleType, tmp_path: Path, change: str
) -> None:
    python_files(tmp_path)
    stamp = bootstrap.Stamp("p")
    bootstrap.install_packages(Recorder(), stamp, dev=False)
    if change.endswith("keeper"):
        (tmp_path / change).unlink()
    else:
        (tmp_path / change).write_text("other==1\n")
    assert bootstrap.install_packages(Recorder(), stamp, dev=False)


APART = [
    ("PROVERS", ".prove/venv", "prove.txt", ("halmos", "slither")),
    ("REFERENCE", ".venv-reference", "reference.txt", ("python",)),
]


@pytest.mark.parametrize(("which", "folder", "lock", "programs"), APART)
def test_apart__first_run__is_installed_with_hashes_into_its_own_environment(
    bootstrap: ModuleType, tmp_path: Path, which: str, folder: str, lock: str, programs: tuple[str, ...]
) -> None:
    apart_files(tmp_path, folder, lock, programs)
    tools = Recorder()
    assert bootstrap.environment_apart(tools, getattr(bootstrap, which))
    [install] = tools.commands
    assert install[0] == str(tmp_path / folder / "bin" / "python")
    assert install[-3:] == ["--require-hashes", "-r", str(tmp_path / "requirements" / lock)]
    assert "--no-deps" in install


@pytest.mark.parametrize(("which", "folder", "lock", "programs"), APART)
def test_apart__second_run__does_nothing(
    bootstrap: ModuleType, tmp_path: Path, which: str, folder: str, lock: str, programs: tuple[str, ...]
) -> None:
    apart_files(tmp_path, folder, lock, programs)
    bootstrap.environment_apart(Recorder(), getattr(bootstrap, which))
    tools = Recorder()
    assert not bootstrap.environment_apart(tools, getattr(bootstrap, which))
    assert tools.commands == []


@pytest.mark.parametrize("change", ["requirements/prove.txt", ".prove/venv/bin/halmos", ".prove/venv/bin/slither"])
def test_apart__when_something_it_depends_on_changed__is_installed_again(
    bootstrap: ModuleType, tmp_path: Path, change: str
) -> None:
    apart_files(tmp_path, *APART[0][1:])
    bootstrap.environment_apart(Recorder(), bootstrap.PROVERS)
    (tmp_path / change).unlink()
    if change.endswith("txt"):
        (tmp_path / change).write_text("halmos==2 --hash=sha256:00\n")
    tools = Recorder()
    assert bootstrap.environment_apart(tools, bootstrap.PROVERS)
    assert len(tools.commands) == 1


def test_apart__its_python_is_gone__is_made_and_installed_anew(bootstrap: ModuleType, tmp_path: Path) -> None:
    apart_files(tmp_path, *APART[1][1:])
    bootstrap.environment_apart(Recorder(), bootstrap.REFERENCE)
    (tmp_path / ".venv-reference" / "bin" / "python").unlink()
    tools = Recorder()
    assert bootstrap.environment_apart(tools, bootstrap.REFERENCE)
    made, installed = tools.commands
    assert made[-1] == str(tmp_path / ".venv-reference")
    assert installed[-1].endswith("reference.txt")


def test_environment__after_packages_were_cut_off__is_made_anew(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    (tmp_path / ".venv" / "bin" / "python").touch()
    packages = bootstrap.Stamp("python-packages")
    first = Recorder()
    bootstrap.virtual_environment(first, packages)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.install_packages(Recorder(KeyboardInterrupt()), packages, dev=False)
    second = Recorder()
    assert bootstrap.virtual_environment(second, packages)
    assert "--clear" in second.commands[0]


def test_environment__made_by_hand_for_this_python__is_kept(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    tools = Recorder()
    assert bootstrap.virtual_environment(tools, bootstrap.Stamp("python-packages"))
    assert tools.commands == []


def test_environment__whose_python_does_not_run__is_made_anew(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    (tmp_path / ".venv" / "bin" / "python").touch()
    tools = Recorder()
    assert bootstrap.virtual_environment(tools, bootstrap.Stamp("python-packages"))
    assert "--clear" in tools.commands[0]


def test_environment__of_a_clone_that_was_moved__is_made_anew(bootstrap: ModuleType, tmp_path: Path) -> None:
    python_files(tmp_path)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    packages = bootstrap.Stamp("python-packages")
    assert bootstrap.virtual_environment(Recorder(), packages)
    assert not bootstrap.virtual_environment(Recorder(), packages)
    bootstrap.ROOT = tmp_path / "elsewhere"  # type: ignore[attr-defined]
    assert bootstrap.virtual_environment(Recorder(), packages)


def test_node__npm_rewrites_the_lock__it_is_put_back(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node_files(tmp_path)
    monkeypatch.setattr(bootstrap, "need_node", lambda: "npm")
    lock = tmp_path / "package-lock.json"
    before = lock.read_bytes()

    class Rewriting(Recorder):
        def run(self, step: str, command: list[str | Path], remedy: str) -> None:
            super().run(step, command, remedy)
            lock.write_text("rewritten")

    tools = Rewriting()
    assert bootstrap.node_packages(tools)
    assert lock.read_bytes() == before
    assert "--ignore-scripts" in tools.commands[0]
    assert not bootstrap.node_packages(Recorder())


@pytest.mark.parametrize(
    ("version", "accepted"), [("v19.9.0", False), ("v20.0.0", True), ("v22.1.0", True), ("", False), ("x", False)]
)
def test_node__each_version__is_taken_from_twenty_on(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, accepted: bool
) -> None:
    for name in ("node", "npm"):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\necho {version}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    if accepted:
        assert bootstrap.need_node() == str(tmp_path / "npm")
    else:
        with pytest.raises(bootstrap.SetupFailed, match="too old") as caught:
            bootstrap.need_node()
        assert "Node.js 20" in caught.value.remedy


def test_node__not_installed__says_so(bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(bootstrap.SetupFailed, match="node was not found"):
        bootstrap.need_node()


def test_contracts__tests_alone_changed__are_not_compiled_again(bootstrap: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "foundry.toml").touch()
    (tmp_path / "contracts").mkdir()
    (tmp_path / "out").mkdir()
    doubles = tmp_path / "tests" / "solidity" / "doubles"
    doubles.mkdir(parents=True)
    assert bootstrap.contracts(Recorder())
    (doubles.parent / "Pause.t.sol").write_text("test")
    assert not bootstrap.contracts(Recorder())
    (doubles / "Double.sol").write_text("double")
    assert bootstrap.contracts(Recorder())


# ------------------------------------------------------------------------------------------------------ tools and lock


def test_tools__a_tool_that_fails__shows_its_last_lines_without_noise(bootstrap: ModuleType) -> None:
    program = "import sys\nfor n in range(30): print('line', n)\nprint('npm warn old'); sys.exit(7)"
    with bootstrap.one_at_a_time() as lock, pytest.raises(bootstrap.SetupFailed, match="ended with 7") as caught:
        bootstrap.Tools(lock).run("step", [sys.executable, "-c", program], "read it")
    assert caught.value.tail[-1] == "line 29"
    assert len(caught.value.tail) == 12
    assert caught.value.remedy == "read it"


def test_tools__no_way_to_the_registry__has_its_own_remedy(bootstrap: ModuleType) -> None:
    program = "import sys; sys.exit('npm error code ENOTFOUND')"
    with bootstrap.one_at_a_time() as lock, pytest.raises(bootstrap.SetupFailed) as caught:
        bootstrap.Tools(lock).run("step", [sys.executable, "-c", program], "read it")
    assert "check the network" in caught.value.remedy


def test_tools__stopped__end_the_running_one_and_start_no_other(bootstrap: ModuleType, tmp_path: Path) -> None:
    program = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    started = tmp_path / "started"
    ended: list[str] = []

    def work() -> None:
        try:
            tools.run("step", [sys.executable, "-c", program, started], "")
        except bootstrap.Stopped:
            ended.append("stopped")

    with bootstrap.one_at_a_time() as lock:
        tools = bootstrap.Tools(lock)
        thread = threading.Thread(target=work)
        thread.start()
        while not started.exists():
            assert thread.is_alive()
        tools.stop()
        thread.join(timeout=30)
        with pytest.raises(bootstrap.Stopped):
            tools.run("other", [sys.executable, "-c", "raise SystemExit(0)"], "")
    assert ended == ["stopped"]


def test_lock__held_by_another_process__is_waited_for(bootstrap: ModuleType, tmp_path: Path) -> None:
    holder = textwrap.dedent("""
        import fcntl, os, sys
        fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        fcntl.flock(fd, fcntl.LOCK_EX)
        print("held", flush=True)
        sys.stdin.read()
    """)
    command = [sys.executable, "-c", holder, str(bootstrap.STATE / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        got = threading.Event()

        def take() -> None:
            with bootstrap.one_at_a_time():
                got.set()

        thread = threading.Thread(target=take)
        thread.start()
        assert not got.wait(timeout=0.2)
        assert process.stdin is not None
        process.stdin.close()
        assert got.wait(timeout=30)
        thread.join()


def test_clean__removes_what_is_generated__and_leaves_what_is_the_users(bootstrap: ModuleType, tmp_path: Path) -> None:
    for name in (*bootstrap.GENERATED, *bootstrap.CACHES):
        (tmp_path / name).mkdir()
    (tmp_path / "keeper" / "domain" / "__pycache__").mkdir(parents=True)
    for name in (".env", "keeper.db", "keeper/domain/units.py"):
        (tmp_path / name).touch()
    assert bootstrap.clean() == 0
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {".env", "keeper.db", "keeper", "keeper/domain", "keeper/domain/units.py"}


def test_clean__demo_with_its_log__says_that_it_is_gone_and_nothing_that_was_not_there(
    bootstrap: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".demo" / "divergence-1").mkdir(parents=True)
    (tmp_path / ".demo" / "divergence-1" / "keeper.db").touch()
    (tmp_path / "out").mkdir()
    assert bootstrap.clean() == 0
    said = capsys.readouterr().err
    assert "removed out, .demo (configurations and logs of all demos);" in said
    assert "databases were left alone" not in said
    assert not (tmp_path / ".demo").exists()


def test_clean__without_anything_to_remove__is_harmless_and_says_so(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrap.clean() == 0
    assert bootstrap.clean() == 0
    assert "clean: removed nothing;" in capsys.readouterr().err


def test_clean__removes_nothing_that_git_would_track(bootstrap: ModuleType) -> None:
    names = (*bootstrap.GENERATED, *bootstrap.CACHES, ".setup")
    command = ["git", "check-ignore", "--no-index", *(f"{name}/" if name != ".coverage" else name for name in names)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert {line.rstrip("/") for line in answer.stdout.split()} == set(names)


def test_old_python__without_a_newer_one__is_told_what_to_do(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "MINIMUM_PYTHON", (99, 0))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(bootstrap.SetupFailed, match="too old") as caught:
        bootstrap.need_python()
    assert "3.11" in caught.value.remedy
