"""A key's transactions are mined in the order of their nonces: who stands before one of them, and who behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keeper.domain.action import ActionKind
from keeper.execution.lanes import Lanes
from keeper.execution.work import Work


class Line:
    """One per executor, with which ``open_works`` by intent id is shared. ``is_public``: whether a work may be sent publicly now."""

    def __init__(self, lanes: Lanes, open_works: Mapping[str, Work], is_public: Callable[[Work], bool]) -> None:
        self._lanes = lanes
        self._open = open_works
        self._is_public = is_public

    def before(self, work: Work) -> dict[int, list[Work]]:
        """Each nonce of the key that the chain has not used yet and that is before the newest attempt's, with those who hold it."""
        attempt, pen = work.last_attempt, self._lanes.of(work)
        if attempt is None or pen.lane is None or attempt.sender != pen.sender:
            return {}
        missing = range(pen.lane.nonce, attempt.nonce)
        if not missing:
            return {}
        found: dict[int, list[Work]] = {nonce: [] for nonce in missing}
        for other in self._open.values():
            for sender, nonce in other.held_nonces:
                if sender == attempt.sender and nonce in found:
                    found[nonce].append(other)
        return found

    def moves(self, work: Work) -> bool:
        """Whether a block could take it: nobody can, at any price, while an earlier nonce is missing, or only builders have it."""
        return all(any(map(self._open_to_all, holders)) for holders in self.before(work).values())

    def secret_before(self, work: Work) -> list[Work]:
        """Those whose nonces it waits for, and that only builders have."""
        held = [holders for holders in self.before(work).values() if not any(map(self._open_to_all, holders))]
        return [holder for holders in held for holder in holders]

    def missing_before(self, work: Work) -> bool:
        """Whether an earlier nonce is nobody's: it was given up, so that nothing ever lands behind it."""
        return any(not holders for holders in self.before(work).values())

    def behind(self, work: Work) -> list[Work]:
        """Those that a rule asked for and that wait for its nonce. The keeper's own business can wait until the end of it."""
        last = work.last_attempt
        if last is None or work.mined is not None:
            return []
        return [
            other
            for other in self._open.values()
            if other is not work
            and other.mined is None
            and presses(other)
            and _waits_for(other, last.sender, last.nonce)
        ]

    def _open_to_all(self, work: Work) -> bool:
        return work.mined is not None or self._is_public(work)


def presses(work: Work) -> bool:
    """Whether it is something that a rule asked for."""
    return work.armed is not None and work.armed.action.kind is not ActionKind.UPKEEP


def _waits_for(work: Work, sender: str, nonce: int) -> bool:
    last = work.last_attempt
    return last is not None and not work.never_sent and last.sender == sender and last.nonce > nonce
