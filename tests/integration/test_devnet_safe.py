"""The Safes of the local world: of both versions, at the known addresses, hashing as the keeper does, and executing what enough owners sign."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from keeper.devnet.anvil import Anvil
from keeper.devnet.safe import MULTI_SEND_CALL_ONLY, DevSafe, SafeContracts, deploy_safe_contracts
from keeper.devnet.transactions import calldata, view
from keeper.domain.address import keccak256
from keeper.domain.errors import Refused, SetupError
from keeper.domain.multisend import MULTI_SEND_CALL_ONLY_CODE
from keeper.domain.safe import VERSIONS, Operation, SafeTransaction, rejection

# One node for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

KNOWN = {
    "1.4.1": (
        "0x29fcB43b46531BcA003ddC8FCB67FFE91900C762",
        "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67",
        "0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99",
    ),
    "1.3.0": (
        "0xfb1bffC9d739B8D520DaF37dF666da4C687191EA",
        "0xC22834581EbC8527d974F8a1c97E1bEA4EF910BC",
        "0x017062a1dE2FE6b99BE3d9d37841FeD19F573804",
    ),
}
"""SafeL2, the proxy factory and the fallback handler, as Safe's list of deployments has them."""
SOMEBODY = "0x" + "11" * 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Anvil]:
    async with Anvil() as node:
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=VERSIONS)
async def contracts(node: Anvil, request: pytest.FixtureRequest) -> SafeContracts:
    return await deploy_safe_contracts(node, node.accounts[0].address, request.param)


@pytest_asyncio.fixture(loop_scope="module")
async def safe(contracts: SafeContracts) -> AsyncIterator[DevSafe]:
    """Two of three, new for each test."""
    node = contracts.node
    snapshot = await node.rpc("evm_snapshot")
    yield await contracts.create(node.accounts[6:9], 2, salt=7)
    assert await node.rpc("evm_revert", snapshot)


async def test_contracts__any_version__at_the_known_addresses(contracts: SafeContracts) -> None:
    assert (contracts.singleton, contracts.factory, contracts.fallback_handler) == KNOWN[contracts.version]
    assert contracts.multi_send == MULTI_SEND_CALL_ONLY
    code = str(await contracts.node.rpc("eth_getCode", contracts.multi_send, "latest"))
    assert keccak256(bytes.fromhex(code[2:])) == MULTI_SEND_CALL_ONLY_CODE["1.4.1"]
    assert contracts.multi_send_any == "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"
    for place in (contracts.singleton, contracts.factory, contracts.fallback_handler, contracts.multi_send):
        assert len(await contracts.node.rpc("eth_getCode", place, "latest")) > 400


async def test_contracts__deployed_again__the_same_and_no_block_more(contracts: SafeContracts) -> None:
    before = await contracts.node.block_number()
    assert await deploy_safe_contracts(contracts.node, contracts.sender, contracts.version) == contracts
    assert await contracts.node.block_number() == before


async def test_contracts__a_version_nobody_tested__refused(node: Anvil) -> None:
    with pytest.raises(SetupError, match=r"no Safe 1\.1\.1"):
        await deploy_safe_contracts(node, node.accounts[0].address, "1.1.1")


async def test_create__two_of_three__is_what_it_says(contracts: SafeContracts, safe: DevSafe) -> None:
    node = contracts.node
    assert await view(node, safe.address, "VERSION()(string)") == (contracts.version,)
    assert await view(node, safe.address, "getThreshold()(uint256)") == (2,)
    for owner in safe.owners:
        assert await view(node, safe.address, "isOwner(address)(bool)", owner.address) == (True,)
    assert await safe.nonce() == 0


async def test_create__the_same_again__refused(contracts: SafeContracts, safe: DevSafe) -> None:
    with pytest.raises(Refused):
        await contracts.create(safe.owners, 2, salt=7)
    other = await contracts.create(safe.owners, 2, salt=8)
    assert other.address != safe.address


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"data": b"", "value": 1},
        {"operation": Operation.DELEGATECALL, "data": b"\x01" * 33},
        {"safe_tx_gas": 1, "base_gas": 2, "gas_price": 3, "gas_token": SOMEBODY, "refund_receiver": "0x" + "22" * 20},
        {"nonce": (1 << 256) - 1, "value": (1 << 256) - 1},
    ],
)
async def test_hash__every_field__that_of_the_contract(safe: DevSafe, change: dict[str, object]) -> None:
    one = replace(safe.transaction(SOMEBODY, b"\xde\xad\xbe\xef", 4), **change)  # type: ignore[arg-type]
    assert one.hash == await safe.hash_of(one)


async def test_execute__two_of_three_whoever_they_are__done(safe: DevSafe) -> None:
    await safe.node.set_balance(safe.address, 1_000)
    first, second, third = safe.owners
    one = safe.transaction(SOMEBODY, b"", 0, value=600)
    receipt = await safe.execute(one, [third, first])
    assert int(receipt["status"], 16) == 1
    await safe.execute(safe.transaction(SOMEBODY, b"", 1, value=400), [second, third])
    assert int(await safe.node.rpc("eth_getBalance", safe.address, "latest"), 16) == 0
    assert await safe.nonce() == 2


async def test_execute__one_signature_or_a_strangers_or_the_same_twice__refused(safe: DevSafe) -> None:
    one = rejection(safe.node.chain_id, safe.address, 0)
    with pytest.raises(Refused, match="GS020"):
        await safe.execute(one, safe.owners[:1])
    with pytest.raises(Refused, match="GS026"):
        await safe.execute(one, [safe.owners[0], safe.node.accounts[1]])
    assert await safe.nonce() == 0


async def test_execute__with_a_hash_approved_on_chain__counts_as_a_signature(safe: DevSafe) -> None:
    one = rejection(safe.node.chain_id, safe.address, 0)
    first, second, _ = safe.owners
    with pytest.raises(Refused, match="GS025"):
        await safe.execute(one, [second], approved=[first.address])
    await safe.approve_hash(first, one.hash)
    await safe.execute(one, [second], approved=[first.address])
    assert await safe.nonce() == 1


async def test_execute__a_batch__every_call_of_it(safe: DevSafe) -> None:
    await safe.node.set_balance(safe.address, 30)
    packed = b"".join(
        b"\0" + bytes.fromhex(to[2:]) + amount.to_bytes(32, "big") + bytes(32)
        for to, amount in ((SOMEBODY, 10), ("0x" + "22" * 20, 20))
    )
    data = calldata("multiSend(bytes)", packed)
    batch = SafeTransaction(safe.node.chain_id, safe.address, 0, safe.multi_send, data, 0, Operation.DELEGATECALL)
    await safe.execute(batch, safe.owners[:2])
    assert int(await safe.node.rpc("eth_getBalance", "0x" + "22" * 20, "latest"), 16) == 20
    assert int(await safe.node.rpc("eth_getBalance", safe.address, "latest"), 16) == 0
