"""In shadow: what the keeper would have done, held against what people did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from keeper.adapters.audit.times import to_iso
from keeper.domain.block import BlockStamp
from keeper.domain.decision import DecisionKind, IncidentPhase
from keeper.domain.record import Draft, Json, RecordKind
from keeper.domain.verdict import Severity
from keeper.engine import Tick
from keeper.execution.planner import ArmedAction
from keeper.ports.notifier import Notice

Key = tuple[str, str]


class Who(StrEnum):
    KEEPER_FIRST = "keeper-first"
    PEOPLE_FIRST = "people-first"
    ONLY_KEEPER = "only-keeper"
    """The incident is over, and nobody did it: perhaps a false trip."""
    ONLY_PEOPLE = "only-people"
    """It was done and taken back, and the keeper never decided it: perhaps a missed one."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When one of the two came to it. ``block`` 0: an earlier service of the keeper knew it."""

    at_ms: int
    block: int
    incident: str = ""


class Comparing:
    """``record`` and ``tell`` take what was found. What was done before the keeper started is nobody's here."""

    def __init__(
        self,
        armed: Mapping[Key, ArmedAction],
        record: Callable[[Draft], None],
        tell: Callable[[Notice], None],
    ) -> None:
        self._armed = armed
        self._record = record
        self._tell = tell
        self._keeper: dict[Key, Moment] = {}
        self._people: dict[Key, Moment] = {}
        self._done: dict[Key, bool] = {}
        self._compared: set[Key] = set()
        self._told: set[tuple[Key, str]] = set()

    def go_on(self, decided: Mapping[Key, Moment]) -> None:
        """What was decided in incidents that are still open, before a restart or a reload."""
        self._keeper |= {key: moment for key, moment in decided.items() if key in self._armed}

    def of(self, tick: Tick, block: BlockStamp, effects: Mapping[Key, str]) -> None:
        """One tick: what it decided, and how every effect stands at its block."""
        for decision in tick.decisions:
            key = decision.market, decision.action
            if decision.kind is DecisionKind.ACT and key in self._armed and key not in self._keeper:
                self._keeper[key] = Moment(tick.at_ms, decision.block, decision.incident)
                if key in self._people:
                    self._both(key)
        for key, text in effects.items():
            self._effect(key, self._armed[key].in_effect(text), Moment(tick.at_ms, block.number))
        for event in tick.incidents:
            if event.phase is IncidentPhase.CLOSED:
                for key in [each for each, moment in self._keeper.items() if moment.incident == event.id]:
                    # what was in effect when the keeper began was done by people too, nobody knows when
                    if not self._done.get(key, False) and (key, event.id) not in self._told:
                        self._say(key, Who.ONLY_KEEPER, self._keeper[key], None)
                    self._told.discard((key, event.id))
                    del self._keeper[key]

    def _effect(self, key: Key, done: bool, now: Moment) -> None:
        before = self._done.get(key)
        self._done[key] = done
        if before is None or before == done:
            return
        if done:
            self._people[key] = now
            if key in self._keeper:
                self._both(key)
            return
        people = self._people.pop(key, None)
        if people is not None and key not in self._compared:
            self._say(key, Who.ONLY_PEOPLE, None, people)
        self._compared.discard(key)

    def _both(self, key: Key) -> None:
        keeper, people = self._keeper[key], self._people[key]
        self._compared.add(key)
        self._told.add((key, keeper.incident))
        self._say(key, Who.KEEPER_FIRST if keeper.at_ms <= people.at_ms else Who.PEOPLE_FIRST, keeper, people)

    def _say(self, key: Key, who: Who, keeper: Moment | None, people: Moment | None) -> None:
        market, action = key
        moment = keeper or people
        assert moment is not None, "one of the two came to it"
        message = _words(action, who, keeper, people)
        body: dict[str, Json] = {"who": who.value, "message": message, "keeper": _body(keeper), "people": _body(people)}
        at_ms = max(each.at_ms for each in (keeper, people) if each is not None)
        incident = keeper.incident if keeper is not None and keeper.incident else None
        self._record(Draft(RecordKind.COMPARISON, body, at_ms, market=market, action=action, incident=incident))
        self._tell(
            Notice(f"comparison/{market}/{action}", f"{market}: {message}", "the keeper is in shadow", Severity.INFO)
        )


def _body(moment: Moment | None) -> Json:
    return None if moment is None else {"at_ms": str(moment.at_ms), "block": moment.block or None}


def _when(moment: Moment) -> str:
    return f"at block {moment.block}" if moment.block else f"at {to_iso(moment.at_ms)}"


def _words(action: str, who: Who, keeper: Moment | None, people: Moment | None) -> str:
    match who:
        case Who.ONLY_KEEPER:
            assert keeper is not None
            return f"the keeper would have done {action} {_when(keeper)}; nobody did by the end of the incident"
        case Who.ONLY_PEOPLE:
            assert people is not None
            return f"people did {action} {_when(people)} and took it back; the keeper would not have done it"
        case _:
            assert keeper is not None
            assert people is not None
            seconds = abs(people.at_ms - keeper.at_ms) / 1000
            first, second = (keeper, people) if who is Who.KEEPER_FIRST else (people, keeper)
            names = (
                ("the keeper would have done", "people did")
                if who is Who.KEEPER_FIRST
                else ("people did", "the keeper would have done")
            )
            return f"{names[0]} {action} {_when(first)}, {names[1]} it {seconds:.0f} s later {_when(second)}"
