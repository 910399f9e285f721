"""What people are told of a trip, of an outcome, and of nodes that are not to be relied on, with the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

from keeper.adapters.audit.times import to_iso
from keeper.domain.chain_events import Gap, Reorg
from keeper.domain.circuit_breaker import breaker_name
from keeper.domain.decision import BreakerEvent, Decision, DecisionReason, IncidentEvent, IncidentPhase
from keeper.domain.intent import Intent
from keeper.domain.observation import Observation, Quality
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.verdict import Severity, Verdict, VerdictReason
from keeper.execution.journal import Fallback
from keeper.execution.purse import Withheld
from keeper.execution.work import Work
from keeper.ports.notifier import Notice

GOOD = frozenset({OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED, OutcomeKind.DRY_RUN})


def of_incident(event: IncidentEvent) -> Notice:
    """An incident began or ended."""
    verdict = event.verdict
    numbers = f"{_value(verdict)}, threshold {verdict.threshold:.6g}, block {event.block}"
    if event.phase is IncidentPhase.OPENED:
        title = f"{event.market}: {verdict.rule} tripped"
        return Notice(f"incident/{event.id}", title, f"{numbers}\nincident {event.id}", verdict.severity)
    title = f"{event.market}: all rules are clear"
    body = f"{numbers}\nincident {event.id}. What was paused stays paused until the council lifts it."
    return Notice(f"incident/{event.id}", title, body, Severity.INFO, ends=True)


def of_no_log(intent: str, key: tuple[str, str], incident: str, why: str) -> Notice:
    """Something was begun although the log could not be written, as ``audit.act-without-log`` says."""
    market, action = key
    body = f"{why}\nWritten to the spool: decision {intent}, incident {incident}. It goes into the log when the database is back: bring it back."
    title = f"{market}: {action} is carried out without the log"
    return Notice(f"no-log/{market}/{action}", title, body, Severity.CRITICAL, within=f"incident/{incident}")


def of_hold(decision: Decision) -> Notice:
    """A rule that wants to be told about cannot be judged: its input is not usable."""
    verdict = decision.verdict
    bad = [_bad(one, decision.at_ms) for one in decision.observations if one.quality is not Quality.OK]
    body = "\n".join([f"{_lacks(verdict)} at block {decision.block}; the rule neither trips nor clears", *bad])
    return Notice(
        f"blind/{decision.market}/{verdict.rule}",
        f"{decision.market}: {verdict.rule} cannot see",
        body,
        verdict.severity,
    )


def _bad(seen: Observation, now_ms: int) -> str:
    """What is wrong with it, and how long its value has stood."""
    said = f"{seen.source} is {seen.quality}: {seen.reason}"
    if seen.value is None:
        return said
    age_ms = max(0, now_ms - (seen.received_ms if seen.at_ms is None else seen.at_ms))
    return f"{said} (its value is {age_ms / 1000:.0f} s old)"


def _value(verdict: Verdict) -> str:
    if verdict.reason is VerdictReason.BLIND:
        return f"{_lacks(verdict)}, which this rule counts as a breach"
    return f"{verdict.signal} = {verdict.value:.6g}"


def _lacks(verdict: Verdict) -> str:
    missing = "value" if math.isnan(verdict.value) else "threshold, because the signal that this follows has no value"
    return f"{verdict.signal} has no {missing}"


def of_outcome(work: Work, outcome: Outcome) -> Notice:
    """An action ended; anything but success is critical."""
    intent = work.intent
    severity = Severity.WARNING if outcome.kind in GOOD else Severity.CRITICAL
    lines = [outcome.message, outcome.remedy, f"transaction {outcome.tx_hash}" if outcome.tx_hash else ""]
    trip = work.armed.action.breaker if work.armed is not None else None
    if trip is not None:
        lines.append(f"breaker {breaker_name(trip.id)} of contract {trip.contract}")
    lines.append(f"incident {intent.incident}")
    title = f"{intent.market}: {intent.action} {outcome.kind} ({outcome.reason})"
    body = "\n".join(line for line in lines if line)
    good = outcome.kind in GOOD
    return Notice(f"outcome/{intent.id}", title, body, severity, ends=good, settles=True, **_of_action(intent))


class _OfAction(TypedDict):
    within: str
    subject: str


def _of_action(intent: Intent) -> _OfAction:
    """One action in one incident: its outcome settles what else is open of it."""
    return {"within": f"incident/{intent.incident}", "subject": f"{intent.market}/{intent.action}"}


def of_fallback(work: Work, fallback: Fallback) -> Notice:
    """What was for block builders alone is public from now on: everybody can see it before it is in a block."""
    intent = work.intent
    attempt = work.last_attempt
    sent = f"transaction {attempt.tx_hash}, nonce {attempt.nonce}" if attempt is not None else ""
    what = "builders go on getting it too; look at the private route: keeper doctor CONFIG"
    body = "\n".join(line for line in (fallback.message, sent, what, f"incident {intent.incident}") if line)
    title = f"{intent.market}: {intent.action} is sent publicly ({fallback.reason})"
    return Notice(f"fallback/{intent.id}", title, body, Severity.WARNING, within=f"incident/{intent.incident}")


def of_withheld(work: Work, withheld: Withheld) -> Notice:
    """An action that no block takes may not cost more, or a node does not take it."""
    intent = work.intent
    attempt = work.last_attempt
    still = "nothing was sent yet; it is tried again at each block, until it expires"
    if attempt is not None and not withheld.refused:
        still = f"transaction {attempt.tx_hash} (nonce {attempt.nonce}) is sent again at each block, until it expires"
    remedy = (
        "raise `limits.gas_budget_eth_per_action` or `gas_budget_eth_per_day`, or act by hand if the market is at risk"
    )
    title = f"{intent.market}: no more is offered for {intent.action}"
    if withheld.refused:
        title = f"{intent.market}: {intent.action} is refused by nodes"
        still = "it is tried again at each block, until it expires"
        remedy = "look at the words of the node, add an endpoint that takes it, or act by hand if the market is at risk"
    if withheld.nobody:
        title = f"{intent.market}: no builder takes {intent.action}"
        remedy = "it may never be public: look at the private route (keeper doctor CONFIG), or act by hand if the market is at risk"
    body = "\n".join([withheld.message, still, remedy, f"incident {intent.incident}"])
    about = "refused" if withheld.refused else "builders" if withheld.nobody else "budget"
    return Notice(f"{about}/{intent.id}", title, body, Severity.CRITICAL, **_of_action(intent))


def of_alert(decision: Decision) -> Notice:
    """A rule whose action is to tell people has tripped."""
    verdict = decision.verdict
    body = f"{_value(verdict)}, threshold {verdict.threshold:.6g}, block {decision.block}\nincident {decision.incident}"
    title = f"{decision.market}: {verdict.rule} tripped"
    return Notice(f"alert/{decision.id}", title, body, verdict.severity, within=f"incident/{decision.incident}")


FORBIDDEN = {
    DecisionReason.BUDGET: "the budget of `limits` is spent; act by hand if the market is at risk",
    DecisionReason.LOCKED: "people took back what was done, and the lock lasts; to arm it: keeper switch CONFIG on --market MARKET",
    DecisionReason.LIFTED: "the council lifted what was done in this incident; act by hand if the market is at risk",
    DecisionReason.SWITCHED_OFF: "an operator switched it off; to switch it on: keeper switch CONFIG on, with the same options",
}
"""What people are told when a rule asks in vain, by the reason of the decision."""


def of_forbidden(decision: Decision) -> Notice:
    """A tripped rule did not get its action because of a limit or of people. A spent budget is critical: nobody chose that for this moment."""
    severity = Severity.CRITICAL if decision.reason is DecisionReason.BUDGET else decision.verdict.severity
    title = f"{decision.market}: {decision.action} is HELD ({decision.reason})"
    what = FORBIDDEN[decision.reason].replace("MARKET", decision.market)
    body = "\n".join([_value(decision.verdict), what, f"incident {decision.incident}"])
    key = f"held/{decision.incident}/{decision.action}/{decision.reason}"
    return Notice(key, title, body, severity, within=f"incident/{decision.incident}")


def of_breaker(event: BreakerEvent) -> Notice:
    """A market's breaker was turned from outside."""
    title = f"{event.market}: {event.after}, was {event.before}"
    lasting = f"until {to_iso(event.until_ms)}, unless it is armed before" if event.until_ms else ""
    body = "\n".join(line for line in (event.reason, lasting, f"block {event.block}") if line)
    return Notice(f"breaker/{event.market}/{event.block}", title, body, Severity.WARNING)


