"""What the keeper's key sent and the log does not know: nothing can hide from the numbers of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keeper.app.cli.on_chain import exit_of
from keeper.app.exit_codes import Exit
from keeper.app.onchain import Report, verify_on_chain
from keeper.app.onchain.findings import Subject
from keeper.config.onchain import chain_and_breakers
from keeper.devnet.transactions import send
from keeper.domain.record import RecordKind
from tests.support.breaker_stage import GuardedStage, forge, guarded
from tests.support.keeper_stage import Setup, Stage
from tests.support.lying_node import LyingNode, lying_node

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

ELSEWHERE = "0x00000000000000000000000000000000000000AA"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ran(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[GuardedStage, str]]:
    """A keeper that tripped a breaker and was stopped; then its key was used once more, for something that is no trip."""
    async with guarded(tmp_path_factory.mktemp("ran")) as stage:
        await stage.run_until_paused()
        for _ in range(3):
            await stage.stage.node.mine()
        tx_hash = await send(
            stage.stage.node, stage.stage.world.keeper.address, ELSEWHERE, bytes.fromhex("12345678aa"), gas=50_000
        )
        for _ in range(3):
            await stage.stage.node.mine()
        yield stage, tx_hash


@pytest.fixture
def copy(ran: tuple[GuardedStage, str], tmp_path: Path) -> Stage:
    """The same folder, to be forged."""
    ran[0].write()
    stage = ran[0].stage
    for path in stage.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return Stage(stage.world, tmp_path)


@pytest_asyncio.fixture(loop_scope="module")
async def liar(ran: tuple[GuardedStage, str]) -> AsyncIterator[LyingNode]:
    async with lying_node(ran[0].stage.node.http_url) as node:
        ran[0].write(Setup(node_url=node.url))
        yield node


async def compared(stage: GuardedStage | Stage) -> Report:
    chain, contracts = chain_and_breakers(stage.config)
    url = stage.stage.url if isinstance(stage, GuardedStage) else stage.url
    return await verify_on_chain(url, chain, contracts, lambda _: None)


async def test_transaction_of_the_key__that_no_record_tells__is_found_with_its_block_and_call(
    ran: tuple[GuardedStage, str],
) -> None:
    stage, tx_hash = ran
    stage.write()
    report = await compared(stage)
    ((subject, message),) = [(found.subject, found.message) for found in report.found]
    assert subject is Subject.NONCE
    assert tx_hash in message
    assert f"call 0x12345678 of {ELSEWHERE}, value 0 wei" in message
    assert report.checked[Subject.NONCE] == 1, "the pause itself is told"
    assert exit_of(report) is Exit.FOUND


async def test_transaction_of_the_key__where_old_state_is_gone__is_found_by_its_number_alone(
    ran: tuple[GuardedStage, str], liar: LyingNode
) -> None:
    newest = {hex(number) for number in range(int(await ran[0].stage.node.rpc("eth_blockNumber"), 16), 10_000)}

    def forgets(request: dict[str, Any], result: Any) -> Any:
        return None if request["method"] == "eth_getTransactionCount" and request["params"][1] not in newest else result

    liar.lie = forgets
    report = await compared(ran[0])
    messages = [found.message for found in report.found if found.subject is Subject.NONCE]
    assert not messages, "an answer that is none is an error and no verdict"
    assert [each.subject for each in report.unchecked] == [Subject.TRANSACTION]
    assert exit_of(report) is Exit.OUTSIDE


async def test_nonces__that_no_node_tells__are_said_and_no_failure(
    ran: tuple[GuardedStage, str], liar: LyingNode
) -> None:
    liar.refuses = frozenset({"eth_getTransactionCount"})
    report = await compared(ran[0])
    assert report.found == []
    assert {each.subject for each in report.unchecked} == {Subject.NONCE}
    assert exit_of(report) is Exit.DONE


async def test_attempt__taken_out_of_the_log__its_number_stays_on_the_chain(copy: Stage) -> None:
    gone = (
        RecordKind.INTENT,
        RecordKind.ATTEMPT,
        RecordKind.BROADCAST,
        RecordKind.RECEIPT,
        RecordKind.EFFECT,
        RecordKind.OUTCOME,
    )
    await forge(copy, lambda kind, body: None if kind in gone else body)
    report = await compared(copy)
    subjects = sorted(str(found.subject) for found in report.found)
    assert subjects == ["nonce", "trip"], (
        "one transaction is told of once: the pause as a trip, the other one by its number"
    )


async def test_log__that_names_no_key__is_said_and_the_key_given_is_searched(copy: Stage) -> None:
    gone = (
        RecordKind.INTENT,
        RecordKind.ATTEMPT,
        RecordKind.BROADCAST,
        RecordKind.RECEIPT,
        RecordKind.EFFECT,
        RecordKind.OUTCOME,
    )

    def nobody(kind: RecordKind, body: dict[str, Any]) -> dict[str, Any] | None:
        return None if kind in gone else body | ({"sender": None} if kind is RecordKind.START else {})

    await forge(copy, nobody)
    report = await compared(copy)
    assert report.found == []
    assert ["the log names none" in each.why for each in report.unchecked] == [True]
    chain, contracts = chain_and_breakers(copy.config)
    report = await verify_on_chain(copy.url, chain, contracts, lambda _: None, [copy.world.keeper.address])
    assert sorted(str(found.subject) for found in report.found) == ["nonce", "trip"]
