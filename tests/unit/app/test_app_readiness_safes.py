"""Whether what is proposed would get to the owners of a Safe: the service is asked now and then, and sooner when the Safe's nonce moved."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app import readiness_safes
from keeper.app.faults import Faults
from keeper.app.readiness_safes import EVERY_MS, SafeWatch
from keeper.config.model import ProposeAs
from keeper.domain.address import checksum_address
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Unreachable
from keeper.domain.proposal import Delegate, SafeState
from keeper.domain.safe import ZERO_ADDRESS
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

SAFE, KEY, ADA = (checksum_address(bytes([number]) * 20) for number in (0x5A, 0x11, 0xA1))
HEAD = BlockStamp(7, "0x" + "07" * 32, "0x" + "06" * 32, 1_700_000_000, 90)
STATE = SafeState(1, SAFE, "1.4.1", (ADA,), 1, 4, (), ZERO_ADDRESS, ZERO_ADDRESS, 7)
ROUTE = SimpleNamespace(name="council", address=SAFE, propose_as=ProposeAs.DELEGATE, members={})


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = STATE
        self.wrong: OutsideError | None = None
        self.delegates_now: list[Delegate] | OutsideError = [Delegate(KEY, ADA, "keeper", None)]
        self.asked = 0
        self.told: list[Notice] = []
        self.clock = ManualClock(1_772_366_400_000)
        monkeypatch.setattr(readiness_safes, "SafeReader", lambda *_: SimpleNamespace(state=self._state))
        self.faults = Faults(self.clock, lambda _: None, self.told.append)
        config: Any = SimpleNamespace(path="keeper.yaml", chain=SimpleNamespace(id=1))
        routes: Any = [(ROUTE, self)]
        nobody: Any = None
        self.watch = SafeWatch(config, routes, nobody, nobody, KEY, self.faults, self.clock)

    async def _state(self, _: BlockStamp) -> SafeState:
        if self.wrong is not None:
            raise self.wrong
        return self.state

    async def delegates(self, *_: object) -> list[Delegate]:
        self.asked += 1
        if isinstance(self.delegates_now, OutsideError):
            raise self.delegates_now
        return self.delegates_now

    def down(self) -> list[tuple[str, str]]:
        return [(fault.part, fault.reason) for fault in self.faults.current]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


async def test_look__the_delegate_is_removed__is_critical_until_it_is_back(scene: Scene) -> None:
    await scene.watch.look(HEAD)
    assert scene.down() == []
    delegates, scene.delegates_now = scene.delegates_now, []
    scene.state = replace(STATE, nonce=5)
    await scene.watch.look(HEAD)
    assert scene.down() == [("safe-key:council", "may-not-propose")]
    assert scene.told[-1].severity is Severity.CRITICAL
    assert "delegate add" in scene.told[-1].body
    scene.delegates_now, scene.state = delegates, replace(STATE, nonce=6)
    await scene.watch.look(HEAD)
    assert scene.down() == []


@pytest.mark.parametrize(("passed_ms", "nonce", "asked"), [(EVERY_MS - 1, 4, 1), (EVERY_MS, 4, 2), (0, 5, 2)])
async def test_look__again__asks_the_service_when_it_is_due_or_the_nonce_moved(
    scene: Scene, passed_ms: int, nonce: int, asked: int
) -> None:
    await scene.watch.look(HEAD)
    scene.clock.advance(passed_ms)
    scene.state = replace(STATE, nonce=nonce)
    await scene.watch.look(HEAD)
    assert scene.asked == asked


async def test_look__the_service_is_away__is_no_news_and_asked_again(scene: Scene) -> None:
    scene.delegates_now = Unreachable("no answer")
    await scene.watch.look(HEAD)
    await scene.watch.look(HEAD)
    assert (scene.down(), scene.asked) == ([], 2)


async def test_look__there_is_no_safe__is_a_fault(scene: Scene) -> None:
    scene.wrong = MalformedAnswer("no Safe there")
    await scene.watch.look(HEAD)
    assert scene.down() == [("safe:council", "no-safe")]
    scene.wrong = None
    await scene.watch.look(HEAD)
    assert scene.down() == []
