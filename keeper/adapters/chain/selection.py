"""Which endpoint is listened to: who is up, who lags, when to change, when to come back. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.domain.chain_events import ChainEvent, DownReason, EndpointDown, EndpointUp, FailedOver, SwitchReason

MAX_STRIKES = 3
"""So many refused or slow requests in a row count as being down."""

START_GRACE_MS = 1_000
"""At the start, so long is waited for the first primary while another one is there already."""


@dataclass(frozen=True, slots=True)
class Patience:
    """``lag_blocks`` behind for ``lag_ms`` counts as lagging; a better endpoint is returned to when it was well for ``return_ms``."""

    lag_blocks: int = 3
    lag_ms: int = 2_000
    return_ms: int = 30_000


@dataclass(slots=True)
class _Standing:
    """``lost`` and ``failing`` say why in words; empty when it is not so."""

    name: str
    known: bool = False
    lost: str = ""
    lost_reason: DownReason = DownReason.LOST
    failing: str = ""
    newest: int = -1
    strikes: int = 0
    read_strikes: int = 0
    """Of reads at a block alone: a node that refuses these answers everything else, and must not be forgiven for it."""
    lagging: bool = False
    turning_since_ms: float | None = None
    """Since when it is the other way than ``lagging`` says."""
    well_since_ms: float | None = None
    told: DownReason | None = field(default=None)

    @property
    def followed(self) -> bool:
        return self.known and not self.lost

    @property
    def up(self) -> bool:
        return self.followed and not self.failing

    @property
    def well(self) -> bool:
        return self.up and not self.lagging and self.newest >= 0


class Selection:
    """``primaries`` in the order of preference come first; ``others`` are only followed, as a measure of who lags.

    Every method that changes something returns what is to be told.
    """

    def __init__(self, primaries: Sequence[str], others: Sequence[str], patience: Patience) -> None:
        self._standings = [_Standing(name) for name in (*primaries, *others)]
        self._count = len(primaries)
        self._patience = patience
        self._active = 0

    @property
    def active(self) -> int:
        """The place of the primary in use."""
        return self._active

    @property
    def all_lost(self) -> bool:
        """No primary has a connection: there can be no heads."""
        return all(standing.known and standing.lost for standing in self._primaries)

    def order(self) -> list[int]:
        """The primaries in the order in which to ask them: the one in use, then those that are well, then those that are up.

        Where none of these has a connection, all the others too: one of them may just have come back.
        """
        rest = [index for index in range(self._count) if index != self._active]
        well = [index for index in rest if self._standings[index].well]
        up = [
            index
            for index in rest
            if index not in well and (self._standings[index].up or not self._standings[index].known)
        ]
        lost = [index for index in rest if index not in well and index not in up] if self.all_lost else []
        return [self._active, *well, *up, *lost]

    def is_failing(self, index: int) -> bool:
        """Whether its requests fail: it has to be tried until they do not."""
        return bool(self._standings[index].failing)

    def connected(self, index: int, newest: int, now_ms: float) -> list[ChainEvent]:
        """It serves the right chain, can be followed, and this is the number of its newest block."""
        standing = self._standings[index]
        standing.known, standing.lost, standing.failing = True, "", ""
        standing.newest, standing.strikes, standing.read_strikes = newest, 0, 0
        return self._decide(now_ms)

    def lost(self, index: int, reason: DownReason, why: str, now_ms: float) -> list[ChainEvent]:
        """It can no longer be followed; what it said last says nothing any more."""
        standing = self._standings[index]
        standing.known, standing.lost, standing.lost_reason = True, why or "no reason", reason
        standing.newest, standing.lagging, standing.turning_since_ms = -1, False, None
        return self._decide(now_ms)

    def announced(self, index: int, number: int, now_ms: float) -> list[ChainEvent]:
        """It has a new head."""
        self._standings[index].newest = number
        return self._decide(now_ms)

    def answered(self, index: int, *, read: bool) -> None:
        """A request was answered in time; ``read``: one at a block."""
        standing = self._standings[index]
        standing.strikes = 0
        if read:
            standing.read_strikes = 0

    def tried(self, index: int, now_ms: float) -> list[ChainEvent]:
        """A failing endpoint answered a trial."""
        standing = self._standings[index]
        standing.failing, standing.strikes, standing.read_strikes = "", 0, 0
        return self._decide(now_ms)

    def struck(self, index: int, why: str, now_ms: float, *, fatal: bool, read: bool = False) -> list[ChainEvent]:
        """A request failed. ``fatal``: there was no answer at all; else it takes several in a row. ``read``: it was one at a block."""
        standing = self._standings[index]
        standing.strikes += 1
        standing.read_strikes += read
        if fatal or max(standing.strikes, standing.read_strikes) >= MAX_STRIKES:
            standing.failing = why or "no reason"
        return self._decide(now_ms)

    def passed(self, now_ms: float) -> list[ChainEvent]:
        """Time went by."""
        return self._decide(now_ms)

    # -- inside ----------------------------------------------------------------------------------------------------------------

    @property
    def _primaries(self) -> list[_Standing]:
        return self._standings[: self._count]

    def _decide(self, now_ms: float) -> list[ChainEvent]:
        events: list[ChainEvent] = []
        for index, standing in enumerate(self._standings):
            behind = self._judge_lag(index, now_ms)
            events += _told(standing, behind)
            if not standing.well:
                standing.well_since_ms = None
            elif standing.well_since_ms is None:
                standing.well_since_ms = now_ms
        chosen, reason = self._choose(now_ms)
        if chosen != self._active:
            events.append(FailedOver(self._standings[self._active].name, self._standings[chosen].name, reason))
            self._active = chosen
        return events

    def _judge_lag(self, index: int, now_ms: float) -> int:
        """Updates whether it lags; returns how many blocks it is behind the others.

        Where there are two others, two must be ahead: one that claims to be does not move anybody.
        """
        standing = self._standings[index]
        others = sorted(
            (other.newest for other in self._standings if other is not standing and other.up and other.newest >= 0),
            reverse=True,
        )
        if not others or standing.newest < 0:
            standing.lagging, standing.turning_since_ms = False, None
            return 0
        behind = others[min(1, len(others) - 1)] - standing.newest
        if (behind >= self._patience.lag_blocks) is standing.lagging:
            standing.turning_since_ms = None
        elif standing.turning_since_ms is None:
            standing.turning_since_ms = now_ms
        if standing.turning_since_ms is not None and now_ms - standing.turning_since_ms >= self._patience.lag_ms:
            standing.lagging, standing.turning_since_ms = not standing.lagging, None
        return max(behind, 0)

    def _choose(self, now_ms: float) -> tuple[int, SwitchReason]:
        active = self._standings[self._active]
        if active.well:
            return self._better(now_ms), SwitchReason.RETURNED
        reason = SwitchReason.LAGGING if active.up else SwitchReason.DOWN
        best = max(range(self._count), key=lambda index: (self._rank(index), -index))
        if self._rank(best) <= self._rank(self._active):
            return self._active, reason  # nobody is better than the one in use
        since_ms = self._standings[best].well_since_ms
        if not active.known and (since_ms is None or now_ms - since_ms < START_GRACE_MS):
            return self._active, reason
        return best, reason

    def _rank(self, index: int) -> int:
        standing = self._standings[index]
        return 3 if standing.well else 2 if standing.up else 1 if standing.followed else 0

    def _better(self, now_ms: float) -> int:
        """The first primary before the one in use that has been well for long enough; else the one in use."""
        for index, standing in enumerate(self._primaries[: self._active]):
            since_ms = standing.well_since_ms
            if since_ms is not None and now_ms - since_ms >= self._patience.return_ms:
                return index
        return self._active


def _told(standing: _Standing, behind: int) -> list[ChainEvent]:
    """What is to be told about one endpoint: only changes."""
    reason, why = _trouble(standing, behind)
    if reason is standing.told:
        return []
    was, standing.told = standing.told, reason
    if reason is not None:
        return [EndpointDown(standing.name, reason, why)]
    return [EndpointUp(standing.name, f"recovered from {was}")]


def _trouble(standing: _Standing, behind: int) -> tuple[DownReason | None, str]:
    if standing.lost:
        return standing.lost_reason, standing.lost
    if standing.failing:
        return DownReason.NO_ANSWER, standing.failing
    if standing.lagging:
        return DownReason.LAGGING, f"its newest block {standing.newest} is {behind} behind"
    return None, ""
