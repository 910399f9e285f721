"""Every endpoint by itself: does it answer, for the right chain, with a block that is as new as the others'?

All are asked at the same moment, twice. A block that somebody knew before the second question was sent is one that everybody else should know when
answering it; so a slow node makes nobody else look late. Who seems to be ahead is held against what the others say when asked once more after it, so
that time which goes by between two questions makes nobody look like a liar.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.clock import SystemClock
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.reach import why_unreachable
from keeper.app.remedies import of_node
from keeper.app.wiring import address_of
from keeper.config import model
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, Unreachable
from keeper.domain.redact import redact_url

HEAD_AGE_WARN_S = 60
"""A newest block older than this is a node that lags, or a chain that stands still."""
CLOCK_WARN_S = 15
"""A block from further ahead than this is a clock that is wrong, here or there."""


@dataclass(slots=True, eq=False)
class Seat:
    """One endpoint. ``known`` is the newest block of the first round, ``head`` that of the second, ``took_ms`` how long that took.

    ``away`` says why it cannot be used (empty: it can), and ``remedy`` what to do then.
    """

    endpoint: model.Endpoint
    number: int
    node: NodeClient
    known: BlockStamp | None = None
    head: BlockStamp | None = None
    took_ms: float = 0.0
    away: str = ""
    remedy: str = ""
    elsewhere: bool = False
    """It serves another chain."""

    @property
    def short(self) -> str:
        """As the faults of ``keeper status`` name it: ``verify-2``."""
        return f"{self.endpoint.role}-{self.number}"

    @property
    def name(self) -> str:
        """With its address as it may be shown."""
        return f"{_shown(self.endpoint)} ({self.short})"

    @property
    def reads(self) -> bool:
        """Whether it is asked for reads at all."""
        return self.endpoint.role is not model.EndpointRole.BROADCAST


def take_seats(chain: model.ChainConfig) -> list[Seat]:
    """One for each endpoint, in the order of the file. Connects to nothing."""
    counts = dict.fromkeys(model.EndpointRole, 0)
    seats = []
    for endpoint in chain.endpoints:
        counts[endpoint.role] += 1
        seats.append(Seat(endpoint, counts[endpoint.role], NodeClient(address_of(endpoint))))
    return seats


async def survey(chain: model.ChainConfig, seats: Sequence[Seat]) -> AsyncIterator[Check]:
    """Fills in the seats; one check each."""
    await asyncio.gather(*(_meet(seat, chain.id) for seat in seats))
    await asyncio.gather(*(_look(seat) for seat in seats if not seat.away))
    before = {seat: seat.known.number for seat in seats if seat.known is not None}
    after = before
    if any(seat.head and _ahead(seat.head.number, _others(seat, before), chain.lag_blocks) for seat in seats):
        after = await _once_more(seats)
    for seat in seats:
        yield _check(seat, chain, _others(seat, before), _others(seat, after))


def _others(seat: Seat, numbers: Mapping[Seat, int]) -> list[int]:
    return [number for other, number in numbers.items() if other is not seat]


async def _once_more(seats: Sequence[Seat]) -> dict[Seat, int]:
    """The newest block of each that still answers, now that all have answered."""
    numbers: dict[Seat, int] = {}

    async def ask(seat: Seat) -> None:
        with suppress(OutsideError):
            numbers[seat] = (await seat.node.head()).number

    await asyncio.gather(*(ask(seat) for seat in seats if not seat.away))
    return numbers


async def _meet(seat: Seat, chain_id: int) -> None:
    try:
        served = await seat.node.chain_id()
        if served != chain_id:
            seat.elsewhere = True
            seat.away = f"serves chain {served}, and the configuration says {chain_id}"
            seat.remedy = of_node(seat.away)
            return
        seat.known = await seat.node.head()
    except OutsideError as error:
        await _lost(seat, error)


async def _look(seat: Seat) -> None:
    clock = SystemClock()
    asked_ms = clock.monotonic_ms()
    try:
        seat.head = await seat.node.head()
    except OutsideError as error:
        await _lost(seat, error)
    seat.took_ms = clock.monotonic_ms() - asked_ms


async def _lost(seat: Seat, error: OutsideError) -> None:
    seat.away = error.message
    seat.remedy = of_node(error)
    if isinstance(error, Unreachable) and "HTTP " not in error.message and "no answer" not in error.message:
        cause = await why_unreachable(seat.endpoint.url.reveal())
        if cause:
            seat.away = f"{redact_url(address_of(seat.endpoint))}: {cause}"
            seat.remedy = of_node(cause)


def _check(seat: Seat, chain: model.ChainConfig, before: Sequence[int], after: Sequence[int]) -> Check:
    """``before`` and ``after``: the others' newest blocks before it was asked the second time, and after it answered."""
    name = f"endpoint {seat.name}"
    head = seat.head
    if head is None or seat.away:
        return Check(name, Health.FAIL, seat.away, seat.remedy)
    age_s = SystemClock().now_ms() // 1000 - head.timestamp_s
    limit = chain.lag_blocks
    if warning := _behind(head.number, before, limit) or _ahead(head.number, after, limit) or _late(seat, chain):
        return Check(name, Health.WARN, *warning)
    if age_s > HEAD_AGE_WARN_S:
        message = f"newest block {head.number} is {age_s} s old"
        return Check(name, Health.WARN, message, "the node lags, or the chain stands still")
    if age_s < -CLOCK_WARN_S:
        message = f"newest block {head.number} is {-age_s} s ahead of this machine's clock"
        return Check(name, Health.WARN, message, "check the clock of this machine (NTP)")
    message = f"chain {chain.id}, block {head.number}, {max(0, age_s)} s old, answers in {seat.took_ms:.0f} ms"
    return Check(name, Health.OK, message)


def _behind(number: int, others: Sequence[int], limit: int) -> tuple[str, str] | None:
    """Against what the others knew before it was asked. Of two or more others, two must be ahead: one that claims a higher block moves nobody."""
    ordered = sorted(others, reverse=True)
    if not ordered:
        return None
    newest = ordered[min(1, len(ordered) - 1)]
    if newest - number >= limit:
        message = f"is at block {number}, {newest - number} behind what another endpoint had before it was asked"
        return message, "it syncs or is overloaded: check it, and replace it if this lasts"
    return None


def _ahead(number: int, others: Sequence[int], limit: int) -> tuple[str, str] | None:
    """Only against two others or more: of two nodes, nobody can tell which is wrong."""
    if len(others) < 2 or number - max(others) < limit:
        return None
    message = f"says block {number}, {number - max(others)} ahead of every other endpoint"
    return message, "compare with a block explorer: it lies, or all the others lag"


def _late(seat: Seat, chain: model.ChainConfig) -> tuple[str, str] | None:
    """A verify endpoint whose word comes after the deadline never counts."""
    deadline_ms = min((policy.deadline_ms for policy in chain.quorum.values() if policy.agree > 1), default=None)
    if seat.endpoint.role is not model.EndpointRole.VERIFY or deadline_ms is None or seat.took_ms <= deadline_ms:
        return None
    message = f"answers in {seat.took_ms:.0f} ms; the quorum's deadline is {deadline_ms} ms, so its word comes too late"
    return message, "take a nearer or faster node, or raise `deadline` in `chain.quorum`"


def _shown(endpoint: model.Endpoint) -> str:
    """As it may be shown: a path or a query that was written out may be a key; what came from the environment is a name here anyway."""
    shown = endpoint.shown
    return shown if "${" in shown or "://" not in shown or shown.startswith("ipc") else redact_url(shown)
