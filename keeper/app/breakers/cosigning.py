"""Several keepers, one trip: where a breaker asks for more than one of them, they sign one order together, and any of them submits it.

Each keeper decides for itself. What it has decided to do waits here: it signs every open order that asks for exactly that, or proposes one; as
soon as enough live keepers have signed, the call with their signatures goes to the executor, as any other. The contract's nonce lets one of
several such calls through; whoever comes second finds the effect there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from keeper.app.breakers import cosigning_words as words
from keeper.app.breakers import pledges
from keeper.app.breakers.books import Books
from keeper.app.breakers.pledges import Pledges
from keeper.app.breakers.views import Standing, effect_at, live_keepers, standing_of
from keeper.app.faults import Faults
from keeper.domain.action import BreakerTrip
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import utc
from keeper.domain.errors import KeeperError, OutsideError
from keeper.domain.order import MAX_ORDER_LIFE_S, SignedOrder, TripOrder, order_body, trip_signed_call
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.record import Draft, Json
from keeper.execution.gate import not_adjusted, overtaken
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Order
from keeper.ports.audit import AuditStore
from keeper.ports.chain import ChainReader
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice
from keeper.ports.orders import OrderBook

Item = tuple[Draft, Order | None]
Signatures = dict[str, SignedOrder]
"""Of one order, by signer."""

LOOK_S = 1.0
"""How often the books are looked at while something waits."""
LEARN_S = 60.0
"""How often the number of keepers that a breaker asks for is read again."""
TURN_S = 12.0
"""Who made an order complete submits it; the others do so when that has not shown after this long."""
WARN_S = 15.0
"""So long too few signatures are no matter; then people are told once, while there is time."""
SHORT_S = 30
"""An order that ends sooner may not get into a block in time: another one is proposed beside it."""


@dataclass(slots=True)
class _Want:
    """Something that this keeper has decided to do. ``deadline_s`` is its end in the chain's time, known from the first look on."""

    order: Order
    armed: ArmedAction
    trip: BreakerTrip
    expires_ms: int
    deadline_s: int = 0
    required: int = 0
    signers: frozenset[str] = field(default_factory=frozenset)
    complete_ms: float | None = None
    finisher: bool = False
    since_ms: float = 0.0
    warned: bool = False
    trouble: str = ""

    @property
    def place(self) -> tuple[str, str]:
        return self.trip.contract, self.trip.id


