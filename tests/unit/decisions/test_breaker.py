"""The breaker: every state with every trigger, against a table written out by hand."""

from __future__ import annotations

from itertools import product

import pytest

from keeper.decisions.breaker import TRANSITIONS, BreakerState, BreakerTrigger, advance
from keeper.domain.errors import InvalidTransition

pytestmark = pytest.mark.unit

TABLE = """
          trip     clear  ratify    lift    expire   lock    disarm    arm
armed     tripped  -      -         -       -        locked  disarmed  -
tripped   -        armed  ratified  lifted  expired  locked  disarmed  -
ratified  -        -      -         lifted  expired  locked  disarmed  -
lifted    -        -      -         -       -        locked  disarmed  armed
expired   tripped  -      ratified  lifted  -        locked  disarmed  armed
locked    -        -      -         -       -        -       disarmed  armed
disarmed  -        -      -         -       -        -       -         armed
"""
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
EXPECTED = {(row[0], trigger): cell for row in ROWS for trigger, cell in zip(HEAD, row[1:], strict=True)}
CASES = list(product(BreakerState, BreakerTrigger))


def test_table__states_and_triggers__are_all_there() -> None:
    assert set(EXPECTED) == {(str(state), str(trigger)) for state, trigger in CASES}
    assert len(TRANSITIONS) == sum(cell != "-" for cell in EXPECTED.values())


@pytest.mark.parametrize(("state", "trigger"), CASES)
def test_advance__every_state_and_trigger__as_listed_or_invalid(state: BreakerState, trigger: BreakerTrigger) -> None:
    expected = EXPECTED[str(state), str(trigger)]
    if expected == "-":
        with pytest.raises(InvalidTransition, match=f"{state} has no {trigger}"):
            advance(state, trigger)
    else:
        assert advance(state, trigger) is BreakerState(expected)


def test_table__from_everywhere__there_is_a_way_back_to_armed() -> None:
    reach = {BreakerState.ARMED}
    for _ in BreakerState:
        reach |= {state for (state, _), after in TRANSITIONS.items() if after in reach}
    assert reach == set(BreakerState)


def test_table__locked_or_disarmed__only_a_human_leads_out() -> None:
    for state in (BreakerState.LOCKED, BreakerState.DISARMED):
        assert {trigger for one, trigger in TRANSITIONS if one is state} <= {BreakerTrigger.ARM, BreakerTrigger.DISARM}
