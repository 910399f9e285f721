"""What one receiver is told, and when: grouping, repeats, escalation. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.app.notifying.book import Matter, Told
from keeper.app.notifying.wording import Item, Message, Why, message
from keeper.domain.matters import Policy, about_of
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

LIMIT = 1_000
"""How many notices may wait for one receiver."""
RETRY_MS = 60_000
MOST_FAILURES = 30
"""A critical matter that could not be delivered is tried again so often, a minute apart."""
END_TRIES = 5
"""So often more the end of something is tried."""
REMEMBERED = 2_000

Print = tuple[str, str, Severity, str]
"""What makes two notices the same: key, title, severity, variant."""


@dataclass(slots=True)
class _Waiting:
    item: Item
    group: object
    since_ms: int


class Outbox:
    """``keyed``: the receiver tells alerts apart by their keys (a pager), so that the end of one must not be mixed with another's."""

    def __init__(self, name: str, policy: Policy, *, keyed: bool = False) -> None:
        self.name = name
        self._policy = policy
        self._keyed = keyed
        self._waiting: list[_Waiting] = []
        self._flying: tuple[str, ...] = ()
        self._recent: dict[Print, int] = {}
        self._unsaid: dict[str, int] = {}
        self._alerts: dict[str, set[str]] = {}
        self._retries: list[tuple[int, int, Message]] = []
        self._tries = 0
        self._alone = 0

    @property
    def waiting(self) -> int:
        """How many notices wait to be sent for the first time."""
        return len(self._waiting)

    def put(self, notice: Notice, matter: Matter | None, now_ms: int, *, known: bool = False) -> bool:
        """Takes a notice. ``known``: it says what was told before a restart. False: too many wait, and this one is dropped."""
        if not self._policy.wants(notice.key, notice.severity):
            return True
        if matter is not None and (matter.ack is not None or (known and self.name in matter.told)):
            return True
        escalate = self._policy.escalate
        deferred = escalate is not None and escalate.after_ms > 0 and notice.severity is Severity.CRITICAL
        if deferred and matter is not None and self.name not in matter.told:
            return True
        seen = (notice.key, notice.title, notice.severity, notice.variant)
        last = self._recent.get(seen)
        if not notice.again and last is not None and now_ms - last < self._policy.repeat_ms:
            self._unsaid[notice.key] = self._unsaid.get(notice.key, 0) + 1
            return True
        if not self._room_for(notice):
            return False
        self._recent.pop(seen, None)
        self._recent[seen] = now_ms
        while len(self._recent) > REMEMBERED:
            self._unsaid.pop(next(iter(self._recent))[0], None)
            del self._recent[next(iter(self._recent))]
        alert = matter.told[self.name].alert if matter is not None and self.name in matter.told else ""
        # it is not over after all
        self._waiting = [
            one for one in self._waiting if one.item.why is not Why.ENDED or one.item.notice.key != notice.key
        ]
        group = (Why.TOLD, about_of(notice.key), alert if self._keyed else "")
        self._add(Item(notice, Why.TOLD, alert, matter=matter), group, now_ms)
        return True

    def end(self, notice: Notice, over: Sequence[Matter], now_ms: int) -> None:
        """Something is over: told to whoever was told of it, however severe its end is, and to whoever wants to know anyway."""
        self._forget(one.key for one in over)
        self._forget((notice.key,))
        told = [one for one in over if self.name in one.told or one.key in self._busy()]
        wanted = self._policy.wants(notice.key, notice.severity) or any(one.key == notice.key for one in told)
        if wanted:
            own = next((one for one in told if one.key == notice.key), None)
            self._add_end(notice, own, now_ms)
        for matter in told:
            if matter.key != notice.key:
                self._add_end(_over(matter, notice), matter, now_ms)

    def settle(self, notice: Notice, over: Sequence[Matter], now_ms: int) -> None:
        """Something else took the place of these; only a pager must hear of it, where their alerts would stay open."""
        for matter in over:
            self._forget((matter.key,))
            if self._keyed and (self.name in matter.told or matter.key in self._busy()):
                self._add_end(_over(matter, notice), matter, now_ms)

    def next(self, now_ms: int, matters: Mapping[str, Matter], *, hurry: bool = False) -> Message | None:
        """What is to be sent now. ``hurry``: without waiting for what may still come."""
        for retry in self._retries:
            if retry[0] <= now_ms:
                self._retries.remove(retry)
                self._tries = retry[1]
                return retry[2]
        self._tries = 0
        busy = self._busy()
        for matter in matters.values():
            if matter.key not in busy and (at := self._due_ms(matter)) is not None and at <= now_ms:
                before = matter.told.get(self.name)
                why = Why.AGAIN if before is not None and before.delivered else Why.TOLD
                alert = before.alert if before is not None else ""
                item = Item(replace(matter.notice, again=True), why, alert, matter=matter)
                self._add(item, (why, about_of(matter.key), alert if self._keyed else ""), now_ms)
        for waiting in self._waiting:
            if hurry or waiting.since_ms + self._policy.group_ms <= now_ms:
                return self._take(waiting.group, now_ms)
        return None

    def next_ms(self, matters: Mapping[str, Matter]) -> int | None:
        """When there is something to be sent next, as far as is known now."""
        busy = self._busy()
        times = [one.since_ms + self._policy.group_ms for one in self._waiting] + [one[0] for one in self._retries]
        times += [at for one in matters.values() if one.key not in busy and (at := self._due_ms(one)) is not None]
        return min(times, default=None)

    def done(self, sent: Message, delivery: Delivery, now_ms: int) -> None:
        """The message was delivered, or given up."""
        self._flying = ()
        if sent.why is Why.ENDED:
            if delivery.recoverable and not delivery.delivered and self._tries < END_TRIES:
                self._retries.append((now_ms + RETRY_MS, self._tries + 1, sent))
            return
        for item in sent.items:
            if item.matter is None:
                continue
            told = item.matter.told.setdefault(self.name, Told())
            told.last_ms = now_ms
            told.alert = sent.notice.key
            if delivery.delivered or delivery.suppressed:
                told.times, told.delivered = told.times + 1, True
            else:
                told.failures += 1 if delivery.recoverable else MOST_FAILURES
            self._alerts.setdefault(told.alert, set()).add(item.notice.key)

    def resume(self, matter: Matter) -> None:
        """Goes on from what the log says this receiver was told."""
        told = matter.told.get(self.name)
        if told is None:
            return
        notice = matter.notice
        self._recent[(notice.key, notice.title, notice.severity, notice.variant)] = told.last_ms
        self._alerts.setdefault(told.alert or matter.key, set()).add(matter.key)

    def defers(self, notice: Notice) -> bool:
        """Whether this receiver is told of it only when it lasts."""
        escalate = self._policy.escalate
        wanted = self._policy.wants(notice.key, notice.severity) and notice.severity is Severity.CRITICAL
        return wanted and escalate is not None and escalate.after_ms > 0

    def _due_ms(self, matter: Matter) -> int | None:
        """When the matter is told by itself, None for never."""
        if not matter.presses or not self._policy.wants(matter.key, matter.severity):
            return None
        told, escalate = matter.told.get(self.name), self._policy.escalate
        if told is None:
            return matter.since_ms + (escalate.after_ms if escalate is not None else 0)
        if not told.delivered:
            return told.last_ms + RETRY_MS if told.failures < MOST_FAILURES else None
        if escalate is None or told.times > escalate.times:
            return None
        return told.last_ms + escalate.every_ms

    def _room_for(self, notice: Notice) -> bool:
        """What is critical drives out what is not."""
        if len(self._waiting) < LIMIT:
            return True
        if notice.severity is not Severity.CRITICAL:
            return False
        for index, one in enumerate(self._waiting):
            if one.item.notice.severity is not Severity.CRITICAL:
                del self._waiting[index]
                return True
        return False

    def _add_end(self, notice: Notice, matter: Matter | None, now_ms: int) -> None:
        told = matter.told.get(self.name) if matter is not None else None
        alert = told.alert if told is not None else ""
        group = (Why.ENDED, alert or notice.key) if self._keyed else (Why.ENDED,)
        self._add(Item(notice, Why.ENDED, alert, matter=matter), group, now_ms)

    def _add(self, item: Item, group: object, now_ms: int) -> None:
        if self._policy.group_ms == 0:
            self._alone += 1
            group = self._alone
        unsaid = self._unsaid.pop(item.notice.key, 0)
        self._waiting.append(_Waiting(replace(item, unsaid=unsaid), group, now_ms))

    def _take(self, group: object, now_ms: int) -> Message:
        taken = [one.item for one in self._waiting if one.group == group]
        self._waiting = [one for one in self._waiting if one.group != group]
        # of the same words the last ones count
        newest = list({(one.notice.key, one.notice.title, one.notice.variant): one for one in taken}.values())
        told = any(item.matter is not None for item in newest)
        over = told and newest[0].why is Why.ENDED and self._all_over(newest)
        made = message(newest, now_ms, over=over)
        self._flying = made.keys
        return made

    def _all_over(self, items: Iterable[Item]) -> bool:
        """Whether nothing is left open of the alerts that these belong to."""
        left = False
        for item in items:
            members = self._alerts.get(item.alert)
            if members is not None:
                members.discard(item.notice.key)
                if members:
                    left = True
                else:
                    del self._alerts[item.alert]
        return not left

    def _busy(self) -> set[str]:
        return {one.item.notice.key for one in self._waiting} | set(self._flying)

    def _forget(self, keys: Iterable[str]) -> None:
        gone = set(keys)
        self._recent = {seen: at for seen, at in self._recent.items() if seen[0] not in gone}


def _over(matter: Matter, by: Notice) -> Notice:
    title = f"over: {matter.notice.title}"
    return Notice(matter.key, title, by.title, Severity.INFO, ends=True, links=by.links)
