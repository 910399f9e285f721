"""The errors of the keeper.

::

    KeeperError
    ├── ConfigurationError        what the operator wrote cannot be used; carries every problem at once
    ├── UnitError                 a text is not a quantity of the unit asked for
    ├── InvalidTransition         a state machine was given a trigger that its table does not list
    ├── OutsideError              something outside of the process failed
    │   ├── Unreachable           no answer: refused, timed out, closed
    │   │   └── Busy              it answers, but not now (HTTP 429 and 5xx)
    │   ├── Refused               an answer that says no (JSON-RPC error, HTTP 4xx)
    │   ├── MalformedAnswer       an answer that is not what the protocol says
    │   └── WrongChain            the node serves another chain than the configuration names
    ├── SigningError              the key cannot be read or does not fit
    │   └── SignerAway            who keeps the key does not answer now
    ├── SetupError                a tool that the local world needs is not there
    ├── Interrupted               somebody at a terminal ended it at a question
    └── AuditError
        ├── StoreUnavailable      the database does not take or give records
        ├── StoreNotMigrated      the schema is older or newer than the code
        ├── IntentAlreadyOpen     the database holds an open intent for this action and market
        ├── AlreadyRunning        another process runs a keeper on this database
        └── LeaseLost             this replica does not lead: nothing may be written or sent

Every error carries a ``remedy``: what the reader can do about it. No message ever holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass


class KeeperError(Exception):
    """Something went wrong in the keeper."""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.remedy = remedy
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration.

    ``path`` is the place as ``markets.X.rules.y.when.above``, ``line`` counts from 1 (None: not in the file),
    ``found`` is the offending text (never a value that came from the environment), ``hint`` what is allowed.
    """

    path: str
    line: int | None
    found: str
    message: str
    hint: str = ""


class ConfigurationError(KeeperError):
    """The configuration cannot be used."""

    def __init__(self, problems: tuple[Problem, ...], *, remedy: str = "") -> None:
        self.problems = problems
        first = problems[0] if problems else None
        text = f"{first.path}: {first.message}" if first else "the configuration cannot be used"
        if len(problems) > 1:
            text += f" (and {len(problems) - 1} more)"
        super().__init__(text, remedy=remedy or "run: keeper check CONFIG")


class UnitError(KeeperError, ValueError):
    """The text is not a quantity of this unit."""


class InvalidTransition(KeeperError):
    """The state machine does not list this trigger in this state."""


class OutsideError(KeeperError):
    """Something outside of the process failed."""


class Unreachable(OutsideError):
    """There was no answer."""


class Busy(Unreachable):
    """The other side is there, and asks to come back later.

    ``retry_after_s`` is when, in seconds, where it said so (never negative); None where it did not.
    """

    def __init__(self, message: str = "", *, retry_after_s: float | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class Refused(OutsideError):
    """The other side answered that it will not.

    ``code`` is the JSON-RPC or HTTP code, ``data`` the revert data or body where there is one.
    """

    def __init__(self, message: str = "", *, code: int = 0, data: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.data = data


class MalformedAnswer(OutsideError):
    """The answer is not what the protocol says it should be."""


class WrongChain(OutsideError):
    """The node serves another chain than the configuration names."""


class SigningError(KeeperError):
    """The key cannot be used."""


class SignerAway(SigningError):
    """Who keeps the key does not answer, or not now: the same may be asked again."""


class SetupError(KeeperError):
    """A tool that the local world needs is not there."""


class Interrupted(KeeperError):
    """Somebody at a terminal ended it at a question."""


class AuditError(KeeperError):
    """The audit log cannot be used."""


class StoreUnavailable(AuditError):
    """The database does not take or give records."""


class StoreNotMigrated(AuditError):
    """The schema of the database is not the one this version needs."""


class IntentAlreadyOpen(AuditError):
    """An intent for this action and market is open already."""


class AlreadyRunning(AuditError):
    """Another process runs a keeper on this database."""


class LeaseLost(AuditError):
    """This replica does not lead, or not any more: it may neither write nor send."""
