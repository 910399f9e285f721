"""What people are told of a breaker on the chain."""

from __future__ import annotations

from keeper.app.breakers.registered import Breaker
from keeper.app.breakers.trippers import Tripper
from keeper.app.breakers.turns import Turn
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import BreakerState, BreakerStatus, utc
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft, Json, RecordKind
from keeper.domain.verdict import Severity
from keeper.execution.work import Work
from keeper.ports.notifier import Notice

BEFORE = {
    Turn.TRIPPED: BreakerStatus.READY,
    Turn.RATIFIED: BreakerStatus.TRIPPED,
    Turn.LIFTED: BreakerStatus.TRIPPED,
    Turn.EXPIRED: BreakerStatus.TRIPPED,
}


def text_of(breaker: Breaker, turn: Turn, state: BreakerState) -> str:
    """What happened, and until when what follows from it lasts."""
    rest = f"it may trip again from {utc(max(state.ready_at_s, state.locked_until_s))} on"
    match turn:
        case Turn.TRIPPED:
            return f"breaker {breaker.name} is tripped until {utc(state.expires_at_s)}, unless the council ratifies or lifts it"
        case Turn.RATIFIED:
            return f"the council ratified the trip of breaker {breaker.name}: it stays until the council lifts it"
        case Turn.LIFTED:
            return f"the council lifted the trip of breaker {breaker.name}; {rest}"
        case Turn.EXPIRED:
            return f"the trip of breaker {breaker.name} has run out, and nobody had ratified it; {rest}"


def record_of(breaker: Breaker, turn: Turn, state: BreakerState, block: BlockStamp, at_ms: int) -> Draft:
    """A breaker turned on the chain."""
    market, action = breaker.keys[0]
    until_s = {Turn.TRIPPED: state.expires_at_s, Turn.LIFTED: state.locked_until_s}.get(turn)
    body: dict[str, Json] = {
        "market": market,
        "contract": breaker.contract,
        "id": breaker.id,
        "name": breaker.name,
        "before": BEFORE[turn].name.lower(),
        "after": str(turn),
        "trigger": "chain",
        "reason": text_of(breaker, turn, state),
        "nonce": state.nonce,
        "at_ms": str(at_ms),
        "block": block.number,
        "until_ms": None if until_s is None else str(until_s * 1000),
    }
    return Draft(RecordKind.BREAKER, body, at_ms, market=market, action=action)


def of_turn(breaker: Breaker, turn: Turn, state: BreakerState, block: BlockStamp) -> Notice:
    """The council has spoken, or a term has run out."""
    title = f"{', '.join(breaker.markets)}: breaker {breaker.name} {turn}"
    body = f"{text_of(breaker, turn, state)}\nblock {block.number}, contract {breaker.contract}"
    return Notice(_key("breaker-turn", breaker, state), title, body, Severity.WARNING)


def of_own(breaker: Breaker, state: BreakerState, block: BlockStamp) -> Notice:
    """This keeper's own trip: until when it lasts, and what people must do before."""
    until = utc(state.expires_at_s)
    title = f"{', '.join(breaker.markets)}: {breaker.name} is in effect until {until}"
    body = (
        f"This keeper tripped breaker {breaker.name}. The council must ratify the trip before {until}, or it ends by itself.\n"
        f"{_calls(breaker)}\nblock {block.number}"
    )
    return Notice(_key("breaker-own", breaker, state), title, body, Severity.WARNING)


def of_stranger(breaker: Breaker, state: BreakerState, block: BlockStamp, who: Tripper | str, required: int) -> Notice:
    """A trip that this keeper did not send; ``who`` did, or why that is not known."""
    severity, how = Severity.WARNING, "was tripped by another key"
    if isinstance(who, str):
        said = (
            f"This keeper did not send it; who did could not be read ({who}). If no other keeper of yours did, a key is stolen: "
            "let the guardian revoke it (revokeKeeper), and the council lift the trip."
        )
    elif who.own_key:
        severity, how = Severity.CRITICAL, "was tripped with THIS keeper's key, and not by this keeper"
        said = (
            f"Sent with THIS keeper's key {who.keeper}, and not by this keeper, in transaction {who.tx_hash}: the key is stolen or used by hand. "
            f"Let the guardian call revokeKeeper({who.keeper}) now, and the council lift the trip."
        )
    elif required > 1:
        how = "was tripped by several keepers"
        said = f"Carried out by keeper {who.keeper} with the signatures of several ({required} are required), transaction {who.tx_hash}."
    else:
        said = (
            f"Sent by {who.keeper}, not by this keeper, in transaction {who.tx_hash}. "
            "If that is no other keeper of yours at work, its key is stolen: "
            f"let the guardian revoke it (revokeKeeper({who.keeper})), and the council lift the trip."
        )
    title = f"{', '.join(breaker.markets)}: breaker {breaker.name} {how}"
    body = f"{text_of(breaker, Turn.TRIPPED, state)}\n{said}\n{_calls(breaker)}\nblock {block.number}"
    return Notice(_key("breaker-stranger", breaker, state), title, body, severity)


def of_term(breaker: Breaker, state: BreakerState, incidents: tuple[str, ...]) -> Notice:
    """A trip runs out soon while its incident is still open."""
    title = f"{', '.join(breaker.markets)}: breaker {breaker.name} runs out at {utc(state.expires_at_s)}"
    body = (
        f"The incident is still open. The council must ratify the trip before {utc(state.expires_at_s)}, or it ends by itself.\n"
        f"ratify({breaker.id}) on {breaker.contract}\nincident {', '.join(incidents)}"
    )
    return Notice(_key("breaker-term", breaker, state), title, body, Severity.CRITICAL)


def of_upkeep(work: Work, outcome: Outcome) -> Notice:
    """A transaction of the keeper's own came to nothing."""
    lines = [outcome.message, outcome.remedy, f"transaction {outcome.tx_hash}" if outcome.tx_hash else ""]
    title = f"{work.intent.action} {outcome.kind} ({outcome.reason})"
    return Notice(f"outcome/{work.intent.id}", title, "\n".join(line for line in lines if line), Severity.WARNING)


def _calls(breaker: Breaker) -> str:
    """What the council may call."""
    return f"ratify({breaker.id}) / lift({breaker.id}, true) on contract {breaker.contract}"


def _key(matter: str, breaker: Breaker, state: BreakerState) -> str:
    return f"{matter}/{breaker.route}/{breaker.name}/{state.nonce}"
