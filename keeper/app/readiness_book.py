"""How every armed action stands, and since when: recorded when it changes, handed out after each probe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from keeper.domain.block import BlockStamp
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.record import Draft, Json, RecordKind
from keeper.ports.clock import Clock

RESTATED_MS = 300_000
"""So often it is recorded at which block all actions were looked at, also where nothing changed."""
ALONE = 5
"""Of more actions that change alike at once, one record says so: a node that is away is one matter, and not one of each market."""
OF = "of"
"""In the body of a record about several actions: their markets and names."""

Key = tuple[str, str]


class ReadinessBook:
    """``record`` takes what changed, ``probed`` hears of all of them after each probe. Neither may block."""

    def __init__(
        self,
        keys: Iterable[Key],
        clock: Clock,
        record: Callable[[Draft], None],
        probed: Callable[[Sequence[ActionReadiness]], None],
    ) -> None:
        self._clock = clock
        self._record = record
        self._probed = probed
        self._found = {key: ActionReadiness(*key, ReadinessState.UNKNOWN) for key in keys}
        self._recorded: dict[Key, tuple[ReadinessState, str]] = {}
        self._restated_ms: float | None = None

    @property
    def all(self) -> tuple[ActionReadiness, ...]:
        """In the order of the configuration."""
        return tuple(self._found.values())

    def block_of(self, key: Key) -> int:
        """At which it was looked at last; -1 before the first time."""
        block = self._found[key].block
        return -1 if block is None else block

    def note(self, found: ActionReadiness) -> None:
        """What a probe found of one action."""
        self._found[found.market, found.action] = found

    def nobody_knows(self, reason: str, message: str, remedy: str) -> None:
        """Nothing can be said of any action now. The block stays that of the last look."""
        for key, known in self._found.items():
            unknown = ReadinessState.UNKNOWN
            self._found[key] = replace(known, state=unknown, reason=reason, message=message, remedy=remedy)
        self.hand_out(None)

    def hand_out(self, block: BlockStamp | None) -> None:
        """The end of a probe at this block; None: the node did not answer."""
        self._record_changes()
        now = self._clock.monotonic_ms()
        if block is not None and (self._restated_ms is None or now - self._restated_ms >= RESTATED_MS):
            self._restated_ms = now
            armed = sum(each.is_armed for each in self.all)
            body = {"block": block.number, "armed": armed, "actions": len(self.all)}
            self._record(Draft(RecordKind.READINESS, {**body}, self._clock.now_ms()))
        self._probed(self.all)

    def _record_changes(self) -> None:
        alike: dict[tuple[str, ...], list[ActionReadiness]] = {}
        for key, found in self._found.items():
            if self._recorded.get(key) != (found.state, found.reason):
                self._recorded[key] = found.state, found.reason
                alike.setdefault((found.state, found.reason, found.message, found.remedy), []).append(found)
        for several in alike.values():
            if len(several) <= ALONE:
                for found in several:
                    self._put(found, market=found.market, action=found.action)
            else:
                lowest = min((one.block for one in several if one.block is not None), default=None)
                self._put(replace(several[0], block=lowest), {OF: [[one.market, one.action] for one in several]})

    def _put(
        self,
        found: ActionReadiness,
        more: Mapping[str, Json] = MappingProxyType({}),
        *,
        market: str | None = None,
        action: str | None = None,
    ) -> None:
        body = {
            "state": found.state.value,
            "reason": found.reason,
            "message": found.message,
            "remedy": found.remedy,
            "block": found.block,
        }
        self._record(Draft(RecordKind.READINESS, {**body, **more}, self._clock.now_ms(), market=market, action=action))
