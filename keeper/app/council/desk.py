"""Carries actions out through a Safe: proposes them, and follows each proposal until it is executed or pointless.

The chain decides what became of a proposal; the service only says who has signed. Nothing here is on the way of a pause by another route.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress

from keeper.app.breakers.views import effect_at
from keeper.app.council import telling
from keeper.app.council.asking import Asking, Judge
from keeper.app.council.carrying import is_fresh
from keeper.app.council.case import Case, Sight
from keeper.app.council.facts import evidence_of
from keeper.app.council.ledger import Ledger, Proposed, Step
from keeper.app.council.onchain import Execution, SafeReader
from keeper.app.council.proposer import Proposer
from keeper.app.council.rivals import Rivals
from keeper.app.council.tidying import Tidying
from keeper.app.council.vigil import Vigil
from keeper.app.faults import Faults
from keeper.config.model import SafeRoute
from keeper.domain.block import BlockStamp
from keeper.domain.decision import IncidentEvent, IncidentPhase
from keeper.domain.errors import IntentAlreadyOpen, KeeperError, OutsideError, SigningError, UnitError
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft, Json
from keeper.execution import endings, journal, written
from keeper.execution.edges import Edges, Terms
from keeper.execution.effect import effect_after
from keeper.execution.gate import not_adjusted, overtaken
from keeper.execution.opening import intent_of
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Order, Work
from keeper.ports.notifier import Notice

Key = tuple[str, str]
EVERY_S = 4.0
"""How often the service is asked while something waits and no new block comes."""


class Desk:
    """One Safe. ``ended`` is told each end of an intent after it is durable; ``tell`` takes notices; ``crash`` hears of a bug in one look."""

    def __init__(
        self,
        route: SafeRoute,
        reader: SafeReader,
        proposer: Proposer,
        ledger: Ledger,
        vigil: Vigil,
        edges: Edges,
        terms: Terms,
        armed: Mapping[Key, ArmedAction],
        faults: Faults,
        *,
        judge: Judge,
        ended: Callable[[Work, Outcome], None],
        tell: Callable[[Notice], None],
    ) -> None:
        self._route = route
        self._reader = reader
        self._proposer = proposer
        self._ledger = ledger
        self._vigil = vigil
        self._edges = edges
        self._terms = terms
        self._armed = armed
        self._faults = faults
        self._asking = Asking(reader, proposer, ledger, edges, terms, judge)
        self._rivals = Rivals(proposer, ledger)
        self._ended = ended
        self._tell = tell
        self._tidying = Tidying(proposer, ledger, edges.clock)
        self._cases: list[Case] = []
        self._block: BlockStamp | None = None
        self._news = asyncio.Event()

    # -- from outside ---------------------------------------------------------------------------------------------------------

    @property
    def works(self) -> tuple[Work, ...]:
        """The open intents."""
        return tuple(case.work for case in self._cases if case.work is not None)

    def takes(self, armed: ArmedAction) -> bool:
        """Whether this action goes to this Safe."""
        return armed.key in self._armed

    async def take(self, order: Order) -> None:
        """An intent for this order, durable when this returns. Raises AuditError; with IntentAlreadyOpen nothing was done."""
        armed = order.armed.at(order.before)
        if any(work.key == armed.key for work in self.works):
            raise IntentAlreadyOpen(f"{armed.action.name} on {armed.action.market} waits for the council already")
        work = Work(intent_of(order, armed), armed)
        sender = self._proposer.address
        await self._edges.store.append([journal.intent_draft(work.intent, armed, sender)])
        evidence = "0x" + order.evidence.hex() if order.evidence else None
        self._cases.append(Case(work, evidence=evidence, deadline_ms=self._deadline_ms(work)))
        self._news.set()

    async def recover(self) -> None:
        """Takes up what earlier runs, and people, left open. Raises StoreUnavailable."""
        known = await self._ledger.all()
        proposals = [one for one in known if one.open]
        by_intent = {one.place.intent: one for one in proposals if one.place.intent is not None}
        asked = {one.place.intent for one in known}
        for intent in await self._edges.store.open_intents():
            if (intent.market, intent.action) in self._armed and not intent.attempts:
                work = await written.take_up(self._edges.store, self._armed, intent)
                over = bool(intent.incident) and await self._ledger.closed(intent.incident)
                evidence = await evidence_of(self._edges.store, intent)
                proposed = by_intent.pop(intent.id, None)
                case = Case(work, proposed, evidence, over=over, asked=intent.id in asked)
                case.deadline_ms = self._deadline_ms(work)
                self._cases.append(case)
                if proposed is not None:  # the earlier run may have ended before its file was there
                    self._proposer.filing.later(proposed.transaction, proposed.title)
        taken = {case.proposed.hash for case in self._cases if case.proposed is not None}
        self._cases += [Case(None, one) for one in proposals if one.hash not in taken]

    def incident(self, event: IncidentEvent) -> None:
        """What was asked for because of an incident is pointless when it has ended."""
        if event.phase is IncidentPhase.CLOSED:
            for case in self._cases:
                if case.work is not None and case.work.intent.incident == event.id:
                    case.over = True
            self._news.set()

    def hear_of(self, block: BlockStamp) -> None:
        """A new head."""
        self._block = block
        self._news.set()

    async def run(self) -> None:
        """Until cancelled: looks at each head, and every few seconds while something waits."""
        while True:
            pause_s = EVERY_S if self._cases else None
            try:
                async with asyncio.timeout(pause_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            if self._block is not None:
                await self.look(self._block)

    async def look(self, block: BlockStamp) -> None:
        """Moves everything on as far as it goes at this block. Raises AuditError when the log does not take it."""
        part = f"council:{self._route.name}"
        try:
            known = await self._ledger.all()
            heard = await self._hear_of_others(known)
            self._tidying.files(known)
            left = self._tidying.left(known)
            if not self._cases and not left:
                self._faults.up(part)
                self._vigil.rest()
                return
            early = await self._propose_first(block)
            sight = await self._vigil.look(block)
            for case in heard:
                self._vigil.announce(case, sight)
            executions = await self._executions(sight)
        except OutsideError as error:
            self._faults.down(part, "unreachable", error.message, error.remedy)
            self._lapse(error.message)
            return
        self._faults.up(part)
        with suppress(SigningError):  # told where something is to be signed that is wanted
            await self._tidying.look(left, sight)
        for case in list(self._cases):
            if case.proposed is not None or not any(each is case for each in early):
                await self._try(case, self._advance(case, sight, executions))
        self._vigil.tell_alarms(self._cases)

    async def _propose_first(self, block: BlockStamp) -> list[Case]:
        """What was not proposed yet is, before anybody waits for the service; gives what was tried. Raises OutsideError, AuditError."""
        waiting = [case for case in self._cases if case.work is not None and case.proposed is None]
        if waiting:
            sight = Sight(block, await self._reader.state(block), None)
            for case in waiting:
                await self._try(case, self._begin(case, sight))
        return waiting

    async def _try(self, case: Case, step: Coroutine[None, None, None]) -> None:
        """One of them must not keep the others from being followed. Raises AuditError."""
        part = f"council:{self._route.name}/signer"
        try:
            await step
            case.trouble = ""
            self._faults.up(part)
        except SigningError as error:
            case.trouble = error.message
            self._faults.down(part, "signing-failed", error.message, error.remedy)
        except KeeperError as error:
            if not isinstance(error, OutsideError | UnitError):
                raise
            case.trouble = error.message
        finally:
            self._cases = [each for each in self._cases if not _closed(each)]

    # -- one proposal ---------------------------------------------------------------------------------------------------------

    async def _advance(self, case: Case, sight: Sight, executions: Mapping[str, Execution]) -> None:
        if case.proposed is not None and case.proposed.transaction.nonce < sight.state.nonce:
            await self._nonce_used(case, sight, executions)
            return
        await self._begin(case, sight)
        if case.proposed is not None and sight.page is not None:
            case.proposed = await self._rivals.note(case.proposed, sight.page)
        if case.proposed is not None:
            await self._vigil.watch(case, sight)
        if case.proposed is not None and case.work is not None and not case.former_told:
            former = [one.owner for one in case.counting if not is_fresh(case.proposed, one)]
            if former:
                case.former_told = True
                self._tell(telling.signed_before(case.proposed, former, sight.state, self._route.members))

    async def _begin(self, case: Case, sight: Sight) -> None:
        """Ends what is pointless, and asks for what was not asked for yet."""
        if case.work is not None and (outcome := await self._pointless(case, case.work, sight)) is not None:
            told = await self._moot(case, outcome.message)
            await self._close(case, outcome, told)
        elif case.work is not None and case.proposed is None:
            await self._propose(case, sight)

    async def _pointless(self, case: Case, work: Work, sight: Sight) -> Outcome | None:
        """Why nobody need sign any more."""
        if work.armed is None:
            return endings.not_configured(work)
        if (refusal := not_adjusted(work.armed)) is not None:
            return refusal
        # At the same block as the Safe's nonce: what the Safe itself has just done is not somebody else's doing.
        current = await effect_at(self._edges.chain, work.armed, sight.block)
        if (outcome := overtaken(work.armed, current)) is not None:
            return outcome
        if case.over:
            return telling.recovered()
        clock = self._edges.clock
        if clock.now_ms() >= work.intent.expires_ms and clock.monotonic_ms() >= case.deadline_ms:
            if case.proposed is None and not case.asked:
                return telling.not_proposed(case.trouble)
            return telling.expired(sight.state, len(case.counting))
        return None

    async def _propose(self, case: Case, sight: Sight) -> None:
        found = await self._asking.ask(case, sight)
        if isinstance(found, Outcome):
            await self._close(case, found)
            return
        assert case.proposed is not None, "it was asked for"
        others = [each for each in self._cases if each is not case and each.work is None]
        for each in others:
            if each.proposed is not None and each.proposed.hash == case.proposed.hash:
                each.proposed = None
        self._vigil.announce(case, sight, found.conflicts)

    async def _nonce_used(self, case: Case, sight: Sight, executions: Mapping[str, Execution]) -> None:
        """It was executed, the council said no, or it never can be executed."""
        proposed = case.proposed
        assert proposed is not None, "only a proposal has a nonce"
        execution, no = executions.get(proposed.hash), executions.get(proposed.rejection_hash)
        found = execution or no
        if found is not None and sight.block.number - found.block + 1 < self._terms.confirmations:
            return  # a reorganisation may take it back
        if execution is not None:
            await self._executed(case, proposed, execution, sight)
            return
        if no is not None:
            if case.work is not None and (why := await self._rivals.not_meant(proposed)):
                await self._give_up(case, f"its nonce was used up for nothing in block {no.block}: {why}")
                return
            rejected = telling.rejected(no)
            told = await self._moot(case, rejected.message)
            if case.work is not None:
                await self._close(case, rejected, told)
            else:
                await self._edges.store.append(told)
                case.proposed = None
            return
        if case.unexplained_at is None:
            case.unexplained_at = sight.block.number  # the node that was asked for the events may be a block behind
        if sight.block.number <= case.unexplained_at:
            return
        why = f"its nonce {proposed.transaction.nonce} was used by another transaction of the Safe"
        await self._give_up(case, why)
        # An action that is wanted still is proposed again at the next look; people propose theirs anew if they want it.

    async def _executed(self, case: Case, proposed: Proposed, execution: Execution, sight: Sight) -> None:
        facts: dict[str, Json] = {
            "ok": execution.ok,
            "tx_hash": execution.tx_hash,
            "block": execution.block,
            "block_hash": execution.block_hash,
        }
        work = case.work
        if work is None or work.armed is None or not execution.ok:
            differing = await self._vigil.read_back(proposed, execution, sight.block) if execution.ok else []
            _, step = self._ledger.draft(proposed, Step.EXECUTED, **facts, differing=list(differing))
            self._tell(telling.executed(proposed, execution, differing))
            if work is None:
                await self._edges.store.append([step])
                case.proposed = None
            else:
                failed = telling.call_failed(execution)
                await self._close(case, failed if not execution.ok else endings.not_configured(work), [step])
            return
        receipt = await self._edges.accounts.receipt(execution.tx_hash)
        if receipt is None:
            return  # reorganised between two questions: the next look finds out
        after, read_at, readable = await effect_after(
            self._edges.chain, work.armed, receipt, block_may_be_forgotten=True
        )
        _, step = self._ledger.draft(proposed, Step.EXECUTED, **facts)
        effect = journal.effect_draft(work.intent, work.armed, after, read_at, self._edges.clock.now_ms())
        good = readable and work.armed.in_effect(after)
        outcome = endings.worked(work, receipt, after, read_at) if good else endings.no_effect(work, receipt, after)
        await self._close(case, outcome, [step, effect])

    async def _moot(self, case: Case, why: str, *, anew: bool = False) -> list[Draft]:
        """Taken out of the queue when it is ours; gives what is to be written down of that. Until it is, the case stays as it is."""
        proposed = case.proposed
        if proposed is None:
            return []
        left_there = await self._proposer.withdraw(proposed)
        _, step = self._ledger.draft(
            proposed, Step.SUPERSEDED, why=why, withdrawn=not left_there, left_there=left_there
        )
        self._tell(telling.moot(proposed, why, left_there, anew=anew))
        return [step]

    async def _give_up(self, case: Case, why: str) -> None:
        await self._edges.store.append(await self._moot(case, why, anew=case.work is not None))
        case.proposed = None

    async def _close(self, case: Case, outcome: Outcome, told: Sequence[Draft] = ()) -> None:
        """The end of the intent, durable together with what is ``told`` of its proposal; then everybody hears of it."""
        work = case.work
        assert work is not None, "only intents have an outcome"
        now_ms = self._edges.clock.now_ms()
        end = journal.outcome_draft(work.intent, outcome, now_ms, work.timeline_ms())
        await self._edges.store.append([*told, end])
        case.work, case.proposed = None, None
        self._ended(work, outcome)

    # -- what happens elsewhere -----------------------------------------------------------------------------------------------

    async def _hear_of_others(self, known: Sequence[Proposed]) -> list[Case]:
        """Follows what another process of this keeper wrote down (a restore by command, say); gives what is new."""
        given_up = {one.hash: one for one in known if not one.open}
        for case in self._cases:
            if case.proposed is not None and (one := given_up.get(case.proposed.hash)) is not None:
                superseded = one.last(Step.SUPERSEDED)
                case.proposed = None
                if case.work is not None and superseded is not None:
                    await self._close(case, telling.taken_back(str(superseded[1].get("why"))))
        self._cases = [each for each in self._cases if not _closed(each)]
        still = {one.hash: one for one in known if one.open}
        for case in self._cases:
            if case.proposed is not None:  # with what commands and the page wrote down since
                case.proposed = still.get(case.proposed.hash, case.proposed)
        followed = {case.proposed.hash for case in self._cases if case.proposed is not None}
        heard = [Case(None, one) for one in known if one.open and one.place.intent is None and one.hash not in followed]
        self._cases += heard
        return heard

    async def _executions(self, sight: Sight) -> dict[str, Execution]:
        """Of those whose nonce is used."""
        used = [one for case in self._cases if (one := case.proposed) and one.transaction.nonce < sight.state.nonce]
        if not used:
            return {}
        first = max(0, min(one.block for one in used))
        hashes = {name for one in used for name in (one.hash, one.rejection_hash)}
        return await self._reader.executions(hashes, first, sight.block.number)

    def _deadline_ms(self, work: Work) -> float:
        clock = self._edges.clock
        return clock.monotonic_ms() + work.intent.expires_ms - clock.now_ms()

    def _lapse(self, why: str) -> None:
        for case in self._cases:
            case.trouble = why


def _closed(case: Case) -> bool:
    return case.work is None and case.proposed is None
