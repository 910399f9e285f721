"""From the decisions of a tick to intents: asked about first where the configuration says so, then carried out, alone or with other keepers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from keeper.app import notices
from keeper.app.agreement import Agreement, Hearing
from keeper.app.breakers.cosigning import Cosigning
from keeper.app.council.desks import Desks
from keeper.app.evidence_hash import evidence_hash
from keeper.app.statements import count_text, statement_text, testimony_body
from keeper.app.watch import Sight
from keeper.app.without_log import KEY, is_critical
from keeper.domain.block import BlockStamp
from keeper.domain.decision import Decision, DecisionKind, DecisionReason, IncidentEvent
from keeper.domain.errors import AuditError
from keeper.domain.record import Draft, RecordKind
from keeper.domain.rehearsal import Rehearsed
from keeper.engine import Tick
from keeper.engine.evidence import decision_body, incident_body
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Order
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice

Item = tuple[Draft, Order | None]

NO_LOG = "no-log"
"""Not written down, so not done."""
CRASHED = "crashed"
"""A bug stopped it before it was written down."""


class Acting:
    """``failed`` is told the market and the action of what came to nothing, and why: the engine decides anew after the action's retry time.

    ``audit_failed`` is told what kept the log from being written, ``tell`` takes notices, ``record`` what is written down when it can be.
    ``without_log``: what critical rules ask for is done also where the log cannot be written, by way of the spool.
    ``tried`` gives what the call of a (market, action) came to at the newest block at which that was looked at.
    """

    def __init__(
        self,
        executor: Executor,
        agreement: Agreement,
        armed: Mapping[tuple[str, str], ArmedAction],
        config_hash: str,
        clock: Clock,
        subjects: Sequence[str],
        *,
        cosigning: Cosigning,
        desks: Desks,
        failed: Callable[[str, str, str], None],
        audit_failed: Callable[[AuditError], None],
        tell: Callable[[Notice], None],
        record: Callable[[Draft], None] = lambda _: None,
        without_log: bool = False,
        tried: Callable[[tuple[str, str]], Rehearsed | None] = lambda _: None,
    ) -> None:
        self._executor = executor
        self._agreement = agreement
        self._armed = armed
        self._config_hash = config_hash
        self._clock = clock
        self._subjects = subjects
        self._cosigning = cosigning
        self._desks = desks
        self._failed = failed
        self._audit_failed = audit_failed
        self._tell = tell
        self._record = record
        self._without_log = without_log
        self._tried = tried
        self._paged: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}

    async def carry_out(self, tick: Tick, sight: Sight, block: BlockStamp, marks: dict[str, float]) -> None:
        """Everything that the tick decided, as far as it goes now. ``marks`` gets the time at which enough endpoints had agreed."""
        items: list[Item] = [(_incident_draft(event), None) for event in tick.incidents]
        rounds = self._agreement.rounds(tick.decisions)
        for place, (policy, decisions) in enumerate(rounds):
            hearing = None
            if policy is not None:
                hearing = await self._agreement.hear(policy, decisions, block, sight)
                marks["agreed"] = self._clock.monotonic_ms()
            items += [self._item(one, hearing, sight) for one in decisions]
            try:
                if items:
                    await self._act(items, block, marks)
            except Exception:
                self._crashed([one for _, left in rounds[place:] for one in left])
                raise
            items = []
            if hearing is not None:
                self._tell_of(decisions, hearing)

    async def _act(self, items: Sequence[Item], block: BlockStamp, marks: Mapping[str, float]) -> None:
        """At once, or together with other keepers or by the council: those are asked when the decision is durable."""
        shared = [order for _, order in items if order is not None and self._cosigning.takes(order)]
        people = [order for _, order in items if order is not None and self._desks.takes(order.armed)]
        alone = [(draft, None if order in (*shared, *people) else order) for draft, order in items]
        left = {order.id: order for _, order in items if order is not None}
        unwritten = [draft for draft, _ in items]
        try:
            try:
                await self._executor.act(alone, block, marks)
            except AuditError as error:
                for order in await self._act_without_log(alone, block, marks, error):
                    del left[order.id]
                unwritten = []
                raise
            unwritten = []
            for order in shared:
                self._cosigning.take(order)
            for order in people:
                await self._desks.take(order)
        except AuditError as error:
            self._audit_failed(error)
            for draft in unwritten:
                acts = draft.kind is RecordKind.DECISION and draft.body.get("id") in left
                self._record(replace(draft, body={**draft.body, "not_done": NO_LOG}) if acts else draft)
            self._came_to_nothing([(order.id, order.armed.key) for order in left.values()], NO_LOG)

    async def _act_without_log(
        self, items: Sequence[Item], block: BlockStamp, marks: Mapping[str, float], error: AuditError
    ) -> list[Order]:
        """What critical rules ask for, written to the spool first; the orders of that. Raises AuditError where none may be done so, or can."""
        if not self._without_log or not any(order is not None and is_critical(draft) for draft, order in items):
            raise error
        again = [without_log(draft, order) for draft, order in items]
        await self._executor.act(again, block, marks)
        orders = [order for _, order in again if order is not None]
        for order in orders:
            self._tell(notices.of_no_log(order.id, order.armed.key, order.incident, error.message))
        return orders

    def _crashed(self, decisions: Sequence[Decision]) -> None:
        """What was to be done at this block, in the round that a bug ended and in those after it."""
        acts = [one for one in decisions if one.kind is DecisionKind.ACT]
        self._came_to_nothing([(one.id, (one.market, one.action)) for one in acts], CRASHED)

    def _came_to_nothing(self, orders: Sequence[tuple[str, tuple[str, str]]], reason: str) -> None:
        """Tells so of every order (id, key) that nobody has open: else the engine would wait for its end for ever."""
        known = {work.intent.id for work in (*self._executor.open_works, *self._desks.works)}
        for order, key in orders:
            if order not in known:
                self._failed(*key, reason)

    def _item(self, decision: Decision, hearing: Hearing | None, sight: Sight) -> Item:
        draft = self._decision_draft(decision, hearing)
        if decision.kind is not DecisionKind.ACT or (hearing is not None and hearing.holds(decision)):
            return draft, None
        key = decision.market, decision.action
        armed = self._armed[key]
        evidence = evidence_hash(draft) if armed.action.breaker or self._desks.takes(armed) else b""
        return draft, Order(
            decision.id,
            decision.incident,
            armed,
            sight.effects.get(key),
            decision.at_ms,
            evidence=evidence,
            rehearsed=sight.rehearsed.get(key) or self._tried(key),
        )

    def _decision_draft(self, decision: Decision, hearing: Hearing | None) -> Draft:
        body = decision_body(decision) | {"config_hash": self._config_hash}
        if hearing is not None and decision.kind is DecisionKind.ACT:
            body["testimony"] = testimony_body(hearing.testimony, hearing.policy, self._subjects)
            if decision.id in hearing.doubts:
                body["disputed_block"] = hearing.doubts[decision.id]
            if hearing.holds(decision):
                # what the engine resolved stays in the record, so that it can be recomputed from the evidence
                body["resolved"] = {"kind": body["kind"], "reason": body["reason"]}
                body |= {"kind": str(DecisionKind.DECLINED), "reason": str(DecisionReason.NO_QUORUM)}
        return Draft(
            RecordKind.DECISION,
            body,
            decision.at_ms,
            market=decision.market,
            action=decision.action or None,
            incident=decision.incident or None,
        )

    def _tell_of(self, decisions: Sequence[Decision], hearing: Hearing) -> None:
        """Nobody is paged again for the same action in the same incident, as long as the endpoints say the same."""
        for decision in decisions:
            key = decision.market, decision.action
            if hearing.stands(decision):
                self._paged.pop(key, None)
                continue
            if hearing.holds(decision):
                self._failed(*key, str(DecisionReason.NO_QUORUM))
            words = tuple(f"{one.endpoint} {one.word}" for one in hearing.testimony.statements)
            if self._paged.get(key) == (decision.incident, words):
                continue
            self._paged[key] = decision.incident, words
            deadline_ms = hearing.policy.deadline_ms
            said = [statement_text(one, self._subjects, deadline_ms) for one in hearing.testimony.statements]
            count = count_text(hearing.testimony, hearing.policy)
            if decision.id in hearing.doubts:
                count += f"; but the rule rests on block {hearing.doubts[decision.id]}, about which too few agreed"
            self._tell(notices.of_no_quorum(decision, [count, *said], held=hearing.holds(decision)))


def without_log(draft: Draft, order: Order | None) -> Item:
    """The decision as it is carried out without the log, which it says; what no critical rule asks for is not carried out."""
    if order is None:
        return draft, None
    if not is_critical(draft):
        return replace(draft, body={**draft.body, "not_done": NO_LOG}), None
    told = replace(draft, body={**draft.body, KEY: True})
    return told, replace(order, evidence=evidence_hash(told)) if order.evidence else order


def _incident_draft(event: IncidentEvent) -> Draft:
    return Draft(RecordKind.INCIDENT, incident_body(event), event.at_ms, market=event.market, incident=event.id)
