#!/usr/bin/env python3
"""Set up this clone: virtual environment, Python packages, Node packages, contracts.

    python3 scripts/bootstrap.py            what running the keeper and its demo needs
    python3 scripts/bootstrap.py --dev      the tools of the tests and checks as well
    python3 scripts/bootstrap.py --prove    those, and in an environment of their own what `make prove` runs
    python3 scripts/bootstrap.py --reference   the same with what `make conformance` runs
    python3 scripts/bootstrap.py --clean    back to a fresh clone: removes the demos' folder .demo too

Only the standard library, since it runs before anything is installed. Each step is skipped while its stamp, a hash of
what it was made from, is fresh. The stamp is written last and a ``.busy`` mark first, so a run that was cut off is seen
by the next one and made good. One file lock per clone lets a second run wait; the tools that are started inherit the
lock, so it holds even when only this script was killed. The Python and the Node half run side by side.

Longer than a module should be, since a script that runs before everything else is best one file.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

MINIMUM_PYTHON = (3, 11)
MINIMUM_NODE = 20

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".setup"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
NODE_TOOLS = ROOT / "node_modules" / ".bin"


class Apart(NamedTuple):
    """An environment of its own, for tools that want other versions of what the keeper stands on."""

    name: str
    """Of its steps; what is installed is called ``what``."""
    what: str
    folder: str
    lock: str
    programs: tuple[str, ...]
    """Without one of them in its folder ``bin`` it is made good."""


PROVERS = Apart("prover", "provers", ".prove/venv", "prove.txt", ("halmos", "slither"))
# The `flashbots` package, which wants web3 below 7.
REFERENCE = Apart("reference", "reference client", ".venv-reference", "reference.txt", ("python",))

# Everything a set-up, a demo or a check leaves behind, the demo's databases in .demo too. Not here, because they are the
# user's: .env and every other database.
DEMOS = ".demo"
GENERATED = (".venv", ".prove", REFERENCE.folder, "node_modules", "out", "cache", DEMOS, "keeper.egg-info", ".coverage")
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")
HAS_PYTHON_CACHES = ("keeper", "tests", "bench", "scripts", "migrations")

OFFLINE_SIGNS = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "NewConnectionError",
    "Max retries exceeded",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
)
NOISE = ("is ignored: it is neither a file nor a directory", "npm warn", "A complete log of this run")


class SetupFailed(Exception):
    """A step could not be done; ``remedy`` says what the reader can do, ``tail`` is the tool's own last words."""

    def __init__(self, message: str, remedy: str, tail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.tail = tail


class Stopped(Exception):
    """The run was interrupted; the tool was ended with it."""


# ---------------------------------------------------------------------------------------------------- what people see


def say(text: str, *, colour: str = "") -> None:
    """One line on standard error, so that standard output stays free for whoever runs a command after the set-up."""
    if colour and sys.stderr.isatty():
        text = f"\033[{colour}m{text}\033[0m"
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def explain(failure: SetupFailed) -> None:
    say(f"  set-up failed: {failure}", colour="31")
    for line in failure.tail:
        say(f"    | {line}")
    say(f"  what to do: {failure.remedy}", colour="1")


# ---------------------------------------------------------------------------------------------------- running the tools


class Tools:
    """Starts the tools and ends them when the run is interrupted. Their output goes to a log that is shown on failure."""

    def __init__(self, lock_fd: int) -> None:
        self._lock_fd = lock_fd
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, step: str, command: Iterable[str | Path], remedy: str) -> None:
        """Raises SetupFailed with the tool's last lines when it does not end with 0, Stopped after ``stop``."""
        words = [str(word) for word in command]
        log = STATE / f"{step}.log"
        with log.open("wb") as sink:
            with self._guard:
                if self._stopped:
                    raise Stopped
                process = subprocess.Popen(
                    words,
                    cwd=ROOT,
                    env=tool_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(self._lock_fd,),
                )
                self._running.add(process)
            code = process.wait()
        with self._guard:
            self._running.discard(process)
            if self._stopped:
                raise Stopped
        if code != 0:
            output = log.read_text(errors="replace")
            if any(sign in output for sign in OFFLINE_SIGNS):
                remedy = (
                    "there seems to be no way to the package registry: check the network and proxy, then run this again"
                )
            raise SetupFailed(f"{step}: {Path(words[0]).name} ended with {code}", remedy, last_lines(output))

    def stop(self) -> None:
        """Ends every tool with its children. Later calls of ``run`` raise Stopped."""
        with self._guard:
            self._stopped = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)


