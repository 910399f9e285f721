"""What people are told of proposals, and how an action that went to the council ends, in words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from keeper.adapters.audit.times import to_iso
from keeper.app.council.ledger import Proposed, notice_key
from keeper.app.council.onchain import Execution
from keeper.config.file import STDIN
from keeper.config.model import Config, SafeRoute
from keeper.domain.action import ActionKind
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.proposal import SafeState
from keeper.domain.verdict import Severity
from keeper.execution.endings import BY_HAND
from keeper.execution.work import Work
from keeper.ports.notifier import Notice

CHAIN_SHORT_NAMES = {
    1: "eth", 10: "oeth", 56: "bnb", 100: "gno", 137: "pol", 8453: "base", 42161: "arb1", 43114: "avax", 59144: "linea",
    11155111: "sep", 84532: "basesep",
}  # fmt: skip
"""EIP-3770 names as the Safe web app writes them; it has no page for a chain that is not here."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where a proposal can be looked at. ``pages`` is the address of the keeper's own pages, empty for none.

    ``config`` is the configuration as a shell reads it.
    """

    route: SafeRoute
    pages: str
    config: str = "CONFIG"

    def web(self, chain_id: int, safe_tx_hash: str) -> str:
        """In the Safe web app; empty where it has none."""
        name = CHAIN_SHORT_NAMES.get(chain_id)
        if not self.route.web or name is None:
            return ""
        safe = self.route.address
        return f"{self.route.web}/transactions/tx?safe={name}:{safe}&id=multisig_{safe}_{safe_tx_hash}"

    def lines(self, proposed: Proposed) -> list[str]:
        """Where to look, for a notice."""
        found = [f"page {self.pages}/proposals/{proposed.hash}"] if self.pages else []
        if web := self.web(proposed.transaction.chain_id, proposed.hash):
            found.append(f"Safe web app {web}")
        found.append(f"keeper council {self.config} show {proposed.hash}")
        return found


def links_of(config: Config, route: SafeRoute) -> Links:
    """By the configuration; one that came on standard input has no name."""
    pages = config.http.url if config.http is not None else ""
    return Links(route, pages, shlex.quote(config.path)) if config.path != STDIN else Links(route, pages)


def asks(
    proposed: Proposed,
    state: SafeState,
    signed: Sequence[str],
    links: Links,
    *,
    conflicts: Sequence[str] = (),
    again: bool = False,
    alarm: bool = False,
) -> Notice:
    """Signatures are wanted, or somebody who executes. ``signed`` are the owners whose signatures count."""
    names = links.route.members
    missing = state.threshold - len(signed)
    waiting = [names.get(owner, owner) for owner in state.owners if owner not in signed]
    if missing > 0:
        wanted = f"{missing} of {state.threshold} signatures missing; not signed: {', '.join(waiting)}"
    else:
        wanted = "enough owners have signed: somebody must execute it now"
    title = f"{'still waiting: ' if again else ''}{proposed.title}"
    body = [wanted, f"safeTxHash {proposed.hash}, nonce {proposed.transaction.nonce} of {state.safe}"]
    body += conflicts
    if proposed.expires_ms is not None:
        body.append(f"pointless after {to_iso(proposed.expires_ms)}")
    if proposed.place.incident:
        body.append(f"incident {proposed.place.incident}")
    severity = Severity.CRITICAL if alarm else Severity.WARNING
    said = "\n".join(body)
    shown = tuple(links.lines(proposed))
    return Notice(notice_key(proposed.hash), title, said, severity, again=again, links=shown, **_about(proposed))


def executed(proposed: Proposed, execution: Execution, differing: Sequence[str]) -> Notice:
    """What people proposed was executed. ``differing`` says what does not read as it should."""
    if not execution.ok:
        title, severity = f"failed: {proposed.title}", Severity.CRITICAL
        lines = [f"the Safe's call failed in block {execution.block}; its nonce is used. {BY_HAND}"]
    elif differing:
        title, severity = f"executed, but not as proposed: {proposed.title}", Severity.CRITICAL
        lines = list(differing)
    else:
        title, severity = f"executed: {proposed.title}", Severity.INFO
        lines = ["everything reads as proposed"] if proposed.facts.get("changes") else []
    lines += [f"transaction {execution.tx_hash} in block {execution.block}"]
    ends, body = severity is Severity.INFO, "\n".join(lines)
    return Notice(f"executed/{proposed.hash}", title, body, severity, ends=ends, settles=True, **_about(proposed))


def moot(proposed: Proposed, why: str, left_there: str, *, anew: bool = False) -> Notice:
    """It is pointless. ``left_there``: why it lies in the queue all the same, empty when it does not. ``anew``: what it is for is wanted still."""
    title = f"{'proposed anew' if anew else 'not needed any more'}: {proposed.title}"
    lines = [why, f"safeTxHash {proposed.hash}"]
    if anew:
        lines.append(
            "the action is wanted still, so that it is proposed again with the next nonce; whoever does not want it rejects the new one "
            f"(keeper council CONFIG reject), or switches it off (keeper switch CONFIG off --market {proposed.place.market})"
        )
    if left_there:
        lines.append(f"it is still in the queue ({left_there}): do not sign it")
    body = "\n".join(lines)
    return Notice(f"moot/{proposed.hash}", title, body, Severity.WARNING, ends=True, settles=True, **_about(proposed))


def signed_before(proposed: Proposed, former: Sequence[str], state: SafeState, members: Mapping[str, str]) -> Notice:
    """Signatures are good for it that are older than it is."""
    names = ", ".join(members.get(owner, owner) for owner in former)
    lines = [
        f"{len(former)} of {state.threshold} signatures lay there before it was made: {names}",
        "it is the same transaction as an earlier proposal: the Safe takes those signatures still, and whoever has them can use them",
        "the keeper itself does not execute it with these. If it is wanted, sign it again (keeper council CONFIG confirm) or execute it now; "
        "if it is not, reject it",
        f"keeper council CONFIG show {proposed.hash}",
    ]
    title = f"signed already, for an earlier proposal: {proposed.title}"
    return Notice(f"former/{proposed.hash}", title, "\n".join(lines), Severity.CRITICAL, **_about(proposed))


class _About(TypedDict):
    within: str
    subject: str


def _about(proposed: Proposed) -> _About:
    """What the keeper itself proposed belongs to its action; anything else is a matter of its own."""
    place = proposed.place
    own = bool(place.intent)
    within = f"incident/{place.incident}" if place.incident else ""
    return {"within": within, "subject": f"{place.market}/{place.action}" if own else f"proposal/{proposed.hash}"}


def expired(state: SafeState, signed: int) -> Outcome:
    """Too few owners signed, or nobody executed it, in time."""
    if signed >= state.threshold:
        why = "enough owners had signed, and nobody executed it in time"
    else:
        why = f"{signed} of {state.threshold} owners had signed when the time was over"
    remedy = f"{BY_HAND}; give the council longer with `expires` of the action"
    return Outcome(OutcomeKind.EXPIRED, Reason.TOO_FEW_SIGNATURES, why, remedy)


def not_proposed(trouble: str) -> Outcome:
    """Time was over before anybody could be asked."""
    why = f"it could not be proposed in time ({trouble})" if trouble else "it could not be proposed in time"
    return Outcome(OutcomeKind.EXPIRED, Reason.EXPIRED, why, f"check the node and the Safe; {BY_HAND}")


def recovered() -> Outcome:
    """The market is well again before the council had signed."""
    why = "the incident is over: every rule of the market is clear again"
    return Outcome(OutcomeKind.EXPIRED, Reason.RECOVERED, why, "nothing; if it trips again, it is proposed anew")


def taken_back(why: str) -> Outcome:
    """A member took the proposal out of the queue by hand."""
    return _refused(f"the proposal was given up: {why}")


def rejected(execution: Execution) -> Outcome:
    """The owners executed the empty transaction with its nonce."""
    why = f"the council rejected it: the empty transaction with its nonce was executed in block {execution.block}"
    return replace(_refused(why), tx_hash=execution.tx_hash, block=execution.block)


def _refused(why: str) -> Outcome:
    remedy = f"the keeper does not ask again in this incident; {BY_HAND}"
    return Outcome(OutcomeKind.FAILED, Reason.COUNCIL_REJECTED, why, remedy)


def call_failed(execution: Execution) -> Outcome:
    """The Safe executed it and its call failed."""
    return Outcome(
        OutcomeKind.REVERTED,
        Reason.REVERTED_ON_CHAIN,
        f"the Safe's call failed in block {execution.block}: nothing changed, and the nonce is used",
        f"read the trace of the transaction; {BY_HAND}",
        tx_hash=execution.tx_hash,
        block=execution.block,
    )


def title_of(work: Work) -> str:
    """One line: what the owners are asked for."""
    market, action, armed = work.intent.market, work.intent.action, work.armed
    if armed is None:
        return f"{market}: {action}"
    what = _ASKED[armed.action.kind].format(market=market)
    new = f": {armed.adjusted.current} -> {armed.adjusted.new}" if armed.adjusted is not None else ""
    return f"{what} ({action}){new}"


_ASKED = {
    ActionKind.PAUSE: "Pause {market}",
    ActionKind.PAUSE_ALL: "Pause everything, because of {market}",
    ActionKind.RATE_LIMIT: "Tighten a limit of {market}",
    ActionKind.ADJUST: "Tighten a parameter of {market}",
    ActionKind.UPKEEP: "Upkeep of {market}",
}
