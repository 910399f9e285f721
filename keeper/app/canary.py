"""Whether builders take our signature, asked regularly: an identity that nobody takes is otherwise found out on the day when it is needed."""

from __future__ import annotations

from typing import Final

from keeper.adapters.routes.relay_answers import NO_SIGNATURE, WANTS_SIGNATURE
from keeper.app.faults import Faults
from keeper.domain.verdict import Severity
from keeper.ports.route import Answer, SecretRoute, SubmissionKind

HEADER: Final = "check `identity` of the route and `header` of the builder (docs/operator/routes.md)"
UNSIGNED: Final = "this builder wants a signature; set `header` (docs/operator/routes.md)"
ADDRESS: Final = "check `url` and `cancel` of the builder (docs/operator/routes.md)"
AWAY: Final = "check `url` of the builder and the network (docs/operator/routes.md)"
NOBODY: Final = "no builder of this route can be used now"


class Canary:
    """Of one route. A builder that does not take us is a fault at once, a critical one when there is no other.

    ``fallback`` is the name of the public route that is used then; empty: there is none.
    """

    def __init__(self, route: SecretRoute, faults: Faults, fallback: str = "") -> None:
        self._route = route
        self._faults = faults
        meanwhile = f"the fallback {fallback} is used" if fallback else "nothing can be sent until one answers"
        self._nobody = f"; {NOBODY}: {meanwhile}"

    async def run(self) -> None:
        """Asks all of them once."""
        answers = await self._route.prove()
        nobody = not any(answer.kind is SubmissionKind.ACCEPTED for answer in answers)
        for answer in answers:
            part = f"route:{self._route.name}/{answer.to}"
            if answer.kind is SubmissionKind.ACCEPTED:
                self._faults.up(part, "takes our signature again")
                continue
            severity = Severity.CRITICAL if nobody else Severity.WARNING
            message = answer.message + (self._nobody if nobody else "")
            self._faults.down(part, reason_of(answer), message, remedy_of(answer), severity=severity)


def reason_of(answer: Answer) -> str:
    """A short code for what is wrong."""
    if answer.kind is SubmissionKind.UNREACHABLE:
        return "unreachable"
    if answer.message.startswith(WANTS_SIGNATURE):
        return "signature-wanted"
    return "signature-refused" if answer.message.startswith(NO_SIGNATURE) else "refused"


def remedy_of(answer: Answer) -> str:
    """What to do about it."""
    remedies = {"unreachable": AWAY, "signature-refused": HEADER, "signature-wanted": UNSIGNED}
    return remedies.get(reason_of(answer), ADDRESS)
