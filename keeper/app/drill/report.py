"""What a drill came to: for people as Markdown, for programs as JSON, for the log as a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keeper.adapters.audit.times import to_iso
from keeper.domain.record import Draft, Json, RecordKind

STAGES = {
    "head": "the block with the breach was heard of",
    "reads": "everything was read at that block",
    "agreed": "enough endpoints had agreed",
    "decided": "the rule had tripped and the actions were decided",
    "intent_durable": "the intent was in the log",
    "simulated": "the call had been simulated",
    "signed": "the transaction was signed",
    "broadcast": "the node had taken it",
    "included": "it was in a block",
    "verified": "the effect was read back",
}
"""By the marks of a work, in order."""
NO_ACTION = (
    "the rule trips, and no action would be carried out",
    "look at limits, switches and cooldowns: keeper status CONFIG",
)
"""What is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class ActionDrilled:
    """``stages_ms`` since the block with the breach was heard of; ``before``, ``after`` and ``restored`` are what the effect's view answered."""

    action: str
    call: str
    target: str
    route: str
    outcome: str
    message: str
    block: int | None
    before: str
    after: str
    expected: str
    restored: str
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    ok: bool = False


@dataclass(frozen=True, slots=True)
class DrillReport:
    """``where`` is ``fork`` or ``live`` (then nothing was sent). ``problem`` says why it is not ``ok``; ``left_out`` what it does not prove."""

    ok: bool
    at_ms: int
    where: str
    chain_id: int
    from_block: int
    market: str
    rule: str
    breach: str
    how: str
    blocks_to_trip: int | None
    breach_to_trip_ms: float | None
    actions: tuple[ActionDrilled, ...]
    log_verified: bool | None
    problem: str = ""
    remedy: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Json]:
        """Times are text with three decimals, as everywhere in the log."""
        return {
            "ok": self.ok,
            "at": to_iso(self.at_ms),
            "where": self.where,
            "chain_id": self.chain_id,
            "from_block": self.from_block,
            "market": self.market,
            "rule": self.rule,
            "breach": self.breach,
            "how": self.how,
            "blocks_to_trip": self.blocks_to_trip,
            "breach_to_trip_ms": _ms(self.breach_to_trip_ms),
            "actions": [_action(each) for each in self.actions],
            "log_verified": self.log_verified,
            "problem": self.problem,
            "remedy": self.remedy,
            "left_out": dict(self.left_out),
        }

    def record(self) -> Draft:
        """For the operator's log."""
        return Draft(RecordKind.DRILL, self.document(), self.at_ms, market=self.market or None)

    def markdown(self) -> str:
        """A page for the file of drills."""
        return "\n".join(_lines(self)) + "\n"


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _action(one: ActionDrilled) -> dict[str, Json]:
    return {
        "action": one.action,
        "call": one.call,
        "target": one.target,
        "route": one.route,
        "ok": one.ok,
        "outcome": one.outcome,
        "message": one.message,
        "block": one.block,
        "before": one.before,
        "after": one.after,
        "expected": one.expected,
        "restored": one.restored,
        "stages_ms": {stage: f"{ms:.3f}" for stage, ms in one.stages_ms.items()},
    }


def in_order(stages_ms: Mapping[str, float]) -> Sequence[tuple[str, float]]:
    """Known stages as they follow each other, then all others by time."""
    known = [(stage, stages_ms[stage]) for stage in STAGES if stage in stages_ms]
    return [
        *known,
        *sorted(((stage, ms) for stage, ms in stages_ms.items() if stage not in STAGES), key=lambda one: one[1]),
    ]


def _lines(report: DrillReport) -> list[str]:
    lines = [
        f"# Drill: {report.market or 'no market'}, {report.rule or 'no rule'}",
        "",
        f"**{'Passed' if report.ok else 'FAILED'}** at {to_iso(report.at_ms)}, {_where(report)}.",
        "",
    ]
    if report.problem:
        lines += [f"- What is wrong: {report.problem}", f"- What to do: {report.remedy}", ""]
    lines += ["| | |", "|---|---|", f"| breach | {report.breach or '-'} ({report.how}) |"]
    if report.blocks_to_trip is not None:
        lines.append(f"| blocks with the breach until the rule tripped | {report.blocks_to_trip} |")
    if report.breach_to_trip_ms is not None:
        lines.append(f"| from the breach to the decision | {report.breach_to_trip_ms:.0f} ms |")
    if report.log_verified is not None:
        lines.append(f"| the drill's own log | {'verified' if report.log_verified else 'BROKEN'} |")
    for one in report.actions:
        lines += [
            "",
            f"## {one.action}: {one.outcome}",
            "",
            f"`{one.call}` on `{one.target}` by route {one.route}. {one.message}",
            "",
            f"Effect: before `{one.before}`, after `{one.after}` (expected `{one.expected}`), restored `{one.restored}`.",
        ]
        if one.stages_ms:
            lines += ["", "| stage | ms since the block was heard of |", "|---|---|"]
            lines += [f"| {STAGES.get(stage, stage)} | {ms:.1f} |" for stage, ms in in_order(one.stages_ms)]
    if report.left_out:
        lines += ["", "## What this drill does not prove", ""]
        lines += [f"- {part}: {why}" for part, why in report.left_out.items()]
    return lines


def _where(report: DrillReport) -> str:
    if report.where == "live":
        return f"on the live chain {report.chain_id} at block {report.from_block}; nothing was sent"
    return f"on a fork of block {report.from_block}, as chain {report.chain_id}"
