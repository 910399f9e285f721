"""A recorded tick as the snapshot that it was made of: how a log is replayed, and how a keeper goes on after a restart.

The observations of a record are graded; grading them again changes nothing, because a quality that is not good is kept, and what is
derived is made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from keeper.domain.block import BlockStamp
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.observation import Observation, Quality
from keeper.domain.outcome import OutcomeKind
from keeper.domain.record import Json
from keeper.domain.snapshot import ActionOutcome, Snapshot
from keeper.domain.units import Unit
from keeper.engine.grade import NOT_THERE


def inputs_body(snapshot: Snapshot) -> dict[str, Json]:
    """What a tick is decided from besides its block, time and observations; what there is none of is left out."""
    body: dict[str, Json] = {}
    if snapshot.outcomes:
        body["outcomes"] = [
            {
                "market": one.market,
                "action": one.action,
                "kind": str(one.kind),
                "reason": one.reason,
                "at_ms": str(one.at_ms),
            }
            for one in snapshot.outcomes
        ]
    if snapshot.disputed_ms:
        body["disputed_ms"] = [[str(after), str(through)] for after, through in snapshot.disputed_ms]
    if snapshot.interventions:
        body["interventions"] = [
            {
                "kind": str(one.kind),
                "at_ms": str(one.at_ms),
                "market": one.market,
                "rule": one.rule,
                "action": one.action,
                "reason": one.reason,
                "record": one.record,
            }
            for one in snapshot.interventions
        ]
    return body


def snapshot_of(body: Mapping[str, Any]) -> Snapshot:
    """The snapshot behind the body of a tick's record. Raises KeyError, TypeError, ValueError for what is no such body."""
    return Snapshot(
        block=_block(body["block"]),
        at_ms=int(body["at_ms"]),
        observations={one["source"]: _observation(one) for one in body["observations"] if one["reason"] != NOT_THERE},
        outcomes=_outcomes(body.get("outcomes", ())),
        disputed_ms=tuple((int(after), int(through)) for after, through in body.get("disputed_ms", ())),
        interventions=_interventions(body.get("interventions", ())),
    )


def _block(body: Mapping[str, Any]) -> BlockStamp:
    return BlockStamp(
        number=body["number"],
        hash=body["hash"],
        parent_hash=body["parent_hash"],
        timestamp_s=body["timestamp_s"],
        next_base_fee_wei=int(body["next_base_fee_wei"]),
    )


def _observation(body: Mapping[str, Any]) -> Observation:
    return Observation(
        source=body["source"],
        value=None if body["value"] is None else Decimal(body["value"]),
        unit=Unit(body["unit"]),
        received_ms=int(body["received_ms"]),
        at_ms=None if body["at_ms"] is None else int(body["at_ms"]),
        block=None if body["block"] is None else _block(body["block"]),
        quality=Quality(body["quality"]),
        reason=body["reason"],
    )


def _outcomes(bodies: Sequence[Mapping[str, Any]]) -> tuple[ActionOutcome, ...]:
    return tuple(
        ActionOutcome(one["market"], one["action"], OutcomeKind(one["kind"]), one["reason"], int(one["at_ms"]))
        for one in bodies
    )


def _interventions(bodies: Sequence[Mapping[str, Any]]) -> tuple[Intervention, ...]:
    return tuple(
        Intervention(
            InterventionKind(one["kind"]),
            int(one["at_ms"]),
            one["market"],
            one["rule"],
            one["action"],
            one["reason"],
            one["record"],
        )
        for one in bodies
    )
