"""Records as a keeper of three markets writes them at each head: about 2 kB of observations, signals and verdicts."""

from __future__ import annotations

from keeper.domain.record import Draft, Json, RecordKind

T0_MS = 1_763_700_000_000
BLOCK_MS = 12_000
MARKETS = ("ETH-PERP", "BTC-PERP", "SOL-PERP")


def draft(number: int) -> Draft:
    """The record of one evaluated block; each number gives another one."""
    at_ms = T0_MS + number * BLOCK_MS
    block: Json = {
        "number": number,
        "hash": f"0x{number:064x}",
        "parent_hash": f"0x{number - 1:064x}",
        "timestamp_s": at_ms // 1000,
    }
    body: dict[str, Json] = {
        "at_ms": str(at_ms),
        "block": block,
        "observations": [_observation(market, number, at_ms) for market in MARKETS],
        "signals": [
            {
                "market": market,
                "name": "divergence",
                "value": repr(number % 97 / 1e5),
                "status": "ready",
                "unit": "ratio",
            }
            for market in MARKETS
        ],
        "verdicts": [_verdict(market, number, at_ms) for market in MARKETS],
        "breakers": dict.fromkeys(MARKETS, "armed"),
        "decisions": [],
        "incidents": [],
    }
    return Draft(RecordKind.TICK, body, at_ms)


def drafts(count: int) -> list[Draft]:
    return [draft(number) for number in range(1, count + 1)]


def _observation(market: str, number: int, at_ms: int) -> Json:
    return {
        "source": f"{market}-oracle",
        "value": f"{3000 + number % 31}.{number % 100:02d}",
        "unit": "price",
        "received_ms": str(at_ms),
        "at_ms": str(at_ms - 400),
        "quality": "ok",
        "reason": "",
    }


def _verdict(market: str, number: int, at_ms: int) -> Json:
    return {
        "market": market,
        "rule": "oracle-divergence",
        "signal": "divergence",
        "state": "clear",
        "reason": "inside",
        "value": repr(number % 97 / 1e5),
        "threshold": "0.02",
        "headroom": repr(1 - number % 97 / 2e3),
        "since_ms": str(at_ms),
        "since_block": number,
        "severity": "critical",
    }
