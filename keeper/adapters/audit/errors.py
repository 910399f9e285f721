"""What only the audit adapter raises."""

from __future__ import annotations

from keeper.domain.errors import AuditError


class DraftRefused(AuditError, ValueError):
    """The draft cannot be written down: it holds something that has no exact form, or lacks what its kind needs.

    A mistake of the caller, not of the database; nothing of the same append is stored.
    """


class TooLarge(AuditError):
    """What was asked for is more than one answer holds."""
