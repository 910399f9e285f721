"""The log against nodes that forget, refuse, lie, babble or are away: nothing of that is taken for right, and nothing crashes."""

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
from keeper.domain.errors import ConfigurationError, Unreachable, WrongChain
from keeper.domain.record import RecordKind
from tests.support.breaker_stage import GuardedStage, forge, guarded
from tests.support.hostile_node import Behaviour, closing, dropping, hostile_node, replying, sending
from tests.support.keeper_stage import Setup, Stage
from tests.support.lying_node import LyingNode, altered_value, lying_node

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

VERIFY = '    - {{url: "{url}", role: verify}}\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ran(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedStage]:
    async with guarded(tmp_path_factory.mktemp("ran")) as stage:
        await stage.run_until_paused()
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def liar(ran: GuardedStage) -> AsyncIterator[LyingNode]:
    async with lying_node(ran.stage.node.http_url) as node:
        ran.write(Setup(node_url=node.url))
        yield node


async def compared(stage: GuardedStage) -> Report:
    chain, contracts = chain_and_breakers(stage.config)
    return await verify_on_chain(stage.stage.url, chain, contracts, lambda _: None)


async def test_state__that_the_node_has_let_go_of__is_counted_as_not_checked(
    ran: GuardedStage, liar: LyingNode
) -> None:
    liar.refuses = frozenset({"eth_call"})
    report = await compared(ran)
    assert report.found == []
    assert [each.subject for each in report.unchecked] == [Subject.EFFECT]
    assert report.checked == {
        Subject.TRANSACTION: 1,
        Subject.EFFECT: 0,
        Subject.TRIP: 1,
        Subject.EXECUTION: 0,
        Subject.NONCE: 1,
    }
    assert exit_of(report) is Exit.DONE


async def test_state__that_another_endpoint_has__is_checked_there(ran: GuardedStage, liar: LyingNode) -> None:
    liar.refuses = frozenset({"eth_call"})
    ran.write(Setup(node_url=liar.url, more_endpoints=VERIFY.format(url=ran.stage.node.http_url)))
    report = await compared(ran)
    assert (report.unchecked, report.checked[Subject.EFFECT]) == ([], 1)
    assert len(report.endpoints) == 2


@pytest.mark.parametrize(
    ("method", "subjects"),
    [
        ("eth_getTransactionReceipt", {Subject.TRANSACTION, Subject.TRIP}),
        ("eth_getLogs", {Subject.TRIP}),
    ],
)
@pytest.mark.parametrize("how", ["refused", "nonsense", "a list of nonsense"])
async def test_answers__that_do_not_come_or_are_none__are_not_checked_and_end_with_3(
    ran: GuardedStage, liar: LyingNode, method: str, subjects: set[Subject], how: str
) -> None:
    def nonsense(request: dict[str, Any], result: Any) -> Any:
        return ("0x12" if how == "nonsense" else [{"address": 5}]) if request["method"] == method else result

    if how == "refused":
        liar.refuses = frozenset({method})
    else:
        liar.lie = nonsense
    report = await compared(ran)
    assert report.found == []
    assert {each.subject for each in report.unchecked} == subjects
    assert exit_of(report) is Exit.OUTSIDE


async def test_values__told_otherwise__are_findings(ran: GuardedStage, liar: LyingNode) -> None:
    liar.lie = altered_value
    report = await compared(ran)
    assert [found.subject for found in report.found] == [Subject.EFFECT]
    assert exit_of(report) is Exit.FOUND


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logs": []}, "did not trip in it"),
        ({"gasUsed": "0x5208"}, "gas_used 21000"),
        ({"status": "0x0"}, "says status 0"),
    ],
)
async def test_receipts__told_otherwise__are_findings(
    ran: GuardedStage, liar: LyingNode, change: dict[str, Any], words: str
) -> None:
    def lie(request: dict[str, Any], result: Any) -> Any:
        return {**result, **change} if request["method"] == "eth_getTransactionReceipt" else result

    liar.lie = lie
    report = await compared(ran)
    assert any(words in found.message for found in report.found), report.found


async def test_value__that_one_of_two_tells_otherwise__is_a_finding_that_names_it(
    ran: GuardedStage, liar: LyingNode
) -> None:
    liar.lie = altered_value
    ran.write(Setup(node_url=ran.stage.node.ws_url, more_endpoints=VERIFY.format(url=liar.url)))
    (found,) = (await compared(ran)).found
    assert f"the log says true, {liar.url.rstrip('/')}" in found.message
    assert ran.stage.node.ws_url not in found.message


async def test_receipt__that_one_node_does_not_know__is_known_to_the_other(ran: GuardedStage, liar: LyingNode) -> None:
    liar.lie = lambda request, result: None if request["method"] == "eth_getTransactionReceipt" else result
    report = await compared(ran)
    assert "the chain does not have it" in report.found[0].message
    assert "keeps them all" in report.found[0].remedy
    ran.write(Setup(node_url=liar.url, more_endpoints=VERIFY.format(url=ran.stage.node.http_url)))
    report = await compared(ran)
    assert (report.found, report.unchecked) == ([], [])


async def test_log__of_another_contract__is_nonsense_and_not_a_trip(ran: GuardedStage, liar: LyingNode) -> None:
    def lie(request: dict[str, Any], result: Any) -> Any:
        if request["method"] != "eth_getLogs":
            return result
        return [{**log, "address": ran.stage.world.exchange} for log in result]

    liar.lie = lie
    report = await compared(ran)
    assert "was not asked for" in report.unchecked[0].why


