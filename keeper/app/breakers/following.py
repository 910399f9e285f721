"""Follows the keeper's breakers on the chain: what the council does there reaches the engine, and what is due is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from keeper.app.breakers import words
from keeper.app.breakers.health import Health
from keeper.app.breakers.own import is_own
from keeper.app.breakers.registered import Answers, Breaker, Contract, Reader
from keeper.app.breakers.trippers import Tripper, Trippers
from keeper.app.breakers.turns import ENDS, IN_EFFECT, Turn, since, turns
from keeper.app.breakers.upkeep import Upkeep
from keeper.app.earlier import Done
from keeper.app.faults import Faults
from keeper.app.lasting import Lasting
from keeper.decisions.breaker import BreakerState as MarketState
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import BreakerState, BreakerStatus, refusal
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.record import Draft
from keeper.execution.edges import Edges
from keeper.execution.executor import Executor
from keeper.execution.work import Work
from keeper.ports.chain import EventReader
from keeper.ports.notifier import Notice

SHARE_LEFT = 10
"""A trip whose incident is open runs out soon when a tenth of its duration, or less, is left."""
BRANCH = 64
"""Events are looked for so many blocks before the last look, which may have been on another branch; the newest counts."""
SAID = {
    Turn.RATIFIED: InterventionKind.RATIFIED,
    Turn.LIFTED: InterventionKind.LIFTED,
    Turn.EXPIRED: InterventionKind.EXPIRED,
}

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A trip that nobody was told of yet. ``mine``: it is this keeper's, as far as that is known without the event."""

    breaker: Breaker
    state: BreakerState
    required: int
    mine: bool


