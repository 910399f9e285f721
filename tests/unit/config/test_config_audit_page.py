"""The example of docs/operator/audit.md is one that the reader takes, and the page names every key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeper.config.audit import AUDIT, CheckpointConfig

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "operator" / "audit.md"


def example() -> str:
    (found,) = re.findall(r"```yaml\n(audit:\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_page__its_example__checks_clean(load_good: Load, secrets: dict[str, str]) -> None:
    environ = secrets | {"WITNESS_TOKEN": "token-5e1f"}
    audit = load_good(('audit: {url: "sqlite:///keeper.db"}\n', example()), environ=environ).audit
    assert isinstance(audit.checkpoints, CheckpointConfig)
    assert len(audit.checkpoints.witnesses) == 2
    assert audit.signer
    assert audit.retention
    assert list(audit.witness_for) == ["other-keeper"]


def test_page__every_key__has_a_row() -> None:
    rows = set(re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
    assert set(AUDIT.keys()) <= rows
