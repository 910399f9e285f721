"""The journal: an action and each of its signed transactions, written down before anything is sent.

::

    open ──signed──▶ signed ──sent──▶ submitted ──mined──▶ mined ──judged──▶ done
      │                │ ▲               │                                    ▲
      │                │ └──re-signed────┤                                    │
      └──────closed────┴─────closed──────┴────────────────────────────────────┘

``done`` carries an Outcome. Nothing else may happen: an unlisted trigger raises InvalidTransition.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.errors import InvalidTransition


class IntentState(StrEnum):
    OPEN = "open"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    MINED = "mined"
    DONE = "done"


class IntentTrigger(StrEnum):
    SIGN = "sign"
    SEND = "send"
    MINE = "mine"
    UNMINE = "unmine"
    """A reorganisation took the receipt away."""
    CLOSE = "close"


TRANSITIONS: dict[tuple[IntentState, IntentTrigger], IntentState] = {
    (IntentState.OPEN, IntentTrigger.SIGN): IntentState.SIGNED,
    (IntentState.OPEN, IntentTrigger.CLOSE): IntentState.DONE,
    (IntentState.SIGNED, IntentTrigger.SIGN): IntentState.SIGNED,
    (IntentState.SIGNED, IntentTrigger.SEND): IntentState.SUBMITTED,
    (IntentState.SIGNED, IntentTrigger.MINE): IntentState.MINED,
    (IntentState.SIGNED, IntentTrigger.CLOSE): IntentState.DONE,
    (IntentState.SUBMITTED, IntentTrigger.SIGN): IntentState.SIGNED,
    (IntentState.SUBMITTED, IntentTrigger.SEND): IntentState.SUBMITTED,
    (IntentState.SUBMITTED, IntentTrigger.MINE): IntentState.MINED,
    (IntentState.SUBMITTED, IntentTrigger.CLOSE): IntentState.DONE,
    (IntentState.MINED, IntentTrigger.UNMINE): IntentState.SUBMITTED,
    (IntentState.MINED, IntentTrigger.CLOSE): IntentState.DONE,
}


def advance(state: IntentState, trigger: IntentTrigger) -> IntentState:
    """The next state. Raises InvalidTransition when the table does not list it."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        raise InvalidTransition(f"an intent that is {state} cannot {trigger}") from None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction of an intent. ``raw`` is the 0x-prefixed signed transaction, ``tx_hash`` its hash."""

    intent: str
    number: int
    chain_id: int
    sender: str
    nonce: int
    max_fee_wei: int
    priority_fee_wei: int
    gas_limit: int
    to: str
    data: str
    tx_hash: str
    raw: str
    signed_ms: int


@dataclass(frozen=True, slots=True)
class Intent:
    """An action that was resolved. ``id`` is the decision's; ``effect_before`` is what the view answered when it was decided."""

    id: str
    market: str
    action: str
    incident: str
    state: IntentState
    created_ms: int
    expires_ms: int
    to: str
    data: str
    effect_before: str
    attempts: tuple[Attempt, ...] = ()
