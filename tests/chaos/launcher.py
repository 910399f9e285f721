"""Starts the command line so that it dies, or is told to stop, at an exact step: ``launcher.py TRACE ORDER COMMAND...``.

TRACE is a file that gets each step as it is reached. ORDER is ``observe``, or ``SIGNAL:before|after:STEP:N``: the process sends itself that
signal right before or right after the N-th time of that step. Steps are the calls by which a keeper leaves a trace outside of itself:
``append`` (one commit to the log, named by the kinds of its records, a proposal's by its step), ``write ahead`` (the one row of what an action
waits for), ``apply`` (the journal's part, inside of the commit that puts it into the tables), ``sign``, ``sign safe`` (what goes to a Safe's
service), ``propose``, ``submit``, ``submit to builders`` and ``withdraw``. Nothing in the keeper knows of it.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keeper.adapters.audit.statements import Statements

ASIDE = {"tick", "state", "fault", "notification", "job", "readiness"}
"""Records that nobody waits for: which of them share a commit depends on timing, so they are one step by name."""


class Trap:
    """Knows which step is the fatal one."""

    def __init__(self, trace: Path, order: str) -> None:
        self._trace = trace
        self._reached: Counter[str] = Counter()
        self._signal, self._when, self._step, self._nth = order.split(":") if order != "observe" else ("", "", "", "0")

    def before(self, step: str) -> int:
        self._reached[step] += 1
        with self._trace.open("a", encoding="utf-8") as file:
            file.write(step + "\n")
        self._spring("before", step, self._reached[step])
        return self._reached[step]

    def after(self, step: str, count: int) -> None:
        self._spring("after", step, count)

    def _spring(self, when: str, step: str, count: int) -> None:
        if (when, step, count) == (self._when, self._step, int(self._nth)):
            os.kill(os.getpid(), signal.Signals[self._signal])


def around(trap: Trap, name: Callable[..., str], call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The call with the trap before and after it."""

    @functools.wraps(call)
    async def wrapped(*args: Any) -> Any:
        step = name(*args)
        count = trap.before(step)
        answer = await call(*args)
        trap.after(step, count)
        return answer

    return wrapped


def commit_name(_: object, drafts: Sequence[Any]) -> str:
    """A commit by what it holds."""
    kinds = list(dict.fromkeys(_kind(draft) for draft in drafts))
    return "append " + ("aside" if set(kinds) <= ASIDE else "+".join(kind for kind in kinds if kind not in ASIDE))


def _kind(draft: Any) -> str:
    """A proposal's record is known by its step."""
    return str(draft.body["step"]) if draft.kind.value == "proposal" else str(draft.kind.value)


class Journal:
    """A cursor that springs the trap at each row of the journal that a commit writes, while it is not committed."""

    def __init__(self, cursor: Any, trap: Trap, sql: Statements) -> None:
        self._cursor = cursor
        self._trap = trap
        self._steps = {
            sql.insert_intent: "apply Opened",
            sql.insert_attempt: "apply Signed",
            sql.set_state: "apply Moved",
        }
        self._last = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: str, values: Any = ()) -> Any:
        step = self._steps.get(statement)
        if step == "apply Moved" and self._last == "apply Signed":
            step = None  # the state that the attempt itself brings
        self._last = step or ""
        if step is None:
            return self._cursor.execute(statement, values)
        count = self._trap.before(step)
        answer = self._cursor.execute(statement, values)
        self._trap.after(step, count)
        return answer


def replace(owner: type, name: str, by: Callable[..., Any]) -> None:
    setattr(owner, name, by)


def main() -> None:
    trace, order, *command = sys.argv[1:]
    from keeper.app.cli import main as keeper

    instrument(Trap(Path(trace), order))
    keeper(command)


def instrument(trap: Trap) -> None:
    """Lays the trap around every step of this process."""
    from keeper.adapters.audit import ahead
    from keeper.adapters.audit.sqlite_database import SqliteDatabase
    from keeper.adapters.audit.store import SqlAuditStore
    from keeper.adapters.routes.private import PrivateRoute
    from keeper.adapters.routes.public import PublicRoute
    from keeper.adapters.safe.service import SafeTransactionService
    from keeper.adapters.signing.local import LocalSigner

    replace(SqlAuditStore, "append", around(trap, commit_name, SqlAuditStore.append))
    replace(PublicRoute, "submit", around(trap, lambda *_: "submit", PublicRoute.submit))
    replace(PrivateRoute, "submit", around(trap, lambda *_: "submit to builders", PrivateRoute.submit))
    replace(PrivateRoute, "withdraw", around(trap, lambda *_: "withdraw", PrivateRoute.withdraw))
    replace(LocalSigner, "sign", around(trap, lambda *_: "sign", LocalSigner.sign))
    replace(LocalSigner, "sign_safe", around(trap, lambda *_: "sign safe", LocalSigner.sign_safe))
    replace(SafeTransactionService, "propose", around(trap, lambda *_: "propose", SafeTransactionService.propose))
    stored = SqliteDatabase._is_stored

    def stored_between(store: SqliteDatabase, connection: Any, statement: str, *rest: Any) -> bool:
        if statement != ahead.INSERT:
            return stored(store, connection, statement, *rest)
        count = trap.before("write ahead")
        answer = stored(store, connection, statement, *rest)
        trap.after("write ahead", count)
        return answer

    replace(SqliteDatabase, "_is_stored", stored_between)
    append = SqliteDatabase._append
    replace(
        SqliteDatabase, "_append", lambda store, cursor, ready: append(store, Journal(cursor, trap, store.sql), ready)
    )


if __name__ == "__main__":
    main()
