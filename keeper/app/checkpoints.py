"""Signing the log's head from time to time, and handing what was signed to witnesses. Never in the way of what acts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from keeper.adapters.audit.times import from_iso, to_iso
from keeper.app.faults import Faults
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint, message
from keeper.domain.decision import IncidentEvent, IncidentPhase
from keeper.domain.errors import AuditError, KeeperError, OutsideError, Refused, SigningError
from keeper.domain.verdict import Severity
from keeper.ports.checkpoints import CheckpointBook, LogLook
from keeper.ports.clock import Clock
from keeper.ports.signer import IdentitySigner
from keeper.ports.witness import Witness

PART: Final = "checkpoints"
MOST_MISSED: Final = 1_000
"""How many a witness is given that is not known to hold any of this log: the newest, which stand for those before."""
PAGE: Final = 100
GO_BACK: Final = 100
"""So many are given again to a witness that does not hold any more what it was given."""
CONFLICT: Final = 409
"""What another keeper answers to a checkpoint that is older than what it keeps, or that does not follow it."""
STEP_BACK_MS: Final = 5_000
"""A clock that is set right goes back a little now and then."""
SETTLE_S: Final = 5.0
FINISH_S: Final = 10.0
"""A clean stop does not wait longer for a database or a witness."""


class WentBack(AuditError):
    """The log or the clock is behind what was signed already."""

    def __init__(self, reason: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signing:
    """What checkpoints are made with. ``keeper`` is the keeper's name, ``every_ms`` how often one is made."""

    book: CheckpointBook
    identity: IdentitySigner
    witnesses: Sequence[Witness]
    keeper: str
    chain_id: int
    every_ms: int

    async def close(self) -> None:
        """Lets go of the book and of every witness."""
        closing = [self.book.close(), *(witness.close() for witness in self.witnesses)]
        await asyncio.gather(*closing, return_exceptions=True)


