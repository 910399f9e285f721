"""The order of the examination. Each part is asked on its own: one that is away does not hide what is wrong with the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from keeper.adapters.audit import migrate
from keeper.app.doctor.actions import examine_actions
from keeper.app.doctor.breakers import examine_breakers
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.checkpoints import checkpoint_signer, examine_checkpoints
from keeper.app.doctor.comparing import compare
from keeper.app.doctor.invariants import examine_invariants
from keeper.app.doctor.keys import SIGNER_FIRST, examine_keys
from keeper.app.doctor.open_routes import examine_open_routes
from keeper.app.doctor.pages import examine_pages
from keeper.app.doctor.relays import examine_relays
from keeper.app.doctor.safes import examine_safes
from keeper.app.doctor.sources import examine_sources
from keeper.app.doctor.spool import examine_spool
from keeper.app.doctor.subjects import Answers, Subject, read_all, subjects_of
from keeper.app.doctor.survey import Seat, survey, take_seats
from keeper.app.wiring import open_notifier
from keeper.config import model
from keeper.domain.block import BlockStamp
from keeper.domain.errors import AuditError, ConfigurationError, OutsideError


@dataclass(frozen=True, slots=True)
class Asked:
    """The endpoint that sources and actions are asked of. ``block`` and ``answers``: where it was asked, or why it could not be."""

    seat: Seat
    block: BlockStamp | str
    answers: Answers | str


async def examine(config: model.Config) -> AsyncIterator[Check]:
    """Every check as it is done, in the order in which one thing needs another."""
    yield _log(config)
    if (spool := examine_spool(config.audit)) is not None:
        yield spool
    seats = take_seats(config.chain)
    try:
        async for check in survey(config.chain, seats):
            yield check
        subjects = subjects_of(config)
        async for check in compare(seats, subjects):
            yield check
        if config.keeper.mode is model.Mode.LIVE and not config.chain.verifiers:
            message = "there is no endpoint of the role verify: actions rest on the word of one node"
            yield Check("quorum", Health.WARN, message, "add one of another operator; see docs/operator/endpoints.md")
        asked = await _choose(seats, subjects)
        if not isinstance(asked.block, str) and asked.seat is not _first(seats):
            yield _instead(asked.seat, _first(seats))
        block = None if isinstance(asked.block, str) else asked.block
        async for check in examine_sources(config, block, asked.answers):
            yield check
        async for check in _what_is_done(config, asked):
            yield check
    finally:
        await asyncio.gather(*(seat.node.close() for seat in seats))
    for number, receiver in enumerate(config.notify):
        yield await _notifier(receiver, number)
    if config.http is not None:
        yield await examine_pages(config.http)


async def _what_is_done(config: model.Config, asked: Asked) -> AsyncIterator[Check]:
    """The key, what it may do, and what must be true afterwards."""
    node = asked.seat.node
    keys = await examine_keys(config)
    for check in keys.checks:
        yield check
    if keys.sender is None and config.signer is not None:
        yield Check("actions", Health.FAIL, "those of `signer` are not simulated: its key cannot be used", SIGNER_FIRST)
    sender = keys.sender
    yield await examine_checkpoints(config, keys.addresses)
    async for check in examine_open_routes(config):
        yield check
    async for check in examine_relays(config, keys.addresses, await checkpoint_signer(config)):
        yield check
    async for check in examine_breakers(config, node, asked.block, keys.senders):
        yield check
    async for check in examine_safes(config, node, asked.block, sender):
        yield check
    async for check in examine_actions(config, node, asked.block, keys):
        yield check
    async for check in examine_invariants(config, node, asked.block):
        yield check


def _first(seats: Sequence[Seat]) -> Seat:
    return next(seat for seat in seats if seat.endpoint.role is model.EndpointRole.PRIMARY)


async def _choose(seats: Sequence[Seat], subjects: Sequence[Subject]) -> Asked:
    """The first endpoint that answers the reads: primaries before the others, in the order of the file."""
    readers = [seat for seat in seats if seat.reads]
    readers.sort(key=lambda seat: seat.endpoint.role is not model.EndpointRole.PRIMARY)
    best: Asked | None = None
    for seat in readers:
        if seat.head is None or seat.away:
            continue
        answers = await read_all(seat.node, seat.head, subjects)
        asked = Asked(seat, seat.head, answers)
        if not any(isinstance(one, OutsideError) for one in answers.values()):
            return asked
        best = best or asked
    if best is not None:
        return best
    first = _first(seats)
    away = "the primary endpoint " + ("serves another chain" if first.elsewhere else "is away")
    if len(readers) > 1:
        away += ", and no other one can be asked"
    return Asked(first, away, away)


def _instead(seat: Seat, first: Seat) -> Check:
    why = first.away or "does not answer the reads"
    message = f"sources and actions were asked of {seat.name}, because {first.short} cannot be: {why}"
    remedy = f"mend {first.short}, or put another primary first"
    if seat.endpoint.role is not model.EndpointRole.PRIMARY:
        remedy += "; the keeper itself reads from primaries only, so it sees nothing now"
    return Check("asked instead", Health.WARN, message, remedy)


def _log(config: model.Config) -> Check:
    name = f"log {config.audit.shown}"
    try:
        revision, wanted = migrate.current(config.audit.url.reveal())
    except AuditError as error:
        return Check(
            name, Health.FAIL, error.message, error.remedy or "check that the file is a database of the keeper's"
        )
    if revision is None:
        return Check(name, Health.OK, "not there yet; the first run makes it")
    if revision != wanted:
        remedy = f"run: keeper db {config.path} upgrade"
        return Check(name, Health.FAIL, f"schema revision {revision}, this version needs {wanted}", remedy)
    return Check(name, Health.OK, f"schema revision {revision}")


async def _notifier(receiver: model.NotifyConfig, number: int) -> Check:
    try:
        notifier = await open_notifier(receiver, number)
    except ConfigurationError as error:
        problem = error.problems[0]
        return Check(f"notifier {number}", Health.FAIL, problem.message, problem.hint or "correct it in `notify`")
    name = f"notifier {notifier.name}"
    await notifier.close()
    return Check(name, Health.OK, f"usable for {receiver.min_severity} and above; nothing was sent")
