"""What a replica adds to a service: its lease hears of evaluated blocks, nothing is sent without it, and people hear of a takeover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.app.leading import Leading
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.app.restart import bound
from keeper.domain.block import BlockStamp
from keeper.domain.intent import Attempt
from keeper.domain.verdict import Severity
from keeper.engine import Tick
from keeper.engine.fingerprint import fingerprint
from keeper.execution.edges import Way
from keeper.ports.notifier import Notice
from keeper.ports.route import Answer, Route, SecretRoute, Submission, SubmissionKind

_NOT_LEADING = Submission(
    SubmissionKind.UNREACHABLE, "nothing was sent: this replica's lease is over, or is another one's"
)


class Evaluating(Observer):
    """A leader that evaluates nothing gives its lease up, so the lease hears of every block."""

    def __init__(self, leading: Leading) -> None:
        self._leading = leading

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self._leading.saw(head.number)

    def ticked(self, tick: Tick) -> None:
        self._leading.evaluated(tick.block.number)


class LeasedRoute:
    """Implements ``Route``: nothing goes out once the lease is over by this machine's own clock."""

    def __init__(self, route: Route, leading: Leading) -> None:
        self._route = route
        self._leading = leading

    @property
    def name(self) -> str:
        return self._route.name

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        return await self._route.submit(attempt, block) if self._leading.may_act() else _NOT_LEADING

    async def close(self) -> None:
        await self._route.close()


class LeasedSecretRoute(LeasedRoute):
    """Implements ``SecretRoute``."""

    def __init__(self, route: SecretRoute, leading: Leading) -> None:
        super().__init__(route, leading)
        self._secret = route

    async def withdraw(self, attempts: Sequence[Attempt]) -> Sequence[Answer]:
        return await self._secret.withdraw(attempts) if self._leading.may_act() else ()

    async def status(self, attempt: Attempt) -> str:
        return await self._secret.status(attempt)

    async def prove(self) -> Sequence[Answer]:
        return await self._secret.prove()


def under_lease(ways: Mapping[str, Way], leading: Leading | None) -> Mapping[str, Way]:
    """The same ways, which lead nowhere without the lease. Without replicas as they are."""
    if leading is None or leading.terms is None:
        return ways
    return {
        name: Way(
            LeasedRoute(way.open, leading) if way.open is not None else None,
            LeasedSecretRoute(way.secret, leading) if way.secret is not None else None,
            way.together,
        )
        for name, way in ways.items()
    }


def deciding(parts: Parts) -> str:
    """A hash of all that must be the same in every replica: what the engine's state is bound to, and how transactions go out."""
    document = parts.config.public()
    routes = document.get("routes") if isinstance(document, Mapping) else None
    return fingerprint([bound(parts.config, parts.engine), routes])


def fenced(leading: Leading | None) -> bool:
    """Whether another replica leads by now, so that nothing more can be written."""
    return leading is not None and leading.terms is not None and leading.lost.is_set()


def takeover(leading: Leading | None) -> Notice | None:
    """What people are told when a replica took over from another one."""
    said = leading.said() if leading is not None else {}
    before = said.get("took_over")
    if not isinstance(before, Mapping):
        return None
    name, seconds = said["replica"], int(str(before["silent_ms"])) / 1000
    how = {
        "free": "which had given the lead up",
        "expired": f"of which nothing had been heard for {seconds:.1f} s",
        "session-ended": f"whose connection to the database ended; last heard of {seconds:.1f} s before",
    }[str(before["why"])]
    unlike = leading.unlike() if leading is not None else ""
    body = f"Replica {name} acts now, with fence {said['fence']}. It took over from {before['from']}, {how}.\nLook whether that one runs."
    if unlike:
        body += f"\nNot all replicas are alike: {unlike}."
    severity = Severity.INFO if before["why"] == "free" and not unlike else Severity.WARNING
    return Notice("replicas", f"{name} took over from {before['from']} after {seconds:.1f} s", body, severity)
