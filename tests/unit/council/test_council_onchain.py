"""What the chain says of a Safe, in both versions, and what is no Safe."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.app.council.onchain import EXECUTED_TOPIC, FAILED_TOPIC, SafeReader, execution_in
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import Log
from keeper.domain.proposal import Confirmation
from keeper.domain.safe import ZERO_ADDRESS
from tests.support.council_world import FIRST_NONCE, SafeChain, contract_word, pause_of
from tests.support.safe_proposals import CHAIN_ID, OWNERS, SAFE, TARGET, signature

pytestmark = pytest.mark.unit


def reader(chain: MemoryChain, safe: str = SAFE) -> SafeReader:
    return SafeReader(chain, chain, CHAIN_ID, safe)


async def test_state__a_safe__everything_at_one_block() -> None:
    chain = SafeChain()
    state = await reader(chain).state(await chain.head())
    assert (state.version, state.owners, state.threshold, state.nonce) == ("1.4.1", OWNERS, 2, FIRST_NONCE)
    assert (state.modules, state.guard, state.fallback, state.block) == ((), ZERO_ADDRESS, ZERO_ADDRESS, 1)


@pytest.mark.parametrize("address", ["0x" + 40 * "1", TARGET], ids=["nobody", "another contract"])
async def test_state__no_safe_at_the_address__is_said_with_what_to_correct(address: str) -> None:
    chain = SafeChain()
    with pytest.raises(MalformedAnswer, match="does not answer as a Safe") as error:
        await reader(chain, "0x1111111111111111111111111111111111111111" if address != TARGET else TARGET).state(
            await chain.head()
        )
    assert "`address`" in error.value.remedy


@pytest.mark.parametrize(
    "changed",
    [{"threshold": 0}, {"threshold": 4}, {"owners": [], "threshold": 1}, {"owners": ["0x" + 40 * "1"] * 257}],
    ids=["nobody need sign", "more than there are", "no owners", "too many to believe"],
)
async def test_state__impossible_owners_or_threshold__is_no_safe(changed: dict[str, Any]) -> None:
    chain = SafeChain()
    chain.store(SAFE, **changed)
    with pytest.raises(MalformedAnswer):
        await reader(chain).state(chain.mine())


@pytest.mark.parametrize("threshold", [1, 3])
async def test_state__threshold_at_its_bounds__is_taken(threshold: int) -> None:
    chain = SafeChain()
    chain.store(SAFE, threshold=threshold)
    assert (await reader(chain).state(chain.mine())).threshold == threshold


@pytest.mark.parametrize("answer", [b"", b"\x00" * 31, b"\xff" * 64], ids=["nothing", "short", "far away"])
async def test_state__malformed_answers__are_refused(answer: bytes) -> None:
    chain = MemoryChain(chain_id=CHAIN_ID)
    chain.install(SAFE, lambda data, sender, storage: answer)
    with pytest.raises(MalformedAnswer):
        await reader(chain).state(chain.mine())


@pytest.mark.parametrize("version", ["1.3.0", "1.4.1"])
@pytest.mark.parametrize("ok", [True, False])
async def test_executions__either_layout_of_the_event__is_found(version: str, ok: bool) -> None:
    chain = SafeChain(version=version)
    block = chain.execute(pause_of(), ok=ok)
    found = await reader(chain).executions({pause_of().hash_text}, 0, block.number)
    execution = found[pause_of().hash_text]
    assert (execution.ok, execution.block, execution.block_hash) == (ok, block.number, block.hash)


async def test_executions__outside_of_the_blocks_or_of_another__is_not_found() -> None:
    chain = SafeChain()
    block = chain.execute(pause_of())
    safe = reader(chain)
    assert await safe.executions({pause_of(8).hash_text}, 0, block.number) == {}
    assert await safe.executions({pause_of().hash_text}, block.number + 1, block.number + 9) == {}
    assert await safe.executions({pause_of().hash_text}, 0, block.number - 1) == {}
    assert len(await safe.executions({pause_of().hash_text}, block.number, block.number)) == 1


@pytest.mark.parametrize(
    ("topics", "data", "found"),
    [
        ((EXECUTED_TOPIC, "0x" + 64 * "a"), b"", True),
        ((FAILED_TOPIC,), bytes(32), True),
        ((EXECUTED_TOPIC,), bytes(31), False),
        (("0x" + 64 * "b", "0x" + 64 * "a"), bytes(64), False),
        ((), bytes(64), False),
    ],
)
def test_execution_in__foreign_logs__are_none(topics: tuple[str, ...], data: bytes, found: bool) -> None:
    assert (execution_in(Log(SAFE, topics, data, 1, "0x", "0x", 0)) is not None) is found


async def test_approvals__on_chain__only_who_did() -> None:
    chain = SafeChain()
    chain.approve(OWNERS[1], pause_of())
    block = chain.mine()
    assert await reader(chain).approvals(pause_of().hash, OWNERS, block) == {OWNERS[1]}
    assert await reader(chain).approvals(pause_of(8).hash, OWNERS, block) == frozenset()


async def test_taken__contracts_signatures__only_those_that_the_safe_takes() -> None:
    chain = SafeChain()
    good, bad = contract_word(OWNERS[0], b"good-signature"), contract_word(OWNERS[1], b"bad-signature")
    of_another = Confirmation(OWNERS[2], good.signature)
    by_key = Confirmation(OWNERS[2], signature(2, pause_of().hash))
    chain.store(SAFE, takes=frozenset({b"good-signature"}))
    given = [good, bad, of_another, by_key, Confirmation(OWNERS[0], b"\0")]
    assert await reader(chain).taken(pause_of(), given, chain.mine()) == {good.signature}
