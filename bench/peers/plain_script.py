"""The plain script over a WebSocket: web3.py, a subscription to heads, ten reads by contract calls, build, sign, send.

Written fairly: one persistent connection and one subscription, contract objects made once, the key loaded once, nothing printed or waited for
between the head and the node's answer. It keeps no records, simulates by the gas estimate alone, and takes its reference price from its arguments.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from eth_account import Account
from web3 import AsyncWeb3, WebSocketProvider

from bench.peers.talk import commands, say

THRESHOLD = 0.02


class Script:
    """Three markets, each with a Chainlink feed; the first one is paused when its feed is away from the reference price."""

    def __init__(self, web3: AsyncWeb3[Any], setup: dict[str, Any]) -> None:
        self._web3 = web3
        self._account = Account.from_key(setup["key"])
        self._markets = [bytes.fromhex(one[2:]) for one in setup["market_ids"]]
        self._feeds = [web3.eth.contract(address=one, abi=setup["feed_abi"]) for one in setup["feeds"]]
        self._exchange = web3.eth.contract(address=setup["exchange"], abi=setup["exchange_abi"])
        self._reference = float(setup["reference"])

    async def on_head(self) -> str:
        """What happens at each head: ten reads, the rule, and the transaction. Returns its hash as the node answers it."""
        rounds = [await feed.functions.latestRoundData().call() for feed in self._feeds]
        decimals = await self._feeds[0].functions.decimals().call()
        paused = [await self._exchange.functions.paused(market).call() for market in self._markets]
        for market in self._markets:
            await self._exchange.functions.withdrawalLimit(market).call()
        price = rounds[0][1] / 10**decimals
        if paused[0] or abs(price / self._reference - 1) <= THRESHOLD:
            raise RuntimeError("there was nothing to do: the stage is not set")
        return await self._pause(self._markets[0])

    async def _pause(self, market: bytes) -> str:
        nonce = await self._web3.eth.get_transaction_count(self._account.address)
        # build_transaction asks the node for the gas estimate, the fees and the chain id
        transaction = await self._exchange.functions.pauseMarket(market).build_transaction(
            {"from": self._account.address, "nonce": nonce}
        )
        signed = self._account.sign_transaction(transaction)
        return (await self._web3.eth.send_raw_transaction(signed.raw_transaction)).to_0x_hex()


async def main() -> None:
    orders = commands()
    setup = await anext(orders)
    async with AsyncWeb3(WebSocketProvider(setup["url"])) as web3:
        script = Script(web3, setup)
        say("ready")
        async for _ in orders:
            subscription = await web3.eth.subscribe("newHeads")
            say("armed")
            async for _ in web3.socket.process_subscriptions():
                begin = time.perf_counter()
                tx_hash = await script.on_head()
                ms = (time.perf_counter() - begin) * 1000
                break
            await web3.eth.unsubscribe(subscription)
            say("accepted", ms=ms, tx_hash=tx_hash)


if __name__ == "__main__":
    asyncio.run(main())
