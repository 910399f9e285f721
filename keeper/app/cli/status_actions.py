"""The part of ``keeper status`` that says which actions would work right now: what the probe at every block found, and since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keeper.app.cli.output import Output
from keeper.app.readiness_book import OF
from keeper.domain.intervention import Intervention
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.record import Json, Record, RecordKind, RecordQuery

LOOKED_AT = 1_000
Key = tuple[str, str]
WORDS = {
    ReadinessState.UNKNOWN: "nobody knows",
    ReadinessState.RESTING: "the breaker rests",
    ReadinessState.HELD_BACK: "it would work, and mode shadow sends nothing",
    ReadinessState.IN_EFFECT: "in effect already",
}
QUIET = (ReadinessState.IN_EFFECT, ReadinessState.RESTING, ReadinessState.HELD_BACK)
"""Not armed, and nothing is broken."""


@dataclass(frozen=True, slots=True)
class Standing:
    """``found`` by the newest probe that is recorded; it has been so since the time of a record, ``since``."""

    found: ActionReadiness
    since: str


@dataclass(frozen=True, slots=True)
class Now:
    """What decides beside the probe whether an action may be called armed. ``runs`` is empty, or says why no keeper would act."""

    runs: str
    live: bool
    off: Sequence[Intervention]

    def hindrance(self, one: ActionReadiness) -> tuple[str, str]:
        """(reason, words) why the action would not be carried out now; both empty when it would."""
        if self.runs:
            return self.runs, "no keeper runs that would act"
        if not one.is_armed:
            return one.reason or one.state.value, one.message or WORDS.get(one.state, one.state.value)
        for switch in self.off:
            if not switch.rule and switch.covers(one.market, "", one.action):
                return "switched-off", f"switched off: {switch.reason}"
        return ("", "") if self.live else ("shadow", "it would work, and mode shadow sends nothing")


def actions_in(page: Callable[[RecordQuery], Sequence[Record]], since_seq: int) -> tuple[Standing, ...]:
    """Of each action the newest record since the start, in the order of their names; the block is that of the newest probe that is recorded."""
    found: dict[Key, Record] = {}
    probed: int | None = None
    for record in page(RecordQuery(kinds=(RecordKind.READINESS,), newest_first=True, limit=LOOKED_AT)):
        if record.seq < since_seq:
            break
        if record.market is not None and record.action is not None:
            found.setdefault((record.market, record.action), record)
        elif OF in record.body:
            for key in _several(record.body[OF]):
                found.setdefault(key, record)
        else:
            block = record.body["block"]
            probed = block if probed is None and isinstance(block, int) else probed
    return tuple(_standing(key, record, probed) for key, record in sorted(found.items()))


def _several(said: Json) -> Sequence[Key]:
    """Raises ValueError for what is no list of markets and actions."""
    found: list[Key] = []
    for each in said if isinstance(said, list) else [said]:
        if not isinstance(each, list) or len(each) != 2:
            raise ValueError("no list of actions")
        found.append((str(each[0]), str(each[1])))
    return found


def documents(standings: Sequence[Standing], now: Now) -> list[dict[str, Json]]:
    """For machines: one entry for each action."""
    said: list[dict[str, Json]] = []
    for each in standings:
        one = each.found
        reason, _ = now.hindrance(one)
        said.append(
            {
                "market": one.market,
                "action": one.action,
                "state": one.state.value,
                "armed": not reason,
                "reason": reason,
                "message": one.message,
                "remedy": one.remedy,
                "since": each.since,
                "block": one.block,
            }
        )
    return said


def show(output: Output, standings: Sequence[Standing], now: Now) -> None:
    """One line for each action, and the remedy of each that would not work."""
    for each in standings:
        one = each.found
        reason, words = now.hindrance(one)
        name = f"{one.action} on {one.market}"
        at = f"probed at block {one.block}" if one.block is not None else "never probed"
        if not reason:
            together = ", once enough have signed" if one.state is ReadinessState.SHARED else ""
            output.say(f"armed: {name}{together}  (since {each.since}, {at})", "green")
            continue
        style = "yellow" if one.state in QUIET or one.is_armed else "red"
        output.say(f"NOT ARMED: {name}: {words} ({reason}, since {each.since}, {at})", style)
        if one.remedy and not one.is_armed and not now.runs:
            output.say(f"  -> {one.remedy}")


def _standing(key: Key, record: Record, probed: int | None) -> Standing:
    """Raises ValueError for a state of another version, KeyError."""
    body = record.body
    block = body["block"] if isinstance(body["block"], int) else None
    if block is not None and probed is not None and body["state"] != ReadinessState.UNKNOWN:
        block = max(block, probed)
    reason, message, remedy = (str(body[name]) for name in ("reason", "message", "remedy"))
    state = ReadinessState(str(body["state"]))
    found = ActionReadiness(*key, state, reason, message, remedy, block)
    return Standing(found, record.at)
