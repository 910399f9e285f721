"""``python -m keeper.devnet.safe_service --node URL [--port N]``: the service by hand, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time

from keeper.devnet.anvil import quantity
from keeper.devnet.rpc import RpcClient
from keeper.devnet.safe_service.service import SafeService


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - a program of its own: nobody hands it a clock


async def _run(node: str, port: int, api_key: str | None) -> None:
    rpc = RpcClient(node)
    try:
        chain_id = quantity(await rpc.call("eth_chainId"))
    finally:
        await rpc.close()
    async with SafeService.open(node, chain_id, _now_ms, port=port, api_key=api_key) as service:
        sys.stdout.write(f"{service.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Prints its address and stays."""
    parser = argparse.ArgumentParser(description="A local stand-in of Safe's Transaction Service.")
    parser.add_argument("--node", required=True, help="URL of the node")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--api-key", default=None, help="ask for this key")
    said = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(said.node, said.port, said.api_key))


if __name__ == "__main__":
    main()
