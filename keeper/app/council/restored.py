"""Which values were put back after the keeper had changed them, by the log and the chain: what is there now is somebody's later decision."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from keeper.app.council.changes import UNREADABLE, Made, change_of, view_in
from keeper.app.council.executions import Ended
from keeper.app.council.ledger import Proposed, Step, What, proposals_in
from keeper.domain.action import FunctionCall
from keeper.domain.record import Record, RecordKind

LookUp = Callable[[Sequence[Proposed]], Awaitable[Mapping[str, Ended]]]
"""What became of proposals, by safeTxHash; those whose nonce is not used are not in it."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """What people executed. ``seq`` is the newest record of the proposal; ``block`` None: the log does not say where it was executed."""

    title: str
    views: frozenset[FunctionCall]
    tx_hash: str
    seq: int
    block: int | None

    def undid(self, made: Made) -> bool:
        """Whether it came after this change of the same value."""
        if made.view not in self.views:
            return False
        if self.block is not None and made.block is not None and self.block != made.block:
            return self.block > made.block
        return self.seq > made.seq


@dataclass(frozen=True, slots=True)
class Later:
    """What the log says of the time after the keeper's first change: the keeper's in other incidents (by incident), what people put back, and
    the intents, each with the value that it found. ``doubts`` are for people.
    """

    changes: tuple[tuple[str, Made], ...] = ()
    put_back: tuple[PutBack, ...] = ()
    intents: tuple[Record, ...] = ()
    doubts: tuple[str, ...] = ()

    def decided(self, last: Made, now: str) -> str:
        """Why the value, which is ``now``, is somebody's later decision, also where it is as the keeper left it; empty when it is not."""
        again = [name for name, other in self.changes if other.view == last.view and other.seq > last.seq]
        if again:
            return f"the keeper has changed it again in {again[-1]}: restore that one first"
        if now != last.after:
            return "somebody has changed it since"
        done = next((one for one in self.put_back if one.undid(last)), None)
        if done is not None:
            return f"it was put back already ({done.title}: {done.tx_hash}), and somebody has set it again since"
        for intent in self.intents:
            found = _found(intent, last)
            if found is not None and found != last.after:
                return f"it was {found} in between (record {intent.seq}), and somebody has set it again since"
        return ""


def _found(intent: Record, last: Made) -> str | None:
    """What a later intent of the same action found, None where it is none or could not read it."""
    body = intent.body
    same = (intent.market, intent.action, body.get("effect_call")) == (last.market, last.action, last.view.signature)
    found = body.get("effect_before")
    readable = isinstance(found, str) and not found.startswith(UNREADABLE)
    return str(found) if same and intent.seq > last.seq and readable else None


async def later_than(records: Sequence[Record], incident: str, look_up: LookUp | None) -> Later:
    """From the records (of the kinds intent, effect and proposal) after the keeper's first change in this incident. Raises OutsideError."""
    effects = [one for one in records if one.kind is RecordKind.EFFECT and one.incident != incident]
    changes = tuple((one.incident or "", each) for one in effects if (each := change_of(one)))
    done, doubts = await _put_back(records, look_up)
    intents = tuple(one for one in records if one.kind is RecordKind.INTENT)
    return Later(changes, tuple(done), intents, tuple(doubts))


async def _put_back(records: Iterable[Record], look_up: LookUp | None) -> tuple[list[PutBack], list[str]]:
    """What people had executed of the proposals in these records (in the order of the log) to change values, and what of that is in doubt, in words.

    ``look_up`` None: only the log is asked who executed what. Raises OutsideError.
    """
    kept = [one for one in records if one.kind is RecordKind.PROPOSAL]
    seqs = {str(one.body.get("safe_tx_hash")): one.seq for one in kept}
    found, unknown = [], []
    for one in proposals_in(kept):
        if one.what not in (What.RESTORE, What.BY_HAND):
            continue
        told = [body for step, _, body in one.told if step in (Step.EXECUTED, Step.CARRIED_OUT)]
        ended = next((each for each in reversed(told) if each.get("ok") is not False), None)
        if ended is not None:
            block = ended.get("block")
            found.append(_of(one, str(ended.get("tx_hash")), seqs[one.hash], block if isinstance(block, int) else None))
        elif not told:
            unknown.append(one)
    if not unknown or look_up is None:
        return found, []
    ends, doubts = await look_up(unknown), []
    for one in unknown:
        end = ends.get(one.hash)
        if end is not None and end.tx_hash is not None and end.ok:
            found.append(_of(one, end.tx_hash, seqs[one.hash], end.block))
        elif end is not None and end.tx_hash is None and end.unsure:
            doubts.append(f"{one.title} ({one.hash}) may have been executed: {end.unsure}")
    return found, doubts


def _of(one: Proposed, tx_hash: str, seq: int, block: int | None) -> PutBack:
    changes = one.facts.get("changes")
    listed = [each for each in changes if isinstance(each, Mapping)] if isinstance(changes, list) else []
    views = frozenset(view for each in listed if (view := view_in(each, "asked")) is not None)
    return PutBack(one.title, views, tx_hash, seq, block)
