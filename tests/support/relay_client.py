"""An independent client of relays, by hand: it signs the bytes that it posts, with eth_account and nothing of the keeper."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak


@dataclass(frozen=True)
class Signed:
    """A signed transaction as text, and its hash."""

    raw: str
    hash: str


def transaction(
    key: str, nonce: int, to: str | None, data: bytes = b"", *, tip_gwei: float = 2, max_fee_gwei: float = 20, gas: int = 200_000, value: int = 0,
    chain_id: int = 31337,
) -> Signed:  # fmt: skip
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "data": data,
        "gas": gas,
        "value": value,
        "maxFeePerGas": int(max_fee_gwei * 10**9),
        "maxPriorityFeePerGas": int(tip_gwei * 10**9),
    }
    return signed(key, fields | ({} if to is None else {"to": to}))


def signed(key: str, fields: dict[str, Any]) -> Signed:
    found = Account.sign_transaction(fields, key)
    return Signed("0x" + bytes(found.raw_transaction).hex(), "0x" + bytes(found.hash).hex())


def signature_of(key: str, body: bytes) -> str:
    """The header's text."""
    text = "0x" + keccak(body).hex()
    found = Account.sign_message(encode_defunct(text=text), key)
    return f"{Account.from_key(key).address}:0x{bytes(found.signature).hex()}"


@dataclass
class Client:
    """``key`` None: no header. ``header`` is the name of it."""

    http: httpx.AsyncClient
    url: str
    key: str | None
    header: str = "X-Flashbots-Signature"
    ids: list[int] = field(default_factory=list)

    async def post(self, method: str, *params: Any, **headers: str) -> httpx.Response:
        """``headers`` override: ``signature=..`` that of the header."""
        self.ids.append(len(self.ids) + 1)
        body = json.dumps({"jsonrpc": "2.0", "id": self.ids[-1], "method": method, "params": params}).encode()
        sent = {"Content-Type": "application/json"}
        if "signature" in headers:
            sent[self.header] = headers["signature"]
        elif self.key is not None:
            sent[self.header] = signature_of(self.key, body)
        return await self.http.post(self.url, content=body, headers=sent)

    async def result(self, method: str, *params: Any) -> Any:
        """Fails the test where the builder says no."""
        answer = await self.post(method, *params)
        assert answer.status_code == 200, answer.text
        assert "result" in answer.json(), answer.text
        return answer.json()["result"]

    async def bundle(self, block: int, *transactions: Signed, **more: Any) -> str:
        """The bundle's hash."""
        asked = {"txs": [one.raw for one in transactions], "blockNumber": hex(block), **more}
        return str((await self.result("eth_sendBundle", asked))["bundleHash"])
