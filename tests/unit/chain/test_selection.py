"""Who is listened to: a table of what happens against who is chosen and what is told."""

from __future__ import annotations

import pytest

from keeper.adapters.chain.selection import (
    FORGIVEN,
    MAX_DOUBLINGS,
    MAX_STRIKES,
    START_GRACE_MS,
    SURE_AGE_S,
    SURE_BLOCKS,
    SURE_MS,
    TELL_MS,
    Patience,
    Selection,
)
from keeper.domain.chain_events import DownReason, EndpointDown, EndpointUp, FailedOver, SwitchReason

pytestmark = pytest.mark.unit

PATIENCE = Patience(lag_blocks=3, lag_ms=2_000, return_ms=30_000)


def selection(*others: str, primaries: int = 2, at: int = 100) -> Selection:
    """All connected at time 0 at the same block."""
    names = [f"p{number}" for number in range(primaries)]
    made = Selection(names, others, PATIENCE)
    for index in range(primaries + len(others)):
        assert made.connected(index, at, 0) == []
    return made


def test_start__nobody_known__is_the_first() -> None:
    made = Selection(["p0", "p1"], [], PATIENCE)
    assert (made.active, made.all_lost, made.order()) == (0, False, [0, 1])


def test_start__second_is_there_first__waits_for_the_first_only_so_long() -> None:
    made = Selection(["p0", "p1"], [], PATIENCE)
    made.connected(1, 100, 0)
    made.passed(START_GRACE_MS - 1)
    assert made.active == 0
    assert made.passed(START_GRACE_MS) == [FailedOver("p0", "p1", SwitchReason.DOWN)]


def test_lost__the_one_in_use__is_changed_at_once_and_told() -> None:
    made = selection()
    assert made.lost(0, DownReason.LOST, "gone", 1) == [
        EndpointDown("p0", DownReason.LOST, "gone"),
        FailedOver("p0", "p1", SwitchReason.DOWN),
    ]
    assert made.order()[0] == 1


def test_lost__a_stand_by__is_told_and_changes_nothing() -> None:
    made = selection()
    assert made.lost(1, DownReason.LOST, "gone", 1) == [EndpointDown("p1", DownReason.LOST, "gone")]
    assert (made.active, made.order()) == (0, [0])


def test_lost__said_again__is_told_once() -> None:
    made = selection()
    made.lost(1, DownReason.LOST, "gone", 1)
    assert made.lost(1, DownReason.LOST, "still gone", 2) == []
    assert made.lost(1, DownReason.WRONG_CHAIN, "another", 3) == [EndpointDown("p1", DownReason.WRONG_CHAIN, "another")]


def test_lost__all_of_them__stays_and_says_so_until_one_is_back() -> None:
    made = selection()
    made.lost(1, DownReason.LOST, "gone", 1)
    made.lost(0, DownReason.LOST, "gone", 1)
    assert (made.all_lost, made.active) == (True, 0)
    events = made.connected(1, 101, 2)
    assert [type(event) for event in events] == [EndpointUp, FailedOver]
    assert (made.all_lost, made.active) == (False, 1)


@pytest.mark.parametrize(("well_ms", "active"), [(29_999, 1), (30_000, 0)])
def test_return__well_for_long_enough__is_needed(well_ms: int, active: int) -> None:
    made = selection()
    made.lost(0, DownReason.LOST, "gone", 1)
    made.connected(0, 100, 1_000)
    made.passed(1_000 + well_ms)
    assert made.active == active


def test_return__trouble_in_between__begins_the_wait_anew() -> None:
    made = selection()
    made.lost(0, DownReason.LOST, "gone", 1)
    made.connected(0, 100, 1_000)
    made.struck(0, "silent", 29_000, fatal=True)
    made.tried(0, 29_500)
    made.passed(59_000)
    assert made.active == 1
    assert made.passed(59_500) == [FailedOver("p1", "p0", SwitchReason.RETURNED)]


def test_return__the_one_in_use_fails_first__is_at_once() -> None:
    made = selection()
    made.lost(0, DownReason.LOST, "gone", 1)
    made.connected(0, 100, 2)
    assert FailedOver("p1", "p0", SwitchReason.DOWN) in made.lost(1, DownReason.LOST, "gone", 3)


@pytest.mark.parametrize(("behind", "ms", "lagging"), [(3, 2_000, True), (3, 1_999, False), (2, 60_000, False)])
def test_lag__blocks_and_time__both_have_to_be_reached(behind: int, ms: int, lagging: bool) -> None:
    made = selection()
    made.announced(1, 100 + behind, 10)
    made.passed(10 + ms)
    assert (made.active == 1) is lagging


