"""What happened between two looks at a breaker, from its state alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app.breakers.turns import Turn, since, turns
from keeper.domain.circuit_breaker import BreakerState, BreakerStatus
from tests.support.breaker_double import READY, TERMS, ended, ratified, tripped

pytestmark = pytest.mark.unit

AT_S = 1_700_000_000
TRIPPED = tripped(AT_S)
AGAIN = replace(tripped(AT_S + 5_000, nonce=4), ready_at_s=AT_S + 1_100)
LATER = ended(AGAIN, AT_S + 7_000)


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (READY, READY, ()),
        (READY, TRIPPED, (Turn.TRIPPED,)),
        (TRIPPED, TRIPPED, ()),
        (TRIPPED, ratified(TRIPPED), (Turn.RATIFIED,)),
        (TRIPPED, ended(TRIPPED, AT_S + 1_000), (Turn.EXPIRED,)),
        (TRIPPED, ended(TRIPPED, AT_S + 10, lifted=True), (Turn.LIFTED,)),
        (ratified(TRIPPED), ended(TRIPPED, AT_S + 10, lifted=True), (Turn.LIFTED,)),
        (READY, ratified(TRIPPED), (Turn.TRIPPED, Turn.RATIFIED)),
        (READY, ended(TRIPPED, AT_S + 1_000), (Turn.TRIPPED, Turn.EXPIRED)),
        (READY, ended(TRIPPED, AT_S + 10, lifted=True), (Turn.TRIPPED, Turn.LIFTED)),
        (TRIPPED, AGAIN, (Turn.EXPIRED, Turn.TRIPPED)),
        (TRIPPED, LATER, (Turn.EXPIRED, Turn.TRIPPED, Turn.EXPIRED)),
        (ratified(TRIPPED), ratified(AGAIN), (Turn.LIFTED, Turn.TRIPPED, Turn.RATIFIED)),
    ],
)
def test_turns__two_looks__what_the_state_proves(
    before: BreakerState, now: BreakerState, found: tuple[Turn, ...]
) -> None:
    assert turns(before, now) == found


def test_turns__another_branch_of_the_chain__proves_nothing() -> None:
    assert turns(TRIPPED, READY) == turns(ended(TRIPPED, AT_S + 1_000), TRIPPED) == ()


def test_turns__disarmed_unregistered_and_registered_anew__are_no_turns() -> None:
    over = ended(TRIPPED, AT_S + 1_000)
    gone = replace(over, status=BreakerStatus.UNKNOWN, armed=False)
    anew = replace(over, nonce=over.nonce + 1)
    assert turns(TRIPPED, replace(TRIPPED, armed=False)) == ()
    assert turns(over, gone) == turns(gone, anew) == turns(over, anew) == ()
    assert turns(TRIPPED, gone) == (Turn.EXPIRED,)


@pytest.mark.parametrize(
    ("known", "now", "found"),
    [
        (BreakerStatus.TRIPPED, TRIPPED, ()),
        (BreakerStatus.TRIPPED, ratified(TRIPPED), (Turn.RATIFIED,)),
        (BreakerStatus.RATIFIED, ratified(TRIPPED), ()),
        (BreakerStatus.TRIPPED, ended(TRIPPED, AT_S + 1_000), (Turn.EXPIRED,)),
        (BreakerStatus.TRIPPED, ended(TRIPPED, AT_S + 10, lifted=True), (Turn.LIFTED,)),
        (BreakerStatus.RATIFIED, ended(TRIPPED, AT_S + 10, lifted=True), (Turn.LIFTED,)),
        (BreakerStatus.TRIPPED, replace(TRIPPED, status=BreakerStatus.UNKNOWN), ()),
    ],
)
def test_since__a_trip_of_an_earlier_run__what_came_of_it(
    known: BreakerStatus, now: BreakerState, found: tuple[Turn, ...]
) -> None:
    assert since(known, now, TERMS) == found


def test_since__it_was_lifted_before_and_has_run_out_now__is_told_apart() -> None:
    lifted_before = replace(TRIPPED, locked_until_s=AT_S - 100)
    assert since(BreakerStatus.TRIPPED, ended(lifted_before, AT_S + 1_000), TERMS) == (Turn.EXPIRED,)
