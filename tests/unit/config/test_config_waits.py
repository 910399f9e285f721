"""How long builders alone get an action, against how long it may be sent at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.config.sending_stage import ENVIRON, ROUTE, sending

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Edit, Load

pytestmark = pytest.mark.unit


def edits(public_after: str, expires: str, chain: int = 31337) -> tuple[Edit, ...]:
    """``public_after`` empty: as the route says, which is 3 blocks."""
    lane = "    lane: fast\n" if public_after == "never" else ""
    written = f"    public_after: {public_after}\n{lane}" if public_after else ""
    return (
        sending(),
        (ROUTE, f"    route: private\n{written}"),
        ("    expires: 5m\n", f"    expires: {expires}\n"),
        ("id: 31337", f"id: {chain}"),
    )


@pytest.mark.parametrize(
    ("public_after", "expires"), [("2 blocks", "25s"), ("0 blocks", "1s"), ("24 blocks", "5m"), ("never", "1s")]
)
def test_waits__that_end_before_it_expires__are_taken(public_after: str, expires: str, load_good: Load) -> None:
    assert load_good(*edits(public_after, expires), environ=ENVIRON).actions


@pytest.mark.parametrize(("public_after", "expires"), [("2 blocks", "24s"), ("25 blocks", "5m"), ("1000 blocks", "1h")])
def test_waits__that_last_as_long_as_the_action__are_told(public_after: str, expires: str, broken: Break) -> None:
    (problem,) = broken(*edits(public_after, expires), environ=ENVIRON)
    assert problem.path == "actions.pause-market.public_after"
    assert f"expires after {expires}" in problem.message
    assert "never" in problem.hint


def test_never_public__shares_a_key_with_what_goes_another_way__is_told(broken: Break, load_good: Load) -> None:
    never = (sending(), (ROUTE, "    route: private\n    public_after: never\n"))
    (problem,) = broken(*never, environ=ENVIRON)
    assert problem.path == "actions.pause-market.public_after"
    assert "could not land before" in problem.message
    own_key = (sending(), (ROUTE, "    route: private\n    public_after: never\n    lane: fast\n"))
    assert load_good(*own_key, environ=ENVIRON).actions


def test_waits__of_the_route__are_told_at_the_action(broken: Break) -> None:
    (problem,) = broken(*edits("", "36s"), environ=ENVIRON)
    assert problem.path == "actions.pause-market.expires"


@pytest.mark.parametrize(("chain", "fits"), [(8453, True), (1, False), (987654321, False)])
def test_waits__are_as_long_as_the_blocks_of_the_chain(chain: int, fits: bool, load_good: Load, broken: Break) -> None:
    made = edits("3 blocks", "30s", chain)
    if fits:
        assert load_good(*made, environ=ENVIRON).actions
    else:
        assert [one.path for one in broken(*made, environ=ENVIRON)] == ["actions.pause-market.public_after"]


@pytest.mark.parametrize(
    "digits", ["\N{ARABIC-INDIC DIGIT TWO}", "\N{DEVANAGARI DIGIT TWO}", "\N{FULLWIDTH DIGIT TWO}"]
)
def test_public_after__digits_of_other_scripts__are_refused(digits: str, broken: Break) -> None:
    (problem,) = broken(*edits(f"{digits} blocks", "5m"), environ=ENVIRON)
    assert problem.message == "neither a number of blocks nor never"
