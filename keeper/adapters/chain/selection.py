"""Which endpoint is listened to: who is up, who lags, when to change, when to come back. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.domain.chain_events import ChainEvent, DownReason, EndpointDown, EndpointUp, FailedOver, SwitchReason

MAX_STRIKES = 3
"""So many refused or slow requests in a row count as being down."""

START_GRACE_MS = 1_000
"""At the start, so long is waited for the first primary while another one is there already."""
SURE_BLOCKS = 2
"""So many blocks more than ``lag_blocks`` behind need no patience ..."""
SURE_AGE_S = 2
"""... when its newest block is so much older, by the blocks' own whole seconds: on a fast chain many blocks are a few hundred milliseconds ..."""
SURE_MS = 250
"""... and when it is still so after this time: the same block comes from one node a little later than from another."""
TELL_MS = 300
"""So long after a failed request it is told: a connection that breaks fails its requests first, and is the better reason."""

MAX_DOUBLINGS = 6
"""So often at most the probation of one that is rejected again is doubled: with 10 seconds, up to some ten minutes."""
FORGIVEN = 10
"""Well for so many times its probation, an endpoint begins anew."""


@dataclass(frozen=True, slots=True)
class Patience:
    """``lag_blocks`` behind for ``lag_ms`` counts as lagging; a better endpoint is returned to when it was well for ``return_ms``.

    An endpoint whose blocks were not believed is believed again after ``probation_ms`` without another such block; when that happens again soon,
    after twice as long each time.
    """

    lag_blocks: int = 3
    lag_ms: int = 2_000
    return_ms: int = 30_000
    probation_ms: int = 10_000


