"""Block builders in memory, for tests of what uses a secret route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from keeper.domain.errors import UnitError
from keeper.domain.intent import Attempt
from keeper.ports.route import Answer, Submission, SubmissionKind

METHOD: Final = "eth_sendBundle"
_TAKEN: Final = frozenset({SubmissionKind.ACCEPTED, SubmissionKind.KNOWN})


class MemorySecretRoute:
    """Implements ``keeper.ports.route.SecretRoute``. ``says`` is what each builder answers; a test changes it at will.

    ``submitted`` has every submission with its block, ``withdrawn`` what was asked to be forgotten, ``states`` words for transactions by hash.
    """

    def __init__(self, name: str, builders: Sequence[str] = ("builder",)) -> None:
        """Raises UnitError without any builder."""
        if not builders:
            raise UnitError("a private route needs at least one builder", remedy="name one in `builders`")
        self._name = name
        self.says = dict.fromkeys(builders, SubmissionKind.ACCEPTED)
        self.submitted: list[tuple[Attempt, int]] = []
        self.withdrawn: list[Attempt] = []
        self.states: dict[str, str] = {}
        self.closed = False

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        """ACCEPTED where one builder takes it, UNREACHABLE where one that does not answer might have, else REFUSED."""
        self.submitted.append((attempt, block))
        answers = self._answers(METHOD)
        for answer in answers:
            if answer.kind in _TAKEN:
                return Submission(answer.kind, f"taken by {answer.to}", answers)
        unsure = any(answer.kind is SubmissionKind.UNREACHABLE for answer in answers)
        kind = SubmissionKind.UNREACHABLE if unsure else SubmissionKind.REFUSED
        return Submission(kind, "; ".join(f"{answer.to}: {answer.message}" for answer in answers), answers)

    async def withdraw(self, attempts: Sequence[Attempt]) -> Sequence[Answer]:
        """Remembered; one answer of each builder for each."""
        self.withdrawn += attempts
        return tuple(answer for _ in attempts for answer in self._answers("eth_cancelBundle"))

    async def status(self, attempt: Attempt) -> str:
        """What ``states`` has; empty where it has nothing."""
        return self.states.get(attempt.tx_hash, "")

    async def prove(self) -> Sequence[Answer]:
        """One answer of each builder."""
        answers = self._answers("eth_cancelBundle")
        return tuple(replace(one, kind=SubmissionKind.ACCEPTED) if one.kind in _TAKEN else one for one in answers)

    async def close(self) -> None:
        """Safe to call twice."""
        self.closed = True

    def _answers(self, method: str) -> tuple[Answer, ...]:
        return tuple(Answer(name, method, kind, f"says {kind.value}") for name, kind in self.says.items())