class Breakers:
    """``hear`` takes what the engine must know at the next tick, ``record`` and ``tell`` what changed; ``incidents`` are the open ones by market.

    ``events`` tells who tripped a breaker; without it that is not known.
    """

    def __init__(
        self,
        contracts: Sequence[Contract],
        executor: Executor,
        edges: Edges,
        faults: Faults,
        lasting: Lasting,
        *,
        live: bool,
        hear: Callable[[Intervention], None],
        record: Callable[[Draft], None],
        tell: Callable[[Notice], None],
        incidents: Callable[[], Mapping[str, str]],
        events: EventReader | None = None,
    ) -> None:
        self._contracts = contracts
        self._executor = executor
        self._clock = edges.clock
        self._lasting = lasting
        self._hear, self._record, self._tell = hear, record, tell
        self._incidents = incidents
        self._senders = edges.senders
        self._reader = Reader(edges.chain, contracts, self._senders)
        self._trippers = Trippers(events, edges.store, self._senders.values())
        self._health = Health(faults)
        self._upkeep = Upkeep(contracts, executor, edges, faults, live=live, tell=tell)
        self._of_key = {key: one for each in contracts for one in each.breakers for key in one.keys}
        self._states: dict[Place, BreakerState] = {}
        self._unheard: dict[Place, BreakerStatus] = {}
        self._mine: set[Place] = set()
        self._sent: set[str] = set()
        self._of_others: dict[Place, int] = {}
        self._to_tell: set[Place] = set()
        self._fresh: list[_Fresh] = []
        self._looked_at: int | None = None
        self._resting: set[Place] = set()
        self._warned: dict[Place, int] = {}
        self._seen: list[tuple[Contract, Answers]] = []

    def go_on(self, done: Iterable[Done], markets: Mapping[str, MarketState]) -> None:
        """This had worked in incidents that are still open, and the engine thinks of its markets like this: what happened while no keeper ran is
        found out at the first look. Of everything else that look only learns how it is.
        """
        for one in done:
            breaker = self._of_key.get(one.key)
            if breaker is None or one.tx_hash is None:
                continue
            state = markets.get(one.key[0])
            if state in (MarketState.LIFTED, MarketState.EXPIRED):  # told by the run before
                self._lasting.run_out(one.key)
                if state is MarketState.EXPIRED:
                    self._resting.add(breaker.place)
                continue
            self._mine.add(breaker.place)
            ratified = state is MarketState.RATIFIED
            self._unheard[breaker.place] = BreakerStatus.RATIFIED if ratified else BreakerStatus.TRIPPED

    def ended(self, work: Work, outcome: Outcome) -> bool:
        """An intent ended. True when it was the keeper's own, which is nobody else's business."""
        if is_own(work.key):
            self._upkeep.ended(work, outcome)
            return True
        breaker = self._of_key.get(work.key)
        if breaker is None:
            return False
        self._sent.update(attempt.tx_hash for attempt in work.intent.attempts)
        if outcome.kind is OutcomeKind.INCLUDED:
            self._mine.add(breaker.place)
            if breaker.place not in self._states:
                self._unheard[breaker.place] = BreakerStatus.TRIPPED
                self._to_tell.add(breaker.place)
        return False

    async def look(self, block: BlockStamp) -> None:
        """What every breaker and its contract say at this block. Raises OutsideError."""
        self._seen = []
        if not self._contracts:
            return
        answered = await self._reader.read(block)
        self._executor.declined.other = self._reader.misfits
        for contract, answers in zip(self._contracts, answered, strict=True):
            if not isinstance(answers, Answers):
                self._health.wrong(contract, answers)
                continue
            self._seen.append((contract, answers))
            self._health.look(contract, answers, self._senders, block.timestamp_s)
            for breaker in contract.breakers:
                self._follow(breaker, answers, block)
        before = block.number if self._looked_at is None else min(self._looked_at, block.number)
        first, self._looked_at = max(0, before - BRANCH), block.number
        fresh, self._fresh = self._fresh, []
        for each in fresh:
            await self._tripped(each, first, block)

    async def keep_up(self, block: BlockStamp) -> None:
        """Sends what is due by what was seen at this block. Raises AuditError, OutsideError."""
        await self._upkeep.keep_up(block, self._seen, self._mine)

    def _follow(self, breaker: Breaker, answers: Answers, block: BlockStamp) -> None:
        now = answers.states[breaker.id]
        before, self._states[breaker.place] = self._states.get(breaker.place), now
        on_its_way = any(work.key in breaker.keys for work in self._executor.open_works)
        if on_its_way and self._of_others.get(breaker.place) != now.nonce:
            self._mine.add(breaker.place)
        found: Iterable[Turn] = ()
        if before is not None:
            found = turns(before, now)
        elif breaker.place in self._unheard:
            found = since(self._unheard.pop(breaker.place), now, answers.terms[breaker.id])
        for turn in found:
            self._turned(breaker, turn, now, answers.terms[breaker.id].required, block)
        if breaker.place in self._to_tell:
            self._to_tell.discard(breaker.place)
            if now.status is BreakerStatus.TRIPPED:
                self._tell(words.of_own(breaker, now, block))
        if breaker.place in self._resting:
            self._rested(breaker, answers, block)
        if now.status is BreakerStatus.TRIPPED:
            self._term(breaker, now, answers.terms[breaker.id].duration_s, block)

    def _turned(self, breaker: Breaker, turn: Turn, state: BreakerState, required: int, block: BlockStamp) -> None:
        self._record(words.record_of(breaker, turn, state, block, self._clock.now_ms()))
        if turn is Turn.TRIPPED:
            self._fresh.append(_Fresh(breaker, state, required, breaker.place in self._mine))
            return
        self._tell(words.of_turn(breaker, turn, state, block))
        for market in breaker.markets:
            reason = f"{words.text_of(breaker, turn, state)} (block {block.number})"
            self._hear(Intervention(SAID[turn], self._clock.now_ms(), market, reason=reason))
        if turn is Turn.EXPIRED:
            self._resting.add(breaker.place)
        if turn in ENDS:
            self._mine.discard(breaker.place)
            for key in breaker.keys:
                self._lasting.run_out(key)

    async def _tripped(self, fresh: _Fresh, first: int, block: BlockStamp) -> None:
        """A trip, told with who sent it. What the event says goes before what was thought because something of ours is on its way."""
        breaker, state = fresh.breaker, fresh.state
        on_their_way = (work for work in self._executor.open_works if work.key in breaker.keys)
        sent = self._sent | {attempt.tx_hash for work in on_their_way for attempt in work.intent.attempts}
        who = await self._trippers.find(breaker, first, block.number, sent)
        ours = who.ours if isinstance(who, Tripper) else fresh.mine
        lasts = state.status in IN_EFFECT
        if not ours:
            self._mine.discard(breaker.place)
            self._of_others[breaker.place] = state.nonce
            self._tell(words.of_stranger(breaker, state, block, who, fresh.required))
        elif lasts:
            self._mine.add(breaker.place)
            if state.status is BreakerStatus.TRIPPED:
                self._tell(words.of_own(breaker, state, block))

    def _rested(self, breaker: Breaker, answers: Answers, block: BlockStamp) -> None:
        """A trip has run out. The engine may ask for it again only once the breaker would trip: before, it would be refused again and again."""
        state = answers.states[breaker.id]
        refused = refusal(state, answers.terms[breaker.id], block.timestamp_s, frozen=answers.frozen)
        if not refused:
            for market, action in breaker.keys:
                reason = f"breaker {breaker.name} may trip again (block {block.number})"
                kind, now_ms = InterventionKind.EXPIRED, self._clock.now_ms()
                self._hear(Intervention(kind, now_ms, market, action=action, reason=reason))
        if not refused or state.status in IN_EFFECT:
            self._resting.discard(breaker.place)

    def _term(self, breaker: Breaker, state: BreakerState, duration_s: int, block: BlockStamp) -> None:
        """Once for each trip, which its nonce counts."""
        left_s = state.expires_at_s - block.timestamp_s
        if left_s * SHARE_LEFT > duration_s or self._warned.get(breaker.place) == state.nonce:
            return
        opened = self._incidents()
        incidents = tuple(opened[market] for market in breaker.markets if market in opened)
        if incidents:
            self._warned[breaker.place] = state.nonce
            self._tell(words.of_term(breaker, state, incidents))
