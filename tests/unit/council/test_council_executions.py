"""What became of a proposal whose nonce is used: the chain says it, and a service that says something else is told of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from keeper.app.council import executions
from keeper.app.council.executions import Ended, Executions
from keeper.app.council.ledger import Place, What
from keeper.app.council.matter import Level, Standing
from keeper.domain.errors import Refused
from keeper.domain.evm import Log
from keeper.domain.safe import SafeTransaction, rejection
from tests.support.council_world import FIRST_NONCE, CouncilWorld, SafeChain, pause_of
from tests.support.safe_proposals import CHAIN_ID, OWNERS, SAFE, TARGET, signature

pytestmark = pytest.mark.unit
NO = rejection(CHAIN_ID, SAFE, FIRST_NONCE)
CLAIM = "0x" + 64 * "e"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> CouncilWorld:
    world = CouncilWorld(tmp_path)
    await world.delegate()
    await world.service.propose(pause_of(), OWNERS[0], signature(0, pause_of().hash), "")
    return world


def executed(chain: SafeChain, transaction: SafeTransaction, *, ok: bool = True) -> str:
    """The hash of the transaction that executed it."""
    chain.execute(transaction, ok=ok)
    return chain._safe_logs[-1].tx_hash


async def test_show__executed_by_the_chain__is_executed_in_that_transaction(world: CouncilWorld) -> None:
    tx_hash = executed(world.chain, pause_of())
    world.service.execute(pause_of().hash_text, tx_hash)
    matter = await world.council.matter(pause_of().hash_text)
    assert (matter.standing, matter.executed_tx, matter.failed) == (Standing.EXECUTED, tx_hash, False)
    assert matter.alarms == ()


async def test_show__the_service_says_executed_and_the_nonce_was_used_by_another__is_dead_and_alarms(
    world: CouncilWorld,
) -> None:
    tx_hash = executed(world.chain, NO)
    world.service.execute(pause_of().hash_text, tx_hash)
    matter = await world.council.matter(pause_of().hash_text)
    assert (matter.standing, matter.executed_tx, matter.unsure) == (Standing.DEAD, None, False)
    (alarm,) = matter.alarms
    assert "its nonce was used by another transaction" in alarm.text
    assert tx_hash in alarm.text


async def test_show__the_service_names_another_transaction__alarms_and_shows_that_of_the_chain(
    world: CouncilWorld,
) -> None:
    tx_hash = executed(world.chain, pause_of())
    world.service.execute(pause_of().hash_text, CLAIM)
    matter = await world.council.matter(pause_of().hash_text)
    assert (matter.standing, matter.executed_tx) == (Standing.EXECUTED, tx_hash)
    assert [CLAIM in one.text and tx_hash in one.text for one in matter.alarms] == [True]


async def test_show__the_service_has_not_seen_it_yet__is_executed_all_the_same(world: CouncilWorld) -> None:
    tx_hash = executed(world.chain, pause_of())
    matter = await world.council.matter(pause_of().hash_text)
    assert (matter.standing, matter.executed_tx, matter.alarms) == (Standing.EXECUTED, tx_hash, ())


async def test_show__the_safes_call_failed__says_so(world: CouncilWorld) -> None:
    tx_hash = executed(world.chain, pause_of(), ok=False)
    matter = await world.council.matter(pause_of().hash_text)
    assert (matter.standing, matter.executed_tx, matter.failed) == (Standing.EXECUTED, tx_hash, True)


async def test_show__events_cannot_be_read__is_not_said_to_be_executed_nor_not(
    world: CouncilWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.service.execute(pause_of().hash_text, executed(world.chain, pause_of()))

    async def refuses(*_: object) -> list[Log]:
        raise Refused("the node has forgotten them")

    monkeypatch.setattr(world.chain, "logs", refuses)
    matter = await world.council.matter(pause_of().hash_text)
    assert (matter.standing, matter.executed_tx, matter.unsure, matter.alarms) == (Standing.DEAD, None, True, ())
    assert [one.level for one in matter.remarks if "forgotten" in one.text] == [Level.WARNING]


@pytest.mark.parametrize(("back", "unsure"), [(2, True), (1_000, False)])
async def test_show__executed_longer_ago_than_is_looked__is_not_known(
    world: CouncilWorld, monkeypatch: pytest.MonkeyPatch, back: int, unsure: bool
) -> None:
    executed(world.chain, pause_of())
    for _ in range(4):
        world.chain.mine()
    monkeypatch.setattr(executions, "LOOKED_BACK", back)
    matter = await world.council.matter(pause_of().hash_text)
    assert matter.unsure is unsure
    assert (matter.standing is Standing.EXECUTED) is not unsure


async def test_show__dead_longer_than_is_looked_but_made_within__is_sure(
    world: CouncilWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        world.chain.mine()
    draft = await world.council.draft(
        [(TARGET, 0, b"\x01\x02\x03\x04")], title="By hand", why=[], what=What.BY_HAND, place=Place()
    )
    matter = await world.council.propose(draft, what=What.BY_HAND, place=Place())
    executed(world.chain, NO)
    executed(world.chain, rejection(CHAIN_ID, SAFE, matter.transaction.nonce))
    monkeypatch.setattr(executions, "LOOKED_BACK", 5)
    now = await world.council.matter(matter.hash)
    assert (now.standing, now.unsure) == (Standing.DEAD, False)


async def test_history__given_up_and_executed_all_the_same__is_executed(world: CouncilWorld) -> None:
    await world.order()
    await world.look()
    world.incident_over()
    await world.look()
    (over,) = await world.council.history()
    assert over.standing is Standing.WAITING, "nobody can take signatures back: it can still be executed"
    tx_hash = executed(world.chain, pause_of())
    (over,) = await world.council.history()
    assert (over.standing, over.executed_tx) == (Standing.EXECUTED, tx_hash)


class Counting:
    """A reader of events that notes which blocks it was asked for."""

    def __init__(self, chain: SafeChain) -> None:
        self.chain = chain
        self.asked: list[tuple[int, int]] = []

    async def logs(self, address: str, topics: list[str | None], first: int, last: int) -> list[Log]:
        self.asked.append((first, last))
        return list(await self.chain.logs(address, topics, first, last))


async def test_executions__asked_again__looks_at_new_blocks_alone_and_remembers(world: CouncilWorld) -> None:
    counting = Counting(world.chain)
    world.reader._events = counting  # type: ignore[assignment]
    looked = Executions(world.reader)
    executed(world.chain, NO)
    for _ in range(executions.OVERLAP * 2):
        world.chain.mine()

    async def asked(one: SafeTransaction) -> Ended | None:
        state = await world.reader.state(await world.chain.head())
        return (await looked.of([(one, None)], state)).get(one.hash_text)

    assert await asked(pause_of()) == Ended()
    last = (await world.chain.head()).number
    assert {each[0] for each in counting.asked} == {0}
    counting.asked.clear()
    assert await asked(pause_of()) == Ended()
    assert set(counting.asked) == {(last - executions.OVERLAP, last)}
    found = await asked(NO)
    counting.asked.clear()
    assert found is not None
    assert found.ok
    assert await asked(NO) == found
    assert counting.asked == []
    assert await asked(replace(NO, nonce=FIRST_NONCE + 1)) is None, "its nonce is not used"
