"""kill -9 at every step from the one that sends on, with the transaction waiting, mined or forgotten by the node meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.killing import AFTER_SENDING, kill_and_look
from tests.support.deaths import Step

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("step", AFTER_SENDING, ids=str)
async def test_kill__after_it_was_sent__restart_pauses_exactly_once(tmp_path: Path, step: Step) -> None:
    await kill_and_look(tmp_path, step)


@pytest.mark.parametrize("meanwhile", ["mined", "dropped"])
@pytest.mark.parametrize("name", ["submit", "append broadcast"])
async def test_kill__chain_goes_on_without_the_keeper__restart_pauses_exactly_once(
    tmp_path: Path, name: str, meanwhile: str
) -> None:
    await kill_and_look(tmp_path, Step("after", name), meanwhile)
