"""How what is signed is sent: to builders alone at first where an action says so, and publicly when that leads nowhere.

What goes to builders is never waited for: a relay that hangs holds up neither what is public nor any other intent nor the next head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from keeper.domain.errors import AuditError, OutsideError
from keeper.domain.intent import Attempt, IntentState, IntentTrigger, advance
from keeper.execution import journal
from keeper.execution.clerk import Clerk
from keeper.execution.edges import Edges, Way
from keeper.execution.journal import ACCEPTED, Fallback, FallbackReason
from keeper.execution.lanes import Lanes
from keeper.execution.late import LateAnswers
from keeper.execution.line import Line
from keeper.execution.work import Heard, Work
from keeper.ports.route import SecretRoute, Submission, SubmissionKind

NOBODY = frozenset(
    {
        SubmissionKind.REFUSED,
        SubmissionKind.INVALID,
        SubmissionKind.OVER_CAP,
        SubmissionKind.UNREACHABLE,
        SubmissionKind.INSUFFICIENT_FUNDS,
    }
)
"""Answers of builders that say that none of them takes it. Whether the key can really not pay is for a node to say."""
WAITING = (IntentState.SIGNED, IntentState.SUBMITTED)
BUNDLE_BLOCKS = 2
"""What builders took is for so many blocks; where none has taken it since, nobody has it any more."""
MOST_AT_ONCE = 4
"""So many submissions of one intent to builders may be under way: a route that never answered would pile them up."""


class Ways:
    """One per executor. ``moves_on`` is called, with the work's lock held, each time builders have answered to what is still open."""

    def __init__(
        self,
        edges: Edges,
        lanes: Lanes,
        open_works: Mapping[str, Work],
        clerk: Clerk,
        moves_on: Callable[[Work], Awaitable[None]],
        on_sent: Callable[[Work], None],
    ) -> None:
        self.line = Line(lanes, open_works, self.is_public)
        self._edges = edges
        self._clerk = clerk
        self._moves_on = moves_on
        self._on_sent = on_sent
        self._tasks: dict[asyncio.Task[None], str] = {}
        self.late = LateAnswers(edges, self._behind)

    # -- which way --------------------------------------------------------------------------------------------------------------

    def of(self, work: Work) -> Way:
        """As the intent was written down. Where the action goes an open way by now, that one too.

        Where the way is not configured any more, nor the action another one: builders, or what was public before.
        """
        written, now = self._edges.ways.get(work.route), self._made_open(work)
        if written is not None and (now is None or written.together):
            return written
        ways = self._edges.ways.values()
        secret = next((way.secret for way in ways if way.secret is not None), None)
        if now is not None:
            return Way(now.open, written.secret if written is not None else secret if work.trail.secretly else None)
        public = next((way.open for way in ways if way.open is not None), None)
        return Way(public if work.trail.public else None, secret)

    def is_public(self, work: Work) -> bool:
        """Whether it may be sent publicly now: always, or since it fell back."""
        way = self.of(work)
        if way.open is None:
            return False
        if work.trail.public or way.together:
            return True
        if way.secret is None:
            return not work.trail.secretly
        return work.armed is not None and work.armed.action.public_after == 0

    def fallback_due(self, work: Work, block: int) -> Fallback | None:
        """Why it has to be sent publicly from now on, if it has to. An action that is for builders for ever never falls back.

        Blocks are counted from the one after which it was first sent.
        """
        if self.is_public(work) or self.never_public(work):
            return None
        due = self._own_fallback(work, block)
        if due is not None:
            return due
        if any(self.is_public(other) or self._own_fallback(other, block) for other in self.line.behind(work)):
            return Fallback(FallbackReason.NEEDED, self._blocks(work, block))
        return None

    def never_public(self, work: Work) -> bool:
        """Whether it is for builders, and neither public now nor ever may be."""
        if self.is_public(work):
            return False
        lasting = work.armed is None or (work.armed.action.public_after is None and self._made_open(work) is None)
        return lasting or self.of(work).open is None

    def nobody_takes(self, work: Work, block: int) -> bool:
        """Whether no builder takes it, and none has anything of it that a block could still have.

        One that was asked while an earlier nonce of the key was secret could not know better.
        """
        said, taken = work.private, work.trail.taken_block
        if said is None or said.kind not in NOBODY or (taken is not None and block <= taken + BUNDLE_BLOCKS):
            return False
        return not work.asked_behind or (bool(self.line.before(work)) and self.line.moves(work))

    def must_differ(self, work: Work, attempt: Attempt) -> bool:
        """Whether what is to be published is with builders already: the public has to be offered more for the same nonce."""
        way, trail = self.of(work), work.trail
        alone_at_first = not way.together and trail.secretly
        known = attempt.tx_hash in trail.taken and attempt.tx_hash not in trail.published
        return alone_at_first and known and self.is_public(work) and not self._from_the_start(work)

    def has_something(self, work: Work, attempt: Attempt, block: int) -> bool:
        """Whether the newest attempt has yet to be sent somewhere after this block."""
        public = self.is_public(work) and (work.answer is None or work.answer.kind not in ACCEPTED)
        return public or self._to_builders(work, attempt, block) is not None

    def may_be_with_builders(self, work: Work) -> bool:
        """Whether builders have something of it, or may have: then what a node answers is no end."""
        if self.of(work).secret is None and not work.trail.taken:
            return False
        said = work.private.kind if work.private is not None else None
        return bool(work.trail.taken) or said in (None, SubmissionKind.UNREACHABLE)

    # -- sending ----------------------------------------------------------------------------------------------------------------

    async def send(self, work: Work, attempt: Attempt, block: int, *, again: bool) -> Submission | None:
        """Sends to whoever may have it. What the public way answered; None where it was not asked.

        ``again``: also what was accepted there before. Builders get it once for each block. Raises AuditError.
        """
        secret = self._to_builders(work, attempt, block)
        if secret is not None:
            work.asked = (attempt.tx_hash, block)
            if work.trail.first_block is None:  # blocks are counted from now on, whenever the answer comes
                work.trail.first_block = block
            behind = bool(self.line.secret_before(work))
            self.late.expect(work)
            self._behind(partial(self._submit_secretly, work, secret, attempt, block, behind), work)
        way = self.of(work)
        accepted = work.answer is not None and work.answer.kind in ACCEPTED
        if way.open is None or not self.is_public(work) or (accepted and not again):
            return None
        answer = await way.open.submit(attempt, block)
        if answer.kind is SubmissionKind.UNREACHABLE:  # also where that cannot be written down
            work.trail.lost.add(attempt.tx_hash)
        await self._note(work, way.open.name, attempt, block, answer, public=True)
        return answer

    def taken_before(self, work: Work, attempt: Attempt) -> Attempt | None:
        """The newest one before this attempt, with the same nonce, that nodes have taken."""
        older = [each for each in work.intent.attempts if each.number < attempt.number and each.nonce == attempt.nonce]
        return next((each for each in reversed(older) if each.tx_hash in work.trail.accepted), None)

    async def publish_again(self, work: Work, older: Attempt, block: int) -> None:
        """Nodes may have forgotten it, and they did not take what was to replace it. Raises AuditError."""
        way = self.of(work)
        if way.open is not None and self.is_public(work):
            answer = await way.open.submit(older, block)
            await self._note(work, way.open.name, older, block, answer, public=True)

    def withdraw(self, work: Work) -> None:
        """Asks builders to forget what they have, or may have, of an intent that has ended without being mined. Nobody waits for it."""
        secret, theirs = self.of(work).secret, work.trail.taken | work.trail.unsure
        attempts = [attempt for attempt in work.intent.attempts if attempt.tx_hash in theirs]
        if secret is not None and attempts and work.mined is None:
            self._behind(partial(self._withdraw, work, secret, attempts), work)

    async def settle(self, limit_s: float | None = None) -> None:
        """Waits until builders have answered to all that was sent to them. What takes longer than the limit is let go."""
        try:
            async with asyncio.timeout(limit_s):
                while self._tasks:
                    await asyncio.wait(self._tasks.copy())
        except TimeoutError:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def wake(self, work: Work) -> None:
        """Something has changed for it: it moves on as soon as nobody else is at it. Nobody waits for that."""
        self._behind(partial(self._woken, work), work)

    # -- inside -----------------------------------------------------------------------------------------------------------------

    def _made_open(self, work: Work) -> Way | None:
        """The action's way as configured now, where that leads to nobody but the public: an operator's word counts at once."""
        now = self._edges.ways.get(work.armed.action.route) if work.armed is not None else None
        return now if now is not None and now.secret is None and now.open is not None else None

    def _own_fallback(self, work: Work, block: int) -> Fallback | None:
        """Why it has to be public, whoever else waits for it."""
        if self.is_public(work) or self.never_public(work) or work.armed is None:
            return None
        first, after, blocks = work.trail.first_block, work.armed.action.public_after, self._blocks(work, block)
        if self._made_open(work) is not None:
            return Fallback(FallbackReason.CONFIGURED, blocks)
        if after is None or self.of(work).secret is None:
            return None
        if first is not None and blocks >= after:
            return Fallback(FallbackReason.NOT_INCLUDED, blocks)
        if work.private is not None and self.nobody_takes(work, block):
            return Fallback(FallbackReason.REFUSED, blocks, work.private.message)
        return None

    def _blocks(self, work: Work, block: int) -> int:
        first = work.trail.first_block
        return max(0, block - first) if first is not None else 0

    async def _woken(self, work: Work) -> None:
        async with work.lock:
            if work.intent.state in WAITING and not work.unsure:
                await self._moves_on(work)

    def _from_the_start(self, work: Work) -> bool:
        return work.armed is not None and work.armed.action.public_after == 0

    def _to_builders(self, work: Work, attempt: Attempt, block: int) -> SecretRoute | None:
        """Builders that have yet to be sent this attempt after this block. Those that did not take it are asked again."""
        secret = self.of(work).secret
        running = sum(intent == work.intent.id for intent in self._tasks.values())
        if secret is None or running >= MOST_AT_ONCE:
            return None
        taken = work.private is None or work.private.kind in ACCEPTED
        if work.asked == (attempt.tx_hash, block) and (running or taken):
            return None
        return secret

    def _behind(self, what: Callable[[], Awaitable[None]], work: Work | None = None) -> None:
        async def run() -> None:
            with suppress(AuditError, OutsideError):  # the next head goes on from what is durable
                await what()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks[task] = work.intent.id if work is not None else ""
        task.add_done_callback(self._tasks.pop)

    async def _submit_secretly(
        self, work: Work, secret: SecretRoute, attempt: Attempt, block: int, behind: bool
    ) -> None:
        """``behind``: an earlier nonce of the key was with builders alone, so that a refusal means nothing."""
        answer = await secret.submit(attempt, block)
        async with work.lock:
            if work.intent.state in WAITING and not work.unsure:
                await self._note(work, secret.name, attempt, block, answer, public=False)
                if attempt == work.last_attempt:
                    work.asked_behind = behind
                    if self.never_public(work) and self.nobody_takes(work, block):
                        work.yields = True
                    elif answer.kind in ACCEPTED and not self.line.behind(work):
                        work.yields = False
                await self._moves_on(work)
            elif answer.kind in (*ACCEPTED, SubmissionKind.UNREACHABLE):
                work.trail.heard_secretly(attempt.tx_hash, answer.kind, block)
                if work.intent.state is IntentState.DONE and work.mined is None:
                    self._behind(partial(self._withdraw, work, secret, [attempt]), work)

    async def _withdraw(self, work: Work, secret: SecretRoute, attempts: list[Attempt]) -> None:
        answers = await secret.withdraw(attempts)
        now_ms = self._edges.clock.now_ms()
        draft = journal.withdrawn_draft(work.intent, attempts[-1], secret.name, answers, now_ms)
        await self._edges.store.append([draft])

    async def _note(
        self, work: Work, route: str, attempt: Attempt, block: int, answer: Submission, *, public: bool
    ) -> None:
        """Records an answer that is another than the last one of this way to this attempt, and moves the intent."""
        if answer.kind in ACCEPTED:
            work.marks.setdefault("broadcast", self._edges.clock.monotonic_ms())
        before = work.heard.get((route, attempt.tx_hash))
        now = _heard(answer, before)
        if before != now:
            now_ms = self._edges.clock.now_ms()
            draft = journal.broadcast_draft(work.intent, attempt, route, answer, block, now_ms, public=public)
            await self._clerk.append(work, draft)
            work.heard[route, attempt.tx_hash] = now
            work.trail.note(draft.body)
        if attempt == work.last_attempt:
            if public:
                work.answer = answer
            else:
                work.private = answer
                work.trail.heard_secretly(attempt.tx_hash, answer.kind, block)
            if public or not self.is_public(work):
                if answer.kind is SubmissionKind.NONCE_TOO_LOW:
                    work.low_at.add(block)
                else:
                    work.low_at.clear()
        if answer.kind in ACCEPTED:
            work.intent = replace(work.intent, state=advance(work.intent.state, IntentTrigger.SEND))
            if work.told != attempt.tx_hash and attempt == work.last_attempt:
                work.told = attempt.tx_hash
                self._on_sent(work)


def _heard(answer: Submission, before: Heard | None) -> Heard:
    """Kinds only: words and times may differ. A request that was not made this time, as it is made once, still has its answer."""
    known = dict(before[1]) if before is not None else {}
    known |= {(each.to, each.method): each.kind for each in answer.answers}
    return answer.kind, known
