"""Open matters as records of the log, and back: whoever starts, or asks from another process, knows what people were told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from keeper.adapters.audit.times import from_iso
from keeper.app import records
from keeper.app.notifying.book import Ack, Book, Matter, Told, meant, worse_or_other
from keeper.app.notifying.wording import Message, Why
from keeper.domain.matters import is_lasting
from keeper.domain.record import Draft, Json, Record, RecordKind
from keeper.domain.text import printable
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

KINDS = (RecordKind.START, RecordKind.FAULT, RecordKind.INCIDENT, RecordKind.NOTIFICATION)
LOOK_BACK_MS = 7 * 86_400_000
"""What is older is no longer open, but for what ends by itself."""
ACKNOWLEDGED_MS = 86_400_000
"""So long something that has no end of its own is listed after it was acknowledged."""
TEXT = 200
WAITING = "waiting"
ACKNOWLEDGED = "acknowledged"
FORGOTTEN = "forgotten"
"""States of a record that is no delivery."""


def delivery_record(at_ms: int, notifier: str, sent: Message, delivery: Delivery) -> Draft:
    """Somebody was told, or could not be: with the keys of everything that the message was about."""
    draft = records.notification(
        at_ms, notifier, sent.items[0].notice.key, delivered=delivery.delivered, message=delivery.message
    )
    body: dict[str, Json] = dict(draft.body)
    body |= {
        "state": sent.why.value,
        "severity": str(sent.notice.severity),
        "title": printable(sent.notice.title, TEXT),
    }
    if len(sent.keys) > 1:
        body["keys"] = [*sent.keys]
    if sent.notice.key != body["key"]:
        body["alert"] = sent.notice.key
    if unsaid := sum(item.unsaid for item in sent.items):
        body["repeats"] = unsaid
    matters: list[Json] = [_described(item.matter) for item in sent.items if item.matter is not None]
    if matters and sent.why is not Why.ENDED:
        body["matters"] = matters
    return Draft(RecordKind.NOTIFICATION, body, at_ms)


def waiting_record(at_ms: int, matters: Sequence[Matter]) -> Draft:
    """Critical matters that so far nobody was told of, because the configuration waits for them to last."""
    body: dict[str, Json] = {"state": WAITING, "matters": [_described(one) for one in matters]}
    return Draft(RecordKind.NOTIFICATION, body, at_ms)


def forgotten_record(at_ms: int, keys: Sequence[str], why: str) -> Draft:
    """Matters that the log knew as open, and that are not."""
    return Draft(RecordKind.NOTIFICATION, {"state": FORGOTTEN, "keys": [*keys], "message": why}, at_ms)


def ack_record(at_ms: int, keys: Sequence[str], by: str, note: str) -> Draft:
    """Somebody has taken these upon them."""
    body: dict[str, Json] = {"state": ACKNOWLEDGED, "keys": [*keys], "by": by, "note": note}
    return Draft(RecordKind.NOTIFICATION, body, at_ms)


def ack_of(record: Record) -> tuple[tuple[str, ...], Ack] | None:
    """Which keys were acknowledged, and by whom; None for any other record."""
    if record.kind is not RecordKind.NOTIFICATION or record.body.get("state") != ACKNOWLEDGED:
        return None
    return _keys(record.body), Ack(str(record.body.get("by")), from_iso(record.at), str(record.body.get("note", "")))


class History:
    """Takes records in order; ``book`` is what was open after them, ``over`` what ended and was told to people who have not heard of its end."""

    def __init__(self) -> None:
        self.book = Book()
        self.over: dict[str, Matter] = {}
        self._ended_ms: dict[str, int] = {}

    def take(self, some: Iterable[Record]) -> None:
        for record in some:
            at_ms = from_iso(record.at)
            match record.kind:
                case RecordKind.START:
                    for matter in self.book.matters.values():
                        matter.confirmed = matter.confirmed and not is_lasting(matter.key)
                case RecordKind.FAULT:
                    self._fault(record, at_ms)
                case RecordKind.INCIDENT:
                    self._incident(record, at_ms)
                case RecordKind.NOTIFICATION:
                    self._notification(record, at_ms)

    def finish(self, now_ms: int) -> Book:
        """Without what is too old to matter."""
        for matter in list(self.book.matters.values()):
            if stale(matter, now_ms):
                self.book.close(matter.key)
        return self.book

    def _fault(self, record: Record, at_ms: int) -> None:
        part, message = str(record.body.get("part")), str(record.body.get("message", ""))
        key = f"fault/{part}"
        known = self.book.get(key)
        if record.body.get("state") != "down":
            self._end(key, at_ms)
        elif known is not None:
            known.confirmed = True
        else:
            reason = str(record.body.get("reason", ""))
            notice = Notice(key, f"{part} is down", message, Severity.WARNING, variant=reason)
            self._open(notice, at_ms)

    def _incident(self, record: Record, at_ms: int) -> None:
        key = f"incident/{record.body.get('id')}"
        verdict = record.body.get("verdict")
        if record.body.get("phase") != "opened":
            self._end(key, at_ms)
        elif self.book.get(key) is None and isinstance(verdict, Mapping):
            title = f"{record.body.get('market')}: {verdict.get('rule')} tripped"
            notice = Notice(key, title, f"incident {record.body.get('id')}", _severity(verdict.get("severity")))
            self._open(notice, at_ms)

    def _notification(self, record: Record, at_ms: int) -> None:
        body = record.body
        state, notifier = body.get("state"), str(body.get("notifier", ""))
        if (ack := ack_of(record)) is not None:
            self.book.acknowledge(*ack)
        elif state in (Why.ENDED, FORGOTTEN):
            for key in _keys(body):
                self._ended(key, notifier, at_ms, known=state == Why.ENDED)
        else:
            self._said(body, notifier, at_ms)

    def _ended(self, key: str, notifier: str, at_ms: int, *, known: bool) -> None:
        """``known``: this receiver was told so."""
        for matter in (self.over.get(key), self.book.get(key)):
            if matter is not None and known:
                matter.told.pop(notifier, None)
        if not known or not is_lasting(key):  # of the others there are records of their own
            self._end(key, at_ms)

    def _said(self, body: Mapping[str, Json], notifier: str, at_ms: int) -> None:
        described = body.get("matters")
        for each in described if isinstance(described, list) else ():
            if isinstance(each, Mapping) and (found := self._described(each)) is not None and notifier:
                _told(found, notifier, body, at_ms)

    def _described(self, each: Mapping[str, Json]) -> Matter | None:
        """The matter of a delivery; None when it was over before the delivery was written."""
        key, since_ms = str(each.get("key")), int(str(each.get("since_ms", 0)))
        if since_ms <= self._ended_ms.get(key, -1):
            return self.over.get(key)
        notice = Notice(
            key,
            str(each.get("title", "")),
            str(each.get("text", "")),
            _severity(each.get("severity")),
            within=str(each.get("within", "")),
            subject=str(each.get("subject", "")),
            variant=str(each.get("variant", "")),
        )
        known = self.book.get(key)
        if known is None:
            known = self._open(notice, since_ms)
        elif worse_or_other(notice, known.notice):
            known.ack = None
        known.notice = notice
        return known

    def _open(self, notice: Notice, at_ms: int) -> Matter:
        """Whoever has not heard yet that it had ended goes on believing what is so again."""
        before = self.over.pop(notice.key, None)
        made = Matter(notice, at_ms, told=before.told if before is not None else {}, opened_ms=[at_ms])
        self.book.add(made)
        return made

    def _end(self, key: str, at_ms: int) -> None:
        for matter in list(self.book.matters.values()):
            if key in (matter.key, matter.notice.within):
                self.over[matter.key] = self.book.close(matter.key)
                self._ended_ms[matter.key] = at_ms


def stale(matter: Matter, now_ms: int) -> bool:
    """Whether something that has no end of its own is old enough to be forgotten."""
    if is_lasting(matter.key):
        return False
    acknowledged = matter.ack is not None and now_ms - matter.ack.at_ms > ACKNOWLEDGED_MS
    return acknowledged or now_ms - matter.since_ms > LOOK_BACK_MS


def keys_meant(word: str, book: Book) -> list[str]:
    """What a person who acknowledges means, of what is not acknowledged yet."""
    return [key for key in meant(word, book.matters.values()) if book.matters[key].ack is None]


def _told(matter: Matter, notifier: str, body: Mapping[str, Json], at_ms: int) -> None:
    told = matter.told.setdefault(notifier, Told())
    told.last_ms = at_ms
    told.alert = str(body.get("alert") or body.get("key", ""))
    if body.get("delivered") is True:
        told.times, told.delivered = told.times + 1, True
    else:
        told.failures += 1


def _described(matter: Matter) -> Json:
    notice = matter.notice
    body: dict[str, Json] = {
        "key": notice.key,
        "title": printable(notice.title, TEXT),
        "severity": str(notice.severity),
        "since_ms": str(matter.since_ms),
    }
    first = notice.body.splitlines()[0] if notice.body else ""
    more = {
        "text": printable(first, TEXT),
        "within": notice.within,
        "subject": notice.subject,
        "variant": notice.variant,
    }
    return body | {name: value for name, value in more.items() if value}


def _severity(word: Json) -> Severity:
    return Severity(word) if word in list(Severity) else Severity.WARNING


def _keys(body: Mapping[str, Json]) -> tuple[str, ...]:
    keys = body.get("keys")
    return tuple(str(key) for key in keys) if isinstance(keys, list) else (str(body.get("key", "")),)
