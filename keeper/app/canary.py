"""Whether builders take our signature, asked regularly: an identity that nobody takes is otherwise found out on the day when it is needed."""

from __future__ import annotations

from typing import Final

from keeper.adapters.routes.relay_answers import NO_SIGNATURE
from keeper.app.faults import Faults
from keeper.domain.verdict import Severity
from keeper.ports.route import Answer, SecretRoute, SubmissionKind

HEADER: Final = "check `identity` of the route and `header` of the builder (docs/operator/routes.md)"
ADDRESS: Final = "check `url` and `cancel` of the builder (docs/operator/routes.md)"
AWAY: Final = "check `url` of the builder and the network; other builders and the fallback are used meanwhile"
NOBODY: Final = "; no builder of this route can be used now"


class Canary:
    """Of one route. A builder that does not take us is a fault at once, a critical one when there is no other."""

    def __init__(self, route: SecretRoute, faults: Faults) -> None:
        self._route = route
        self._faults = faults

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
            message = answer.message + (NOBODY if nobody else "")
            self._faults.down(part, reason_of(answer), message, remedy_of(answer), severity=severity)


def reason_of(answer: Answer) -> str:
    """A short code for what is wrong."""
    if answer.kind is SubmissionKind.UNREACHABLE:
        return "unreachable"
    return "signature-refused" if answer.message.startswith(NO_SIGNATURE) else "refused"


def remedy_of(answer: Answer) -> str:
    """What to do about it."""
    return {"unreachable": AWAY, "signature-refused": HEADER}.get(reason_of(answer), ADDRESS)