class Checkpoints:
    """``settled`` waits until records that are on their way are written. Without ``signing`` nothing happens."""

    def __init__(
        self,
        signing: Signing | None,
        clock: Clock,
        faults: Faults,
        settled: Callable[[float], Awaitable[bool]],
    ) -> None:
        self._signing = signing
        self._clock = clock
        self._faults = faults
        self._settled = settled
        self._turn = asyncio.Lock()
        self._given: dict[int, tuple[str, int]] = {}
        self._wanted = asyncio.Event()
        self._finishing = False
        self.signed_ms: int | None = None
        """When the newest checkpoint was signed; None: not known yet, or never."""
        self._log = structlog.get_logger("checkpoints")

    @property
    def every_s(self) -> float | None:
        """How often ``make`` should run; None where there is nothing to make."""
        return self._signing.every_ms / 1000 if self._signing else None

    def soon(self) -> None:
        """Something happened that should be signed at once. Never blocks."""
        self._wanted.set()

    def incident(self, event: IncidentEvent) -> None:
        """An incident began or ended; what it led to is signed when it ends."""
        if event.phase is IncidentPhase.CLOSED:
            self.soon()

    async def run(self) -> None:
        """Makes those that ``soon`` asks for, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._signing is not None:
                await self._settled(SETTLE_S)
                await self.make()

    async def make(self) -> None:
        """The next checkpoint, when there are new records; then every witness is given what it has not got. What fails is a fault."""
        if self._signing is None:
            return
        async with self._turn:
            try:
                await self._sign(self._signing)
            except WentBack as error:
                self._down(PART, error.reason, error, Severity.CRITICAL)
            except (AuditError, SigningError) as error:
                self._down(PART, "unavailable", error)
            else:
                self._up(PART)
            numbered = enumerate(self._signing.witnesses, start=1)
            await asyncio.gather(*(self._hand_over(self._signing, number, each) for number, each in numbered))

    async def finish(self) -> None:
        """The last one, at a clean stop, after the last record: what fails is only logged, since nothing may be recorded any more."""
        self._finishing = True
        try:
            async with asyncio.timeout(FINISH_S):
                await self.make()
        except TimeoutError:
            self._log.warning("the last checkpoint was not handed to every witness in time")

    async def _sign(self, signing: Signing) -> None:
        newest = await signing.book.newest()
        last = newest.checkpoint if newest is not None else None
        self.signed_ms = from_iso(last.at) if last is not None else None
        look = await signing.book.look(last.seq if last is not None else 0)
        if last is not None:
            check_onward(last, look, signing.identity.address)
            check_same(last, signing.keeper, signing.chain_id)
        if look.seq == (last.seq if last is not None else 0):
            return
        checkpoint = Checkpoint(
            number=last.number + 1 if last is not None else 1,
            seq=look.seq,
            head=look.head,
            genesis=look.genesis,
            at=self._now(last),
            keeper=signing.keeper,
            chain_id=signing.chain_id,
            signer=signing.identity.address,
            prev=newest.signature if newest is not None else "",
        )
        signature = await signing.identity.sign_text(message(checkpoint))
        await signing.book.add(SignedCheckpoint(checkpoint, signature))
        self.signed_ms = from_iso(checkpoint.at)

    def _now(self, last: Checkpoint | None) -> str:
        """Never before the last one's. Raises WentBack."""
        now_ms = self._clock.now_ms()
        last_ms = from_iso(last.at) if last is not None else now_ms
        if now_ms < last_ms - STEP_BACK_MS:
            raise WentBack(
                "clock-went-back",
                f"the clock shows {to_iso(now_ms)}, and a checkpoint was signed at {to_iso(last_ms)}",
                "set the clock right; nothing is signed until it has passed that time",
            )
        return to_iso(max(now_ms, last_ms))

    async def _hand_over(self, signing: Signing, number: int, witness: Witness) -> None:
        """In order, and no further than the first that fails: the rest is given at the next time. ``number`` is its place in the configuration."""
        part = f"witness-{number}"
        try:
            newest = await signing.book.newest()
            if newest is None:
                return
            one = newest.checkpoint
            known = await witness.last(one.genesis)
            await self._catch_up(signing.book, witness, one, known)
        except OutsideError as error:
            self._down(part, "refused" if isinstance(error, Refused) else "unreachable", error)
            return
        except AuditError as error:
            self._down(PART, "unavailable", error)
            return
        genesis, given = self._given.get(number, ("", 0))
        self._given[number] = one.genesis, one.number
        if genesis == one.genesis and known < given:
            self._down(part, "emptied", _emptied(witness, known, given), Severity.CRITICAL)
        else:
            self._up(part)

    async def _catch_up(self, book: CheckpointBook, witness: Witness, newest: Checkpoint, known: int) -> None:
        try:
            await self._give(book, witness, newest, known or max(0, newest.number - MOST_MISSED), sure=known > 0)
        except Refused as error:
            if not known or error.code != CONFLICT:
                raise
            # it does not hold what it was given: its log was restored from a copy, perhaps
            await self._give(book, witness, newest, max(0, known - GO_BACK), sure=False)

    async def _give(
        self, book: CheckpointBook, witness: Witness, newest: Checkpoint, number: int, *, sure: bool
    ) -> None:
        """Those after ``number``. Not ``sure``: how far it came is not known, and it may have begun with a later one."""
        while number < newest.number:
            missed = await book.after(number, PAGE)
            if not missed:
                return
            for signed in missed:
                number = signed.checkpoint.number
                try:
                    await witness.keep(signed)
                except Refused as error:
                    if sure or error.code != CONFLICT or number == newest.number:
                        raise

    def _down(self, part: str, reason: str, error: KeeperError, severity: Severity = Severity.WARNING) -> None:
        if self._finishing:
            self._log.error(part, reason=reason, error=error.message)
        else:
            self._faults.down(part, reason, error.message, error.remedy, severity=severity)

    def _up(self, part: str) -> None:
        if not self._finishing:
            self._faults.up(part)


def check_same(last: Checkpoint, keeper: str, chain_id: int) -> None:
    """Raises WentBack: a witness takes the checkpoints of one keeper on one chain from a signer."""
    if (last.keeper, last.chain_id) != (keeper, chain_id):
        message = f"checkpoint {last.number} was signed for keeper {last.keeper} on chain {last.chain_id}, and this is {keeper} on {chain_id}"
        raise WentBack(
            "another-keeper", message, "name the keeper as before, or begin a new log with an identity of its own"
        )


def _emptied(witness: Witness, known: int, given: int) -> AuditError:
    return AuditError(
        f"{witness.name} was given checkpoints up to {given}, and held them up to {known}: it was emptied or replaced",
        remedy="ask who has access to it; what this log has was given to it again",
    )


def check_onward(last: Checkpoint, look: LogLook, signer: str) -> None:
    """Raises WentBack: what was signed once is never signed differently, nor by somebody else."""
    if signer != last.signer:
        message = f"checkpoint {last.number} was signed by {last.signer}, and the identity is {signer}: a log has one"
        raise WentBack("another-identity", message, "name the key of that address, or begin a new log")
    remedy = "stop the keeper, keep a copy of the database, and run: keeper audit CONFIG verify. Signed checkpoints say what was there"
    if look.genesis != last.genesis:
        raise WentBack("another-log", f"record 1 is another one than in checkpoint {last.number}", remedy)
    if look.seq < last.seq:
        message = f"the log ends with record {look.seq}, and checkpoint {last.number} was signed at record {last.seq}"
        raise WentBack("log-went-back", message, remedy)
    if look.asked != last.head:
        raise WentBack(
            "log-rewritten", f"record {last.seq} is not the one that checkpoint {last.number} signed", remedy
        )
