"""The audit commands answer at once: what they import is light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.architecture

HEAVY = ["numba", "numpy", "web3", "eth_account", "eth_utils", "sqlalchemy", "httpx", "apprise", "pydantic", "rfc8785"]
HEAVY += ["keeper.signals.registry", "keeper.engine"]
REPORT = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"


def loaded_after(code: str, *args: str) -> str:
    command = [sys.executable, "-c", f"import sys\n{code}\n{REPORT}", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_import__the_package__loads_nothing_heavy() -> None:
    assert loaded_after("import keeper.config, keeper.config.template") == "[]"


def test_audit_url__called__loads_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text("audit: {url: 'sqlite:///keeper.db'}\n", "utf-8")
    assert loaded_after("from keeper.config import audit_url; audit_url(sys.argv[1])", str(file)) == "[]"


def test_load__called__loads_no_adapter(good: str, tmp_path: Path, secrets: dict[str, str]) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text(good, "utf-8")
    code = f"from keeper.config import load; load(sys.argv[1], environ={secrets!r})"
    loaded = loaded_after(code, str(file))
    assert "keeper.signals.registry" in loaded
    for name in ("web3", "sqlalchemy", "httpx", "apprise", "eth_account"):
        assert f"'{name}'" not in loaded