def tool_environment() -> dict[str, str]:
    """The caller's environment without what would lead the tools away from this clone."""
    environment = dict(os.environ)  # noqa: TID251
    for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "FOUNDRY_PROFILE"):
        environment.pop(name, None)
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment["FOUNDRY_DISABLE_NIGHTLY_WARNING"] = "1"
    return environment


def last_lines(output: str, count: int = 12) -> tuple[str, ...]:
    lines = [
        line.rstrip() for line in output.splitlines() if line.strip() and not any(noise in line for noise in NOISE)
    ]
    return tuple(line[:300] for line in lines[-count:])


# ------------------------------------------------------------------------------------------------------ stamps and lock


def digest(*parts: str | Path) -> str:
    """A hash over texts and files; a folder counts with every file in it, a missing path as missing."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(f"text {len(part)} {part}\n".encode())
            continue
        files = sorted(path for path in part.rglob("*") if path.is_file()) if part.is_dir() else [part]
        for path in files:
            content = path.read_bytes() if path.is_file() else b"missing"
            total.update(f"file {path.relative_to(ROOT)} {len(content)}\n".encode())
            total.update(content)
    return total.hexdigest()


class Stamp:
    """What one step was made from, and whether it was cut off half way."""

    def __init__(self, step: str) -> None:
        self.step = step
        self._done = STATE / f"{step}.stamp"
        self._busy = STATE / f"{step}.busy"

    def read(self) -> str:
        return self._done.read_text().strip() if self._done.is_file() else ""

    def cut_off(self) -> bool:
        return self._busy.exists()

    def forget(self) -> None:
        self._done.unlink(missing_ok=True)

    @contextlib.contextmanager
    def writing(self, value: str) -> Iterator[None]:
        """The mark stays when the process dies or is interrupted, not when a tool says no: tools clean up behind themselves."""
        self.forget()
        self._busy.touch()
        try:
            yield
        except SetupFailed:
            self._busy.unlink(missing_ok=True)
            raise
        self._done.write_text(value + "\n")
        self._busy.unlink(missing_ok=True)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[int]:
    """Holds this clone's lock; yields its descriptor for the tools to inherit."""
    while True:
        STATE.mkdir(exist_ok=True)
        descriptor = os.open(STATE / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  another set-up runs in this clone: waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if still_the_lock(descriptor):
            break
        os.close(descriptor)  # --clean removed the file while this run waited for it
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def still_the_lock(descriptor: int) -> bool:
    try:
        named = (STATE / "lock").stat()
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


# ------------------------------------------------------------------------------------------------------------ the steps


def timed(name: str, hint: str, act: Callable[[], None]) -> None:
    say(f"  {name}: {hint}")
    began = time.monotonic()
    act()
    say(f"  {name}: ready after {time.monotonic() - began:.1f} s", colour="32")


def base_python() -> str:
    """The interpreter behind a virtual environment that may be active, so that .venv never stands on itself."""
    return str(Path(getattr(sys, "_base_executable", sys.executable) or sys.executable).resolve())


def python_half(tools: Tools, dev: bool, apart: Sequence[Apart]) -> bool:
    """The virtual environment and its packages. True when something had to be done."""
    packages = Stamp("python-packages")
    remade = virtual_environment(tools, packages)
    installed = install_packages(tools, packages, dev) or remade
    changed = [environment_apart(tools, each) for each in apart]
    return any(changed) or installed


def virtual_environment(tools: Tools, packages: Stamp) -> bool:
    return make_environment(tools, packages, Stamp("python-environment"), VENV, ".venv")


def make_environment(tools: Tools, packages: Stamp, stamp: Stamp, venv: Path, name: str) -> bool:
    """``name`` is what people know the folder by."""
    python = venv / "bin" / "python"
    # scripts in a virtual environment hold its absolute path: a clone that was moved needs a new one
    wanted = digest(str(ROOT), base_python(), f"{sys.version_info.major}.{sys.version_info.minor}")
    broken = packages.cut_off() or stamp.cut_off() or not python.exists()
    if stamp.read() == wanted and not broken:
        return False
    if not broken and not stamp.read() and usable_environment(python):
        with stamp.writing(wanted):
            return True  # somebody made it by hand for this interpreter: keep it
    need_venv_module()

    def make() -> None:
        packages.forget()
        with stamp.writing(wanted):
            remedy = f"remove {name} and run this again; on Debian and Ubuntu: apt install python3-venv"
            tools.run(stamp.step, [base_python(), "-m", "venv", "--clear", venv], remedy)

    timed(stamp.step.replace("-", " "), f"making {name} with Python {sys.version.split()[0]}", make)
    return True


def usable_environment(python: Path) -> bool:
    probe = "import sys, pip; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.split() == [str(part) for part in sys.version_info[:2]]


def need_venv_module() -> None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise SetupFailed(
            f"this Python ({base_python()}) has no module {error.name}",
            "install the rest of Python's standard library; on Debian and Ubuntu: apt install python3-venv",
        ) from None


def install_packages(tools: Tools, stamp: Stamp, dev: bool) -> bool:
    previous = stamp.read()
    kind = "dev" if dev or previous.startswith("dev ") else "run"  # a plain run never takes the tools away again
    lock = ROOT / "requirements" / f"{kind}.txt"
    wanted = f"{kind} {digest(str(ROOT), lock, ROOT / 'pyproject.toml')}"
    if previous == wanted and (VENV / "bin" / "keeper").exists() and not stamp.cut_off():
        return False

    def install() -> None:
        pip: list[str | Path] = [VENV_PYTHON, *PIP_INSTALL]
        with stamp.writing(wanted):
            remedy = "read the lines above; the full output is in .setup/python-packages.log"
            tools.run("python-packages", [*pip, "--require-hashes", "-r", lock], remedy)
            remedy = "read the lines above; the full output is in .setup/keeper.log"
            tools.run("keeper", [*pip, "--no-build-isolation", "-e", "."], remedy)

    timed("python packages", f"installing {count_packages(lock)} packages, each checked against its hash", install)
    return True


# --no-deps: the lock file is the whole closure, so there is nothing to resolve
PIP_INSTALL = ("-m", "pip", "install", "--no-input", "--no-deps")


def count_packages(lock: Path) -> int:
    return sum(1 for line in lock.read_text().splitlines() if "==" in line)


def environment_apart(tools: Tools, apart: Apart) -> bool:
    """True when something had to be done."""
    venv = ROOT / apart.folder
    step = f"{apart.name}-packages"
    stamp = Stamp(step)
    remade = make_environment(tools, stamp, Stamp(f"{apart.name}-environment"), venv, apart.folder)
    lock = ROOT / "requirements" / apart.lock
    wanted = digest(str(ROOT), lock)
    there = all((venv / "bin" / program).exists() for program in apart.programs)
    if stamp.read() == wanted and there and not stamp.cut_off():
        return remade

    def install() -> None:
        with stamp.writing(wanted):
            remedy = f"read the lines above; the full output is in .setup/{step}.log"
            tools.run(step, [venv / "bin" / "python", *PIP_INSTALL, "--require-hashes", "-r", lock], remedy)

    timed(apart.what, f"installing {count_packages(lock)} packages, each checked against its hash", install)
    return True


def node_half(tools: Tools) -> bool:
    """The Node packages and what is compiled with them. True when something had to be done."""
    installed = node_packages(tools)
    return contracts(tools) or installed


def node_packages(tools: Tools) -> bool:
    stamp = Stamp("node-packages")
    manifest, lock = ROOT / "package.json", ROOT / "package-lock.json"
    wanted = digest(manifest, lock)
    if stamp.read() == wanted and (NODE_TOOLS / "forge").exists() and not stamp.cut_off():
        return False
    npm = need_node()

    def install() -> None:
        before = lock.read_bytes()
        if stamp.cut_off():
            shutil.rmtree(ROOT / "node_modules", ignore_errors=True)
        with stamp.writing(wanted):
            # not `npm ci`: it insists that the lock lists every platform's binaries, also those that no registry served
            flags = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
            remedy = "read the lines above; the full output is in .setup/node-packages.log"
            try:
                tools.run("node-packages", [npm, "install", *flags], remedy)
            finally:
                if lock.read_bytes() != before:
                    lock.write_bytes(before)
                    say("  node packages: npm rewrote package-lock.json; it was put back")

    timed("node packages", "installing the local node and the Solidity toolchain", install)
    return True


def need_node() -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    advice = f"install Node.js {MINIMUM_NODE} or newer with npm, and see that both are on PATH"
    if node is None or npm is None:
        raise SetupFailed(f"{'node' if node is None else 'npm'} was not found", advice)
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = answer.lstrip("v").split(".")[0]
    if not major.isdigit() or int(major) < MINIMUM_NODE:
        raise SetupFailed(f"Node.js {answer or 'of an unknown version'} is too old ({node})", advice)
    return npm


def contracts(tools: Tools) -> bool:
    if not (ROOT / "foundry.toml").is_file():
        return False
    stamp = Stamp("contracts")
    wanted = digest(*contract_sources())
    if stamp.read() == wanted and (ROOT / "out").is_dir() and not stamp.cut_off():
        return False

    def build() -> None:
        if stamp.cut_off():
            for folder in ("out", "cache"):
                shutil.rmtree(ROOT / folder, ignore_errors=True)
        with stamp.writing(wanted):
            remedy = "the compiler's message is above; the full output is in .setup/contracts.log"
            tools.run("contracts", [ROOT / "scripts" / "forge", "build", *BUILD_ARGUMENTS], remedy)

    timed("contracts", "compiling", build)
    return True


BUILD_ARGUMENTS = ("--skip", "*.t.sol")


def contract_sources() -> list[Path]:
    """What the compiled contracts depend on: sources, test doubles, settings, and the compiler that package-lock.json names."""
    tests = ROOT / "tests" / "solidity"
    doubles = [path for path in sorted(tests.rglob("*.sol")) if not path.name.endswith(".t.sol")]
    settings = [ROOT / "foundry.toml", ROOT / "remappings.txt", ROOT / "package-lock.json", ROOT / "scripts" / "solc"]
    return [ROOT / "contracts", *doubles, *settings]


# ------------------------------------------------------------------------------------------------------------- commands


def set_up(dev: bool, apart: Sequence[Apart] = ()) -> int:
    began = time.monotonic()
    with one_at_a_time() as lock_fd:
        tools = Tools(lock_fd)
        with ThreadPoolExecutor(max_workers=2) as pool:
            try:
                halves = [pool.submit(python_half, tools, dev, apart), pool.submit(node_half, tools)]
                while not all(half.done() for half in halves):
                    time.sleep(0.05)  # not result(): a signal must reach this thread at once
            except KeyboardInterrupt:
                tools.stop()
                say("  interrupted; run it again and it goes on from here")
                return 130
        failures = [half.exception() for half in halves]
    for failure in failures:
        if isinstance(failure, SetupFailed):
            explain(failure)
        elif failure is not None:
            raise failure
    if any(failures):
        return 1
    if any(half.result() for half in halves):
        say(f"  set-up complete after {time.monotonic() - began:.0f} s", colour="32")
    return 0


def clean() -> int:
    """Removes what is generated, and nothing else; says what that was."""
    removed = []
    with one_at_a_time():
        doomed = [ROOT / name for name in (*GENERATED, *CACHES)]
        for folder in HAS_PYTHON_CACHES:
            doomed.extend((ROOT / folder).rglob("__pycache__"))
        doomed.append(STATE)
        for path in doomed:
            if not path.exists() and not path.is_symlink():
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            if path.parent == ROOT and path != STATE:
                removed.append(path.name)
    demos = " (configurations and logs of all demos)"
    names = ", ".join(name + (demos if name == DEMOS else "") for name in removed)
    say(f"  clean: removed {names or 'nothing'}; .env and everything else, other databases too, stays as it is")
    return 0


def need_python() -> None:
    """Hands over to a newer interpreter when there is one on PATH. Raises SetupFailed otherwise."""
    if sys.version_info >= MINIMUM_PYTHON:
        return
    for minor in (13, 12, 11, 14):
        newer = shutil.which(f"python3.{minor}")
        if newer and subprocess.run([newer, "-c", ""], capture_output=True, check=False).returncode == 0:
            os.execv(newer, [newer, *sys.argv])
    version = ".".join(str(part) for part in sys.version_info[:3])
    raise SetupFailed(
        f"Python {version} is too old ({sys.executable})",
        "install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 setup",
    )


def interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="Sets up this clone. Safe to repeat, and to interrupt.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dev", action="store_true", help="install the tools of the tests and checks too")
    what.add_argument("--prove", action="store_true", help="those, and what `make prove` runs")
    what.add_argument("--reference", action="store_true", help="those of tests, and what `make conformance` runs")
    what.add_argument(
        "--clean", action="store_true", help="remove everything that is generated, .demo with its logs too"
    )
    options = parser.parse_args()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, interrupt)
    try:
        need_python()
        if options.clean:
            return clean()
        apart = [each for each, wanted in ((PROVERS, options.prove), (REFERENCE, options.reference)) if wanted]
        return set_up(options.dev or bool(apart), apart)
    except SetupFailed as failure:
        explain(failure)
        return 1
    except KeyboardInterrupt:
        say("  interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
