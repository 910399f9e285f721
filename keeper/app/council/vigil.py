"""Watches over open proposals: sends them until the service has them, counts signatures, reminds people, and executes what is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from keeper.adapters.safe.files import FolderPage
from keeper.app.council import telling
from keeper.app.council.carrying import Carrying, is_fresh
from keeper.app.council.case import Case, Sight
from keeper.app.council.ledger import Ledger, Proposed, Step
from keeper.app.council.matter import Level
from keeper.app.council.onchain import Execution, SafeReader
from keeper.app.council.proposer import Proposer, same_calls
from keeper.app.council.remarks import differences
from keeper.app.council.telling import Links
from keeper.app.council.told import Gathering, Told, counting
from keeper.app.faults import Faults
from keeper.config.model import SafeRoute
from keeper.domain.abi import decode_results, encode_call, parse_signature, to_text
from keeper.domain.action import FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Busy, MalformedAnswer, OutsideError, UnitError
from keeper.domain.proposal import Confirmation, Queued, SafeState
from keeper.domain.verdict import Severity
from keeper.ports.chain import ChainReader
from keeper.ports.clock import Clock
from keeper.ports.council import QueuePage
from keeper.ports.notifier import Notice

LOST_MS: Final = 60_000
"""A service that does not show what it took for so long has lost it, or somebody took it away."""
BUSY_MS: Final = 60_000
"""A service that limits how much it is asked is down only after so long."""
SENDING: Final = "council-send"


class Vigil:
    """One Safe. ``carrying`` None: the keeper executes nothing. ``tell`` takes notices."""

    def __init__(
        self,
        route: SafeRoute,
        reader: SafeReader,
        proposer: Proposer,
        ledger: Ledger,
        gathering: Gathering,
        chain: ChainReader,
        clock: Clock,
        faults: Faults,
        links: Links,
        *,
        live: bool,
        carrying: Carrying | None,
        tell: Callable[[Notice], None],
    ) -> None:
        self._route = route
        self._reader = reader
        self._proposer = proposer
        self._ledger = ledger
        self._gathering = gathering
        self._chain = chain
        self._clock = clock
        self._faults = faults
        self._links = links
        self._live = live
        self._carrying = carrying
        self._tell = tell
        self._silent_since_ms: float | None = None

    async def look(self, block: BlockStamp) -> Sight:
        """The Safe, and the service's queue. Raises OutsideError when the chain does not answer; a service that does not is a fault."""
        state = await self._reader.state(block)
        part = f"council-service:{self._route.name}"
        if self._route.service is None:
            return Sight(block, state, None)
        try:
            page = await self._proposer.queue(state.nonce)
        except OutsideError as error:
            now_ms = self._clock.monotonic_ms()
            self._silent_since_ms = now_ms if self._silent_since_ms is None else self._silent_since_ms
            if isinstance(error, Busy) and now_ms - self._silent_since_ms < BUSY_MS:
                return Sight(block, state, None)  # a limit of questions is no news
            remedy = error.remedy or "proposals are files meanwhile, and are sent when it answers"
            self._faults.down(part, "unreachable", error.message, remedy)
            return Sight(block, state, None)
        self._silent_since_ms = None
        if page.skipped:
            first = page.skipped[0]
            self._faults.down(part, "skipped", f"{first.place}: {first.why}", "look at the queue in the Safe web app")
        else:
            self._faults.up(part)
        return Sight(block, state, page)

    def announce(self, case: Case, sight: Sight, conflicts: Sequence[str] = ()) -> None:
        """People are told that they are needed."""
        assert case.proposed is not None, "there is something to sign"
        notice = telling.asks(case.proposed, sight.state, case.signers, self._links, conflicts=conflicts)
        self._tell(notice)

    async def watch(self, case: Case, sight: Sight) -> None:
        """One look at an open proposal whose nonce is not used. Raises OutsideError, AuditError."""
        proposed = case.proposed
        assert proposed is not None, "only proposals are watched"
        if self._live:
            await self._send(case, proposed)
        if sight.page is not None:
            await self._compare(case, sight, sight.page)
        else:
            await self._count(case, sight.state, None, sight.block)
        if case.proposed is not None and case.work is not None and sight.page is not None:
            await self._yield_to_an_earlier_one(case, case.proposed, sight.page)
        if case.proposed is not None and case.work is not None:
            await self._close_a_gap(case, case.proposed, sight)
        if case.proposed is None:
            return
        await self._remind(case, case.proposed, sight)
        await self._execute(case, case.proposed, sight)

    async def read_back(self, proposed: Proposed, execution: Execution, block: BlockStamp) -> list[str]:
        """What does not read as the proposal said it would, in words. Raises OutsideError."""
        changes = proposed.facts.get("changes")
        differing = []
        for change in changes if isinstance(changes, list) else ():
            if not isinstance(change, Mapping) or change.get("after") is None:
                continue
            args = change.get("args")
            view = FunctionCall(
                str(change["contract"]), str(change["asked"]), tuple(map(str, args if isinstance(args, list) else ()))
            )
            now = await read_view(self._chain, view, block)
            if now != change["after"]:
                differing.append(f"{view.signature} at {view.target} is {now}, not {change['after']}")
        return differing

    # -- steps ----------------------------------------------------------------------------------------------------------------

    async def _send(self, case: Case, proposed: Proposed) -> None:
        if self._proposer.due(proposed):
            await self._give(case, proposed)

    async def _give(self, case: Case, proposed: Proposed) -> None:
        case.proposed = sent = await self._proposer.send(proposed)
        part = f"{SENDING}:{self._route.name}"
        failed = sent.last(Step.REFUSED, Step.KEPT, Step.SENT)
        if failed is None or failed[1].get("step") == Step.SENT:
            self._faults.up(part, "the service has the proposal")
            return
        _, body = failed
        refused = body.get("step") == Step.REFUSED
        remedy = str(body.get("remedy") or "")
        if refused:
            remedy = remedy or (
                f"make {self._proposer.address} a delegate of an owner: keeper council CONFIG delegate add; "
                f"the proposal is a file in {self._route.files}"
            )
        severity = Severity.CRITICAL if refused else Severity.WARNING
        message = f"the proposal {proposed.hash} could not be left at the service: {body.get('message')}"
        self._faults.down(part, "refused" if refused else "unreachable", message, remedy, severity=severity)

    async def _compare(self, case: Case, sight: Sight, page: QueuePage) -> None:
        proposed = case.proposed
        assert proposed is not None, "only proposals are watched"
        # The true one first: a service that also tells another under its hash must not hide who has signed.
        told = [one for one in page.queued if proposed.hash in (one.claimed_hash, one.transaction.hash_text)]
        told.sort(key=lambda one: (one.transaction != proposed.transaction, one.claimed_hash != proposed.hash))
        mine = told[0] if told else None
        unread = next((one.why for one in page.skipped if one.place == proposed.hash), "")
        known = True
        if mine is None and not page.whole:
            try:
                mine = await self._gathering.find(proposed.hash)
            except OutsideError:
                known = False
        if mine is None:
            if known:
                await self._not_there(case, proposed)
        else:
            case.missing_since_ms = None
            if not proposed.sent:  # an earlier run sent it, and was ended before it could write that down
                case.proposed = await self._ledger.step(proposed, Step.SENT, sender=mine.delegate or mine.proposer)
        if case.proposed is not None:
            await self._count(case, sight.state, mine, sight.block, told[1:], unread)

    async def _not_there(self, case: Case, proposed: Proposed) -> None:
        if not proposed.sent:
            return
        now_ms = self._clock.monotonic_ms()
        if case.missing_since_ms is None:
            case.missing_since_ms = now_ms
        elif now_ms - case.missing_since_ms >= LOST_MS:
            case.missing_since_ms = None
            if proposed.adopted:
                why = "whoever had proposed it took it back"
                await self._ledger.step(proposed, Step.SUPERSEDED, why=why, withdrawn=True, left_there="")
                case.proposed = None  # an action that is wanted still is proposed at the next look
            elif self._live and self._proposer.address is not None:
                await self._give(case, proposed)

    async def _yield_to_an_earlier_one(self, case: Case, proposed: Proposed, page: QueuePage) -> None:
        """Two keepers that proposed at once, at different nonces, leave one proposal: that with the lower nonce."""
        if proposed.adopted or any(one.owner != self._proposer.address for one in case.counting):
            return
        for other in page.queued:
            if other.transaction.nonce >= proposed.transaction.nonce:
                return  # they are in the order of nonce
            true = other.claimed_hash == other.transaction.hash_text
            if true and same_calls(other.transaction, proposed.transaction):
                why = f"the same was proposed at nonce {other.transaction.nonce} at the same time"
                await self._give_up(case, proposed, why)  # the next look finds the other one, and follows it
                return

    async def _close_a_gap(self, case: Case, proposed: Proposed, sight: Sight) -> None:
        """What waits behind a nonce that nothing has any more can never be executed, however many sign it: it is proposed anew, earlier."""
        first, own = sight.state.nonce, proposed.transaction.nonce
        cut = sight.page is not None and not sight.page.whole  # what lies behind is not known
        if own == first or cut or (sight.page is None and self._route.service is not None):
            case.gap_at = None
            return
        waiting = {one.transaction.nonce for one in sight.page.queued} if sight.page is not None else set()
        if sight.page is None:
            waiting |= {one.transaction.nonce for one in await self._gathering.files(first)}
        waiting |= {one.transaction.nonce for one in await self._ledger.open()}
        if sum(first <= nonce < own for nonce in waiting) == own - first:
            case.gap_at = None
        elif case.gap_at is None:
            case.gap_at = sight.block.number
        elif sight.block.number > case.gap_at:
            case.gap_at = None
            await self._give_up(
                case, proposed, "nothing has a nonce before its own any more, so it could never be executed"
            )

    async def _give_up(self, case: Case, proposed: Proposed, why: str) -> None:
        """In favour of an equal one."""
        left_there = "" if proposed.adopted else await self._proposer.withdraw(proposed)
        await self._ledger.step(proposed, Step.SUPERSEDED, why=why, withdrawn=not left_there, left_there=left_there)
        case.proposed = None

    async def _count(
        self,
        case: Case,
        state: SafeState,
        mine: Queued | None,
        block: BlockStamp,
        more: Sequence[Queued] = (),
        unread: str = "",
    ) -> None:
        """Whose signatures count, as far as they can be checked here. ``more`` is what else the service tells under its hash, and ``unread``
        why something of that cannot be used."""
        proposed = case.proposed
        assert proposed is not None, "only proposals are watched"
        folder = await self._gathering.folder(state.nonce)
        self._tell_of(folder)
        filed = next((one.signatures for one in folder.found if one.transaction == proposed.transaction), {})
        told = await self._gathering.with_approvals(
            Told(proposed.transaction, mine, proposed, filed=filed), state, block
        )
        alarm, case.counting = await asyncio.to_thread(_judged, told, more, state)  # a service may list very many
        case.alarm = alarm or (f"the service's answer about it cannot be used: {unread}" if unread else "")
        known = proposed.signers
        for one in case.counting:
            if one.owner not in known:
                proposed = await self._ledger.step(
                    proposed, Step.SIGNED, owner=one.owner, count=len(proposed.signers) + 1, threshold=state.threshold,
                    signed_ms=None if one.at_ms is None else str(one.at_ms),
                )  # fmt: skip
        await self._forward(case, proposed, mine, filed)
        if len(case.counting) >= state.threshold and proposed.last(Step.THRESHOLD) is None:
            proposed = await self._ledger.step(proposed, Step.THRESHOLD, threshold=state.threshold)
            if self._carrying is None:
                self._tell(telling.asks(proposed, state, case.signers, self._links))
        case.proposed = proposed

    def _tell_of(self, folder: FolderPage) -> None:
        """Where files are all there is, one that cannot be read may hold the signatures that are waited for."""
        if self._route.service is not None:
            return
        part = f"council-files:{self._route.name}"
        if folder.skipped:
            first = folder.skipped[0]
            self._faults.down(part, "skipped", f"{first.place}: {first.why}", f"look into {self._route.files}")
        else:
            self._faults.up(part)

    async def _forward(self, case: Case, proposed: Proposed, mine: Queued | None, filed: Mapping[str, bytes]) -> None:
        """What was signed while the service was down is in the file; the others look at the service. Each is offered once."""
        if mine is None or mine.transaction != proposed.transaction:
            return
        there = {one.owner for one in mine.confirmations} | case.forwarded
        # Not what lay there before it was made: at the service it would look as if it had been given now.
        for owner in {one.owner for one in case.counting if is_fresh(proposed, one)} & set(filed) - there:
            case.forwarded.add(owner)
            with suppress(OutsideError):  # it counts here all the same
                await self._proposer.forward(proposed, filed[owner])

    async def _remind(self, case: Case, proposed: Proposed, sight: Sight) -> None:
        """Again and again until it is executed or pointless; critical after a while."""
        now_ms = self._clock.now_ms()
        reminded = proposed.last(Step.REMINDED)
        since_ms = reminded[0] if reminded is not None else proposed.made_ms
        alarm = now_ms - proposed.made_ms >= self._route.escalate_ms
        first_alarm = alarm and (reminded is None or reminded[1].get("alarm") is not True)
        if now_ms - since_ms < self._route.remind_ms and not first_alarm:
            return
        case.proposed = await self._ledger.step(
            proposed, Step.REMINDED, alarm=alarm, signed=len(case.counting), threshold=sight.state.threshold
        )
        self._tell(telling.asks(proposed, sight.state, case.signers, self._links, again=True, alarm=alarm))

    async def _execute(self, case: Case, proposed: Proposed, sight: Sight) -> None:
        ready = len(case.counting) >= sight.state.threshold and proposed.transaction.nonce == sight.state.nonce
        if self._carrying is None or not self._live or not ready or case.alarm:
            return
        try:
            await self._carrying.execute(proposed, case.counting, sight.state, sight.block)
        except UnitError as error:
            self._faults.down(f"council:{self._route.name}/execute", "signatures", error.message, error.remedy)
        else:
            self._faults.up(f"council:{self._route.name}/execute")

    def tell_alarms(self, cases: Sequence[Case]) -> None:
        """Where the service contradicts what is computed here, nothing is executed, and people must know why."""
        part = f"council:{self._route.name}/alarm"
        if self._carrying is not None:
            self._carrying.keep([one.proposed.hash for one in cases if one.proposed is not None])
        found = next(((one.proposed.hash, one.alarm) for one in cases if one.proposed is not None and one.alarm), None)
        if found is None:
            self._faults.up(part)
            return
        remedy = "do not trust what the service shows; compare with: keeper council CONFIG show"
        self._faults.down(part, "contradicted", ": ".join(found), remedy, severity=Severity.CRITICAL)

    def rest(self) -> None:
        """Nothing is followed any more, so nothing of it is missing."""
        name = self._route.name
        for part in (
            f"council-service:{name}",
            f"council-files:{name}",
            f"{SENDING}:{name}",
            f"council:{name}/alarm",
            f"council:{name}/execute",
        ):
            self._faults.up(part, "nothing waits for it any more")
        if self._carrying is not None:
            self._carrying.rest()


def _judged(told: Told, more: Sequence[Queued], state: SafeState) -> tuple[str, tuple[Confirmation, ...]]:
    """How the service contradicts what is computed here (empty: it does not), and whose words count."""
    lies = [one for each in filter(None, (told.queued, *more)) for one in differences(each, state, told.vouched)]
    return next((one.text for one in lies if one.level is Level.ALARM), ""), counting(told, state)


async def read_view(chain: ChainReader, view: FunctionCall, block: BlockStamp) -> str | None:
    """What a view answers at this block, as text; None where it does not. Raises OutsideError."""
    try:
        function = parse_signature(view.signature)
        (result,) = await chain.read([encode_call(view)], block)
        if not result.ok:
            return None
        return to_text(function.outputs[0], decode_results(function, result.data)[0])
    except (MalformedAnswer, UnitError, IndexError):
        return None
