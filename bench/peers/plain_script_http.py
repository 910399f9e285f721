"""A pause script as most examples write it: ``Web3(HTTPProvider(..))``, blocking, heads by polling a filter.

The clock begins when the poll has brought the head, so that the time lost between two polls (seconds, in most examples) is not counted. Otherwise as
fair as ``plain_script``: one kept-alive session, contract objects made once, the key loaded once.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from eth_account import Account
from web3 import HTTPProvider, Web3

from bench.peers.plain_script import THRESHOLD
from bench.peers.talk import say

POLL_S = 0.01


class Script:
    """Three markets, each with a Chainlink feed; the first one is paused when its feed is away from the reference price."""

    def __init__(self, web3: Web3, setup: dict[str, Any]) -> None:
        self._web3 = web3
        self._account = Account.from_key(setup["key"])
        self._markets = [bytes.fromhex(one[2:]) for one in setup["market_ids"]]
        self._feeds = [web3.eth.contract(address=one, abi=setup["feed_abi"]) for one in setup["feeds"]]
        self._exchange = web3.eth.contract(address=setup["exchange"], abi=setup["exchange_abi"])
        self._reference = float(setup["reference"])

    def on_head(self) -> str:
        """What happens at each head: ten reads, the rule, and the transaction. Returns its hash as the node answers it."""
        rounds = [feed.functions.latestRoundData().call() for feed in self._feeds]
        decimals = self._feeds[0].functions.decimals().call()
        paused = [self._exchange.functions.paused(market).call() for market in self._markets]
        for market in self._markets:
            self._exchange.functions.withdrawalLimit(market).call()
        price = rounds[0][1] / 10**decimals
        if paused[0] or abs(price / self._reference - 1) <= THRESHOLD:
            raise RuntimeError("there was nothing to do: the stage is not set")
        return self._pause(self._markets[0])

    def _pause(self, market: bytes) -> str:
        nonce = self._web3.eth.get_transaction_count(self._account.address)
        # build_transaction asks the node for the gas estimate, the fees and the chain id
        transaction = self._exchange.functions.pauseMarket(market).build_transaction(
            {"from": self._account.address, "nonce": nonce}
        )
        signed = self._account.sign_transaction(transaction)
        return self._web3.eth.send_raw_transaction(signed.raw_transaction).to_0x_hex()

    def trial(self) -> tuple[float, str]:
        """(milliseconds from the head to the node's answer, hash)."""
        heads = self._web3.eth.filter("latest")
        say("armed")
        while not heads.get_new_entries():
            time.sleep(POLL_S)
        begin = time.perf_counter()
        tx_hash = self.on_head()
        ms = (time.perf_counter() - begin) * 1000
        assert heads.filter_id is not None
        self._web3.eth.uninstall_filter(heads.filter_id)
        return ms, tx_hash


def main() -> None:
    setup = json.loads(sys.stdin.readline())
    script = Script(Web3(HTTPProvider(setup["http_url"])), setup)
    say("ready")
    for _ in sys.stdin:
        ms, tx_hash = script.trial()
        say("accepted", ms=ms, tx_hash=tx_hash)


if __name__ == "__main__":
    main()
