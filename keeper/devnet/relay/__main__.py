"""``python -m keeper.devnet.relay --node URL [--port N] [--seed N] [--slot SECONDS]``: the relay by hand, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

from keeper.devnet.relay.builders import DOCUMENTED
from keeper.devnet.relay.service import Relay


async def _run(node: str, port: int, seed: int, slot_s: float) -> None:
    async with Relay.open(node, port=port, seed=seed, slot_s=slot_s or None) as relay:
        sys.stdout.writelines(f"{relay.url(builder.name)}\n" for builder in DOCUMENTED)
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Prints its addresses and stays."""
    parser = argparse.ArgumentParser(description="A local relay with several block builders.")
    parser.add_argument("--node", required=True, help="URL of an anvil with --no-mining --order fifo")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--seed", type=int, default=1, help="of the lottery: who builds which block")
    parser.add_argument(
        "--slot", type=float, default=12.0, help="seconds from block to block; 0: POST /control/slots makes one"
    )
    said = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(said.node, said.port, said.seed, said.slot))


if __name__ == "__main__":
    main()
