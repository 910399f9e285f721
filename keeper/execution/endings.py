"""How an intent can end: every outcome that carrying it out can have, in words, each with its remedy."""

from __future__ import annotations

from keeper.domain.evm import Receipt
from keeper.domain.intent import Attempt
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.execution.work import Work
from keeper.ports.route import Submission, SubmissionKind

BY_HAND = "act by hand if the market is at risk"


def worked(work: Work, receipt: Receipt, after: str) -> Outcome:
    """Mined with status 1, and the view shows the effect at that block."""
    call = work.armed.action.effect.read.signature if work.armed else "the effect"
    return Outcome(
        OutcomeKind.INCLUDED,
        Reason.EFFECT_VERIFIED,
        f"{call} is {after} at block {receipt.block_number}",
        tx_hash=receipt.tx_hash,
        block=receipt.block_number,
    )


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


def expired(work: Work, *, reachable: bool = True) -> Outcome:
    """Out of time; with an attempt that may be anywhere, which the message says."""
    why = "it could not be carried out" if reachable else "the node could not be reached"
    message = f"{why} before the action expired"
    attempt = work.last_attempt
    if attempt is not None:
        message += f"; transaction {attempt.tx_hash} (nonce {attempt.nonce}) is not known to be mined and may still be"
    return Outcome(
        OutcomeKind.EXPIRED,
        Reason.EXPIRED if reachable else Reason.NODE_UNREACHABLE,
        message,
        remedy=f"check the node, the fees and the balance of the key; {BY_HAND}",
        tx_hash=attempt.tx_hash if attempt else None,
    )


def not_configured(work: Work) -> Outcome:
    """Taken up after a restart with a configuration that no longer has the action."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NOT_CONFIGURED,
        f"the configuration no longer has the action {work.intent.action} on {work.intent.market}",
        remedy="nothing was signed; put the action back if it is still wanted",
    )


def nonce_taken(attempt: Attempt) -> Outcome:
    """Somebody else used the nonce, and the action is not configured any more, so that no new attempt is made."""
    return Outcome(
        OutcomeKind.FAILED,
        Reason.NONCE_TAKEN,
        f"nonce {attempt.nonce} of {attempt.sender} was used by another transaction",
        remedy=f"use the key for nothing but the keeper; {BY_HAND}",
    )


def refusal(answer: Submission, attempt: Attempt, *, first: bool) -> Outcome | None:
    """The end that a route's answer means, if it means one: what may pass is tried again at the next head."""
    if answer.kind is SubmissionKind.INSUFFICIENT_FUNDS:
        needed = attempt.max_fee_wei * attempt.gas_limit
        return Outcome(
            OutcomeKind.FAILED,
            Reason.INSUFFICIENT_FUNDS,
            f"{attempt.sender} cannot pay for the transaction: {answer.message}",
            remedy=f"send ETH to {attempt.sender}: the transaction needs up to {needed} wei",
        )
    if answer.kind is SubmissionKind.REFUSED and first:
        return Outcome(
            OutcomeKind.FAILED,
            Reason.REFUSED_BY_NODE,
            f"the node refused the transaction: {answer.message}",
            remedy=BY_HAND,
        )
    return None
