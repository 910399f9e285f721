"""In shadow: who would have been first, the keeper or people."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.comparing import Comparing, Moment
from keeper.domain.decision import DecisionKind, IncidentPhase
from keeper.domain.record import Draft, RecordKind
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.engine_world import stamp

pytestmark = pytest.mark.unit

KEY = ("M", "pause")


class Scene:
    """One action; a tick a second."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.notices: list[Notice] = []
        armed: Any = {KEY: SimpleNamespace(in_effect=lambda text: text == "true")}
        self._comparing = Comparing(armed, self.drafts.append, self.notices.append)
        self._block = 0

    def go_on(self, decided: Moment) -> None:
        self._comparing.go_on({KEY: decided})

    def tick(self, effect: str | None = "false", *, acts: bool = False, closes: bool = False) -> None:
        self._block += 1
        decision = SimpleNamespace(kind=DecisionKind.ACT, market="M", action="pause", incident="M@1", block=self._block)
        closed = SimpleNamespace(phase=IncidentPhase.CLOSED, id="M@1")
        tick: Any = SimpleNamespace(
            at_ms=self._block * 1000, decisions=[decision] if acts else [], incidents=[closed] if closes else []
        )
        self._comparing.of(tick, stamp(self._block), {} if effect is None else {KEY: effect})

    @property
    def said(self) -> list[str]:
        return [str(draft.body["who"]) for draft in self.drafts]


def test_comparing__keeper_decides_and_people_follow__keeper_first_with_the_seconds() -> None:
    scene = Scene()
    scene.tick()
    scene.tick(acts=True)
    scene.tick()
    scene.tick("true")
    (draft,) = scene.drafts
    assert (draft.kind, draft.market, draft.action, draft.incident) == (RecordKind.COMPARISON, "M", "pause", "M@1")
    assert draft.body["message"] == ("the keeper would have done pause at block 2, people did it 2 s later at block 4")
    assert [one.severity for one in scene.notices] == [Severity.INFO]


def test_comparing__people_were_quicker__people_first() -> None:
    scene = Scene()
    scene.tick()
    scene.tick("true")
    scene.tick("true", acts=True)
    assert scene.said == ["people-first"]


def test_comparing__nobody_did_it_by_the_end__only_keeper() -> None:
    scene = Scene()
    scene.tick()
    scene.tick(acts=True)
    scene.tick(closes=True)
    scene.tick()
    assert scene.said == ["only-keeper"]


def test_comparing__done_and_taken_back_without_a_decision__only_people() -> None:
    scene = Scene()
    scene.tick()
    scene.tick("true")
    scene.tick("false")
    assert scene.said == ["only-people"]


def test_comparing__in_effect_from_the_beginning__is_nobody_s() -> None:
    scene = Scene()
    scene.tick("true")
    scene.tick("true")
    scene.tick("false")
    assert scene.said == []


def test_comparing__a_block_at_which_the_view_did_not_answer__changes_nothing() -> None:
    scene = Scene()
    scene.tick("false")
    scene.tick(None, acts=True)
    scene.tick("true")
    assert scene.said == ["keeper-first"]


def test_comparing__two_incidents__are_each_compared() -> None:
    scene = Scene()
    scene.tick()
    scene.tick(acts=True)
    scene.tick("true")
    scene.tick("true", closes=True)
    scene.tick("false")
    scene.tick("false", acts=True)
    scene.tick("false", closes=True)
    assert scene.said == ["keeper-first", "only-keeper"]


def test_comparing__decided_before_a_reload_and_people_follow__keeper_first() -> None:
    scene = Scene()
    scene.go_on(Moment(500, 0, "M@1"))
    scene.tick()
    scene.tick("true")
    scene.tick("false")
    assert scene.said == ["keeper-first"], "not that the keeper would not have done it"
    assert "at 1970-01-01T00:00:00.500Z" in str(scene.drafts[0].body["message"])


def test_comparing__people_had_done_it_before_the_keeper_began__is_not_said_to_be_undone_by_all() -> None:
    scene = Scene()
    scene.tick("true", acts=True)
    scene.tick("true", closes=True)
    assert scene.said == []


def test_comparing__people_did_it_and_took_it_back_within_the_incident__nobody_did_it_is_not_said() -> None:
    scene = Scene()
    scene.tick(acts=True)
    scene.tick("true")
    scene.tick("false")
    scene.tick(closes=True)
    assert scene.said == ["keeper-first"]
