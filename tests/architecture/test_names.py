"""Test files have names of their own: pytest imports them by that name alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.architecture

TESTS = Path(__file__).resolve().parents[1]


def test_files__no_two_have_the_same_name() -> None:
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
