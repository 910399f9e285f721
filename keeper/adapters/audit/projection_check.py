"""Recomputes the journal from the records and holds every row of ``intents`` and ``attempts`` against it.

Rows are compared in the order in which their records made them, side by side with the records, so that only the open intents
are kept in memory however long the log is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.journal import Change, Opened, Signed, attempt_row, intent_row, moved
from keeper.adapters.audit.log_reader import LogReader, Row
from keeper.adapters.audit.models import attempts, intents
from keeper.domain.errors import InvalidTransition
from keeper.domain.intent import IntentState

_STATE = [column.name for column in intents.columns].index("state")
_INTENT_SEQ = [column.name for column in intents.columns].index("seq")
_ATTEMPT_SEQ = [column.name for column in attempts.columns].index("seq")


@dataclass(slots=True)
class _Open:
    """An intent that is not done: what it should be now, and what its row says it ended as."""

    seq: int
    market: str
    action: str
    state: IntentState
    stored: object
    tx_hashes: set[str] = field(default_factory=set)


class ProjectionCheck:
    """Feed it every record's change in order, then ``finish``. Raises Finding at the first row that is wrong."""

    def __init__(self, log: LogReader) -> None:
        self._intents = log.rows("intents", [column.name for column in intents.columns])
        self._attempts = log.rows("attempts", [column.name for column in attempts.columns])
        self._open: dict[str, _Open] = {}
        self._busy: set[tuple[str, str]] = set()
        """(market, action) of the open intents."""

    def feed(self, change: Change, seq: int) -> None:
        if isinstance(change, Opened):
            self._opened(change, seq)
            return
        intent = change.attempt.intent if isinstance(change, Signed) else change.intent
        kept = self._open.get(intent)
        try:
            knows_tx = kept is not None and not isinstance(change, Signed) and change.tx_hash in kept.tx_hashes
            state = moved(kept.state if kept else None, change, knows_tx)
        except InvalidTransition as error:
            raise Finding("records", seq, f"the journal does not allow it: {error.message}") from None
        assert kept is not None, "moved refuses an unknown intent"
        kept.state = state
        if isinstance(change, Signed):
            kept.tx_hashes.add(change.attempt.tx_hash)
            _same("attempts", self._attempts.next(seq), attempt_row(change.attempt, seq), _ATTEMPT_SEQ, seq)
        if state is IntentState.DONE:
            done = self._open.pop(intent)
            self._busy.discard((done.market, done.action))
            self._check_state(done)

    def finish(self) -> None:
        for table, rows, place in (("intents", self._intents, _INTENT_SEQ), ("attempts", self._attempts, _ATTEMPT_SEQ)):
            row = rows.next(None)
            if row is not None:
                seq = row[1 + place]
                raise Finding(table, seq if isinstance(seq, int) else None, "there is a row that no record made")
        for kept in self._open.values():
            self._check_state(kept)

    def _opened(self, change: Opened, seq: int) -> None:
        intent = change.intent
        if intent.id in self._open or (intent.market, intent.action) in self._busy:
            raise Finding("records", seq, f"an intent for {intent.action} on {intent.market} is open already")
        row = self._intents.next(seq)
        stored = None if row is None else row[1 + _STATE]
        expected = list(intent_row(intent, seq))
        # the row says where the intent ended, the record where it began: the state is judged when its last record was read
        expected[_STATE] = stored.decode(errors="replace") if isinstance(stored, bytes) else ""
        _same("intents", row, tuple(expected), _INTENT_SEQ, seq)
        self._busy.add((intent.market, intent.action))
        self._open[intent.id] = _Open(seq, intent.market, intent.action, intent.state, stored)

    def _check_state(self, kept: _Open) -> None:
        if kept.stored != kept.state.value.encode():
            shown = kept.stored.decode(errors="backslashreplace") if isinstance(kept.stored, bytes) else kept.stored
            raise Finding("intents", kept.seq, f"the state is {shown}, the records say {kept.state}")


def _same(table: str, row: Row | None, expected: Row, place: int, seq: int) -> None:
    types = " ".join("integer" if isinstance(value, int) else "text" for value in expected).encode()
    wanted = (types, *(value.encode() if isinstance(value, str) else value for value in expected))
    if row == wanted:
        return
    if row is None or (isinstance(row[1 + place], int) and row[1 + place] != seq):
        raise Finding(table, seq, "the row of this record is missing, or another stands in its place")
    names = [column.name for column in (intents if table == "intents" else attempts).columns]
    wrong = [name for name, found, want in zip(names, row[1:], wanted[1:], strict=True) if found != want]
    raise Finding(table, seq, f"the row of this record was changed: {', '.join(wrong) or 'the type of a column'}")
