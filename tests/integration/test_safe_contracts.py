"""Hashes and signatures of ours held against the real Safes, of each version that is supported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from random import Random

import pytest
import pytest_asyncio
from eth_account import Account as Signer
from eth_account.messages import encode_defunct

from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil
from keeper.devnet.safe import DevSafe, SafeContracts, deploy_safe_contracts
from keeper.devnet.transactions import calldata, send, settle, view
from keeper.domain.action import Call
from keeper.domain.address import checksum_address
from keeper.domain.errors import Refused
from keeper.domain.multisend import encode_multisend
from keeper.domain.proposal import Confirmation
from keeper.domain.safe import VERSIONS, ZERO_ADDRESS, Operation, SafeTransaction
from keeper.domain.safe_signatures import (
    approve_call,
    approved_signature,
    ask_call,
    contract_signature,
    exec_call,
    joined,
    split,
)

# One node for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

HASH_OF = "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,uint256)"
NOBODY = "0x" + "11" * 20
DRAWN = 100
GAS = 3_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[Anvil]:
    async with Anvil() as node:
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=VERSIONS)
async def contracts(node: Anvil, request: pytest.FixtureRequest) -> SafeContracts:
    return await deploy_safe_contracts(node, node.accounts[0].address, request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def safe(contracts: SafeContracts) -> DevSafe:
    """Three of three."""
    return await contracts.create(contracts.node.accounts[5:8], 3, salt=1)


async def ask(node: Anvil, call: Call, sender: str = NOBODY) -> bytes:
    """What a call would answer. Raises Refused where it reverts."""
    told = await node.rpc("eth_call", {"from": sender, "to": call.to, "data": "0x" + call.data.hex()}, "latest")
    return bytes.fromhex(told[2:])


def any_transaction(random: Random, chain_id: int, safe: str) -> SafeTransaction:
    def number() -> int:
        return random.getrandbits(random.choice((0, 1, 8, 64, 255, 256)))

    def address() -> str:
        return random.choice((ZERO_ADDRESS, checksum_address(random.randbytes(20))))

    return SafeTransaction(
        chain_id, safe, number(), address(), random.randbytes(random.choice((0, 1, 4, 32, 33, 500))), number(),
        random.choice(list(Operation)), number(), number(), number(), address(), address(),
    )  # fmt: skip


def hash_call(t: SafeTransaction) -> bytes:
    return calldata(
        HASH_OF, t.to, t.value, t.data, int(t.operation), t.safe_tx_gas, t.base_gas, t.gas_price, t.gas_token,
        t.refund_receiver, t.nonce,
    )  # fmt: skip


async def test_hash__random_transactions__as_the_contract_computes_it(safe: DevSafe) -> None:
    random = Random(safe.version)
    drawn = [any_transaction(random, safe.node.chain_id, safe.address) for _ in range(DRAWN)]
    for transaction in drawn:
        assert await ask(safe.node, Call(safe.address, hash_call(transaction))) == transaction.hash


def plain(transaction: SafeTransaction, key: Account) -> Confirmation:
    return Confirmation(key.address, bytes(Signer.unsafe_sign_hash(transaction.hash, key.private_key).signature))


def by_eth_sign(transaction: SafeTransaction, key: Account) -> Confirmation:
    raw = bytes(Signer.sign_message(encode_defunct(transaction.hash), key.private_key).signature)
    return Confirmation(key.address, raw[:-1] + bytes([raw[-1] + 4]))


async def execute(safe: DevSafe, transaction: SafeTransaction, confirmations: Sequence[Confirmation]) -> None:
    call = exec_call(transaction, joined(confirmations, safe.threshold))
    await settle(safe.node, [await send(safe.node, safe.payer, call.to, call.data, GAS)])


async def test_joined__each_kind__the_safe_takes_them_together(contracts: SafeContracts) -> None:
    node = contracts.node
    first, second, third = node.accounts[5:8]
    inner = await contracts.create([node.accounts[8]], 1, salt=2)
    safe = await contracts.create([first, second, third, replace(node.accounts[9], address=inner.address)], 4, salt=3)
    batch = encode_multisend([(safe.address, 0, b""), (NOBODY, 0, b"\x01")])
    transaction = SafeTransaction(node.chain_id, safe.address, 0, safe.multi_send, batch, 0, Operation.DELEGATECALL)

    # the inner Safe signs what its fallback handler makes of the bytes that it is asked about: the preimage of the hash
    preimage = b"\x19\x01" + transaction.domain_hash + transaction.message_hash
    (asked,) = await view(
        node, contracts.fallback_handler, "getMessageHashForSafe(address,bytes)(bytes32)", inner.address, preimage
    )
    digest = asked if isinstance(asked, bytes) else bytes.fromhex(str(asked)[2:])
    blob = bytes(Signer.unsafe_sign_hash(digest, node.accounts[8].private_key).signature)
    approved = Confirmation(third.address, approved_signature(third.address))
    confirmations = [
        plain(transaction, first),
        by_eth_sign(transaction, second),
        approved,
        Confirmation(inner.address, contract_signature(inner.address, blob)),
    ]

    with pytest.raises(Refused):
        await ask(node, ask_call(transaction, approved))
    approval = approve_call(transaction)
    await settle(node, [await send(node, third.address, approval.to, approval.data)])
    for each in confirmations:
        assert await ask(node, ask_call(transaction, each)) == b""
    assert len(set(split(joined(confirmations, 4), 4))) == 4
    await execute(safe, transaction, confirmations)
    assert await safe.nonce() == 1


async def test_ask_call__signature_that_is_not_good__reverts(safe: DevSafe) -> None:
    node = safe.node
    transaction = SafeTransaction(node.chain_id, safe.address, 0, NOBODY)
    owner, stranger = safe.owners[0], node.accounts[9]
    good = plain(transaction, owner)
    assert await ask(node, ask_call(transaction, good)) == b""
    for bad in (
        plain(transaction, stranger),
        plain(replace(transaction, nonce=1), owner),
        Confirmation(owner.address, approved_signature(owner.address)),
        Confirmation(owner.address, contract_signature(owner.address, b"x")),
    ):
        with pytest.raises(Refused):
            await ask(node, ask_call(transaction, bad))


async def test_joined__fewer_than_the_threshold_signed__the_safe_refuses(safe: DevSafe) -> None:
    """Three signatures are asked for; two of them are not enough, however good."""
    nonce = await safe.nonce()
    transaction = SafeTransaction(safe.node.chain_id, safe.address, nonce, NOBODY)
    good = [plain(transaction, owner) for owner in safe.owners]
    with pytest.raises(Refused):
        await ask(safe.node, exec_call(transaction, joined(good, 2)))
    await execute(safe, transaction, good)
    assert await safe.nonce() == nonce + 1
