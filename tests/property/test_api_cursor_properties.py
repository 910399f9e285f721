"""Cursors of the API: what is made is read back, and nothing else is."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.app.api.cursors import LARGEST_KEY, cursor_after, key_of
from keeper.app.pages.problem import PageProblem
from keeper.domain.record import Draft, RecordKind
from tests.support.audit_log import T0
from tests.support.log_site import API, site_in_memory

pytestmark = pytest.mark.property

QUESTIONS = st.dictionaries(st.sampled_from(["market", "order", "kind"]), st.text(max_size=8), max_size=3)
KEYS = st.integers(0, LARGEST_KEY)


@given(QUESTIONS, KEYS)
def test_cursor__read_with_its_question__is_the_key(question: dict[str, str], key: int) -> None:
    assert key_of(cursor_after(question, key), question) == key


@given(QUESTIONS, QUESTIONS, KEYS)
def test_cursor__of_another_question__is_refused(one: dict[str, str], other: dict[str, str], key: int) -> None:
    if one == other:
        return
    with pytest.raises(PageProblem) as refused:
        key_of(cursor_after(one, key), other)
    assert refused.value.status == 400


@given(KEYS, st.integers(0, 27), st.characters(codec="ascii"))
def test_cursor__with_one_sign_changed__is_refused(key: int, place: int, sign: str) -> None:
    cursor = cursor_after("q", key)
    changed = cursor[:place] + sign + cursor[place + 1 :]
    if changed == cursor:
        return
    with pytest.raises(PageProblem):
        key_of(changed, "q")


@given(st.text(max_size=80))
def test_cursor__any_text__is_read_or_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(PageProblem):
        key_of(text, "q")


KINDS = st.sampled_from([RecordKind.FAULT, RecordKind.JOB, RecordKind.TICK])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(KINDS, min_size=1, max_size=25), st.integers(1, 9), st.sampled_from(["oldest", "newest"]), st.booleans()
)
def test_pages__walked_to_their_end__hold_every_record_once_in_order(
    kinds: list[RecordKind], limit: int, order: str, only_faults: bool
) -> None:
    drafts = [Draft(kind, {"number": number}, T0 + number) for number, kind in enumerate(kinds)]

    async def walk() -> list[int]:
        found: list[int] = []
        site = await site_in_memory(drafts)
        path = f"{API}/records?limit={limit}&order={order}{'&kind=fault' if only_faults else ''}"
        cursor = ""
        while True:
            page = (await site.get(path + cursor)).json()
            found += [record["seq"] for record in page["records"]]
            assert len(page["records"]) <= limit
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    wanted = [seq for seq, kind in enumerate(kinds, 1) if not only_faults or kind is RecordKind.FAULT]
    assert asyncio.run(walk()) == (wanted if order == "oldest" else wanted[::-1])