def test_lag__caught_up_in_time__begins_the_wait_anew() -> None:
    made = selection()
    made.announced(1, 103, 0)
    made.announced(0, 101, 1_900)
    made.announced(1, 104, 2_500)
    assert made.passed(4_000) == []
    assert made.passed(4_500) != []


def test_lag__caught_up_again__is_told_after_the_same_patience() -> None:
    made = selection()
    made.announced(1, 105, 0)
    made.passed(2_000)
    assert made.announced(0, 105, 2_100) == []
    assert made.passed(4_000) == []
    assert made.passed(4_100) == [EndpointUp("p0", "recovered from lagging")]
    assert made.active == 1


def test_lag__one_of_two_others_ahead__does_not_count() -> None:
    made = selection("v")
    made.announced(1, 10**30, 0)
    assert made.passed(10_000) == []
    made.announced(2, 103, 10_000)
    assert FailedOver("p0", "p1", SwitchReason.LAGGING) in made.passed(12_000)


def test_lag__only_a_verify_endpoint_is_ahead__is_told_and_changes_nothing() -> None:
    made = selection("v", primaries=1)
    made.announced(1, 110, 0)
    assert made.passed(2_000) == [EndpointDown("p0", DownReason.LAGGING, "its newest block 100 is 10 behind")]
    assert made.active == 0


def test_lag__of_what_a_lost_endpoint_said__is_forgotten() -> None:
    made = selection()
    made.announced(1, 110, 0)
    made.lost(1, DownReason.LOST, "gone", 1_000)
    assert made.passed(10_000) == []


@pytest.mark.parametrize(("strikes", "active"), [(MAX_STRIKES - 1, 0), (MAX_STRIKES, 1)])
def test_strikes__refusals_in_a_row__count_as_down(strikes: int, active: int) -> None:
    made = selection()
    for _ in range(strikes):
        made.struck(0, "busy", 1, fatal=False)
    assert made.active == active


@pytest.mark.parametrize(("struck", "answered", "active"), [(False, False, 0), (True, True, 0), (True, False, 1)])
def test_strikes__an_answer_in_between__counts_from_zero_unless_only_reads_are_refused(
    struck: bool, answered: bool, active: int
) -> None:
    made = selection()
    for _ in range(10):
        made.struck(0, "busy", 1, fatal=False, read=struck)
        made.answered(0, read=answered)
    assert made.active == active


def test_strikes__only_primary__is_told_and_stays_in_use() -> None:
    made = selection(primaries=1)
    assert made.struck(0, "silent", 1, fatal=True) == []
    assert made.passed(TELL_MS) == []
    assert made.passed(1 + TELL_MS) == [EndpointDown("p0", DownReason.NO_ANSWER, "silent")]
    assert (made.active, made.all_lost, made.is_failing(0)) == (0, False, True)
    assert made.tried(0, 500) == [EndpointUp("p0", "recovered from requests-fail")]
    assert not made.is_failing(0)


def test_order__well_ones_before_lagging_ones__lost_ones_never() -> None:
    made = selection(primaries=4)
    for index in (0, 2, 3):
        made.announced(index, 110, 0)
    made.passed(2_000)
    made.lost(2, DownReason.LOST, "gone", 2_000)
    assert made.order() == [0, 3, 1]


# -- one outage, one word ---------------------------------------------------------------------------------------------------------


def test_outage__a_request_fails_before_the_connection_is_lost__is_told_once_as_the_latter() -> None:
    made = selection()
    assert made.struck(0, "closed", 1, fatal=True) == [FailedOver("p0", "p1", SwitchReason.DOWN)]
    assert made.lost(0, DownReason.LOST, "gone", TELL_MS) == [EndpointDown("p0", DownReason.LOST, "gone")]
    assert made.passed(10 * TELL_MS) == []
    assert made.connected(0, 100, 20 * TELL_MS) == []  # its requests are not known to work yet
    assert made.tried(0, 21 * TELL_MS) == [EndpointUp("p0", "recovered from connection-lost")]


def test_outage__told_as_failing_requests__is_not_told_again_when_it_lags_and_is_lost() -> None:
    made = selection()
    made.struck(0, "silent", 0, fatal=True)
    assert made.passed(TELL_MS) == [EndpointDown("p0", DownReason.NO_ANSWER, "silent")]
    made.announced(1, 200, TELL_MS)
    assert made.passed(60_000) == []
    assert made.lost(0, DownReason.LOST, "gone", 60_000) == []


