"""Where the council of the demo meets: a real Safe, the local stand-in of Safe's service, and the keeper as a delegate of one member."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from keeper.adapters.safe.service import SafeTransactionService
from keeper.adapters.signing.local import LocalSigner
from keeper.devnet.accounts import Account
from keeper.devnet.council import Council, deploy_council
from keeper.devnet.safe_service import SafeService
from keeper.devnet.world import World
from keeper.domain.council_words import Delegation, hour_of
from keeper.domain.proposal import Delegate, Queued
from keeper.ports.clock import Clock

DELEGATOR: Final = "Ada"
"""In whose name the keeper proposes."""
INDEX_DELAY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Chamber:
    """``service`` answers at its ``url`` by HTTP."""

    council: Council
    service: SafeService
    clock: Clock

    def signer(self, name: str) -> LocalSigner:
        """The key of a member."""
        return signer_of(self.council.members[name])

    async def told(self, safe_tx_hash: str) -> Queued | None:
        """What the service says of a proposal; None when it knows none. Raises OutsideError."""
        client = SafeTransactionService(self.service.url, self.council.world.node.chain_id, clock=self.clock)
        try:
            return await client.find(safe_tx_hash)
        finally:
            await client.close()


@asynccontextmanager
async def opened(world: World, clock: Clock) -> AsyncIterator[Chamber]:
    """The service answers until the block ends. Raises OutsideError."""
    council = await deploy_council(world)
    node = world.node
    async with SafeService.open(node.http_url, node.chain_id, clock.now_ms, index_delay_s=INDEX_DELAY_S) as service:
        await service.caught_up()  # it knows the Safe
        chamber = Chamber(council, service, clock)
        await _delegate(chamber)
        yield chamber


async def _delegate(chamber: Chamber) -> None:
    """A member lets the keeper propose in her name: her signature, given to the service."""
    council = chamber.council
    keeper, chain_id = council.world.keeper.address, council.world.node.chain_id
    member = chamber.signer(DELEGATOR)
    words = Delegation(chain_id, keeper, hour_of(chamber.clock.now_ms()))
    client = SafeTransactionService(chamber.service.url, chain_id, clock=chamber.clock)
    try:
        delegate = Delegate(keeper, member.address, "keeper", council.safe.address)
        await client.add(delegate, await member.sign_safe(words))
    finally:
        await client.close()


def signer_of(account: Account) -> LocalSigner:
    """A test account's key."""
    return LocalSigner(bytes.fromhex(account.private_key.removeprefix("0x")))
