"""What is sent: one notice, several as one, one once more, and the end of what was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from keeper.adapters.audit.times import to_iso
from keeper.app.notifying.book import FLAPPING_MS, Matter
from keeper.domain.matters import RANK
from keeper.domain.units import Span
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice

LISTED = 40
"""So many members of a group are listed; of the others the number is told."""
NAMED = 3
FEW_LINES = 4
"""So many lines of each member are shown in a group of at most ``FEW``."""
FEW = 3
LINKS = 6


class Why(StrEnum):
    """The word of the record."""

    TOLD = "told"
    AGAIN = "again"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Item:
    """One notice on its way. ``alert`` is the key of the message that it ends or goes on with; ``unsaid`` repeats were held back before it."""

    notice: Notice
    why: Why = Why.TOLD
    alert: str = ""
    unsaid: int = 0
    matter: Matter | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What one receiver gets: ``notice`` as it is sent, made of ``items``."""

    notice: Notice
    items: tuple[Item, ...]
    why: Why

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.notice.key for item in self.items))


def message(items: Sequence[Item], now_ms: int, *, over: bool) -> Message:
    """``over``: with these, everything that the alert stood for has ended."""
    why = items[0].why
    written = [_one(item, now_ms) for item in items]
    notice = written[0] if len(written) == 1 else _many(written, why)
    key = next((item.alert for item in items if item.alert), notice.key)
    return Message(replace(notice, key=key, ends=over), tuple(items), why)


def _one(item: Item, now_ms: int) -> Notice:
    notice, matter = item.notice, item.matter
    lines = [notice.body] if notice.body else []
    title = notice.title
    if item.why is Why.AGAIN and matter is not None:
        title = f"STILL OPEN: {title}"
        lines.insert(
            0, f"since {to_iso(matter.since_ms)} ({_ago(now_ms - matter.since_ms)}); nobody has acknowledged it"
        )
    elif matter is not None and item.why is Why.TOLD:
        recent = [at for at in matter.opened_ms if now_ms - at < FLAPPING_MS]
        if len(recent) > 1:
            lines.append(f"{len(recent)} times within {Span(ms=FLAPPING_MS)}: it comes and goes")
        if now_ms - matter.since_ms >= 60_000:
            lines.append(f"since {to_iso(matter.since_ms)}")
    if item.unsaid:
        lines.append(f"said {item.unsaid} more time{'' if item.unsaid == 1 else 's'} meanwhile, and not told each time")
    return replace(notice, title=title, body="\n".join(lines))


def _many(notices: Sequence[Notice], why: Why) -> Notice:
    severity = max((one.severity for one in notices), key=lambda each: RANK[each])
    count = len(notices)
    names = "; ".join(one.title for one in notices[:NAMED])
    rest = f"; and {count - NAMED} more" if count > NAMED else ""
    begins = {Why.AGAIN: "STILL OPEN", Why.ENDED: "over"}.get(why, "")
    names = names.replace("STILL OPEN: ", "")
    title = f"{begins + ': ' if begins else ''}{count} notices: {names}{rest}"
    lines: list[str] = []
    for one in sorted(notices, key=lambda each: -RANK[each.severity])[:LISTED]:
        told = one.body.splitlines()
        mark = "!" if one.severity is Severity.CRITICAL else "-"
        if count <= FEW:
            lines += [f"{mark} {one.title}", *(f"  {line}" for line in told[:FEW_LINES])]
        else:
            lines.append(f"{mark} {one.title}" + (f": {told[0]}" if told else ""))
    if count > LISTED:
        lines.append(f"and {count - LISTED} more; all of them: keeper notify list, and in the log")
    links = tuple(dict.fromkeys(link for one in notices for link in one.links))
    if len(links) > LINKS:
        links = tuple(dict.fromkeys(link for one in notices for link in one.links if not _of_one(link, one)))[:LINKS]
    first = notices[0]
    return Notice(f"{first.key}+{count - 1}", title, "\n".join(lines), severity, links=links)


def _of_one(link: str, notice: Notice) -> bool:
    """Whether a line is about this notice alone."""
    return notice.key in link or notice.key.partition("/")[2] in link


def _ago(ms: int) -> str:
    seconds = max(0, ms // 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
