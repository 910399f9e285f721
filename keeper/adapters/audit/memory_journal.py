"""The journal in memory: the same rules as the database's, for stores without one, and for as long as the database is away."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from keeper.adapters.audit.journal import Change, Opened, Signed, already_known, already_open, already_tried, moved
from keeper.domain.intent import Attempt, Intent, IntentState


@dataclass(slots=True)
class MemoryJournal:
    """Intents with their attempts, in the order they were opened; ``tried`` is what makes a transaction the same one."""

    intents: dict[str, Intent] = field(default_factory=dict)
    tried: set[tuple[object, ...]] = field(default_factory=set)

    @property
    def open_intents(self) -> list[Intent]:
        """Every intent that is not done."""
        return [intent for intent in self.intents.values() if intent.state is not IntentState.DONE]

    def copy(self) -> MemoryJournal:
        return MemoryJournal(dict(self.intents), set(self.tried))

    def apply(self, change: Change) -> None:
        """Raises IntentAlreadyOpen, InvalidTransition."""
        if isinstance(change, Opened):
            self._open(change.intent)
            return
        key = change.attempt.intent if isinstance(change, Signed) else change.intent
        intent = self.intents.get(key)
        attempts = intent.attempts if intent else ()
        knows_tx = not isinstance(change, Signed) and change.tx_hash in {attempt.tx_hash for attempt in attempts}
        state = moved(intent.state if intent else None, change, knows_tx)
        assert intent is not None, "moved refuses an unknown intent"
        if isinstance(change, Signed):
            attempts = self._with(intent, change.attempt)
        self.intents[key] = replace(intent, state=state, attempts=attempts)

    def hold(self, attempt: Attempt) -> None:
        """An attempt that was made before, of whatever intent: it is not made again."""
        self.tried |= _keys(attempt)

    def _open(self, intent: Intent) -> None:
        for other in self.intents.values():
            if other.state is not IntentState.DONE and (other.market, other.action) == (intent.market, intent.action):
                raise already_open(intent)
        if intent.id in self.intents:
            raise already_known(intent)
        self.intents[intent.id] = intent

    def _with(self, intent: Intent, attempt: Attempt) -> tuple[Attempt, ...]:
        keys = _keys(attempt)
        if keys & self.tried:
            raise already_tried(attempt)
        self.tried |= keys
        return tuple(sorted((*intent.attempts, attempt), key=lambda each: each.number))


def _keys(attempt: Attempt) -> set[tuple[object, ...]]:
    fees = (attempt.max_fee_wei, attempt.priority_fee_wei)
    return {
        ("number", attempt.intent, attempt.number),
        ("hash", attempt.tx_hash),
        ("transaction", attempt.chain_id, attempt.sender, attempt.nonce, *fees),
    }
