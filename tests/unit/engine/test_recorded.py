"""What a tick was decided from is written down whole, and read back as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.errors import ConfigurationError
from keeper.domain.intervention import Intervention, InterventionKind
from keeper.domain.outcome import OutcomeKind
from keeper.engine.engine import compile_engine
from keeper.engine.evidence import tick_body
from keeper.engine.recorded import inputs_body, snapshot_of
from tests.support.engine_world import market, outcome, policy, rule, run, snapshot, spec

pytestmark = pytest.mark.unit

INTERVENTIONS = tuple(
    Intervention(kind, 1_000 + place, "M", "wide", "pause", "said so", place)
    for place, kind in enumerate(InterventionKind)
)


def test_recorded__inputs_of_every_kind__are_read_back_as_they_were() -> None:
    shot = replace(
        snapshot(5, {}, outcomes=[outcome(OutcomeKind.INCLUDED, 7)]),
        disputed_ms=((1, 2), (3, 4)),
        interventions=INTERVENTIONS,
    )
    (tick,) = run(compile_engine(spec()), [shot])
    again = snapshot_of({**tick_body(tick), **inputs_body(shot)})
    assert (again.block, again.at_ms) == (shot.block, shot.at_ms)
    assert (again.outcomes, again.disputed_ms) == (shot.outcomes, shot.disputed_ms)
    assert again.interventions == INTERVENTIONS


def test_recorded__nothing_besides_observations__leaves_no_keys() -> None:
    assert inputs_body(snapshot(5, {})) == {}


def test_compile__action_named_alert__is_refused_and_a_rule_may_name_it() -> None:
    compile_engine(spec([market(rules=[rule(actions=("alert",))])]))
    with pytest.raises(ConfigurationError, match="this name is taken"):
        compile_engine(spec([market(rules=[rule(actions=("alert",))])], actions=[policy("alert")]))