class Cosigning:
    """``books`` is by contract. ``act`` carries out as the executor does; ``failed`` is told market, action and reason of what came to nothing."""

    def __init__(
        self,
        armed: Iterable[ArmedAction],
        books: Mapping[str, OrderBook],
        pledged: Pledges,
        chain: ChainReader,
        store: AuditStore,
        clock: Clock,
        chain_id: int,
        faults: Faults,
        *,
        act: Callable[[Sequence[Item], BlockStamp], Awaitable[None]],
        failed: Callable[[str, str, str], None],
        tell: Callable[[Notice], None],
        declined: Callable[[ArmedAction], Outcome | None] = lambda _: None,
        turn_s: float = TURN_S,
    ) -> None:
        trips = [trip for each in armed if (trip := each.action.breaker) is not None]
        self._places = sorted({(trip.contract, trip.id) for trip in trips if trip.contract in books})
        self._books = Books(books, clock, faults)
        self._pledges = pledged
        self._chain = chain
        self._store = store
        self._clock = clock
        self._chain_id = chain_id
        self._act = act
        self._failed = failed
        self._tell = tell
        self._declined = declined
        self._turn_ms = turn_s * 1000
        self._wants: dict[str, _Want] = {}
        self._standing: dict[tuple[str, str], Standing] = {}
        self._learned_ms: float | None = None
        self._block: BlockStamp | None = None
        self._news = {contract: asyncio.Event() for contract in books}
        self._bug: Exception | None = None

    # -- from outside ---------------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> tuple[Order, ...]:
        """What has not got enough signatures yet."""
        return tuple(want.order for want in self._wants.values())

    def takes(self, order: Order) -> bool:
        """Whether this is something that several keepers sign: to be given to ``take`` instead of the executor."""
        trip = order.armed.action.breaker
        if trip is None or trip.contract not in self._books:
            return False
        if not_adjusted(order.armed.at(order.before)) is not None:
            return False  # there is nothing to sign, and the executor says why
        if self._declined(order.armed) is not None:
            return False  # the same
        standing = self._standing.get((trip.contract, trip.id))
        return standing is None or standing.required > 1  # not known yet: the first look finds out

    def actor(self, armed: ArmedAction) -> str:
        """Who calls the protocol where several keepers must sign, so that one of them cannot simulate the trip; empty for any other action."""
        trip = armed.action.breaker
        standing = self._standing.get((trip.contract, trip.id)) if trip is not None else None
        if trip is None or standing is None or standing.terms is None or standing.required < 2:
            return ""
        return standing.terms.safe if int(standing.terms.safe, 16) else trip.contract

    def take(self, order: Order) -> None:
        """From now on this keeper wants it; its decision is in the log already. Ends with an act, or with ``failed``."""
        armed = order.armed.at(order.before)
        trip = armed.action.breaker
        assert trip is not None, "takes was not asked"
        self._wants[order.id] = _Want(
            order, armed, trip, order.at_ms + armed.action.expires_ms, since_ms=self._clock.monotonic_ms()
        )
        self._news[trip.contract].set()

    def hear_of(self, block: BlockStamp) -> None:
        """A new head."""
        self._block = block
        self._wake()

    async def run(self) -> None:
        """Until cancelled: looks at each head, and each second while something waits. Each book by itself: one that hangs holds up no other."""
        if not self._news:
            await asyncio.Event().wait()
        self._bug = None
        await asyncio.gather(*map(self._follow, self._books))
        if self._bug is not None:
            raise self._bug

    async def _follow(self, contract: str) -> None:
        """Until there is a bug, here or at another book: nobody is cancelled in the middle of an act for that."""
        news = self._news[contract]
        while self._bug is None:
            news.clear()
            if self._block is not None:
                try:
                    await self.learn(self._block)
                    await self._look_at(contract, self._block)
                except Exception as error:  # noqa: BLE001 - raised by run
                    self._bug = error
                    self._wake()
            waiting = asyncio.ensure_future(news.wait())
            pause = asyncio.ensure_future(self._clock.sleep(LOOK_S)) if self._at(contract) else waiting
            try:
                await asyncio.wait({waiting, pause}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                pause.cancel()

    def _wake(self) -> None:
        for news in self._news.values():
            news.set()

    def _at(self, contract: str) -> list[_Want]:
        return [want for want in self._wants.values() if want.trip.contract == contract]

    # -- what is done at a block ----------------------------------------------------------------------------------------------

    async def learn(self, block: BlockStamp) -> None:
        """How many keepers each breaker asks for. Says nothing where that cannot be read: it is read again later."""
        now_ms = self._clock.monotonic_ms()
        if self._learned_ms is not None and now_ms - self._learned_ms < LEARN_S * 1000:
            return
        self._learned_ms = now_ms
        for place in self._places:
            try:
                self._standing[place] = await standing_of(self._chain, *place, block)
            except OutsideError:
                self._learned_ms = None

    async def look(self, block: BlockStamp) -> None:
        """Everything that waits, as far as it goes now."""
        await asyncio.gather(*(self._look_at(contract, block) for contract in self._books))

    async def _look_at(self, contract: str, block: BlockStamp) -> None:
        """What waits for one book. A bug in one of them is raised when the others were looked at."""
        await self._books.restore(contract, self._pledges, self._chain_id, block.timestamp_s)
        bug: Exception | None = None
        for want in self._at(contract):
            try:
                if self._clock.now_ms() >= want.expires_ms:
                    await self._lapse(want, block)
                else:
                    await self._advance(want, block)
            except KeeperError as error:
                want.trouble = error.message
            except Exception as error:  # noqa: BLE001 - raised below
                bug = error
        if bug is not None:
            raise bug

    async def _advance(self, want: _Want, block: BlockStamp) -> None:
        now_s = block.timestamp_s
        current = await effect_at(self._chain, want.armed, block)
        standing = await standing_of(self._chain, *want.place, block)
        self._standing[want.place] = standing
        want.required = standing.required
        outcome = overtaken(want.armed, current) or self._declined(want.armed)
        outcome = outcome or words.refused(want.trip, standing, now_s)
        if (outcome is not None and outcome.kind is OutcomeKind.SUPERSEDED) or standing.required == 1:
            await self._hand_over(want, block, current)
            return
        if outcome is not None:
            await self._end(want, outcome)
            return
        if not want.deadline_s:
            want.deadline_s = now_s + max(1, (want.expires_ms - self._clock.now_ms()) // 1000)
        found = await self._open_orders(want, standing.state.nonce, now_s)
        me = self._pledges.address
        live = await live_keepers(
            self._chain, want.trip.contract, {me, *(signer for each in found.values() for signer in each)}, block
        )
        if me not in live:
            await self._end(want, words.not_a_keeper(want.trip, me))
            return
        finished = await self._join(want, found, live, now_s)
        good = [order for order, signatures in found.items() if live & signatures.keys()]
        if not any(order.deadline_s >= min(want.deadline_s, now_s + SHORT_S) for order in good):
            await self._propose(want, found, standing.state.nonce, now_s)
        await self._submit(want, found, live, block, current, at_once=finished)

    async def _open_orders(self, want: _Want, nonce: int, now_s: int) -> dict[TripOrder, Signatures]:
        """The orders for exactly what this keeper wants, with their signatures: from the book, and what this key has signed by its own log."""
        found: dict[TripOrder, Signatures] = {}
        page = await self._books.look(want.trip.contract, now_s)
        for signed in page.signed:
            if self._fits(want, signed.order, nonce, now_s):
                found.setdefault(signed.order, {})[signed.signer] = signed
        for order in await self._pledges.open(now_s):
            if self._fits(want, order, nonce, now_s) and self._pledges.address not in found.get(order, {}):
                await self._sign(want, order, now_s, found.setdefault(order, {}))
        return {order: signatures for order, signatures in found.items() if signatures}

    def _fits(self, want: _Want, order: TripOrder, nonce: int, now_s: int) -> bool:
        in_time = now_s <= order.deadline_s <= now_s + MAX_ORDER_LIFE_S
        return order.chain_id == self._chain_id and order.nonce == nonce and in_time and order.trips(want.trip)

    async def _join(self, want: _Want, found: Mapping[TripOrder, Signatures], live: frozenset[str], now_s: int) -> bool:
        """Signs what live keepers ask for, and this keeper wants too. Whether it has become complete by that.

        Of several orders for the same thing all keepers sign the same one, so that not each completes another and pays for a call in vain: the one
        that most have signed, so that nobody can lead them on by proposing ever new ones.
        """
        asked = [order for order, signatures in found.items() if live & signatures.keys()]
        if not asked:
            return False
        order = max(asked, key=lambda each: (len(live & found[each].keys()), *_preferred(each)))
        if self._pledges.address not in found[order]:
            # Kept: a book or a log that fails now must not leave it to a turn that all others take at the same time.
            want.finisher = len(live & found[order].keys()) + 1 == want.required
            await self._sign(want, order, now_s, found[order])
        return want.finisher

    async def _propose(self, want: _Want, found: dict[TripOrder, Signatures], nonce: int, now_s: int) -> None:
        order = TripOrder(
            self._chain_id,
            want.trip.contract,
            want.trip.id,
            tuple(int(value) for value in want.trip.values),
            want.order.evidence,
            nonce,
            min(want.deadline_s, now_s + MAX_ORDER_LIFE_S),
        )
        await self._sign(want, order, now_s, found.setdefault(order, {}))

    async def _sign(self, want: _Want, order: TripOrder, now_s: int, signatures: Signatures) -> None:
        """Written down, signed, left for the others. Raises AuditError, OutsideError, SigningError."""
        own = "0x" + want.order.evidence.hex()
        signed = await self._pledges.sign(order, now_s, {"own_evidence": own}, want.order)
        if isinstance(signed, TripOrder):
            values = ", ".join(str(value) for value in signed.values)
            want.trouble = f"this key has signed an order with other values ({values}) until {utc(signed.deadline_s)}"
            return
        await self._books.put(signed)
        signatures[signed.signer] = signed

    async def _submit(
        self,
        want: _Want,
        found: Mapping[TripOrder, Signatures],
        live: frozenset[str],
        block: BlockStamp,
        current: str | None,
        *,
        at_once: bool,
    ) -> None:
        """Hands over what enough live keepers have signed, if it is this one's turn: one after another, lest all pay for the same call."""
        counted = {order: live & signatures.keys() for order, signatures in found.items()}
        want.signers = max(counted.values(), key=len, default=frozenset())
        complete = [order for order, signers in counted.items() if len(signers) >= want.required]
        now_ms = self._clock.monotonic_ms()
        if not complete:
            want.complete_ms = None
            if counted and not want.warned and now_ms - want.since_ms >= WARN_S * 1000:
                want.warned = True
                best = max(counted, key=lambda each: (len(counted[each]), *_preferred(each)))
                left_s = min(best.deadline_s, want.deadline_s) - block.timestamp_s
                self._tell(words.waits(want.order, best, counted[best], want.required, max(0, left_s)))
            return
        want.complete_ms = now_ms if want.complete_ms is None else want.complete_ms
        order = max(complete, key=_preferred)
        signers, own = sorted(counted[order], key=lambda one: int(one, 16)), self._pledges.address
        turn = 1 + (signers.index(own) if own in signers else len(signers))
        if not at_once and now_ms - want.complete_ms < turn * self._turn_ms:
            return
        chosen = [found[order][signer] for signer in signers[: want.required]]
        await self._hand_over(want, block, current, chosen)

    async def _hand_over(
        self, want: _Want, block: BlockStamp, current: str | None, signed: Sequence[SignedOrder] = ()
    ) -> None:
        """To the executor: with the signatures; or without, where one keeper is enough or nothing is left to do, which the executor finds."""
        # A new value was made of what the view answered then; the gate compares that with what it answers now.
        order = want.order if want.armed.adjusted is not None else replace(want.order, before=current)
        body: dict[str, Json] = {
            "step": "not-needed",
            "contract": want.trip.contract,
            "breaker": want.trip.id,
            "required": want.required,
        }
        if signed:
            order = replace(order, evidence=b"", signed=trip_signed_call(signed).data)
            signers: list[Json] = [one.signer for one in signed]
            body = {
                **order_body(signed[0].order),
                "step": pledges.COMPLETE,
                "signers": signers,
                "by": self._pledges.address,
            }
        await self._act([(pledges.draft(body, self._clock.now_ms(), want.order), order)], block)
        self._wants.pop(want.order.id, None)

    # -- what came to nothing -------------------------------------------------------------------------------------------------

    async def _lapse(self, want: _Want, block: BlockStamp) -> None:
        """Out of time."""
        missing = await self._missing(want, block)
        await self._end(want, words.too_few(want.trip, want.required, want.signers, missing, want.trouble))

    async def _missing(self, want: _Want, block: BlockStamp) -> str:
        """Who has not signed, as far as it is known: those that ever signed here and are keepers still."""
        try:
            page = await self._books.look(want.trip.contract, 0)
            seen = {
                one.signer
                for one in page.signed
                if (one.order.chain_id, one.order.contract) == (self._chain_id, want.trip.contract)
            }
            others = await live_keepers(self._chain, want.trip.contract, seen - want.signers, block)
        except OutsideError as error:
            return f"who has not is not known ({error.message})"
        return words.not_signed(others)

    async def _end(self, want: _Want, outcome: Outcome) -> None:
        """The engine is told, people are told, and the log has it as the outcome of a decision that never became an intent."""
        self._wants.pop(want.order.id, None)
        market, action = want.order.armed.key
        self._failed(market, action, outcome.reason.value)
        self._tell(words.notice(want.order, outcome))
        await self._store.append([words.ending(want.order, outcome, self._clock.now_ms())])


def _preferred(order: TripOrder) -> tuple[int, bytes]:
    """Among equals, the same for everybody: the order that lasts longest."""
    return order.deadline_s, order.digest
