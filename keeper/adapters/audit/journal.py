"""What a record says to the journal, read from its body by the table in ``keeper.ports.audit``.

Every store and the verification read records through this one module, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.times import to_iso
from keeper.domain.errors import IntentAlreadyOpen, InvalidTransition
from keeper.domain.intent import Attempt, Intent, IntentState, IntentTrigger, advance
from keeper.domain.outcome import FINAL_OUTCOMES
from keeper.domain.record import Json, RecordKind

_LARGEST_SQL_INT = 2**63 - 1
_DIGITS = 78
"""2**256 has 78 digits."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new intent."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Signed:
    """A new attempt; its intent is signed by it."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Moved:
    """A step of an intent. ``trigger`` None: nothing moves. ``tx_hash`` must be one of its attempts' (None: no transaction is meant)."""

    intent: str
    trigger: IntentTrigger | None
    tx_hash: str | None


Change = Opened | Signed | Moved

JOURNAL_KINDS = frozenset(
    {RecordKind.INTENT, RecordKind.ATTEMPT, RecordKind.BROADCAST, RecordKind.RECEIPT, RecordKind.OUTCOME}
)


def change_of(
    kind: str,
    market: str | None,
    action: str | None,
    incident: str | None,
    intent: str | None,
    at_ms: int,
    body: Mapping[str, Json],
) -> Change | None:
    """The change that a record makes, None for records that make none. Raises DraftRefused when something it needs is missing.

    An outcome without an intent (nothing was opened) changes nothing.
    """
    if kind not in JOURNAL_KINDS or (kind == RecordKind.OUTCOME and intent is None):
        return None
    read = _Body(kind, body)
    if intent is None:
        raise read.refused("intent")
    if kind == RecordKind.INTENT:
        if market is None or action is None or incident is None:
            raise read.refused("market, action and incident")
        return Opened(_intent(read, intent, market, action, incident, at_ms))
    if kind == RecordKind.ATTEMPT:
        return Signed(_attempt(read, intent, at_ms))
    if kind == RecordKind.BROADCAST:
        aside = body.get("withdrawn") is True or body.get("late") is True
        if aside and not read.flag("accepted"):
            return None  # may be written after the end of its intent, which may be forgotten by then
        return Moved(intent, IntentTrigger.SEND if read.flag("accepted") else None, read.text("tx_hash"))
    if kind == RecordKind.RECEIPT:
        gone = "gone" in body and read.flag("gone")
        return Moved(intent, IntentTrigger.UNMINE if gone else IntentTrigger.MINE, read.text("tx_hash"))
    if read.text("kind") not in FINAL_OUTCOMES:
        raise read.refused("a final kind")
    return Moved(intent, IntentTrigger.CLOSE, None)


def moved(state: IntentState | None, change: Signed | Moved, knows_tx: bool) -> IntentState:
    """The state after a change. ``state`` None: the journal has no such intent. Raises InvalidTransition."""
    intent = change.attempt.intent if isinstance(change, Signed) else change.intent
    if state is None:
        raise InvalidTransition(f"the journal holds no intent {intent}")
    if isinstance(change, Signed):
        return advance(state, IntentTrigger.SIGN)
    if change.tx_hash is not None and not knows_tx:
        raise InvalidTransition(f"{change.tx_hash} is no attempt of the intent {intent}")
    return state if change.trigger is None else advance(state, change.trigger)


def already_open(intent: Intent) -> IntentAlreadyOpen:
    """The error for a second open intent."""
    return IntentAlreadyOpen(
        f"an intent for {intent.action} on {intent.market} is open already",
        remedy="it ends with its outcome; see: keeper status CONFIG",
    )


def already_tried(attempt: Attempt) -> InvalidTransition:
    """The error for an attempt that the journal has, by its number, its hash, or its nonce and fees."""
    return InvalidTransition(
        f"the journal holds attempt {attempt.number} of the intent {attempt.intent} already, "
        f"or one with its hash or its nonce {attempt.nonce} and fees"
    )


def already_known(intent: Intent) -> InvalidTransition:
    """The error for an intent whose id was used before."""
    return InvalidTransition(f"the journal holds the intent {intent.id} already")


def intent_row(intent: Intent, seq: int) -> tuple[str | int, ...]:
    """The columns of ``intents`` in the order of the table."""
    return (
        intent.id,
        seq,
        intent.market,
        intent.action,
        intent.incident,
        str(intent.state),
        to_iso(intent.created_ms),
        to_iso(intent.expires_ms),
        intent.to,
        intent.data,
        intent.effect_before,
    )


def attempt_row(attempt: Attempt, seq: int) -> tuple[str | int, ...]:
    """The columns of ``attempts`` in the order of the table."""
    return (
        attempt.intent,
        attempt.number,
        seq,
        attempt.chain_id,
        attempt.sender,
        attempt.nonce,
        str(attempt.max_fee_wei),
        str(attempt.priority_fee_wei),
        attempt.gas_limit,
        attempt.to,
        attempt.data,
        attempt.tx_hash,
        attempt.raw,
        to_iso(attempt.signed_ms),
    )


def _intent(read: _Body, intent: str, market: str, action: str, incident: str, at_ms: int) -> Intent:
    expires_ms = read.digits("expires_ms")
    to_iso(expires_ms)
    return Intent(
        id=intent,
        market=market,
        action=action,
        incident=incident,
        state=IntentState.OPEN,
        created_ms=at_ms,
        expires_ms=expires_ms,
        to=read.text("to"),
        data=read.text("data"),
        effect_before=read.text("effect_before"),
    )


def _attempt(read: _Body, intent: str, at_ms: int) -> Attempt:
    return Attempt(
        intent=intent,
        number=read.count("number"),
        chain_id=read.count("chain_id"),
        sender=read.text("sender"),
        nonce=read.count("nonce"),
        max_fee_wei=read.digits("max_fee_wei"),
        priority_fee_wei=read.digits("priority_fee_wei"),
        gas_limit=read.count("gas_limit"),
        to=read.text("to"),
        data=read.text("data"),
        tx_hash=read.text("tx_hash"),
        raw=read.text("raw"),
        signed_ms=at_ms,
    )


class _Body:
    """Reads what the journal needs, strictly: a missing or differently written value is refused before anything is stored."""

    def __init__(self, kind: str, body: Mapping[str, Json]) -> None:
        self._kind = kind
        self._body = body

    def refused(self, what: str) -> DraftRefused:
        return DraftRefused(f"a record of kind {self._kind} needs {what}")

    def text(self, key: str) -> str:
        value = self._body.get(key)
        if not isinstance(value, str) or "\0" in value:
            raise self.refused(f"{key!r} as text")
        return value

    def flag(self, key: str) -> bool:
        value = self._body.get(key)
        if not isinstance(value, bool):
            raise self.refused(f"{key!r} as true or false")
        return value

    def digits(self, key: str) -> int:
        """Decimal text without sign and leading zeros: there is one way to write each number."""
        value = self.text(key)
        if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS) or str(int(value)) != value:
            raise self.refused(f"{key!r} as decimal text")
        return int(value)

    def count(self, key: str) -> int:
        """A JSON number, or decimal text, that a 64-bit column holds."""
        value = self._body.get(key)
        number = self.digits(key) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _LARGEST_SQL_INT:
            raise self.refused(f"{key!r} as a whole number")
        return number
