"""What came of an action: a typed value with a reason, never a bool."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OutcomeKind(StrEnum):
    DRY_RUN = "dry-run"
    """Decided and recorded; nothing was sent because the keeper is in shadow mode."""
    SUBMITTED = "submitted"
    """Accepted by the route; not in a block yet."""
    INCLUDED = "included"
    """In a block with status 1 and the effect read back at that block."""
    REVERTED = "reverted"
    """In a block with status 0."""
    EXPIRED = "expired"
    """Could not be carried out in time."""
    SUPERSEDED = "superseded"
    """The effect was there already, by somebody else's hand or an earlier attempt's."""
    FAILED = "failed"
    """Not carried out, or carried out without the effect."""


FINAL_OUTCOMES = frozenset(OutcomeKind) - {OutcomeKind.SUBMITTED}


class Reason(StrEnum):
    """Why an action ended as it did."""

    EFFECT_VERIFIED = "effect-verified"
    SHADOW_MODE = "shadow-mode"
    ACCEPTED = "accepted"
    ALREADY_IN_EFFECT = "already-in-effect"
    WOULD_LOOSEN = "would-loosen"
    SIMULATION_REVERTED = "simulation-reverted"
    MISSING_ROLE = "missing-role"
    REVERTED_ON_CHAIN = "reverted-on-chain"
    NO_EFFECT = "no-effect"
    INSUFFICIENT_FUNDS = "insufficient-funds"
    WRONG_CHAIN = "wrong-chain"
    NODE_UNREACHABLE = "node-unreachable"
    NONCE_TAKEN = "nonce-taken"
    REFUSED_BY_NODE = "refused-by-node"
    SIGNING_FAILED = "signing-failed"
    ALREADY_OPEN = "already-open"
    EXPIRED = "expired"
    NO_NEW_VALUE = "no-new-value"
    """A parameter's new value cannot be made of its current one within the bounds and the largest step."""
    CURRENT_UNKNOWN = "current-unknown"
    """A parameter's current value was not known when it was decided, so there is nothing to make the new one of."""
    CURRENT_CHANGED = "current-changed"
    """A parameter is not any more what its new value was made of."""
    INVARIANT_BROKEN = "invariant-broken"
    """After it, something would not be true that it must keep true."""
    INVARIANT_UNKNOWN = "invariant-unknown"
    """Whether what it must keep true would be true after it could not be found out."""
    NOT_CONFIGURED = "not-configured"
    TOO_FEW_SIGNATURES = "too-few-signatures"
    """A breaker asks for several keepers, or a Safe for several owners, and too few of them signed in time."""
    COUNCIL_REJECTED = "council-rejected"
    """The owners of the Safe used the nonce up for nothing, which is how they say no."""
    RECOVERED = "market-recovered"
    """The incident was over before the council had signed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``message`` says what happened in words, ``remedy`` what to do about it; ``tx_hash`` and ``block`` where there is a transaction."""

    kind: OutcomeKind
    reason: Reason
    message: str
    remedy: str = ""
    tx_hash: str | None = None
    block: int | None = None
