"""Which way an action went, who was told of it, and what builders said, in the story of an incident."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.app.incidents.report import report_of
from keeper.app.incidents.story import Story
from keeper.app.incidents.telling import read_story
from keeper.app.incidents.words import summary_of
from keeper.domain.record import Draft, Json, RecordKind
from tests.support import incident_log as log

pytestmark = pytest.mark.unit


def answer(to: str, kind: str, message: str = "", method: str = "eth_sendBundle") -> dict[str, Json]:
    return {"to": to, "method": method, "answer": kind, "message": message, "ms": "3.000"}


def sent(route: str = "private", *, public: bool = False, accepted: bool = True, **changed: Json) -> Draft:
    body: dict[str, Json] = {
        "tx_hash": log.TX,
        "route": route,
        "public": public,
        "accepted": accepted,
        "answer": "accepted" if accepted else "refused",
        "message": "",
        "block": 15,
        "answers": [],
    }
    return log.step(RecordKind.BROADCAST, body | changed, 12)


def fallback(reason: str, blocks: int = 2, answers: Json = None) -> Draft:
    said: dict[str, Json] = {"reason": reason, "blocks": blocks}
    return sent("public", public=True, accepted=False, answer="fallback", fallback=said, answers=answers or [])


def told(*steps: Draft, breaker: bool = False, extra: tuple[Draft, ...] = ()) -> Story:
    own = [log.turn("opened", 15), log.decision(), log.intent(breaker=breaker), log.attempt(), *steps]
    drafts = [*log.before(), *own, log.receipt(), log.effect(), log.outcome(), *extra, *log.after()]
    story = read_story(log.page_of(log.records_of(drafts)), log.ID)
    assert story is not None
    return story


def sentence(story: Story) -> str:
    return next(line for line in summary_of(story) if line.startswith(log.ACTION))


PUBLIC = sent("public", public=True)


@pytest.mark.parametrize(
    ("steps", "way", "words"),
    [
        ([log.broadcast()], "public", "was done by the public route in block 16"),
        ([PUBLIC], "public", "was done by the public route in block 16"),
        ([sent()], "private", "was done by the private route private in block 16"),
        ([sent(), PUBLIC], "private and public", "by the private route private and publicly by public in block 16"),
        (
            [sent(), fallback("not-included"), PUBLIC],
            "private, then public",
            "by the private route private, then publicly by public after 2 blocks without it, in block 16",
        ),
        ([sent(), fallback("not-included", 1), PUBLIC], "private, then public", "after 1 block without it, in"),
        (
            [sent(accepted=False), fallback("refused", 0), PUBLIC],
            "private, then public",
            "then publicly by public since no builder took it, in block 16",
        ),
        ([sent(), fallback("needed")], "private, then public", "since a later transaction of the same key was public"),
        ([sent(), fallback("configured")], "private, then public", "since the configuration had changed"),
        ([sent(), fallback("of-tomorrow")], "private, then public", "for a reason that this version does not know"),
        ([], "", "was done in block 16"),
    ],
)
def test_summary__of_each_way__says_which(steps: list[Draft], way: str, words: str) -> None:
    story = told(*steps)
    assert story.actions[0].way == way
    assert words in sentence(story)


def test_summary__breaker__is_one_and_says_so_where_builders_carried_it() -> None:
    assert "was done by the breaker route in block 16" in sentence(told(PUBLIC, breaker=True))
    story = told(sent(), breaker=True)
    assert story.actions[0].way == "breaker"
    assert "was done by the breaker route, by the private route private, in block 16" in sentence(story)


def test_moments__notices_of_an_intent__are_told() -> None:
    keys = [f"{kind}/{log.INTENT}" for kind in ("fallback", "budget", "refused", "builders", "outcome")]
    strange = log.notified("fallback/other@1/pause-market/1")
    story = told(sent(), extra=(*map(log.notified, keys), strange))
    words = [one.words for one in story.moments if one.kind == "notification"]
    assert [one.rsplit(": ", maxsplit=1)[1] for one in words] == keys


def test_moments__refused_for_each_bundle__names_every_builder_and_reason_once() -> None:
    refused: list[Json] = [
        answer(name, "refused", f"not accepted at this time{more}")
        for name in ("titan", "quasar")
        for more in ("", " 2")
    ]
    long = "; ".join("titan: not accepted at this time" for _ in range(20))
    fell = fallback("refused", 0, refused)
    fell = log.step(
        RecordKind.BROADCAST, {**fell.body, "message": f"sent publicly, since no builder takes it ({long})"}, 13
    )
    steps = (sent(accepted=False, message=long, answers=refused), fell, PUBLIC)
    story = told(*steps)
    first, second, _ = (one.words for one in story.moments if one.kind == "broadcast")
    assert first == "refused by private: refused by titan, quasar (not accepted at this time)"
    assert second.endswith("since no builder takes it (refused by titan, quasar (not accepted at this time))")


def test_moments__answers_that_came_late__name_who_knew() -> None:
    late = sent(
        accepted=False,
        answer="late",
        message="answered late: taken by b",
        late=True,
        taken=True,
        answers=[answer("b", "accepted")],
    )
    story = told(sent(), late)
    assert story.actions[0].way == "private"
    assert f"{log.ACTION}: answered late: taken by b" in [one.words for one in story.moments]


def test_report__many_answers__cuts_none_of_them() -> None:
    kinds = [sent(accepted=False, message=f"number {number}: {'words ' * 8}end") for number in range(20)]
    section = next(one for one in report_of(told(*kinds, PUBLIC), "k.yaml").sections if one.name == "transactions")
    assert section.table is not None
    cell = section.table.rows[0][3]
    parts = cell.split("; ")
    assert parts[0].startswith("refused by private: number 0")
    assert parts[-1] == "accepted by public"
    assert any("more in the log" in part for part in parts)
    assert all(part.endswith(("end", "public", "log)")) for part in map(str.strip, parts))
    assert len(cell) <= 550


def test_figures__without_a_timeline__are_measured_from_what_was_accepted() -> None:
    refusal = sent(accepted=False)
    accepted = log.step(RecordKind.BROADCAST, dict(PUBLIC.body), 40)
    own = [log.turn("opened", 15), log.decision(), log.intent(), log.attempt(), refusal, accepted]
    drafts = [*log.before(), *own, log.receipt(), log.effect(), log.outcome(timeline_ms={})]
    story = read_story(log.page_of(log.records_of(drafts)), log.ID)
    assert story is not None
    found = {one.name: one.ms for one in story.figures}
    assert (found["broadcast"], found["include"]) == (Decimal(40 - 9), Decimal(11_912 - 40))
