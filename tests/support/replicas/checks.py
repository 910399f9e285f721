"""What must hold after every run with replicas, judged from the chain, the log and the processes' ends alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from keeper.domain.errors import InvalidTransition
from keeper.domain.record import Json, Record, RecordKind
from tests.support.chaos.checks import DONE, check_journal
from tests.support.keeper_stage import PAUSE_SELECTOR

AMID = ", amid another fault"
"""Behind the kind of a takeover that something else stood in the way of."""


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction of the keeper's key; ``call`` is its selector, ``market`` that of its argument."""

    tx_hash: str
    call: str
    market: str
    good: bool


@dataclass(frozen=True, slots=True)
class Reign:
    """From one record of a start to the next. ``fence`` None: it has none. ``at_ms``: when the first was written."""

    fence: int | None
    leader: str
    at_ms: int
    blocks: tuple[int, ...]
    first_tick_ms: int | None

    def may_follow(self, before: Reign) -> bool:
        """Another leader has a higher fence; the same one may begin anew under its own."""
        assert self.fence is not None
        assert before.fence is not None
        return self.fence > before.fence or (self.fence == before.fence and self.leader == before.leader)


@dataclass(frozen=True, slots=True)
class Takeover:
    """Of a leader that was hit by ``kind``: until another evaluated a block. ``blocks`` were mined meanwhile."""

    kind: str
    ms: int
    blocks: int


@dataclass
class Seen:
    """All there is to judge by. ``shocked`` are the markets that must be paused; ``codes`` the ends of the processes that were asked to end."""

    records: Sequence[Record]
    mined: Sequence[Mined]
    waiting: Sequence[str]
    paused: Mapping[str, bool]
    shocked: Sequence[str]
    codes: Mapping[str, int | None]
    replicas: bool
    verified: str = ""
    """What ``audit verify`` says is wrong."""
    on_chain: Sequence[str] = field(default_factory=tuple)
    """What the comparison with the chain found."""


def problems(seen: Seen) -> list[str]:
    """Empty where everything holds."""
    found = [*_of_the_log(seen), *_of_the_chain(seen), *_of_the_intents(seen), *_of_the_reigns(seen)]
    found += [f"{name} ended with {code}" for name, code in seen.codes.items() if code not in {0, None}]
    return found


def _of_the_log(seen: Seen) -> list[str]:
    found = [f"the log does not verify: {seen.verified}"] if seen.verified else []
    numbers = [record.seq for record in seen.records]
    if numbers != list(range(1, len(numbers) + 1)):
        found.append("a record is missing")
    found += [f"against the chain: {each}" for each in seen.on_chain]
    return found


def _of_the_chain(seen: Seen) -> list[str]:
    """One transaction for each shocked market, which worked, and was written down before."""
    found: list[str] = []
    sent = Counter(one.market for one in seen.mined if one.call == PAUSE_SELECTOR)
    for market in seen.paused:
        want = int(market in seen.shocked)
        if sent[market] != want:
            found.append(f"{market}: {sent[market]} transactions are on the chain, {want} wanted")
        if seen.paused[market] is not bool(want):
            found.append(f"{market} is {'paused' if seen.paused[market] else 'not paused'}")
    found += [f"{one.tx_hash} does something else: {one.call}" for one in seen.mined if one.call != PAUSE_SELECTOR]
    found += [f"{one.tx_hash} reverted" for one in seen.mined if not one.good]
    written = {record.body["tx_hash"] for record in seen.records if record.kind is RecordKind.ATTEMPT}
    found += [f"{one.tx_hash} is in no record" for one in seen.mined if one.tx_hash not in written]
    if seen.waiting:
        found.append(f"something of the key's waits yet: {list(seen.waiting)}")
    return found


def _of_the_intents(seen: Seen) -> list[str]:
    """Each went by the table to one end; the last of each shocked market's is a good one; no other market has any."""
    found: list[str] = []
    intents = {record.intent: record.market for record in seen.records if record.kind is RecordKind.INTENT}
    for market in sorted({str(one) for one in intents.values()} | set(seen.shocked)):
        mine = {intent for intent, of in intents.items() if of == market}
        if market not in seen.shocked:
            found.append(f"{market}: {len(mine)} intents, and nothing had happened there")
            continue
        ends = [record for record in seen.records if record.kind is RecordKind.OUTCOME and record.intent in mine]
        if sorted(map(str, mine)) != sorted(str(record.intent) for record in ends):
            found.append(f"{market}: {len(mine)} intents and {len(ends)} ends")
        good = [record for record in ends if record.body["kind"] in DONE]
        if len(good) != 1:
            told = [f"{record.body['kind']} ({record.body['reason']})" for record in ends]
            found.append(f"{market}: {len(good)} intents with a good end: {told}")
        try:
            check_journal([record for record in seen.records if record.intent in mine])
        except (AssertionError, InvalidTransition, KeyError) as error:
            found.append(f"{market}: the journal went another way: {type(error).__name__}: {error}")
    return found


def _of_the_reigns(seen: Seen) -> list[str]:
    """One after the other: fences ascend, but where the leader itself begins anew, and within a reign no block comes back."""
    found: list[str] = []
    reigns = reigns_of(seen.records)
    if seen.replicas:
        fences = [reign.fence for reign in reigns]
        if any(fence is None for fence in fences):
            found.append(f"a start without a fence: {fences}")
        elif any(not two.may_follow(one) for one, two in pairwise(reigns)):
            found.append(f"the fences do not ascend: {fences}")
    for reign in reigns:
        if any(one >= two for one, two in pairwise(reign.blocks)):
            found.append(f"under fence {reign.fence} blocks were evaluated in the order {list(reign.blocks)}")
    return found


def reigns_of(records: Sequence[Record]) -> list[Reign]:
    """In the order of the log. Raises AssertionError when anything stands before the first start."""
    reigns: list[Reign] = []
    for record in records:
        if record.kind is RecordKind.START:
            fence, leader = record.body.get("fence"), record.body.get("replica", "")
            assert fence is None or isinstance(fence, int)
            reigns.append(Reign(fence, str(leader), at_ms(record), (), None))
        elif record.kind is RecordKind.TICK:
            assert reigns, "a tick before any start"
            last = reigns[-1]
            first = at_ms(record) if last.first_tick_ms is None else last.first_tick_ms
            reigns[-1] = Reign(last.fence, last.leader, last.at_ms, (*last.blocks, number_of(record)), first)
    return reigns


def takeover(records: Sequence[Record], kind: str, hit_ms: int, mined: Sequence[tuple[int, int]]) -> Takeover | None:
    """After the leader was hit at ``hit_ms``: the first reign that began later and evaluated a block. ``mined`` are (time, block) in ms.

    None: nobody had to take over, or nobody did.
    """
    for reign in reigns_of(records):
        if reign.at_ms >= hit_ms and reign.first_tick_ms is not None:
            blocks = sum(hit_ms < at <= reign.first_tick_ms for at, _ in mined)
            return Takeover(kind, reign.first_tick_ms - hit_ms, blocks)
    return None


def at_ms(record: Record) -> int:
    """Milliseconds since 1970."""
    return round(datetime.fromisoformat(record.at).timestamp() * 1000)


def number_of(tick: Record) -> int:
    """The block of a tick."""
    block: Json = tick.body["block"]
    assert isinstance(block, dict)
    number = block["number"]
    assert isinstance(number, int)
    return number
