"""Before an action, and after each block: do independent nodes say the same as the one in use?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from keeper.adapters.chain.witness import COMPARE_DEADLINE_MS
from keeper.app.doubts import Doubts
from keeper.app.faults import Faults
from keeper.app.statements import count_text, statement_text
from keeper.app.watch import Sight
from keeper.domain.block import BlockStamp
from keeper.domain.decision import Decision, DecisionKind
from keeper.domain.testimony import Otherwise, QuorumPolicy, Testimony
from keeper.domain.verdict import Severity
from keeper.engine.spec import MarketSpec
from keeper.ports.chain import Witness

PATIENCE = 2
"""So many blocks in a row with too few that agree are a fault: one node that gets one block late is none."""

Round = tuple[QuorumPolicy | None, Sequence[Decision]]
"""Decisions that ask for the same agreement; None: for none."""


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
    """``witness`` None: there is nobody to ask. ``subjects`` says what each call of a Sight is about.

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
    ) -> None:
        self._witness = witness
        asking = {} if witness is None else policies
        self._policies = {severity: policy for severity, policy in asking.items() if policy.agree > 1}
        self._subjects = subjects
        self._faults = faults
        self._doubts = Doubts(self._policies.values(), markets)
        self._newest: tuple[BlockStamp, Sight, int] | None = None
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
        """Asks about the block and everything that was read at it; comes back within the policy's deadline."""
        assert self._witness is not None  # without one, no round has a policy
        try:
            testimony = await self._witness.testify(
                block, sight.calls, sight.results, policy.deadline_ms, enough=policy.agree
            )
        except Exception:  # noqa: BLE001 - a bug in the asking counts as silence, and must not swallow the action
            self._log.exception("the other nodes could not be asked")
            testimony = Testimony(block, ())
        for decision in decisions:
            self._doubts.note(testimony, decision.at_ms)
        doubts = {one.id: disputed for one in decisions if (disputed := self._doubts.about(one, policy)) is not None}
        hearing = Hearing(policy, testimony, doubts)
        if not hearing.met:
            self._unmet = PATIENCE
            self._short_of([policy], testimony)
        return hearing

    # -- after each block ------------------------------------------------------------------------------------------------------

    def saw(self, block: BlockStamp, sight: Sight, at_ms: int) -> None:
        """The newest block that was evaluated, and the time of its tick. Never blocks."""
        self._newest = block, sight, at_ms
        self._news.set()

    async def run(self) -> None:
        """Compares the newest block and what was read at it, one at a time, until cancelled. Needs a witness."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._newest is not None and self._witness is not None:
                block, sight, at_ms = self._newest
                if sight.results:
                    testimony = await self._witness.testify(block, sight.calls, sight.results, COMPARE_DEADLINE_MS)
                else:
                    testimony = await self._witness.compare_head(block)
                self._doubts.note(testimony, at_ms)
                self._judge(testimony)

    def _judge(self, testimony: Testimony) -> None:
        short = [policy for policy in self._policies.values() if not policy.met_by(testimony)]
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
        said = [statement_text(statement, self._subjects) for statement in testimony.statements]
        remedy = "look at each of these nodes and at the one in use; " + (
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