def of_no_quorum(decision: Decision, said: Sequence[str], *, held: bool) -> Notice:
    """Too few nodes agree before an action. ``said`` holds lines: how many agree, and what each of them says."""
    subject = f"{decision.market}/{decision.action}"
    if held:
        title = f"{decision.market}: {decision.action} is HELD, because too few nodes agree"
        what = (
            "nothing was signed; the nodes are asked again after the retry time. Act by hand if the market is at risk"
        )
    else:
        title = f"{decision.market}: {decision.action} goes ahead although too few nodes agree"
        what = "the configuration says `otherwise: act`: the endpoint in use was trusted"
    body = "\n".join([_value(decision.verdict), *said, what, f"incident {decision.incident}"])
    within = f"incident/{decision.incident}"
    return Notice(f"quorum/{decision.id}", title, body, Severity.CRITICAL, within=within, subject=subject)


def of_gap(event: Gap) -> Notice:
    """Blocks will not be evaluated."""
    body = f"blocks {event.first} to {event.last} were missed and are not evaluated: {event.reason}"
    return Notice(f"gap/{event.first}-{event.last}", f"{event.count} blocks were missed", body, Severity.WARNING)


def of_reorg(event: Reorg) -> Notice:
    """The chain took another branch, deeper than usual."""
    since = f"after block {event.ancestor}" if event.ancestor is not None else "and no common block was found"
    body = (
        f"block {event.old_number} {event.old_hash} gave way to block {event.new_number} {event.new_hash}, {since}.\n"
        "The new branch is evaluated; transactions of the old one are looked up again."
    )
    return Notice(
        f"reorg/{event.new_hash}", f"the chain was reorganised {event.depth} blocks deep", body, Severity.WARNING
    )
