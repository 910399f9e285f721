"""From an intent to a proposal that is durable, or to the intent's end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from keeper.app.council import telling
from keeper.app.council.case import Case, Sight
from keeper.app.council.facts import facts_of
from keeper.app.council.ledger import Ledger, Place, Step, What
from keeper.app.council.matter import After
from keeper.app.council.onchain import SafeReader
from keeper.app.council.proposer import Proposer, Reconciled, SafeCall
from keeper.domain.action import Action
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, UnitError
from keeper.domain.future import Step as FutureStep
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Json
from keeper.domain.safe import SafeTransaction
from keeper.execution import endings
from keeper.execution.edges import Edges, Terms
from keeper.execution.gate import simulated

Judge = Callable[[Action, Sequence[FutureStep], BlockStamp], Awaitable[tuple[After, Outcome | None]]]
"""What holds in the state after these calls of the Safe, and the end of an action that may not break what it would break."""


class Asking:
    """One Safe. The record comes before anything that may be slow: neither the folder nor the service is waited for longer than a few seconds."""

    def __init__(
        self, reader: SafeReader, proposer: Proposer, ledger: Ledger, edges: Edges, terms: Terms, judge: Judge
    ) -> None:
        self._reader = reader
        self._proposer = proposer
        self._ledger = ledger
        self._edges = edges
        self._terms = terms
        self._judge = judge

    async def ask(self, case: Case, sight: Sight) -> Outcome | Reconciled:
        """``case.proposed`` is there afterwards, or this is the end. Raises OutsideError, AuditError."""
        work = case.work
        assert work is not None, "only intents are proposed here"
        assert work.armed is not None, "what is not configured is pointless"
        safe, call = sight.state.safe, work.call
        simulation = await self._edges.accounts.simulate(call, safe)
        refusal = simulated(work.armed, safe, simulation)
        if not self._terms.live:
            refusal = endings.shadow(refusal.message if refusal else f"the Safe {safe} would be asked to make the call")
        calls: list[SafeCall] = [(call.to, 0, call.data)]
        if refusal is None:
            after, refusal = await self._judge(work.armed.action, [FutureStep(safe, call)], sight.block)
        if refusal is not None:
            return refusal
        try:
            found = await self._proposer.reconcile(sight.state, calls, first=True)
            equal = found.equal.transaction if found.equal is not None else None
            transaction = equal or self._proposer.transaction(sight.state, calls, found.nonce)
        except UnitError as error:
            return Outcome(OutcomeKind.FAILED, Reason.NOT_CONFIGURED, error.message, error.remedy or endings.BY_HAND)
        facts: dict[str, Json] = {**facts_of(work, after), "threshold": sight.state.threshold}
        facts |= await self._former(transaction, sight)
        if found.blind:
            facts["blind"] = found.blind
        case.unexplained_at, case.gap_at, case.counting, case.former_told = None, None, (), False
        case.proposed = await self._proposer.make(
            transaction,
            what=What.ACTION,
            title=telling.title_of(work),
            place=Place(work.intent.market, work.intent.action, work.intent.incident, work.intent.id),
            block=sight.block.number,
            expires_ms=work.intent.expires_ms,
            evidence=case.evidence,
            facts=facts,
            adopted=found.equal is not None and not self._proposer.is_mine(found.equal) and not found.own,
            wait=False,
        )
        case.asked = True
        # What people had proposed is followed as this action's from now on: as the log has it, with what was told of it before.
        case.proposed = await self._ledger.find(case.proposed.hash) or case.proposed
        for conflict in found.conflicts:
            case.proposed = await self._ledger.step(case.proposed, Step.CONFLICT, message=conflict)
        return found

    async def _former(self, transaction: SafeTransaction, sight: Sight) -> dict[str, Json]:
        """Owners whose words lie in its file or on chain already, and whether that could not be said."""
        filed = await self._proposer.filing.signers(transaction)
        try:
            approved = await self._reader.approvals(transaction.hash, sight.state.owners, sight.block)
        except OutsideError:
            approved = None
        former: list[Json] = [*sorted((filed or frozenset()) | (approved or frozenset()))]
        return {"former": former, "former_unsure": filed is None or approved is None}