# -- lag that needs no patience ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind", "age_s", "ms", "told"),
    [
        (PATIENCE.lag_blocks + SURE_BLOCKS, SURE_AGE_S, SURE_MS, True),
        (PATIENCE.lag_blocks + SURE_BLOCKS, SURE_AGE_S, SURE_MS - 1, False),
        (PATIENCE.lag_blocks + SURE_BLOCKS, SURE_AGE_S - 1, SURE_MS, False),
        (PATIENCE.lag_blocks + SURE_BLOCKS - 1, 60, SURE_MS, False),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_lag__many_blocks_and_seconds_of_the_chain__counts_at_once(
    behind: int, age_s: int, ms: int, told: bool, place: int
) -> None:
    """For a primary and for a verify endpoint."""
    made = Selection(["p0"], ["v"], PATIENCE)
    for index in (0, 1):
        made.connected(index, 100, 0, time_s=1_000)
    made.announced(1 - place, 100 + behind, 10, time_s=1_000 + age_s)
    assert bool(made.passed(10 + ms)) is told


def test_lag__one_block_for_ever__is_nothing() -> None:
    made = selection("v")
    for number in range(101, 200):
        for index in (0, 1):
            assert made.announced(index, number, number * 12_000, time_s=number * 12) == []
        assert made.announced(2, number - 1, number * 12_000, time_s=number * 12 - 12) == []


# -- who is quiet, and who is not believed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ms", "quiet"), [(499, []), (500, [0])])
def test_quiet__others_have_a_block_that_it_has_not_announced__after_so_long(ms: int, quiet: list[int]) -> None:
    made = selection()
    made.announced(1, 101, 1_000)
    assert made.quiet(1_000 + ms, 500) == quiet
    made.announced(0, 101, 2_000)
    assert made.quiet(60_000, 500) == []


def test_rejected__the_one_in_use__is_left_and_believed_again_after_its_probation() -> None:
    made = selection()
    assert made.rejected(0, DownReason.UNKNOWN_BLOCKS, "made up", 1) == [
        EndpointDown("p0", DownReason.UNKNOWN_BLOCKS, "made up"),
        FailedOver("p0", "p1", SwitchReason.DOWN),
    ]
    assert made.others_up(1) == []
    assert made.announced(0, 101, PATIENCE.probation_ms) == []
    assert made.announced(0, 102, PATIENCE.probation_ms + 1) == [EndpointUp("p0", "recovered from unknown-blocks")]
    assert made.others_up(1) == [0]


def test_order__the_one_in_use_fails__those_that_fail_too_are_asked_last() -> None:
    made = selection()
    made.struck(0, "silent", 1, fatal=True)
    assert made.order() == [1]
    made.struck(1, "silent", 1, fatal=True)
    assert made.order() == [1, 0]


@pytest.mark.parametrize(("reason", "quiet"), [(DownReason.OUTVOTED, [0]), (DownReason.UNKNOWN_BLOCKS, [])])
def test_quiet__it_is_not_believed__is_asked_unless_its_blocks_are_made_up(
    reason: DownReason, quiet: list[int]
) -> None:
    made = selection()
    made.rejected(0, reason, "alone", 0)
    made.announced(1, 101, 1_000)
    assert made.quiet(1_500, 500) == quiet
    made.struck(0, "no answer", 1_600, fatal=True)
    assert made.quiet(2_000, 500) == [], "its trials go on already"


def offended(made: Selection, at_ms: int) -> int:
    """p0 is rejected at this time, and heard every second: when it is believed again."""
    made.rejected(0, DownReason.OUTVOTED, "alone", at_ms)
    now_ms = at_ms
    while True:
        now_ms += 1_000
        if EndpointUp("p0", "recovered from outvoted") in made.announced(0, 100, now_ms):
            return now_ms


def test_rejected__again_soon_after_it_was_believed__twice_as_long_each_time_up_to_a_limit() -> None:
    made = selection()
    now_ms, took = 0, []
    for _ in range(MAX_DOUBLINGS + 3):
        up_ms = offended(made, now_ms)
        took.append((up_ms - now_ms) // PATIENCE.probation_ms)
        now_ms = up_ms + PATIENCE.return_ms
    assert took == [1, 2, 4, 8, 16, 32, 64, 64, 64]


@pytest.mark.parametrize(("short_ms", "times"), [(1, 2), (0, 1)])
def test_rejected__again_after_it_was_well_for_long__begins_anew(short_ms: int, times: int) -> None:
    made = selection()
    up_ms = offended(made, 0)
    again_ms = up_ms + FORGIVEN * PATIENCE.probation_ms - short_ms
    assert offended(made, again_ms) - again_ms == times * PATIENCE.probation_ms
