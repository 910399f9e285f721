"""When the lead of replicas is taken and given up."""

from __future__ import annotations

import pytest

from keeper.app.cli.replicas_shown import Replicas, document
from keeper.domain.lease import Acting, Lease, Replica, Role, Why, acting_of, must_yield, sees_enough, unlike

pytestmark = pytest.mark.unit


def other(seen: int, *, role: Role = Role.STANDBY, heard_ms: int = 0) -> Replica:
    return Replica("other", role, 0, seen, 0, heard_ms, "1.0", "0xhash")


@pytest.mark.parametrize(("seen", "enough"), [(9, True), (10, True), (11, True), (12, False), (100, False)])
def test_sees_enough__another_sees_further__two_blocks_are_too_many(seen: int, enough: bool) -> None:
    assert sees_enough(10, [other(seen)]) is enough


def test_sees_enough__nobody_else_or_nobody_sees_anything__is_enough() -> None:
    assert sees_enough(0, [])
    assert sees_enough(0, [other(0), other(1)])


@pytest.mark.parametrize(
    ("before", "now", "seen", "yields"),
    [
        (10, 10, 11, False),
        (10, 10, 12, True),
        (9, 10, 12, False),  # it evaluated one since it last asked
        (0, 0, 2, True),  # it led, and never evaluated anything
        (10, 8, 12, True),  # a reorganisation took its newest block
    ],
)
def test_must_yield__evaluated_since_and_seen_elsewhere__both_count(
    before: int, now: int, seen: int, yields: bool
) -> None:
    assert must_yield(before, now, [other(seen)]) is yields


def test_must_yield__alone__never() -> None:
    assert not must_yield(5, 5, [])


@pytest.mark.parametrize(
    ("heard_ms", "role", "lives"),
    [(6_000, Role.STANDBY, True), (6_001, Role.STANDBY, False), (0, Role.STOPPED, False), (0, Role.LEADER, True)],
)
def test_lives__heard_of_within_the_lease_and_not_stopped__lives(heard_ms: int, role: Role, lives: bool) -> None:
    assert other(1, role=role, heard_ms=heard_ms).lives(6_000) is lives


MINE = Acting("0xhash", "0xkey", "a")


@pytest.mark.parametrize(
    ("its", "version", "words"),
    [
        (Acting("0xhash", "0xkey", "b"), "1.0", ()),
        (Acting("0xother", "0xkey", "b"), "1.0", ("another configuration",)),
        (Acting("0xhash", "", "b"), "1.1", ("another key (none)", "another version (1.1)")),
        (Acting("", "", "b"), "1.0", ()),
    ],
)
def test_unlike__what_should_be_the_same__is_named(its: Acting, version: str, words: tuple[str, ...]) -> None:
    assert unlike(MINE, "1.0", Replica("other", Role.STANDBY, 0, 1, 0, 0, version, str(its))) == words
    assert acting_of(str(its)) == its


def test_status__standby_that_is_not_like_the_leader__is_named_and_not_well() -> None:
    lease = Lease(1, "one", 1, 1_000, "", Why.FREE, 0)
    leader = Replica("one", Role.LEADER, 1, 9, 9, 0, "1.0", str(MINE))
    for its, unlike_ in ((MINE, {}), (Acting("0xother", "0xkey", "b"), {"two": "another configuration"})):
        found = Replicas(lease, (leader, Replica("two", Role.STANDBY, 0, 9, 0, 0, "1.0", str(its))))
        said = document(found)
        assert said is not None
        assert (said["unlike"], found.ok) == (unlike_, not unlike_)
