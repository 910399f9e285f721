"""What people read of a fallback and of an offer that may not rise: notices, the log's lines, the timeline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.app import notices
from keeper.app.cli.summaries import summary
from keeper.app.incidents.moments import words_of
from keeper.domain.budget import Budget
from keeper.domain.record import Record, RecordKind
from keeper.domain.verdict import Severity
from keeper.execution.journal import Fallback, FallbackReason
from keeper.execution.purse import Withheld
from keeper.execution.work import Work
from keeper.ports.route import SubmissionKind
from tests.support.execution_stage import pause
from tests.support.private_stage import PrivateStage, secret_pause

pytestmark = pytest.mark.unit


async def fallen_back(kind: SubmissionKind, heads: int) -> tuple[PrivateStage, Work]:
    stage = PrivateStage()
    stage.builders.always = kind
    executor = await stage.ready(secret_pause(1))
    await stage.settled(executor, secret_pause(1))
    (work,) = executor.open_works
    await stage.heads(executor, heads)
    return stage, work


def only(stage: PrivateStage, key: str) -> Record:
    (found,) = [record for record in stage.records(RecordKind.BROADCAST) if key in record.body]
    return found


@pytest.mark.parametrize(
    ("kind", "heads", "words"),
    [
        (SubmissionKind.ACCEPTED, 1, "sent publicly, since 1 block came without it"),
        (SubmissionKind.REFUSED, 0, "sent publicly, since no builder takes it (words)"),
    ],
)
async def test_fallback__wherever_it_is_shown__is_one_line_that_says_why(
    kind: SubmissionKind, heads: int, words: str
) -> None:
    stage, work = await fallen_back(kind, heads)
    record = only(stage, "fallback")
    by_builder = words.replace("(words)", "(refused by titan (words))")
    for shown, expected in ((summary(record), words), (words_of(record), by_builder)):
        assert shown.endswith(f": {expected}")
        assert "\n" not in shown
    notice = notices.of_fallback(work, stage.fallbacks[0][1])
    assert notice.severity is Severity.WARNING
    assert notice.key == f"fallback/{work.intent.id}"
    assert notice.body.startswith(words)
    assert work.last_attempt is not None
    assert work.last_attempt.tx_hash in notice.body
    assert stage.fallbacks[0][1].reason.value in notice.title


@pytest.mark.parametrize(("blocks", "words"), [(0, "0 blocks"), (1, "1 block came"), (2, "2 blocks")])
def test_fallback__blocks__are_counted_in_words(blocks: int, words: str) -> None:
    assert words in Fallback(FallbackReason.NOT_INCLUDED, blocks).message


async def test_withheld__with_and_without_an_attempt__pages_with_the_remedy() -> None:
    stage, work = await fallen_back(SubmissionKind.ACCEPTED, 0)
    sent = notices.of_withheld(work, Withheld("the budget is spent"))
    unsent = notices.of_withheld(Work(replace(work.intent, attempts=()), work.armed), Withheld("the budget is spent"))
    for notice in (sent, unsent):
        assert notice.severity is Severity.CRITICAL
        assert notice.body.startswith("the budget is spent")
        assert "gas_budget_eth_per_action" in notice.body
    assert "is sent again at each block" in sent.body
    assert "nothing was sent yet" in unsent.body
    assert stage.outcomes == []


async def test_withheld_and_withdrawn__in_the_log__are_lines_of_their_own() -> None:
    stage = PrivateStage(budget=Budget(per_action_wei=3 * 10**14))
    armed = pause(gas_limit=100_000)
    executor = await stage.ready(armed)
    await stage.act(executor, armed)
    stage.chain.forget_pool()
    await stage.heads(executor)
    stage.chain.forget_pool()
    await stage.heads(executor)
    assert "does not cover the next offer" in words_of(only(stage, "withheld"))
    assert "does not cover the next offer" in summary(only(stage, "withheld"))
    stage, _ = await fallen_back(SubmissionKind.ACCEPTED, 0)
    executor = await stage.ready(secret_pause(1))
    stage.expire()
    await stage.heads(executor)
    assert words_of(only(stage, "withdrawn")) == "pause: builders were asked to forget it"
