"""The real Safe 1.4.1 that tests deploy: owners sign by EIP-712, as many as the threshold says, and a module acts by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keeper.devnet.anvil import Anvil
from keeper.devnet.transactions import calldata, view
from keeper.domain.errors import Refused
from tests.support.contract_calls import any_calldata, ask, refusal, transact
from tests.support.real_contracts import NOBODY, Stand, put_token
from tests.support.safe import (
    BAD_SIGNATURES,
    BY_MODULE,
    CALL,
    DELEGATE_CALL,
    INNER_CALL_FAILED,
    NOT_A_MODULE,
    NOT_AN_OWNER,
    Safe,
    SafeContracts,
    deploy_safe_contracts,
)

# One deployment for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

SOMEBODY = "0x" + "11" * 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def contracts() -> AsyncIterator[SafeContracts]:
    async with Anvil() as node:
        yield await deploy_safe_contracts(node)


@pytest_asyncio.fixture(loop_scope="module")
async def safe(contracts: SafeContracts) -> AsyncIterator[Safe]:
    """Two of three, new for each test."""
    node = contracts.stand.node
    snapshot = await node.rpc("evm_snapshot")
    yield await contracts.create(node.accounts[6:9], 2)
    assert await node.rpc("evm_revert", snapshot)


@pytest_asyncio.fixture(loop_scope="module")
async def token(safe: Safe) -> str:
    """The Safe has 1,000 of it."""
    stand = Stand(safe.node)
    made = await put_token(stand, 0)
    await stand.do(made, "mint(address,uint256)", safe.address, 1_000)
    return made


async def balance(safe: Safe, token: str, account: str) -> int:
    return int((await view(safe.node, token, "balanceOf(address)(uint256)", account))[0])


def payment(amount: int) -> bytes:
    return calldata("transfer(address,uint256)", SOMEBODY, amount)


async def test_safe__fresh__is_version_1_4_1_with_its_owners_and_threshold(safe: Safe) -> None:
    assert await ask(safe.node, safe.address, "VERSION()", "(string)") == ("1.4.1",)
    (owners,) = await ask(safe.node, safe.address, "getOwners()", "(address[])")
    assert owners == tuple(one.address.lower() for one in safe.owners)
    assert await ask(safe.node, safe.address, "getThreshold()", "(uint256)") == (2,)


async def test_digest__of_any_transaction__is_what_the_safe_itself_makes_of_it(safe: Safe, token: str) -> None:
    signature = "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,uint256)"
    for nonce, operation in ((0, CALL), (7, DELEGATE_CALL)):
        args = (token, 0, payment(5), operation, 0, 0, 0, NOBODY, NOBODY, nonce)
        (told,) = await ask(safe.node, safe.address, signature, "(bytes32)", *args)
        assert safe.digest(token, payment(5), nonce, operation=operation) == told


async def test_execute__signed_by_two_of_three__is_carried_out_once(safe: Safe, token: str) -> None:
    data = await safe.signed(token, payment(250))
    await transact(safe.node, safe.payer, safe.address, data)
    assert (await balance(safe, token, SOMEBODY), await safe.nonce()) == (250, 1)
    assert await refusal(safe.node, safe.payer, safe.address, data) == NOT_AN_OWNER
    assert await balance(safe, token, SOMEBODY) == 250


async def test_execute__every_pair_of_owners__is_enough(safe: Safe, token: str) -> None:
    first, second, third = safe.owners
    for signers in ((first, second), (first, third), (second, third)):
        data = await safe.signed(token, payment(1), signers)
        await transact(safe.node, safe.payer, safe.address, data)
    assert await balance(safe, token, SOMEBODY) == 3


async def test_execute__too_few_or_wrong_signatures__is_refused(safe: Safe, token: str) -> None:
    first, second, _ = safe.owners
    stranger = safe.node.accounts[5]
    assert await safe.refused(token, payment(1), [first]) == BAD_SIGNATURES
    assert await safe.refused(token, payment(1), [first, first]) == NOT_AN_OWNER
    assert await safe.refused(token, payment(1), [second, first]) == NOT_AN_OWNER
    ordered = sorted((first, stranger), key=lambda one: int(one.address, 16))
    assert await safe.refused(token, payment(1), ordered) == NOT_AN_OWNER
    assert (await balance(safe, token, SOMEBODY), await safe.nonce()) == (0, 0)


async def test_execute__inner_call_that_reverts__reverts_the_whole(safe: Safe, token: str) -> None:
    assert await safe.refused(token, payment(1_001)) == INNER_CALL_FAILED
    assert await safe.nonce() == 0


async def test_execute_all__two_calls__are_one_transaction_all_or_none(safe: Safe, token: str) -> None:
    await safe.execute_all([(token, payment(400)), (token, payment(600))])
    assert (await balance(safe, token, SOMEBODY), await safe.nonce()) == (1_000, 1)
    with pytest.raises(Refused):
        await safe.execute_all([(token, calldata("mint(address,uint256)", SOMEBODY, 5)), (token, payment(1))])
    assert (await balance(safe, token, SOMEBODY), await safe.nonce()) == (1_000, 1)


async def test_module__enabled_by_the_owners__acts_without_them(safe: Safe, token: str) -> None:
    module = safe.node.accounts[5].address
    data = any_calldata(BY_MODULE, token, 0, payment(9), CALL)
    assert not await safe.has_module(module)
    assert await refusal(safe.node, module, safe.address, data) == NOT_A_MODULE
    await safe.enable_module(module)
    assert await safe.has_module(module)
    await transact(safe.node, module, safe.address, data)
    assert (await balance(safe, token, SOMEBODY), await safe.nonce()) == (9, 1)
    assert await refusal(safe.node, safe.node.accounts[4].address, safe.address, data) == NOT_A_MODULE


async def test_create__with_another_salt__is_another_safe(contracts: SafeContracts, safe: Safe) -> None:
    other = await contracts.create(safe.owners, safe.threshold, salt=1)
    assert other.address != safe.address
    with pytest.raises(Refused):
        await contracts.create(safe.owners, safe.threshold, salt=1)
