"""``scripts/forge``: a failure of forge is a failure of whoever runs it (npm's own wrapper ends with 0 all the same)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


def forge(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts" / "forge", *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_forge__that_fails__ends_with_another_code_than_zero() -> None:
    assert forge("test", "--no-such-option").returncode not in (0, 127)


def test_forge__from_another_folder__is_the_pinned_one(tmp_path: Path) -> None:
    done = forge("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert "1.7.1" in done.stdout


def test_make__its_contract_tests__run_this_script() -> None:
    assert "@scripts/forge test" in (ROOT / "Makefile").read_text("utf-8")
    assert ".bin/forge" not in (ROOT / "Makefile").read_text("utf-8")
