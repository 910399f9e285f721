"""The matters that are open: what people were told, what nobody has acknowledged, what is not over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from keeper.domain.matters import RANK, is_lasting
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice

FLAPS = 3
"""So many openings within ``FLAPPING_MS`` and the matter is held open until it has been quiet for so long."""
FLAPPING_MS = 600_000


@dataclass(frozen=True, slots=True)
class Ack:
    """Who has taken it upon them."""

    by: str
    at_ms: int
    note: str = ""


@dataclass(slots=True)
class Told:
    """What one receiver was told of a matter. ``alert`` is the key of the message that it stood in; ``unsaid`` repeats were held back."""

    times: int = 0
    last_ms: int = 0
    delivered: bool = False
    failures: int = 0
    alert: str = ""
    unsaid: int = 0


@dataclass(slots=True)
class Matter:
    """``confirmed`` False: known from the log alone, and since the keeper started nobody has said that it lasts.

    ``opened_ms`` are its recent beginnings. ``quiet_ms``: since when it is over, while it is held open because it comes and goes.
    """

    notice: Notice
    since_ms: int
    confirmed: bool = True
    ack: Ack | None = None
    told: dict[str, Told] = field(default_factory=dict)
    opened_ms: list[int] = field(default_factory=list)
    quiet_ms: int | None = None
    end: Notice | None = None

    @property
    def key(self) -> str:
        return self.notice.key

    @property
    def severity(self) -> Severity:
        return self.notice.severity

    @property
    def presses(self) -> bool:
        """Whether it is told again where the configuration says so."""
        return self.severity is Severity.CRITICAL and self.ack is None and self.confirmed and self.quiet_ms is None


class Book:
    """Open matters by key. Pure: time is an argument."""

    def __init__(self) -> None:
        self._open: dict[str, Matter] = {}
        self._flaps: dict[str, list[int]] = {}

    @property
    def matters(self) -> Mapping[str, Matter]:
        return self._open

    def hear(self, notice: Notice, now_ms: int) -> Matter | None:
        """The matter that this notice opens or goes on with; None for mere news, and for an end."""
        if notice.ends or not (is_lasting(notice.key) or notice.severity is Severity.CRITICAL):
            return None
        known = self._open.get(notice.key)
        if known is None:
            recent = [at for at in self._flaps.pop(notice.key, []) if now_ms - at < FLAPPING_MS]
            made = self._open[notice.key] = Matter(notice, now_ms, opened_ms=[*recent, now_ms])
            return made
        if worse_or_other(notice, known.notice):
            known.ack = None
        if known.quiet_ms is not None:
            known.opened_ms.append(now_ms)
        known.notice, known.confirmed, known.quiet_ms, known.end = notice, True, None, None
        return known

    def end(self, notice: Notice, now_ms: int) -> list[Matter]:
        """What is over with this notice. What comes and goes too often is not over yet (``settle`` ends it)."""
        over: list[Matter] = []
        for matter in [one for one in self._open.values() if _ended_by(one, notice)]:
            recent = [at for at in matter.opened_ms if now_ms - at < FLAPPING_MS]
            if matter.key == notice.key and len(recent) >= FLAPS:
                matter.quiet_ms = matter.quiet_ms if matter.quiet_ms is not None else now_ms
                matter.end = notice
                continue
            over.append(self.close(matter.key))
            if matter.key == notice.key:
                self._flaps[matter.key] = recent
        return over

    def settle(self, now_ms: int) -> list[Matter]:
        """Matters that came and went and have now been quiet for long enough; they are closed."""
        done = [one for one in self._open.values() if one.quiet_ms is not None and now_ms - one.quiet_ms >= FLAPPING_MS]
        return [self.close(one.key) for one in done]

    def close(self, key: str) -> Matter:
        """Takes it out. Raises KeyError when it is not open."""
        self._flaps = dict(list(self._flaps.items())[-1_000:])
        return self._open.pop(key)

    def acknowledge(self, keys: Iterable[str], ack: Ack) -> list[Matter]:
        """Those of ``keys`` that are open and were told before the acknowledgement: nothing of them is told again but their end."""
        found = [self._open[key] for key in keys if key in self._open]
        for matter in found:
            matter.ack = ack
        return found

    def add(self, matter: Matter) -> None:
        """One that the log knows."""
        self._open[matter.key] = matter

    def get(self, key: str) -> Matter | None:
        return self._open.get(key)


def worse_or_other(new: Notice, known: Notice) -> bool:
    """Whether it is another trouble than the one that somebody looks after, or a greater one."""
    worse = RANK[new.severity] > RANK[known.severity]
    return worse or (new.title, new.variant) != (known.title, known.variant)


def _ended_by(matter: Matter, notice: Notice) -> bool:
    own = matter.notice
    if notice.ends and notice.key in (own.key, own.within):
        return True
    same = notice.subject != "" and (own.subject, own.within) == (notice.subject, notice.within)
    return notice.settles and same and own.key != notice.key


def meant(word: str, matters: Iterable[Matter]) -> list[str]:
    """The keys of what a person names: ``all``, a key, or the id of an incident, intent or proposal (its beginning will do, from 6 signs on)."""
    open_now = list(matters)
    if word == "all":
        return [one.key for one in open_now]
    exact = [one.key for one in open_now if word in (one.key, one.key.partition("/")[2])]
    if not exact and len(word) >= 6:
        exact = [one.key for one in open_now if one.key.partition("/")[2].startswith(word)]
    within = [one.key for one in open_now if one.notice.within in exact or one.notice.within == f"incident/{word}"]
    return list(dict.fromkeys([*exact, *within]))
