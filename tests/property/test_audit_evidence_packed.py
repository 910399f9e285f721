"""Evidence: whatever can be packed comes back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.evidence import LARGEST, pack, unpack

pytestmark = pytest.mark.property

TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXT | st.sampled_from(["#columns", "#as-is", "a"]), inner, max_size=3)
    ),
    max_leaves=15,
)
CONTENTS = st.dictionaries(TEXT | st.just("#columns"), JSON, max_size=4)
ROWS = st.lists(st.fixed_dictionaries({"a": JSON, "b": JSON}), max_size=5)


@given(CONTENTS, ROWS)
@settings(max_examples=200, deadline=None)
def test_pack__any_content__comes_back(content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    content = {**content, "rows": rows}
    try:
        packed = pack(content)
    except DraftRefused:
        return
    assert unpack(packed) == content
    assert 0 < packed.size <= LARGEST
