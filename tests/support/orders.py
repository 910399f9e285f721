"""Orders for tests: three keepers with public test keys, and what they sign."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from keeper.adapters.signing.local import LocalSigner
from keeper.domain.circuit_breaker import breaker_id
from keeper.domain.order import SignedOrder, TripOrder, signed_order

KEYS = tuple(
    bytes.fromhex(key)
    for key in (
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
        "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    )
)
BREAKER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
ORDER = TripOrder(
    chain_id=31337,
    contract=BREAKER,
    id=breaker_id("pause ETH-PERP"),
    values=(),
    evidence=b"\x11" * 32,
    nonce=1,
    deadline_s=1_700_000_600,
)


def order(**changed: Any) -> TripOrder:
    """ORDER with other fields."""
    return replace(ORDER, **changed)


async def signed_by(number: int, what: TripOrder = ORDER) -> SignedOrder:
    """The order with the signature of keeper 0, 1, 2 or 3."""
    return signed_order(what, await LocalSigner(KEYS[number]).sign_order(what))


def signed_now(number: int, what: TripOrder = ORDER) -> SignedOrder:
    """The same where nothing runs yet."""
    return asyncio.run(signed_by(number, what))
