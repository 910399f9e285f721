"""``sign``: a transaction through our signer, against the bare signature of 32 bytes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence

import coincurve

from bench.options import Options
from bench.result import Bar, Ratio, Result, Want, median, spread
from keeper.adapters.signing.local import LocalSigner
from keeper.domain.evm import UnsignedTransaction

BAR = Bar(3, Want.AT_MOST)
KEY = bytes(31) + b"\x07"
TO = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def sign(options: Options) -> Sequence[Result]:
    """Encoding, hashing, signing and encoding again, against the elliptic curve alone (libsecp256k1)."""
    trials = options.count(1_000)
    ours, peer = asyncio.run(_in_turn(trials))
    options.say(f"  our signer         {spread(ours, 'us')}")
    options.say(f"  bare coincurve     {spread(peer, 'us')}")
    return [Result("sign", median(ours), median(peer), "coincurve", "us", Ratio.OURS_BY_PEER, BAR, trials)]


async def _in_turn(trials: int) -> tuple[list[float], list[float]]:
    signer, key = LocalSigner(KEY), coincurve.PrivateKey(KEY)
    ours: list[float] = []
    peer: list[float] = []
    for nonce in range(trials):
        transaction = UnsignedTransaction(31337, nonce, TO, bytes(36), 120_000, 10**10, 10**9)
        begin = time.perf_counter()
        signed = await signer.sign(transaction)
        ours.append((time.perf_counter() - begin) * 1e6)
        digest = hashlib.sha256(signed.raw.encode()).digest()
        begin = time.perf_counter()
        key.sign_recoverable(digest, hasher=None)
        peer.append((time.perf_counter() - begin) * 1e6)
    return ours, peer
