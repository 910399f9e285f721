"""Before an action, and after each block: do independent nodes say the same as the one in use?"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from keeper.adapters.chain.witness import COMPARE_DEADLINE_MS
from keeper.app.doubts import Doubts
from keeper.app.faults import Faults
from keeper.app.statements import count_text, statement_text
from keeper.app.watch import Sight
from keeper.domain.block import BlockStamp
from keeper.domain.decision import Decision, DecisionKind
from keeper.domain.testimony import Disputed, Otherwise, QuorumPolicy, Testimony
from keeper.domain.verdict import Severity
from keeper.engine.spec import MarketSpec
from keeper.ports.chain import Witness

NEVER_MS = -1
UNHEARD = 8
"""So many of the newest blocks are asked about before an action, when it is not known yet what the others say of them."""
PATIENCE = 2
"""So many blocks in a row with too few that agree are a fault: one node that gets one block late is none."""

Round = tuple[QuorumPolicy | None, Sequence[Decision]]
"""Decisions that ask for the same agreement; None: for none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """``good``: every source had a good value."""

    block: BlockStamp
    sight: Sight
    at_ms: int
    good: bool


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was said before the actions of one round."""

    policy: QuorumPolicy
    testimony: Testimony
    doubts: Mapping[str, int] = field(default_factory=dict)
    """By the id of a decision: the disputed block that it rests on, although all agree about this one."""

    @property
    def met(self) -> bool:
        return self.policy.met_by(self.testimony)

    def stands(self, decision: Decision) -> bool:
        """Enough endpoints agree about what the decision rests on."""
        return self.met and decision.id not in self.doubts

    def holds(self, decision: Decision) -> bool:
        """They do not, and then nothing is to be done."""
        return not self.stands(decision) and self.policy.otherwise is Otherwise.HOLD


class Agreement:
    """``witness`` None: there is nobody to ask. ``subjects`` says what each call of a Sight is about, ``disown`` hears what is disputed.

    That too few endpoints agree is the fault ``quorum``: from a hearing before an action at once, else as it shows block by block, so that it is
    known before anything trips. Which endpoint disagrees is told by the witness itself.
    """

    def __init__(
        self,
        witness: Witness | None,
        policies: Mapping[Severity, QuorumPolicy],
        subjects: Sequence[str],
        faults: Faults,
        markets: Sequence[MarketSpec],
        disown: Callable[[Disputed], None],
    ) -> None:
        self._witness = witness
        asking = {} if witness is None else policies
        self._policies = {severity: policy for severity, policy in asking.items() if policy.agree > 1}
        # what no rule with an action asks for is missed by nobody
        acting = {rule.severity for market in markets for rule in market.rules if rule.actions}
        self._awaited = [policy for severity, policy in self._policies.items() if severity in acting]
        self._subjects = subjects
        self._faults = faults
        self._doubts = Doubts(self._policies.values(), markets)
        self._disown = disown
        self._agreed = -1, NEVER_MS
        self._newest: _Seen | None = None
        self._unheard: deque[_Seen] = deque(maxlen=UNHEARD)
        self._news = asyncio.Event()
        self._unmet = 0
        self._log = structlog.get_logger("agreement")

    # -- before an action ------------------------------------------------------------------------------------------------------

    def rounds(self, decisions: Sequence[Decision]) -> Sequence[Round]:
        """In the order in which to carry them out: acts that ask nobody, then those that ask, the most severe first; the rest goes last."""
        if not self._policies:
            return ((None, decisions),)
        rounds: dict[QuorumPolicy | None, list[Decision]] = {}
        for decision in decisions:
            policy = self._policies.get(decision.verdict.severity) if decision.kind is DecisionKind.ACT else None
            rounds.setdefault(policy, []).append(decision)
        asks_nobody = any(decision.kind is DecisionKind.ACT for decision in rounds.get(None, ()))
        return sorted(rounds.items(), key=lambda one: (one[0] is None) is not asks_nobody) or ((None, ()),)

    async def hear(
        self, policy: QuorumPolicy, decisions: Sequence[Decision], block: BlockStamp, sight: Sight
    ) -> Hearing:
        """Asks about the block and everything that was read at it; comes back within the policy's deadline.

        Those before it that nobody was heard about are asked about in the same time: the decision may rest on them.
        """
        assert self._witness is not None  # without one, no round has a policy
        nearest = block.number - UNHEARD
        before = [seen for seen in self._unheard if seen.sight.results and seen.block.number >= nearest]
        try:
            testimony, *others = await asyncio.gather(
                *(
                    self._witness.testify(at, its.calls, its.results, policy.deadline_ms, enough=policy.agree)
                    for at, its in [(block, sight), *((seen.block, seen.sight) for seen in before)]
                )
            )
        except Exception:  # noqa: BLE001 - a bug in the asking counts as silence, and must not swallow the action
            self._log.exception("the other nodes could not be asked")
            testimony, others = Testimony(block, ()), []
        for seen, said in zip(before, others, strict=False):
            self._heard(seen)
            self._note(said, seen.at_ms)
        for decision in decisions[:1]:
            self._note(testimony, decision.at_ms)
        doubts = {one.id: disputed for one in decisions if (disputed := self._doubts.about(one, policy)) is not None}
        hearing = Hearing(policy, testimony, doubts)
        if not hearing.met:
            self._unmet = PATIENCE
            self._short_of([policy], testimony)
        return hearing

    # -- after each block ------------------------------------------------------------------------------------------------------

    def saw(self, block: BlockStamp, sight: Sight, at_ms: int, *, good: bool) -> None:
        """The newest block that was evaluated, the time of its tick, and whether every source had a good value. Never blocks."""
        self._newest = _Seen(block, sight, at_ms, good)
        self._unheard.append(self._newest)
        self._news.set()

    async def run(self) -> None:
        """Compares the newest block and what was read at it, one at a time, until cancelled. Needs a witness."""
        while True:
            await self._news.wait()
            self._news.clear()
            seen = self._newest
            if seen is not None and self._witness is not None:
                block, sight = seen.block, seen.sight
                if sight.results:
                    testimony = await self._witness.testify(block, sight.calls, sight.results, COMPARE_DEADLINE_MS)
                else:
                    testimony = await self._witness.compare_head(block)
                self._heard(seen)
                self._note(testimony, seen.at_ms, read=bool(sight.results), good=seen.good)
                self._judge(testimony)

    def _heard(self, seen: _Seen) -> None:
        if seen in self._unheard:
            self._unheard.remove(seen)

    def _note(self, testimony: Testimony, at_ms: int, *, read: bool = True, good: bool = False) -> None:
        """Takes down what is disputed, for the rules and for the sources that remember."""
        self._doubts.note(testimony, at_ms, good=read and good)
        number = testimony.block.number
        if all(policy.met_by(testimony) for policy in self._policies.values()):
            if read:
                self._agreed = max(self._agreed, (number, at_ms))
            return
        calls = {each.call for said in testimony.statements for each in said.differences if each.call is not None}
        if calls:
            about = frozenset(self._subjects[call] for call in calls if call < len(self._subjects))
            # what nobody was heard about since the last agreement is no better
            after, after_ms = min(self._agreed, (number - 1, at_ms - 1))
            self._disown(Disputed(about, after, number, after_ms, at_ms))

    def _judge(self, testimony: Testimony) -> None:
        short = [policy for policy in self._awaited if not policy.met_by(testimony)]
        if not short:
            self._unmet = 0
            self._faults.up("quorum", f"enough endpoints agree about block {testimony.block.number}")
            return
        self._unmet += 1
        if self._unmet >= PATIENCE:
            self._short_of(short, testimony)

    def _short_of(self, short: Sequence[QuorumPolicy], testimony: Testimony) -> None:
        strictest = max(short, key=lambda policy: (policy.otherwise is Otherwise.HOLD, policy.agree))
        holds = strictest.otherwise is Otherwise.HOLD
        said = [statement_text(one, self._subjects, strictest.deadline_ms) for one in testimony.statements]
        look = "look at each of these nodes and at the one in use; "
        if testimony.agreeing >= strictest.agree:
            look = "they agree too late: take nearer or faster nodes, or raise `deadline` in `chain.quorum`; "
        remedy = look + (
            "until enough agree, actions are held, not sent"
            if holds
            else "until enough agree, actions are sent on the word of the one in use"
        )
        self._faults.down(
            "quorum",
            "held" if holds else "alone",
            "\n".join([count_text(testimony, strictest), *said]),
            remedy,
            severity=Severity.CRITICAL if holds else Severity.WARNING,
        )
