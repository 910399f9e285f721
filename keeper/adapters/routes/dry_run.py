"""The route of shadow mode: nothing leaves the process."""

from __future__ import annotations

from keeper.domain.intent import Attempt
from keeper.ports.route import Submission, SubmissionKind


class DryRunRoute:
    """Takes every attempt and sends none."""

    def __init__(self, name: str = "dry-run") -> None:
        self._name = name

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        """Always NOT_SENT."""
        return Submission(SubmissionKind.NOT_SENT, f"dry run: {attempt.tx_hash} was not sent")

    async def close(self) -> None:
        """Nothing is open."""
