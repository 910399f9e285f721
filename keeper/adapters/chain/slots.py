"""Words of a contract's storage, for what no view tells: where a proxy leads."""

from __future__ import annotations

import json

from keeper.adapters.chain import hexes
from keeper.adapters.chain.node import NodeClient


class SlotReader(NodeClient):
    """A node that is asked for single words too. Raises as NodeClient does."""

    async def slot(self, address: str, slot: int) -> bytes:
        """``eth_getStorageAt`` at the newest block: 32 bytes."""
        params = json.dumps([address, hex(slot), "latest"])
        return (await self._ask("eth_getStorageAt", params, hexes.data)).rjust(32, b"\0")