@dataclass(slots=True)
class _Standing:
    """``lost``, ``failing`` and ``rejected`` say why in words; empty when it is not so."""

    name: str
    known: bool = False
    lost: str = ""
    lost_reason: DownReason = DownReason.LOST
    failing: str = ""
    failing_since_ms: float = 0.0
    rejected: str = ""
    """Its blocks, or what was read from it, are not believed."""
    rejected_reason: DownReason = DownReason.OUTVOTED
    rejected_at_ms: float = 0.0
    offences: int = 0
    """How often it began to be rejected; forgotten once it has been well for ten times its probation."""
    newest: int = -1
    newest_time_s: int = 0
    strikes: int = 0
    read_strikes: int = 0
    """Of reads at a block alone: a node that refuses these answers everything else, and must not be forgiven for it."""
    lagging: bool = False
    in_doubt: bool = False
    """A head of it waits for somebody to confirm it."""
    turning_since_ms: float | None = None
    """Since when it is the other way than ``lagging`` says."""
    sure_since_ms: float | None = None
    """Since when it is so far behind that it takes no patience."""
    behind_since_ms: float | None = None
    """Since when another one has a block that it has not announced."""
    well_since_ms: float | None = None
    told: DownReason | None = field(default=None)

    @property
    def followed(self) -> bool:
        return self.known and not self.lost

    @property
    def up(self) -> bool:
        return self.followed and not self.failing and not self.rejected

    @property
    def outvoted(self) -> bool:
        return self.followed and bool(self.rejected) and self.rejected_reason is DownReason.OUTVOTED

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

    @property
    def newest_elsewhere(self) -> int:
        """The newest block of those that are up and not in use; -1 where there is none."""
        others = (one.newest for index, one in enumerate(self._standings) if index != self._active and one.up)
        return max(others, default=-1)

    def order(self) -> list[int]:
        """The primaries in the order in which to ask them: the one in use, then those that are well, then those that are up.

        Where the one in use is not up, those that fail too; where none has a connection, all: one of them may just have come back.
        """
        if self._count == 1:
            return [0]
        rest = [index for index in range(self._count) if index != self._active]
        well = [index for index in rest if self._standings[index].well]
        up = [
            index
            for index in rest
            if index not in well and (self._standings[index].up or not self._standings[index].known)
        ]
        left = [index for index in rest if index not in well and index not in up]
        desperate = not self._standings[self._active].up
        last = [index for index in left if self.all_lost or (desperate and self._standings[index].followed)]
        return [self._active, *well, *up, *last]

    def is_failing(self, index: int) -> bool:
        """Whether its requests fail: it has to be tried until they do not."""
        return bool(self._standings[index].failing)

    def others_up(self, index: int) -> list[int]:
        """The other endpoints that can be asked for their word."""
        return [other for other, standing in enumerate(self._standings) if other != index and standing.up]

    def quiet(self, now_ms: float, for_ms: float) -> list[int]:
        """Those that for so long have not announced a block that another one has; one that is outvoted too, or it would never be heard again."""
        return [
            index
            for index, standing in enumerate(self._standings)
            if (standing.up or (standing.outvoted and not standing.failing))
            and _lasts(standing.behind_since_ms, now_ms, for_ms)
        ]

    def connected(self, index: int, newest: int, now_ms: float, *, time_s: int = 0) -> list[ChainEvent]:
        """It serves the right chain, can be followed, and this is its newest block. Failing requests are another matter: a trial ends that."""
        standing = self._standings[index]
        standing.known, standing.lost = True, ""
        return self.announced(index, newest, now_ms, time_s=time_s)

    def lost(self, index: int, reason: DownReason, why: str, now_ms: float) -> list[ChainEvent]:
        """It can no longer be followed; what it said last says nothing any more."""
        standing = self._standings[index]
        standing.known, standing.lost, standing.lost_reason = True, why or "no reason", reason
        standing.newest, standing.lagging, standing.turning_since_ms = -1, False, None
        return self._decide(now_ms)

    def announced(self, index: int, number: int, now_ms: float, *, time_s: int = 0) -> list[ChainEvent]:
        """It has a new head, which there is no reason to doubt; ``time_s`` is the block's own time."""
        standing = self._standings[index]
        standing.newest, standing.newest_time_s = number, time_s
        if standing.rejected and now_ms - standing.rejected_at_ms >= self._probation_ms(standing):
            standing.rejected = ""
        return self._decide(now_ms)

    def doubted(self, index: int, *, in_doubt: bool) -> None:
        """A head of it is being looked into, which says more than how far behind it is: until then it does not lag."""
        self._standings[index].in_doubt = in_doubt

    def rejected(self, index: int, reason: DownReason, why: str, now_ms: float) -> list[ChainEvent]:
        """It gave a block that is not believed."""
        standing = self._standings[index]
        if not standing.rejected:
            if _lasts(standing.well_since_ms, now_ms, FORGIVEN * self._probation_ms(standing)):
                standing.offences = 0
            standing.offences += 1
        standing.rejected, standing.rejected_reason, standing.rejected_at_ms = why, reason, now_ms
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

    def struck(
        self, index: int, why: str, now_ms: float, *, fatal: bool, read: bool = False, weight: int = 1
    ) -> list[ChainEvent]:
        """A request failed. ``fatal``: there was no answer at all; else it takes several in a row. ``read``: it was one at a block.

        ``weight``: so many strikes in one.
        """
        standing = self._standings[index]
        standing.strikes += weight
        standing.read_strikes += weight * read
        if fatal or max(standing.strikes, standing.read_strikes) >= MAX_STRIKES:
            if not standing.failing:
                standing.failing_since_ms = now_ms
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
            events += _told(standing, behind, now_ms)
            if not standing.well:
                standing.well_since_ms = None
            elif standing.well_since_ms is None:
                standing.well_since_ms = now_ms
        chosen, reason = self._choose(now_ms)
        if chosen != self._active:
            events.append(FailedOver(self._standings[self._active].name, self._standings[chosen].name, reason))
            self._active = chosen
        return events

    def _probation_ms(self, standing: _Standing) -> int:
        """Twice as long each time: one that lies only while it is in use would come back to lie again and again."""
        return self._patience.probation_ms << min(max(standing.offences - 1, 0), MAX_DOUBLINGS)

    def _judge_lag(self, index: int, now_ms: float) -> int:
        """Updates whether it lags; returns how many blocks it is behind the others.

        Where there are two others, two must be ahead: one that claims to be does not move anybody.
        """
        standing = self._standings[index]
        others = sorted(
            (
                (other.newest, other.newest_time_s)
                for other in self._standings
                if other is not standing and other.up and other.newest >= 0
            ),
            reverse=True,
        )
        if not others or standing.newest < 0 or standing.in_doubt:
            standing.lagging = False
            standing.turning_since_ms = standing.sure_since_ms = standing.behind_since_ms = None
            return 0
        if others[0][0] <= standing.newest:
            standing.behind_since_ms = None
        elif standing.behind_since_ms is None:
            standing.behind_since_ms = now_ms
        newest, time_s = others[min(1, len(others) - 1)]
        behind = newest - standing.newest
        if (behind >= self._patience.lag_blocks) is standing.lagging:
            standing.turning_since_ms = None
        elif standing.turning_since_ms is None:
            standing.turning_since_ms = now_ms
        sure = behind >= self._patience.lag_blocks + SURE_BLOCKS and time_s - standing.newest_time_s >= SURE_AGE_S
        if not sure:
            standing.sure_since_ms = None
        elif standing.sure_since_ms is None:
            standing.sure_since_ms = now_ms
        if _lasts(standing.turning_since_ms, now_ms, self._patience.lag_ms):
            standing.lagging, standing.turning_since_ms = not standing.lagging, None
        elif _lasts(standing.sure_since_ms, now_ms, SURE_MS):
            standing.lagging, standing.turning_since_ms = True, None
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


def _lasts(since_ms: float | None, now_ms: float, for_ms: float) -> bool:
    return since_ms is not None and now_ms - since_ms >= for_ms


def _told(standing: _Standing, behind: int, now_ms: float) -> list[ChainEvent]:
    """What is to be told about one endpoint: that an outage begins, with the first reason that is certain, and that it ends.

    One outage often shows in several ways, one after the other; only that it is another chain is worth a second word.
    """
    reason, why = _trouble(standing, behind)
    was = standing.told
    if reason is None:
        standing.told = None
        return [EndpointUp(standing.name, f"recovered from {was}")] if was is not None else []
    if was is not None and (reason is not DownReason.WRONG_CHAIN or was is reason):
        return []
    if reason is DownReason.NO_ANSWER and now_ms - standing.failing_since_ms < TELL_MS:
        return []
    standing.told = reason
    return [EndpointDown(standing.name, reason, why)]


def _trouble(standing: _Standing, behind: int) -> tuple[DownReason | None, str]:
    if standing.lost:
        return standing.lost_reason, standing.lost
    if standing.rejected:
        return standing.rejected_reason, standing.rejected
    if standing.failing:
        return DownReason.NO_ANSWER, standing.failing
    if standing.lagging:
        return DownReason.LAGGING, f"its newest block {standing.newest} is {behind} behind"
    return None, ""
