"""What notices are about, and that everything the program can say is known to the section `notify`."""

from __future__ import annotations

import pytest

from keeper.domain.matters import ABOUT, EVERYBODY, About, Policy, about_of, is_lasting
from keeper.domain.verdict import Severity
from tests.support.notices_found import found

pytestmark = pytest.mark.unit


def test_about__every_notice_in_the_program__has_a_word_that_receivers_choose_by() -> None:
    made = found()
    assert set(made) == {*ABOUT, *EVERYBODY}, (
        "add the first part of the key to ABOUT in keeper/domain/matters.py, or take it out there"
    )


@pytest.mark.parametrize(
    ("key", "about"),
    [("fault/heads", About.FAULTS), ("incident/1", About.INCIDENTS), ("replicas", About.FAULTS), ("new/1", None)],
)
def test_about_of__first_part_of_the_key(key: str, about: About | None) -> None:
    assert about_of(key) is about


def test_is_lasting__what_is_said_to_end() -> None:
    assert is_lasting("fault/a/b")
    assert is_lasting("incident/1")
    assert not is_lasting("outcome/1")


@pytest.mark.parametrize("least", list(Severity))
@pytest.mark.parametrize("severity", list(Severity))
def test_wants__each_pair__both_sides(severity: Severity, least: Severity) -> None:
    order = list(Severity)
    wants = Policy(min_severity=least).wants("fault/x", severity)
    assert wants is (order.index(severity) >= order.index(least))
    assert not Policy(min_severity=least, about=frozenset({About.COUNCIL})).wants("fault/x", severity)
