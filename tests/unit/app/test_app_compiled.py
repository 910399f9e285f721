"""Compiled code that is older than what it was made from is never run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import keeper
from keeper.app.compiled import forget_outdated

pytestmark = pytest.mark.unit


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy's outline: one source of time 1,000, and compiled code beside it."""
    for name in ("signals", "rules", "engine"):
        (tmp_path / name / "__pycache__").mkdir(parents=True)
        source = tmp_path / name / "one.py"
        source.write_text("")
        os.utime(source, (1_000, 1_000))
    monkeypatch.setattr(keeper, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


def compiled(package: Path, name: str, seconds: int) -> Path:
    file = package / name / "__pycache__" / "one.step-1.py311.nbi"
    file.write_bytes(b"")
    os.utime(file, (seconds, seconds))
    return file


def test_forget__older_than_its_source_or_as_old__is_removed(package: Path) -> None:
    older, as_old = compiled(package, "rules", 999), compiled(package, "signals", 1_000)
    assert forget_outdated() == 2
    assert not older.exists()
    assert not as_old.exists()


def test_forget__newer__is_kept(package: Path) -> None:
    file = compiled(package, "rules", 1_001)
    assert forget_outdated() == 0
    assert file.exists()


def test_forget__another_package_changed__is_removed_too(package: Path) -> None:
    file = compiled(package, "rules", 1_001)
    os.utime(package / "signals" / "one.py", (1_002, 1_002))
    assert forget_outdated() == 1
    assert not file.exists()


KEPT_ELSEWHERE = """
import os
from pathlib import Path
from keeper.app.compiled import forget_outdated
from keeper.signals.bank import is_price

is_price(1.0)
kept = list(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))
assert kept, "nothing was compiled"
forget_outdated()
assert all(one.exists() for one in kept)
for one in kept:
    os.utime(one, (1_000, 1_000))
assert forget_outdated() >= len(kept)
assert not any(one.exists() for one in kept)
"""


def test_forget__kept_in_another_folder__is_removed_there(tmp_path: Path) -> None:
    script = [sys.executable, "-c", KEPT_ELSEWHERE]
    done = subprocess.run(script, env={"NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
