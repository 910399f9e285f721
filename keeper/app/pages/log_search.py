"""The search form of the log: what its fields may hold, and the page of records that they ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from keeper.app.api.cursors import cursor_after, key_of
from keeper.app.api.queries import INCIDENT_FORM, NAME_FORM, time_ms
from keeper.app.cli.summaries import summary
from keeper.app.pages.problem import PageProblem
from keeper.domain.record import Record, RecordKind, RecordQuery
from keeper.domain.text import printable
from keeper.ports.log_reader import LogReader, Sheet

PAGE: Final = 50
LINE_MAX: Final = 300
DAMAGED: Final = "this record is damaged and cannot be read: keeper audit CONFIG verify says how"
NOT_SHOWN: Final = (RecordKind.TICK, RecordKind.STATE)
"""Left out unless asked for: one or two at every block."""
FIELDS: Final = ("market", "action", "incident", "since", "until")
_KNOWN: Final = frozenset({*FIELDS, "kind", "older", "newer"})
_ZONE: Final = re.compile(r"(Z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True, slots=True)
class Search:
    """The fields as they were typed (empty: not said) and the query that they mean."""

    fields: dict[str, str]
    kinds: tuple[RecordKind, ...]
    query: RecordQuery
    newer: bool
    """Read from the other end: the page just above another one."""

    @property
    def question(self) -> list[object]:
        return ["log page", self.fields, [kind.value for kind in self.kinds]]

    def link(self, name: str, seq: int) -> str:
        given = [(field, value) for field, value in self.fields.items() if value]
        given += [("kind", kind.value) for kind in self.kinds]
        return "/audit?" + urlencode([*given, (name, cursor_after(self.question, seq))])


@dataclass(frozen=True, slots=True)
class DamagedKind:
    value: str = "damaged"


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands where a record is that cannot be read."""

    seq: int
    at: str = ""
    kind: DamagedKind = DamagedKind()
    market: str | None = None
    action: str | None = None
    incident: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    record: Record | Unread
    words: str


@dataclass(frozen=True, slots=True)
class Found:
    """``newer`` and ``older`` are links, empty where there is nothing in that direction."""

    search: Search
    lines: tuple[Line, ...]
    newer: str
    older: str


def search_of(params: QueryParams) -> Search:
    """Raises PageProblem (422) with the field that is wrong."""
    unknown = set(params) - _KNOWN
    if unknown:
        raise PageProblem(422, f"There is no field {printable(min(unknown), 40)!r}.", "use the form of this page")
    fields = {name: params.get(name, "").strip() for name in FIELDS}
    for name, form in (("market", NAME_FORM), ("action", NAME_FORM), ("incident", INCIDENT_FORM)):
        if fields[name] and not re.fullmatch(form, fields[name]):
            raise PageProblem(422, f"{name}: this is no name.", "letters, digits and . _ - @ are in one")
    kinds = tuple(dict.fromkeys(_kind(word) for word in params.getlist("kind") if word))
    asked = kinds or tuple(kind for kind in RecordKind if kind not in NOT_SHOWN)
    older, newer = params.get("older", ""), params.get("newer", "")
    search = Search(
        fields,
        kinds,
        RecordQuery(
            market=fields["market"] or None,
            action=fields["action"] or None,
            incident=fields["incident"] or None,
            kinds=asked,
            since_ms=_time(fields["since"], "since"),
            until_ms=_time(fields["until"], "until"),
            limit=PAGE,
            newest_first=not newer,
        ),
        bool(newer),
    )
    if not older and not newer:
        return search
    after = key_of(newer or older, search.question)
    return replace(search, query=replace(search.query, after=after))


async def find(reader: LogReader, search: Search) -> Found:
    sheet = await reader.sheet(search.query)
    lines = [Line(one, printable(summary(one), LINE_MAX)) for one in sheet.records]
    lines += [Line(Unread(seq), DAMAGED) for seq in sheet.damaged]
    lines.sort(key=lambda line: line.record.seq, reverse=True)
    newer, older = _ends(search, sheet)
    return Found(
        search,
        tuple(lines),
        search.link("newer", lines[0].record.seq) if newer else "",
        search.link("older", lines[-1].record.seq) if older else "",
    )


def _ends(search: Search, sheet: Sheet) -> tuple[bool, bool]:
    """Whether there are newer ones and older ones."""
    if not sheet.records and not sheet.damaged:
        return False, False
    return (sheet.more, True) if search.newer else (search.query.after > 0, sheet.more)


def _kind(word: str) -> RecordKind:
    try:
        return RecordKind(word)
    except ValueError:
        raise PageProblem(
            422, f"kind: there is no kind {printable(word, 40)!r}.", "choose from the list of the form"
        ) from None


def _time(text: str, name: str) -> int | None:
    """As a browser's field writes it, in UTC: 2026-03-01T12:00."""
    if not text:
        return None
    try:
        if len(text) > 40:
            raise ValueError
        return time_ms(text if _ZONE.search(text) else f"{text}Z" if "T" in text else f"{text}T00:00Z")
    except ValueError:
        raise PageProblem(422, f"{name}: this is no time.", "write 2026-03-01T12:00, it is taken as UTC") from None
