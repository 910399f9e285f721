"""Who stands alone with its blocks."""

from __future__ import annotations

import pytest

from keeper.adapters.chain.ballot import DISPUTE_MS, Ballot, Dispute
from keeper.domain.block import BlockStamp
from keeper.domain.chain_events import Agreement, Disagreement
from keeper.domain.testimony import Difference

pytestmark = pytest.mark.unit


def block(number: int, branch: str = "a") -> BlockStamp:
    return BlockStamp(number, f"0x{branch}{number}", f"0x{branch}{number - 1}", number * 12)


def cast(ballot: Ballot, *branches: str, number: int) -> dict[int, str]:
    """Each endpoint's block at this height, in order; what was said in the end."""
    said: dict[int, str] = {}
    for endpoint, branch in enumerate(branches):
        said = ballot.cast(endpoint, block(number, branch))
    return said


def test_cast__all_agree__nobody_is_outvoted() -> None:
    ballot = Ballot(3)
    assert [cast(ballot, "a", "a", "a", number=number) for number in range(5)] == [{}] * 5


def test_cast__one_alone_at_two_heights__is_outvoted_and_the_words_name_both_hashes() -> None:
    ballot = Ballot(3)
    assert cast(ballot, "f", "a", "a", number=7) == {}
    assert cast(ballot, "f", "a", "a", number=8) == {0: "its block 8 is 0xf8, and 2 other endpoints have 0xa8"}


def test_cast__fork_of_one_block__ends_with_the_next_and_blames_nobody() -> None:
    ballot = Ballot(3)
    for number in range(1, 20, 2):
        assert cast(ballot, "f", "a", "a", number=number) == {}
        assert cast(ballot, "a", "a", "a", number=number + 1) == {}


def test_cast__deep_reorganisation__neither_the_first_nor_the_last_to_follow_is_outvoted() -> None:
    ballot = Ballot(3)
    for number in (5, 6, 7):
        cast(ballot, "a", "a", "a", number=number)
    branch = [block(5, "b"), block(6, "b"), block(7, "b")]
    branch[0] = BlockStamp(5, "0xb5", "0xa4", 60)
    for endpoint in range(3):
        for one in branch:
            assert ballot.cast(endpoint, one) == {}


def test_cast__liar_that_is_always_the_last__is_outvoted_by_what_the_others_build_upon() -> None:
    ballot = Ballot(3)
    said = [cast(ballot, "a", "a", "f", number=number) for number in (7, 8, 9)]
    assert said[:2] == [{}, {}]
    assert 2 in {**cast(ballot, "a", "a", number=10), **said[2]}


def test_cast__two_that_differ__nobody_knows_who_is_wrong() -> None:
    ballot = Ballot(2)
    assert [cast(ballot, "a", "f", number=number) for number in range(5)] == [{}] * 5


def test_cast__two_against_two__nobody_is_outvoted() -> None:
    ballot = Ballot(4)
    assert [cast(ballot, "a", "f", "a", "f", number=number) for number in range(5)] == [{}] * 5


def test_cast__three_that_all_differ__nobody_is_outvoted() -> None:
    ballot = Ballot(3)
    assert [cast(ballot, "a", "b", "c", number=number) for number in range(5)] == [{}] * 5


def test_has_announced__what_it_replaced_itself__counts_no_more() -> None:
    ballot = Ballot(1)
    ballot.cast(0, block(3, "f"))
    assert ballot.has_announced(0, block(3, "f"))
    ballot.cast(0, block(3, "a"))
    assert not ballot.has_announced(0, block(3, "f"))


def test_dispute__of_two__is_told_once_after_the_time_that_forks_have_and_names_both() -> None:
    ballot = Ballot(2)
    dispute = Dispute(ballot, ["primary-1", "primary-2"])
    cast(ballot, "a", "f", number=7)
    assert dispute.look(0, 0, both_up=True) == []
    assert dispute.look(0, DISPUTE_MS - 1, both_up=True) == []
    assert dispute.look(0, DISPUTE_MS, both_up=True) == [
        Disagreement("primary-2", 7, (Difference(None, "0xa7", "0xf7"),), "primary-1")
    ]
    assert dispute.look(0, 2 * DISPUTE_MS, both_up=True) == []
    cast(ballot, "a", "a", number=8)
    assert dispute.look(0, 3 * DISPUTE_MS, both_up=True) == [Agreement("primary-2", 8)]


def test_dispute__fork_that_ends_in_time_or_a_node_that_is_down__is_none() -> None:
    ballot = Ballot(2)
    dispute = Dispute(ballot, ["primary-1", "primary-2"])
    cast(ballot, "a", "f", number=7)
    dispute.look(0, 0, both_up=True)
    cast(ballot, "a", "a", number=8)
    assert dispute.look(0, DISPUTE_MS, both_up=True) == []
    cast(ballot, "a", "f", number=9)
    dispute.look(0, DISPUTE_MS, both_up=True)
    assert dispute.look(0, 5 * DISPUTE_MS, both_up=False) == []
