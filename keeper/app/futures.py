"""Who simulates what would be: the nodes of the configuration, and where they cannot, a fork."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keeper.adapters.chain.forking import Forked, OpenFork
from keeper.adapters.chain.node import NodeClient
from keeper.adapters.chain.simulating import FirstThatCan
from keeper.app.nodes import address_of
from keeper.config import model
from keeper.domain.errors import OutsideError, Refused, SetupError, Unreachable


def open_future(config: model.ChainConfig) -> FirstThatCan:
    """Every primary in order, then a fork of the first, if there is an anvil. Connects when it is first asked."""
    addresses = [address_of(endpoint) for endpoint in config.primaries]
    return FirstThatCan([*(NodeClient(address) for address in addresses), Forked(fork_of(addresses[0], config.id))])


def fork_of(address: str, chain_id: int) -> OpenFork:
    """Local nodes that take their state from this one."""

    @asynccontextmanager
    async def fork(number: int) -> AsyncIterator[str]:
        # imported late: a keeper whose node can simulate never needs the local world
        from keeper.devnet.anvil import Anvil
        from keeper.devnet.toolchain import anvil_binary

        try:
            binary = anvil_binary()
        except SetupError:
            raise Refused("there is no anvil here to fork with") from None
        extra = ("--fork-url", address, "--fork-block-number", str(number), "--no-storage-caching")
        node = Anvil(chain_id=chain_id, no_mining=True, binary=binary, extra=extra)
        try:
            await node.start()
        except OutsideError:
            raise
        except SetupError:  # its words are what anvil wrote, and may hold the address with its key
            raise Unreachable("a fork of the node did not start") from None
        try:
            yield node.http_url
        finally:
            await node.stop()

    return fork
