"""One intent on its way: what is durable (the intent) and what only speeds things up (the rest)."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace

from keeper.domain.action import Call
from keeper.domain.errors import OutsideError
from keeper.domain.evm import Receipt, Simulation
from keeper.domain.intent import Attempt, Intent, IntentTrigger, advance
from keeper.domain.rehearsal import Rehearsed
from keeper.execution.planner import ArmedAction
from keeper.execution.trail import Trail
from keeper.ports.route import Submission, SubmissionKind

Heard = tuple[SubmissionKind, dict[tuple[str, str], SubmissionKind]]
"""An answer as a whole, and that of each other side by (its name, the method)."""
UNKNOWN = "unknown"
"""``Intent.effect_before`` when the view did not answer."""


@dataclass(frozen=True, slots=True)
class Order:
    """A decision to act, ready to be written down. ``before`` is what the effect's view answered at the decision's block, if it did.

    ``evidence`` is the hash of the decision's record, for an action through a breaker; empty where the call holds it already, or needs none.
    ``signed`` is calldata that several keepers have signed for exactly this; empty: the key's own call.
    ``rehearsed`` is what the call came to with the reads that were decided on, if it was rehearsed.
    """

    id: str
    incident: str
    armed: ArmedAction
    before: str | None
    at_ms: int
    evidence: bytes = b""
    signed: bytes = b""
    rehearsed: Rehearsed | None = None


@dataclass(slots=True)
class Work:
    """``marks`` are monotonic milliseconds of each stage; ``armed`` is None when the configuration no longer has the action.

    ``mined`` is the receipt that was written down, ``trouble`` what the last drive stopped at. ``unsure``: a write failed, so the journal
    may be further than ``intent``. ``cleared``: the gate let the call through, so that an attempt may be sent.
    ``unsent``: the nonces of attempts that this run signed and has never sent, so that others may take them.
    ``trail`` says which ways it has gone. ``answer`` and ``private`` are what was last said to the newest attempt in public and by builders.
    ``heard`` has, by way and attempt, what was recorded of that; ``told`` is the attempt that was last told to be accepted, ``asked`` the
    attempt and the block that builders were last asked with. ``low_at`` are the blocks, in a row, at which the nonce was said to be used.
    ``withheld`` says why no more was offered, when it last had to be.
    ``read_at`` is the hash of the block at which ``effect_before`` was read, as far as this run knows. ``blind``: the call was made of a
    current value that cannot be read any more, so what was sent is only watched. ``ends_ms`` is its end in monotonic milliseconds.
    ``asked_behind``: builders were asked while an earlier nonce of the key was secret too. ``yields``: nobody takes it and it may not be public,
    so that others may have its nonce. ``stuck_at`` is the number of the block at which it was first seen that an earlier nonce is nobody's.
    ``writing`` is the (sender, nonce) of an attempt that is being written down, or may have been by a write that failed.
    ``nowhere`` are the hashes of attempts that whoever they were sent to has refused.
    ``cap_wei`` is the most that a node takes for one transaction, as far as it said; ``refusal_told``: people know that one refuses it.
    ``patient``: whoever drives it has time for a key that is slow. ``rehearsed`` is as in the order.
    """

    intent: Intent
    armed: ArmedAction | None
    marks: dict[str, float] = field(default_factory=dict)
    simulation: asyncio.Future[Simulation] | None = None
    answer: Submission | None = None
    mined: Receipt | None = None
    trouble: OutsideError | None = None
    unsure: bool = False
    cleared: bool = False
    unsent: frozenset[int] = frozenset()
    read_at: str = ""
    blind: bool = False
    ends_ms: float | None = None
    trail: Trail = field(default_factory=Trail)
    private: Submission | None = None
    heard: dict[tuple[str, str], Heard] = field(default_factory=dict)
    told: str = ""
    withheld: str = ""
    asked: tuple[str, int] = ("", -1)
    low_at: set[int] = field(default_factory=set)
    nowhere: set[str] = field(default_factory=set)
    asked_behind: bool = False
    yields: bool = False
    stuck_at: int | None = None
    writing: tuple[str, int] | None = None
    cap_wei: int | None = None
    refusal_told: bool = False
    patient: bool = True
    rehearsed: Rehearsed | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def key(self) -> tuple[str, str]:
        """(market, action)."""
        return self.intent.market, self.intent.action

    @property
    def call(self) -> Call:
        """The call as it was written down, which is the only one that may be signed for this intent."""
        return Call(self.intent.to, bytes.fromhex(self.intent.data.removeprefix("0x")))

    @property
    def route(self) -> str:
        """The route's name in the configuration, as the intent was written down; empty where nobody knows."""
        return self.trail.route or (self.armed.action.route if self.armed is not None else "")

    @property
    def last_attempt(self) -> Attempt | None:
        return self.intent.attempts[-1] if self.intent.attempts else None

    @property
    def never_sent(self) -> bool:
        """Whether the newest attempt has certainly not been sent."""
        return self.last_attempt is not None and self.last_attempt.nonce in self.unsent

    @property
    def held_nonces(self) -> set[tuple[str, int]]:
        """(sender, nonce) of the attempts that may have been sent, by this run or an earlier one, and that no others may have."""
        if self.yields:
            return set()
        held = {(attempt.sender, attempt.nonce) for attempt in self.intent.attempts if attempt.nonce not in self.unsent}
        return held if self.writing is None else held | {self.writing}

    def add(self, attempt: Attempt) -> None:
        """One more attempt, which may be sent from now on."""
        self.unsent -= {attempt.nonce}
        if self.last_attempt is None or self.last_attempt.nonce != attempt.nonce:
            self.low_at.clear()
        self.answer = self.private = self.writing = None
        state = advance(self.intent.state, IntentTrigger.SIGN)
        self.intent = replace(self.intent, state=state, attempts=(*self.intent.attempts, attempt))

    def forget_answers(self) -> None:
        """It has to be sent again, whatever was said before: a reorganisation took it out of its block, or nobody knows what was written down."""
        self.answer = self.private = None
        self.told, self.asked = "", ("", -1)
        self.heard.clear()
        self.low_at.clear()

    def timeline_ms(self) -> dict[str, float]:
        """Each stage's time since the head was announced."""
        start = self.marks.get("head", 0.0)
        return {stage: at - start for stage, at in self.marks.items()} if "head" in self.marks else {}

    def expired(self, now_ms: int, monotonic_ms: float) -> bool:
        """Where the clock is behind the one of the run that wrote it, it gets the time that it had then, and no more."""
        if self.ends_ms is None:
            behind = now_ms < self.intent.created_ms
            self.ends_ms = monotonic_ms + self.intent.expires_ms - self.intent.created_ms if behind else math.inf
        return now_ms > self.intent.expires_ms or monotonic_ms > self.ends_ms

    def drop_simulation(self) -> None:
        """Let go of a simulation that nobody will read."""
        task, self.simulation = self.simulation, None
        if task is None:
            return
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.exception()  # looked at, so that nobody complains that it was not
