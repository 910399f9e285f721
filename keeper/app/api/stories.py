"""Incidents told: the one place where API and pages meet what tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from keeper.app.api.answers import JSON_TYPE, json_bytes
from keeper.app.incidents.document import document
from keeper.app.incidents.gathering import MOST_RECORDS, gather_sync
from keeper.app.incidents.markdown import markdown
from keeper.app.incidents.page import html
from keeper.app.incidents.report import report_of
from keeper.app.incidents.story import Story
from keeper.app.incidents.telling import tell
from keeper.domain.errors import StoreUnavailable
from keeper.domain.record import Json, Record, RecordQuery
from keeper.ports.log_reader import LogQuestions, LogReader

MARKDOWN_TYPE: Final = "text/markdown; charset=utf-8"
HTML_TYPE: Final = "text/html; charset=utf-8"
OF_A_PAGE: Final = 2_000
"""Records of the incident itself that its page looks at; a report looks at more."""


async def story(reader: LogReader, incident: str, most: int = OF_A_PAGE) -> Story | None:
    """None when the log knows none of this name. Raises StoreUnavailable, StoreNotMigrated, TooLarge."""
    return await reader.together(lambda asking: _told(asking, incident, most))


async def report(reader: LogReader, incident: str, form: str, config: str) -> tuple[str, bytes] | None:
    """Its media type and its bytes; ``form`` is json, md or html. The rest as ``story``."""

    def written(asking: LogQuestions) -> tuple[str, bytes] | None:
        told = _told(asking, incident, MOST_RECORDS)
        return None if told is None else _written(told, form, config)

    return await reader.together(written)


def _told(asking: LogQuestions, incident: str, most: int) -> Story | None:
    market: str | None = None

    def page(query: RecordQuery) -> Sequence[Record]:
        nonlocal market
        if query.full:
            return asking.page(query, lambda tick: _of_market(tick, market))
        found = asking.page(query)
        if market is None and query.incident is not None:
            market = next((one.market for one in found if one.market), None)
        return found

    material = gather_sync(page, incident, most)
    if material is None:
        if asking.notes:
            raise StoreUnavailable(asking.notes[0], remedy="run: keeper audit CONFIG verify")
        return None
    covering = asking.covering(material.own[-1].seq)
    material.unreadable += asking.notes
    return tell(material, covering)


def _of_market(tick: Record, market: str | None) -> Record:
    """All that a story says of a block: a tick holds what was seen of every market, and a story is of one."""
    body = {name: tick.body[name] for name in ("block", "at_ms", "signals", "verdicts") if name in tick.body}
    for name in ("signals", "verdicts"):
        each: Json = body.get(name)
        if isinstance(each, list):
            body[name] = [one for one in each if isinstance(one, Mapping) and one.get("market") == market]
    return replace(tick, body=body)


def _written(story: Story, form: str, config: str) -> tuple[str, bytes]:
    match form:
        case "md":
            return MARKDOWN_TYPE, markdown(report_of(story, config)).encode("utf-8", "replace")
        case "html":
            return HTML_TYPE, html(report_of(story, config), story).encode("utf-8", "replace")
        case _:
            return JSON_TYPE, json_bytes(document(story))
