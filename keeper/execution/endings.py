"""How an intent can end: every outcome that carrying it out can have, in words, each with its remedy."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.errors import Unreachable
from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.execution.journal import ACCEPTED
from keeper.execution.work import Work
from keeper.ports.route import Submission, SubmissionKind

BY_HAND = "act by hand if the market is at risk"


def worked(work: Work, receipt: Receipt, after: str, read_at: int) -> Outcome:
    """Mined with status 1, and the view shows the effect at that block (a later one when its state is forgotten)."""
    call = work.armed.action.effect.read.signature if work.armed else "the effect"
    return Outcome(
        OutcomeKind.INCLUDED,
        Reason.EFFECT_VERIFIED,
        f"{call} is {after} at block {read_at}{_once_more(work, receipt)}",
        tx_hash=receipt.tx_hash,
        block=receipt.block_number,
    )


def _once_more(work: Work, receipt: Receipt) -> str:
    """What was signed with later nonces, while an earlier one was nobody's, makes the same call."""
    mined = next((each for each in work.intent.attempts if each.tx_hash == receipt.tx_hash), None)
    later = [each for each in work.intent.attempts if mined is not None and each.nonce > mined.nonce]
    told = (
        f"; transaction {each.tx_hash} (nonce {each.nonce}) makes the same call, and may be mined too" for each in later
    )
    return "".join(told)


def no_effect(work: Work, receipt: Receipt, after: str) -> Outcome:
    """Mined with status 1, and the view does not show the effect."""
    wanted = work.armed.action.effect.expect if work.armed else "unknown"
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NO_EFFECT,
        f"the transaction succeeded in block {receipt.block_number}, but the effect reads {after} instead of {wanted}",
        remedy=f"the contract did not do what its function says; {BY_HAND}, and check `target`, `call` and `read`",
        tx_hash=receipt.tx_hash,
        block=receipt.block_number,
    )


def reverted(receipt: Receipt) -> Outcome:
    """Mined with status 0."""
    return Outcome(
        OutcomeKind.REVERTED,
        Reason.REVERTED_ON_CHAIN,
        f"the transaction was mined in block {receipt.block_number} and reverted: nothing changed",
        remedy=f"read the trace of the transaction; {BY_HAND}",
        tx_hash=receipt.tx_hash,
        block=receipt.block_number,
    )


def shadow(detail: str) -> Outcome:
    """Decided and checked, never signed."""
    return Outcome(OutcomeKind.DRY_RUN, Reason.SHADOW_MODE, f"shadow mode: nothing was signed or sent; {detail}")


def expired(work: Work) -> Outcome:
    """Out of time; the message says what stood in the way last, and of an attempt that it may be anywhere."""
    unreachable = isinstance(work.trouble, Unreachable)
    why = "the node could not be reached" if unreachable else "it could not be carried out"
    message = f"{why} before the action expired"
    if work.trouble is not None:
        message += f" ({work.trouble.message})"
    elif (said := work.answer or work.private) is not None and said.kind not in ACCEPTED:
        message += f" ({said.kind}: {said.message})"
    elif work.withheld:
        message += f" ({work.withheld})"
    attempt = None if work.never_sent else work.last_attempt
    if attempt is not None:
        message += f"; transaction {attempt.tx_hash} (nonce {attempt.nonce}) is not known to be mined and may still be"
    return Outcome(
        OutcomeKind.EXPIRED,
        Reason.NODE_UNREACHABLE if unreachable else Reason.EXPIRED,
        message,
        remedy=f"check the node, the fees and the balance of the key; {BY_HAND}",
        tx_hash=attempt.tx_hash if attempt else None,
    )


def perhaps_sent(refusal: Outcome, attempt: Attempt) -> Outcome:
    """What stops an attempt that an earlier run wrote down, and may have sent before it was killed."""
    if refusal.kind is OutcomeKind.SUPERSEDED:
        return refusal
    told = f"transaction {attempt.tx_hash} (nonce {attempt.nonce}) was signed before; if it was sent, it may still be mined"
    return replace(refusal, message=f"{refusal.message}; {told}", tx_hash=attempt.tx_hash)


def not_configured(work: Work) -> Outcome:
    """Taken up after a restart with a configuration that no longer has the action, or has another call for it."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NOT_CONFIGURED,
        _gone(work),
        remedy="nothing was signed; put the action back if it is still wanted",
    )


def not_read(work: Work, receipt: Receipt) -> Outcome:
    """Mined with status 1 under a configuration that no longer says how to see the effect."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NOT_CONFIGURED,
        f"the transaction succeeded in block {receipt.block_number}, but its effect was not read: {_gone(work)}",
        remedy="look at the contract: what the call does is most likely in effect",
        tx_hash=receipt.tx_hash,
        block=receipt.block_number,
    )


def already_open(work: Work) -> Outcome:
    """The journal has the intent already, or one for the same action on the same market that comes and goes."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.ALREADY_OPEN,
        f"the journal does not take another intent for {work.intent.action} on {work.intent.market} now",
        remedy="make sure that no second keeper works with this database; the rule asks again by itself",
    )


def nonce_taken(attempt: Attempt) -> Outcome:
    """Somebody else used the nonce, and the action is not configured any more, so that no new attempt is made."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NONCE_TAKEN,
        f"nonce {attempt.nonce} of {attempt.sender} was used by another transaction",
        remedy=f"use the key for nothing but the keeper; {BY_HAND}",
    )


def nonce_lost(attempt: Attempt) -> Outcome:
    """Nodes say again and again that the nonce is used, and nobody knows a receipt of ours."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NONCE_TAKEN,
        f"nonce {attempt.nonce} of {attempt.sender} is used, say those that transaction {attempt.tx_hash} was sent to, "
        "and no receipt of it is known; if it was mined, the node that is read from does not know it yet",
        remedy=f"look the transaction up elsewhere; check that all nodes follow the same chain; {BY_HAND}",
        tx_hash=attempt.tx_hash,
    )


def refusal(answer: Submission, attempt: Attempt, *, alone: bool) -> Outcome | None:
    """The end that a route's answer means, if it means one: what may pass, or may for all we know, is tried again at the next head.

    ``alone`` False: another attempt has the same nonce and may still be mined, so it is no end.
    """
    if not alone:
        return None
    if answer.kind is SubmissionKind.INSUFFICIENT_FUNDS:
        needed = attempt.max_fee_wei * attempt.gas_limit
        return Outcome(
            OutcomeKind.FAILED,
            Reason.INSUFFICIENT_FUNDS,
            f"{attempt.sender} cannot pay for the transaction: {answer.message}",
            remedy=f"send ETH to {attempt.sender}: the transaction needs up to {needed} wei",
        )
    if answer.kind is SubmissionKind.INVALID:
        return Outcome(
            OutcomeKind.FAILED,
            Reason.REFUSED_BY_NODE,
            f"the node refused the transaction, which no block can have: {answer.message}",
            remedy=BY_HAND,
        )
    return None


def _gone(work: Work) -> str:
    intent = work.intent
    return f"the configuration no longer has the action {intent.action} on {intent.market} as it was written down"
