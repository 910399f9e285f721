"""The list of invariants and the tests agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.property

HERE = Path(__file__).parent


def test_invariants__listed_and_tested__are_the_same() -> None:
    listed = set(re.findall(r"\*\*([A-Z]+-\d+)\*\*", (HERE / "INVARIANTS.md").read_text(encoding="utf-8")))
    sources = [path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py")]
    names = [match for text in sources for match in re.findall(r"^def test_([a-z]+)_(\d+)__", text, re.MULTILINE)]
    tested = {f"{group.upper()}-{number}" for group, number in names}
    assert listed
    assert tested == listed
