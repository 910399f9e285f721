"""What somebody may have meant who asked the log for an incident or a market, and found nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from keeper.app.incidents.gathering import Page
from keeper.app.incidents.listing import meant, nearest
from keeper.domain.record import RecordKind, RecordQuery
from keeper.domain.text import printable

_NEWEST: Final = 1_000


def meant_instead(page: Page, asked: RecordQuery) -> tuple[RecordQuery, str]:
    """The same question with the whole name of the only incident that begins so; else the question itself, and the nearest names in words."""
    if asked.incident is not None:
        found = meant(page, asked.incident)
        if found.id is not None:
            return (asked, "") if found.id == asked.incident else (replace(asked, incident=found.id), "")
        said = "more than one incident begins with" if found.several else "there is no incident"
        return asked, _words(said, asked.incident, found.near)
    if asked.market is not None:
        known = _markets(page)
        if asked.market not in known and not page(RecordQuery(market=asked.market, limit=1)):
            return asked, _words("there is no market", asked.market, nearest(asked.market, known))
    return asked, ""


def _words(said: str, name: str, near: tuple[str, ...]) -> str:
    others = f"; one of: {', '.join(printable(one, 80) for one in near)}" if near else ""
    return f": {said} {printable(name, 80)!r}{others}"


def _markets(page: Page) -> list[str]:
    """Those of the newest configuration, and of the newest incidents."""
    found: dict[str, None] = {}
    for record in page(RecordQuery(kinds=(RecordKind.CONFIGURATION,), newest_first=True, limit=1)):
        document = record.body.get("document")
        markets = document.get("markets") if isinstance(document, Mapping) else None
        found |= dict.fromkeys(markets if isinstance(markets, Mapping) else ())
    incidents = page(RecordQuery(kinds=(RecordKind.INCIDENT,), newest_first=True, limit=_NEWEST))
    return list(found | dict.fromkeys(one.market for one in incidents if one.market))
