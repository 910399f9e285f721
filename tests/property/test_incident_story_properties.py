"""Whatever a log holds, there is a story: no content stops it, and its figures are told or explained."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.app.incidents.document import document
from keeper.app.incidents.figures import BACKWARDS
from keeper.app.incidents.gathering import gather_sync
from keeper.app.incidents.listing import Asked, list_incidents
from keeper.app.incidents.markdown import markdown
from keeper.app.incidents.report import report_of
from keeper.app.incidents.story import State, Story
from keeper.app.incidents.telling import read_story, tell
from keeper.domain.record import Record
from tests.support import incident_log as log

pytestmark = pytest.mark.property

TURNS = [log.breaker_turn("tripped", 16), log.breaker_turn("ratified", 18), log.breaker_turn("lifted", 30)]
RECORDS = log.records_of([*log.whole(breaker=True), *log.restoring(), *TURNS, log.verification()])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["nan", "1e999999", "-1", "0x", "9" * 90]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def check(story: Story) -> None:
    for figure in story.figures:
        assert figure.ms is not None or figure.note, figure
        assert figure.ms is None or figure.ms.is_finite()
        assert figure.ms is None or figure.ms >= 0 or BACKWARDS in figure.note
    assert len({one.name for one in story.figures}) == len(story.figures)
    assert (story.state is State.RESTORED) == (story.restored is not None)
    seqs = [one.seq for one in story.moments if one.seq is not None]
    assert seqs == sorted(set(seqs))
    json.dumps(document(story))
    assert markdown(report_of(story, "keeper.yaml")).startswith("# Incident")


@pytest.mark.parametrize("end", range(len(RECORDS) + 1))
def test_story__of_every_prefix_of_a_log__is_told(end: int) -> None:
    records = RECORDS[:end]
    story = read_story(log.page_of(records), log.ID)
    assert (story is None) == (not any(one.incident == log.ID for one in records))
    if story is not None:
        check(story)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_story__of_any_content__is_told(data: st.DataObject) -> None:
    records: list[Record] = list(RECORDS)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(records) - 1))
        old = records[place]
        body: Any = old.body
        if data.draw(st.booleans()) and isinstance(body, dict) and body:
            body = {**body, data.draw(st.sampled_from(sorted(body))): data.draw(JSON)}
        else:
            body = data.draw(JSON)
        at = data.draw(st.sampled_from([old.at, "", "2026-13-99", RECORDS[0].at, "9999-12-31T23:59:59.999Z"]))
        records[place] = replace(old, body=body, at=at)
    material = gather_sync(log.page_of(records), log.ID)
    if material is not None:
        check(tell(material))
    list_incidents(log.page_of(records), Asked())


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(len(RECORDS))), st.integers(1, len(RECORDS)))
def test_story__of_any_order_and_any_part__is_told(order: list[int], count: int) -> None:
    records = [replace(RECORDS[old], seq=new + 1) for new, old in enumerate(order[:count])]
    story = read_story(log.page_of(records), log.ID)
    if story is not None:
        check(story)
