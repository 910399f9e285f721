"""A stage with block builders: nobody else sees what they have, and a bundle is for two blocks only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from keeper.domain.block import BlockStamp
from keeper.domain.errors import Refused, Unreachable
from keeper.domain.intent import Attempt
from keeper.domain.record import RecordKind
from keeper.execution.edges import Way
from keeper.execution.executor import Executor
from keeper.execution.planner import ArmedAction
from keeper.ports.route import Answer, Submission, SubmissionKind
from tests.support.execution_stage import Stage, pause

SAYS = {kind: Submission(kind, "words", (Answer("titan", "eth_sendBundle", kind, "words"),)) for kind in SubmissionKind}


def secret_pause(public_after: int | None = 2, **rest: object) -> ArmedAction:
    """A pause that is for builders alone for so many blocks."""
    armed = pause(**rest)  # type: ignore[arg-type]
    return replace(armed, action=replace(armed.action, route="private", public_after=public_after))


class StageBuilders:
    """A SecretRoute. ``answers`` are for the next submissions, ``always`` for all others; ``hang`` holds answers back until ``go_on``.

    ``include`` has them put what they accepted for the next block into it.
    """

    name = "private"

    def __init__(self, stage: PrivateStage) -> None:
        self._stage = stage
        self.answers: list[SubmissionKind] = []
        self.always = SubmissionKind.ACCEPTED
        self.submitted: list[tuple[Attempt, int]] = []
        self.accepted: list[tuple[Attempt, int]] = []
        self.withdrawn: list[Attempt] = []
        self.waiting = 0
        self._going = asyncio.Event()
        self._going.set()

    def hang(self) -> None:
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        written = [each.body["tx_hash"] for each in self._stage.records(RecordKind.ATTEMPT)]
        assert attempt.tx_hash in written, "an attempt is sent that is not written down"
        self.submitted.append((attempt, block))
        kind = self.answers.pop(0) if self.answers else self.always
        self.waiting += 1
        try:
            await asyncio.sleep(0)
            await self._going.wait()
        finally:
            self.waiting -= 1
        if kind in (SubmissionKind.ACCEPTED, SubmissionKind.KNOWN):
            self.accepted.append((attempt, block))
        return SAYS[kind]

    async def withdraw(self, attempts: Sequence[Attempt]) -> Sequence[Answer]:
        await self._going.wait()
        self.withdrawn += attempts
        return [Answer("titan", "eth_cancelBundle", SubmissionKind.ACCEPTED)]

    async def status(self, attempt: Attempt) -> str:
        return ""

    async def prove(self) -> Sequence[Answer]:
        return ()

    async def close(self) -> None:
        self.go_on()

    async def include(self, newest: BlockStamp) -> None:
        """The block after the newest one is theirs."""
        for attempt, block in self.accepted:
            if block + 1 <= newest.number + 1 <= block + 2:
                with suppress(Refused, Unreachable):
                    await self._stage.chain.send_raw(attempt.raw)


@dataclass
class PrivateStage(Stage):
    """``private`` has an open way besides, ``only`` has none, ``race`` goes both ways at once. What is public too early is an error."""

    builders: StageBuilders = field(init=False)
    from_the_start: bool = False
    leaks: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.builders = StageBuilders(self)
        self.ways |= {
            "private": Way(self.route, self.builders),
            "only": Way(None, self.builders),
            "race": Way(self.route, self.builders, together=True),
        }
        self.route.check = self._may_be_public

    async def settled(self, executor: Executor, *armed: ArmedAction) -> None:
        """Acts, and waits for what builders say."""
        await self.act(executor, *armed or (secret_pause(),))
        await executor.settle()

    async def heads(self, executor: Executor, number: int = 1, *, included: bool = False) -> None:
        for _ in range(number):
            if included:
                await self.builders.include(self.block)
            await self.head(executor)
            await executor.settle()

    def _may_be_public(self, attempt: Attempt) -> None:
        routes = {record.intent: record.body["route"] for record in self.records(RecordKind.INTENT)}
        route = routes[attempt.intent]
        if route in ("public", "race"):
            return
        told = [record for record in self.records(RecordKind.BROADCAST) if record.intent == attempt.intent]
        if not self.from_the_start and not any("fallback" in record.body for record in told):
            self.leaks.append(attempt)
            raise AssertionError("it is public before it fell back")
