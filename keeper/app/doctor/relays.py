"""Whether each block builder takes our signature. Nothing is sent that could move anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from keeper.adapters.clock import SystemClock
from keeper.app.canary import reason_of, remedy_of
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.reach import why_unreachable
from keeper.app.sending import open_private
from keeper.config import model, sending
from keeper.domain.errors import KeeperError
from keeper.ports.route import Answer, SubmissionKind


async def examine_relays(config: model.Config, senders: Collection[str], checkpoints: str = "") -> AsyncIterator[Check]:
    """One check for each builder of each private route; one for the route where its identity cannot be used.

    ``senders`` are the addresses that send transactions, ``checkpoints`` is the one that signs those.
    """
    for route in config.routes:
        if isinstance(route, sending.PrivateRoute):
            async for check in _examine(route, senders, checkpoints):
                yield check


async def _examine(config: sending.PrivateRoute, senders: Collection[str], checkpoints: str) -> AsyncIterator[Check]:
    try:
        route = await open_private(config, SystemClock(), senders, checkpoints)
    except KeeperError as error:
        remedy = error.remedy or f"correct `routes.{config.name}` in the configuration"
        yield Check(f"route {config.name}", Health.FAIL, error.message, remedy)
        return
    try:
        answers = await route.prove()
    finally:
        await route.close()
    for builder, answer in zip(config.builders, answers, strict=True):
        name = f"builder {builder.name} of {config.name}"
        if answer.kind is SubmissionKind.ACCEPTED:
            takes = "takes our signature" if builder.header else "answers, and wants no signature"
            yield Check(name, Health.OK, f"{takes}, in {answer.ms:.0f} ms")
        else:
            yield Check(name, Health.FAIL, await _why(builder, answer), remedy_of(answer))


async def _why(builder: sending.BuilderConfig, answer: Answer) -> str:
    cause = await why_unreachable(builder.url.reveal()) if reason_of(answer) == "unreachable" else ""
    return cause or answer.message
