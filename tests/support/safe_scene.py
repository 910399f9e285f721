"""A Safe with three owners, a keeper, and a service to propose to: in memory, at the local stand-in, or at a real one put there from outside."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account as Signer
from eth_account.messages import encode_defunct

from keeper.adapters.clock import SystemClock
from keeper.adapters.safe.memory import KnownSafe, MemoryProposalService
from keeper.adapters.safe.service import SafeTransactionService
from keeper.devnet.accounts import Account
from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.rpc import RpcClient
from keeper.devnet.safe import SafeContracts
from keeper.domain.council_words import Delegation, Withdrawal, hour_of
from keeper.domain.errors import Refused
from keeper.domain.proposal import Delegate, Queued
from keeper.domain.safe import SafeTransaction

POLL_S = 0.02
CLOCK = SystemClock()

Service = SafeTransactionService | MemoryProposalService
Run = Callable[[SafeTransaction, Sequence[Account]], Awaitable[str]]
"""Carries it out on the chain; gives the transaction's hash."""


@dataclass(frozen=True, slots=True)
class Scene:
    """``owners`` ascending by address; two of the three must sign. ``patience_s`` is how long the service may need to see what is on the chain."""

    service: Service
    chain_id: int
    safe: str
    owners: tuple[Account, ...]
    run: Run
    patience_s: float
    keeper: Account = field(default_factory=lambda: fresh())

    def transaction(self, nonce: int = 0, value: int = 0, **more: Any) -> SafeTransaction:
        """A call of nothing; ``value`` in wei tells two of one nonce apart (the Safe owns nothing: only those of 0 can be carried out)."""
        return SafeTransaction(self.chain_id, self.safe, nonce, self.keeper.address, value=value, **more)

    async def propose(self, transaction: SafeTransaction, sender: Account, origin: str = "") -> SafeTransaction:
        await self.service.propose(transaction, sender.address, sign(sender, transaction.hash), origin)
        return transaction

    async def confirm(self, transaction: SafeTransaction, *signers: Account) -> None:
        for signer in signers:
            await self.service.confirm(transaction.hash_text, sign(signer, transaction.hash))

    async def withdraw(self, transaction: SafeTransaction, signer: Account, now_ms: int | None = None) -> None:
        at_ms = CLOCK.now_ms() if now_ms is None else now_ms
        digest = Withdrawal(self.chain_id, self.safe, transaction.hash_text, hour_of(at_ms)).hash
        await self.service.withdraw(self.safe, transaction.hash_text, sign(signer, digest))

    async def queue(self, since_nonce: int = 0) -> list[SafeTransaction]:
        page = await self.service.queue(self.safe, since_nonce)
        assert page.skipped == ()
        return [one.transaction for one in page.queued]

    async def found(self, transaction: SafeTransaction) -> Queued:
        found = await self.service.find(transaction.hash_text)
        assert found is not None
        assert (found.transaction, found.claimed_hash) == (transaction, transaction.hash_text)
        return found

    def delegate(self, *, everywhere: bool = False) -> Delegate:
        """The keeper, for the first owner."""
        return Delegate(
            self.keeper.address, self.owners[0].address, "keeper of a test", None if everywhere else self.safe
        )

    async def add_delegate(self, *, everywhere: bool = False) -> Delegate:
        delegate = self.delegate(everywhere=everywhere)
        await self.service.add(delegate, self.permit(self.owners[0]))
        return delegate

    def permit(self, signer: Account) -> bytes:
        """What makes the keeper a delegate, or no delegate any more."""
        return sign(signer, Delegation(self.chain_id, self.keeper.address, hour_of(CLOCK.now_ms())).hash)

    async def execute(self, transaction: SafeTransaction) -> str:
        """By the first two owners; once the service has seen it, too."""
        tx_hash = await self.run(transaction, self.owners[:2])
        async with asyncio.timeout(self.patience_s):
            while not (await self.found(transaction)).executed:  # noqa: ASYNC110 - another process follows the chain
                await asyncio.sleep(POLL_S)
        return tx_hash


class OutsideNode(Anvil):
    """A node that somebody else runs, with an unlocked account; nothing of it is started or ended here."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._client = RpcClient(url)
        self.payer = ""

    async def start(self) -> None:
        self.chain_id = quantity(await self.rpc("eth_chainId"))
        self.payer = str((await self.rpc("eth_accounts"))[0])

    async def set_code(self, address: str, code: str) -> None:
        """What stands is left."""
        if await self.rpc("eth_getCode", address, "latest") == "0x":
            await super().set_code(address, code)


def fresh() -> Account:
    """A key that nobody else has: what a test leaves behind on a chain or at a service meets no other test."""
    key = Signer.create(secrets.token_hex(32))
    return Account(key.address, "0x" + bytes(key.key).hex())


def sign(account: Account, digest: bytes) -> bytes:
    return bytes(Signer.unsafe_sign_hash(digest, account.private_key).signature)


def sign_message(account: Account, digest: bytes) -> bytes:
    """By eth_sign, with v as a Safe wants it."""
    made = bytes(Signer.sign_message(encode_defunct(digest), account.private_key).signature)
    return made[:64] + bytes([made[64] + 4])


def in_memory(chain_id: int = 31337) -> Scene:
    """``run`` is told at once."""
    service = MemoryProposalService(chain_id, clock=CLOCK)
    owners = _ascending()
    safe = fresh().address
    service.safes[safe] = KnownSafe(tuple(one.address for one in owners))

    async def run(transaction: SafeTransaction, signers: Sequence[Account]) -> str:
        tx_hash = "0x" + secrets.token_hex(32)
        service.execute(transaction.hash_text, tx_hash)
        return tx_hash

    return Scene(service, chain_id, safe, owners, run, 1.0)


async def on_chain(service: SafeTransactionService, contracts: SafeContracts, patience_s: float) -> Scene:
    """A new Safe of its own. Waits until the service knows it."""
    owners = _ascending()
    safe = await contracts.create(owners, 2, secrets.randbits(64))

    async def run(transaction: SafeTransaction, signers: Sequence[Account]) -> str:
        receipt = await safe.execute(transaction, signers)
        return str(receipt["transactionHash"])

    scene = Scene(service, safe.node.chain_id, safe.address, owners, run, patience_s)
    await _known(scene)
    return scene


async def _known(scene: Scene) -> None:
    """A service that follows the chain by itself takes a delegate for one Safe only when it has seen that Safe: a throw-away one is tried."""
    trial = Scene(scene.service, scene.chain_id, scene.safe, scene.owners, scene.run, scene.patience_s)
    async with asyncio.timeout(scene.patience_s):
        while True:
            try:
                delegate = await trial.add_delegate()
                break
            except Refused as error:
                if "indexed" not in error.message:
                    raise
            await asyncio.sleep(0.5)
    await trial.service.remove(delegate, trial.permit(trial.owners[0]))


def _ascending() -> tuple[Account, ...]:
    return tuple(sorted((fresh() for _ in range(3)), key=lambda one: int(one.address, 16)))