@pytest.mark.parametrize("behaviour", [closing, dropping, replying({}), sending("garbage"), replying("0x")])
async def test_node__that_is_none__is_unreachable(ran: GuardedStage, behaviour: Behaviour) -> None:
    async with hostile_node(behaviour) as node:
        ran.write(Setup(node_url=node.url))
        with pytest.raises(Unreachable) as caught:
            await compared(ran)
        assert caught.value.remedy


async def test_node__of_another_chain__is_left_out_or_told(ran: GuardedStage) -> None:
    async with hostile_node(replying("0x1")) as node:
        ran.write(Setup(node_url=node.url))
        with pytest.raises(WrongChain, match="serves chain 1"):
            await compared(ran)
        ran.write(Setup(node_url=node.url, more_endpoints=VERIFY.format(url=ran.stage.node.http_url)))
        report = await compared(ran)
        assert (report.ok, len(report.endpoints)) == (True, 1)


# -- nodes that are behind ----------------------------------------------------------------------------------------------------

BEHIND = 1_000
OF_ACTION = frozenset(
    {
        RecordKind.DECISION,
        RecordKind.INTENT,
        RecordKind.ATTEMPT,
        RecordKind.BROADCAST,
        RecordKind.RECEIPT,
        RecordKind.EFFECT,
        RecordKind.OUTCOME,
    }
)


def knows_nothing(request: dict[str, Any], result: Any) -> Any:
    """What a node says of transactions and events in blocks that it does not have."""
    return {"eth_getLogs": [], "eth_getTransactionReceipt": None}.get(request["method"], result)


@pytest.fixture
def robbed(ran: GuardedStage, tmp_path: Path) -> GuardedStage:
    """A copy of the folder, so that the whole action can be taken out of its log."""
    for path in ran.stage.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return GuardedStage(Stage(ran.stage.world, tmp_path), ran.guard)


async def test_node__that_is_behind_the_log__hides_nothing_and_ends_with_3(ran: GuardedStage, liar: LyingNode) -> None:
    liar.lag, liar.lie = BEHIND, knows_nothing
    report = await compared(ran)
    assert report.found == []
    assert report.block == 0
    assert report.first is None
    assert report.checked == {
        Subject.TRANSACTION: 0,
        Subject.EFFECT: 1,
        Subject.TRIP: 0,
        Subject.EXECUTION: 0,
        Subject.NONCE: 0,
    }
    assert f"the newest block of {liar.url.rstrip('/')} is 0, and the log goes up to" in report.unchecked[0].why
    assert exit_of(report) is Exit.OUTSIDE


async def test_action_taken_out__with_nodes_behind__is_found_by_who_has_the_blocks_and_else_not_taken_for_right(
    robbed: GuardedStage, liar: LyingNode
) -> None:
    await forge(robbed.stage, lambda kind, body: None if kind in OF_ACTION else body)
    liar.lag, liar.lie = BEHIND, knows_nothing
    good = robbed.stage.node.http_url
    for setup in (
        Setup(node_url=good, more_endpoints=VERIFY.format(url=liar.url)),
        Setup(node_url=liar.url, more_endpoints=VERIFY.format(url=good)),
    ):
        robbed.write(setup)
        report = await compared(robbed)
        assert [found.subject for found in report.found] == [Subject.TRIP]
        assert len(report.unchecked) == 1
        assert report.last == report.block >= report.log_block > 0
        assert exit_of(report) is Exit.FOUND
    robbed.write(Setup(node_url=liar.url))
    report = await compared(robbed)
    assert (report.found, report.last, exit_of(report)) == ([], None, Exit.OUTSIDE)


async def test_node_behind__beside_one_that_has_all__is_said_and_ends_with_3(
    ran: GuardedStage, liar: LyingNode
) -> None:
    liar.lag, liar.lie = BEHIND, knows_nothing
    ran.write(Setup(node_url=ran.stage.node.http_url, more_endpoints=VERIFY.format(url=liar.url)))
    report = await compared(ran)
    assert report.checked == {
        Subject.TRANSACTION: 1,
        Subject.EFFECT: 1,
        Subject.TRIP: 1,
        Subject.EXECUTION: 0,
        Subject.NONCE: 1,
    }
    assert [liar.url.rstrip("/") in each.why for each in report.unchecked] == [True]
    assert exit_of(report) is Exit.OUTSIDE


# -- the configuration that it needs ------------------------------------------------------------------------------------------


async def test_configuration__needs_no_key_and_no_other_section(ran: GuardedStage, tmp_path: Path) -> None:
    ran.write(
        change=lambda text: text.replace("{kind: key-file, path: keeper.key}", '{kind: key-file, path: "${NOT_SET}"}')
    )
    chain, contracts = chain_and_breakers(ran.config, environ={})
    assert (chain.id, contracts) == (31337, (ran.guard.address,))
    path = tmp_path / "none.yaml"
    path.write_text("keeper: {name: x}\n")
    with pytest.raises(ConfigurationError, match="chain"):
        chain_and_breakers(path)
    path.write_text("chain: {id: 0}\n")
    with pytest.raises(ConfigurationError, match="chain"):
        chain_and_breakers(path)
