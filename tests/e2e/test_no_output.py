"""Where nothing can be written to standard output no verdict was given, and the exit code says none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.keeper_process import KEEPER, environment

pytestmark = pytest.mark.e2e

COMMANDS = (
    ("audit", "{config}", "verify"),
    ("--json", "audit", "{config}", "verify"),
    ("audit", "{config}", "log", "--format", "jsonl"),
)


def run(finished: Path, command: tuple[str, ...], redirection: str) -> subprocess.CompletedProcess[str]:
    words = [str(KEEPER), *(word.format(config=finished / "keeper.yaml") for word in command)]
    script = '"$@" ' + redirection
    return subprocess.run(
        ["sh", "-c", script, "sh", *words], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("redirection", "words"), [("> /dev/full", "No space left"), (">&-", "it is closed")])
def test_good_log__nowhere_to_say_so__is_no_broken_log(
    finished: Path, command: tuple[str, ...], redirection: str, words: str
) -> None:
    done = run(finished, command, redirection)
    assert done.returncode == 3
    assert f"cannot write to standard output: {words}" in done.stderr
    assert "Traceback" not in done.stderr


def test_reader_that_has_read_enough__is_no_failure(finished: Path) -> None:
    done = run(finished, ("audit", "{config}", "log"), "| head -n 1")
    assert (done.returncode, done.stderr) == (0, "")
