"""The last look before the keeper itself executes what owners have signed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from keeper.app.council.checking import Checking
from keeper.app.council.ledger import Place, Proposed, What
from keeper.app.council.matter import After, Kept
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Unreachable
from keeper.domain.evm import Simulation
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.safe import Operation, rejection
from keeper.execution.planner import arm
from tests.support.council_world import MULTISEND, action, pause_of
from tests.support.safe_proposals import CHAIN_ID, KEEPER, SAFE

pytestmark = pytest.mark.unit
BLOCK = BlockStamp(1, "0x", "0x", 1)
CALL = Call(SAFE, b"\x01")
ACTION = Proposed(pause_of(), What.ACTION, "Pause", "{}", Place("ETH-PERP", "pause-market"), 0, 1)
RESTORE = replace(ACTION, what=What.RESTORE, place=Place("ETH-PERP"))


@dataclass
class Around:
    """What the node and the invariants say."""

    simulation: Simulation | Unreachable = Simulation(True, b"")  # noqa: RUF009 - it never changes
    ending: Outcome | None = None
    seen: After = After(True, "it goes through")  # noqa: RUF009
    sender: str | None = KEEPER
    steps: int = -1

    async def simulate(self, call: Call, sender: str, block: BlockStamp | None = None) -> Simulation:
        if isinstance(self.simulation, Unreachable):
            raise self.simulation
        return self.simulation

    async def judge(self, of: object, steps: Any, block: BlockStamp) -> tuple[After, Outcome | None]:
        self.steps = len(steps)
        return self.seen, self.ending

    async def after(self, steps: Any, block: BlockStamp) -> After:
        self.steps = len(steps)
        return self.seen

    async def check(self, proposed: Proposed) -> str:
        armed = {one.key: one for one in (arm(action()),)}
        return await Checking(self, self, armed, MULTISEND, lambda: self.sender)(proposed, CALL, BLOCK)  # type: ignore[arg-type]


@pytest.mark.parametrize("proposed", [ACTION, RESTORE, replace(RESTORE, what=What.BY_HAND, place=Place())])
async def test_check__nothing_speaks_against_it__empty(proposed: Proposed) -> None:
    around = Around()
    assert await around.check(proposed) == ""
    assert around.steps == 1


@pytest.mark.parametrize("proposed", [ACTION, RESTORE])
@pytest.mark.parametrize(
    ("around", "words"),
    [
        (Around(simulation=Simulation(False, b"", "execution reverted: GS013")), "it would fail now"),
        (Around(simulation=Unreachable("it is down")), "could not be simulated: it is down"),
        (Around(sender=None), "no key"),
    ],
)
async def test_check__cannot_be_sent_or_would_fail__says_so(proposed: Proposed, around: Around, words: str) -> None:
    assert words in await around.check(proposed)


async def test_check__an_action__by_what_it_must_keep_alone() -> None:
    around = Around(seen=After(True, "", (Kept("solvent", False, "1", "0", "is 0"),)))
    assert await around.check(ACTION) == ""
    around.ending = Outcome(OutcomeKind.FAILED, Reason.INVARIANT_BROKEN, "it would break solvent")
    assert await around.check(ACTION) == "it would break solvent"


@pytest.mark.parametrize(("holds", "good"), [(True, True), (False, False), (None, False)])
async def test_check__of_people__every_invariant_must_hold_and_be_known(holds: bool | None, good: bool) -> None:
    around = Around(seen=After(True, "", (Kept("solvent", holds, "1", "0", "is 0"),)))
    assert await around.check(RESTORE) == ("" if good else "after it solvent: is 0")


async def test_check__foreign_code__never_but_a_rejection_is_nothing() -> None:
    foreign = replace(pause_of(), operation=Operation.DELEGATECALL)
    assert await Around().check(replace(RESTORE, transaction=foreign)) == "it runs foreign code as the Safe"
    no = replace(RESTORE, what=What.REJECTION, transaction=rejection(CHAIN_ID, SAFE, 7))
    assert await Around().check(no) == ""
