"""``durable``: what must be on the disk before a pause is sent, in one commit, against the disk alone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.options import Options, scratch
from bench.result import Bar, Ratio, Result, Want, median, spread
from keeper.adapters.audit.canonical import canonical
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.domain.action import Action, ActionKind, Effect, FunctionCall
from keeper.domain.intent import Attempt, Intent, IntentState
from keeper.domain.outcome import Outcome, OutcomeKind, Reason
from keeper.domain.record import Draft, Json, Record, RecordKind
from keeper.execution import journal
from keeper.execution.planner import arm

BAR = Bar(3, Want.AT_MOST)
T0_MS = 1_763_700_000_000
MARKET, ACTION = "ETH-PERP", "pause-market"
TARGET, SENDER = "0x5FbDB2315678afecb367f032d93F642f64180aa3", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PAUSE = Action(
    name=ACTION,
    market=MARKET,
    kind=ActionKind.PAUSE,
    call=FunctionCall(TARGET, "pauseMarket(bytes32)", ("0x" + "11" * 32,)),
    effect=Effect(FunctionCall(TARGET, "paused(bytes32)(bool)", ("0x" + "11" * 32,)), "true"),
    route="public",
    expires_ms=60_000,
)
ARMED = arm(PAUSE)
RAW_BYTES = 178
"""Of a signed transaction with one argument."""
FILE_BYTES = 8 * 1024 * 1024
"""Written over from the beginning again, as the write-ahead log is: a file that grows would cost the disk more."""


def durable(options: Options) -> Sequence[Result]:
    """Ours through ``SqlAuditStore``; the peer writes the same bytes into a file that has its size already, and calls fdatasync."""
    trials = options.count(1_000)
    with scratch() as folder:
        ours, peer, size = asyncio.run(_in_turn(folder, trials))
    options.say(
        f"  ours               {spread(ours, 'us')}  decision, intent and signed attempt; WAL, synchronous=FULL"
    )
    options.say(f"  write, fdatasync   {spread(peer, 'us')}  the same {size} bytes, in the program's own thread")
    return [Result("durable", median(ours), median(peer), "fdatasync", "us", Ratio.OURS_BY_PEER, BAR, trials)]


async def _in_turn(folder: Path, trials: int) -> tuple[list[float], list[float], int]:
    """Microseconds of each side, and the bytes of the last commit. Each intent is ended before the next, which is not counted."""
    store = await SqlAuditStore.open(sqlite_url(folder / "keeper.db"), create=True)
    ours: list[float] = []
    peer: list[float] = []
    data = b""
    try:
        with _file(folder / "plain") as file:
            for number in range(-min(5, trials), trials):
                drafts = opening(number)
                begin = time.perf_counter()
                records = await store.append(drafts)
                ours_us = (time.perf_counter() - begin) * 1e6
                data = b"".join(_bytes(record) for record in records)
                if os.lseek(file, 0, os.SEEK_CUR) + len(data) > FILE_BYTES:
                    os.lseek(file, 0, os.SEEK_SET)
                begin = time.perf_counter()
                os.write(file, data)
                os.fdatasync(file)
                peer_us = (time.perf_counter() - begin) * 1e6
                await store.append([ending(number)])
                if number >= 0:
                    ours.append(ours_us)
                    peer.append(peer_us)
    finally:
        await store.close()
    return ours, peer, len(data)


def opening(number: int) -> list[Draft]:
    """What one trip writes down before it sends: what was decided, what is to be done, and the transaction that does it."""
    at_ms = T0_MS + number * 12_000
    intent = _intent(number, at_ms)
    attempt = Attempt(
        intent=intent.id,
        number=1,
        chain_id=31337,
        sender=SENDER,
        nonce=number + 5,
        max_fee_wei=10**10,
        priority_fee_wei=10**9,
        gas_limit=120_000,
        to=TARGET,
        data=intent.data,
        tx_hash=f"0x{number + 5:064x}",
        raw="0x02" + "f8" * (RAW_BYTES - 1),
        signed_ms=at_ms + 2,
    )
    return [_decision(intent), journal.intent_draft(intent, ARMED, SENDER), journal.attempt_draft(intent, attempt)]


def ending(number: int) -> Draft:
    """Nothing came of it."""
    at_ms = T0_MS + number * 12_000
    outcome = Outcome(OutcomeKind.FAILED, Reason.EXPIRED, "the benchmark is over")
    return journal.outcome_draft(_intent(number, at_ms), outcome, at_ms + 3, {})


def _intent(number: int, at_ms: int) -> Intent:
    name = f"{MARKET}@{number}"
    data = "0x" + ARMED.call.data.hex()
    return Intent(
        f"{name}/{ACTION}", MARKET, ACTION, name, IntentState.OPEN, at_ms, at_ms + 60_000, TARGET, data, "false"
    )


def _decision(intent: Intent) -> Draft:
    """With its evidence, about as large as one rule's over two sources."""
    at_ms = str(intent.created_ms)
    observation: dict[str, Json] = {"value": "2820.00", "unit": "price", "quality": "ok", "reason": ""}
    body: dict[str, Json] = {
        "id": intent.id,
        "kind": "act",
        "reason": "tripped",
        "market": intent.market,
        "action": intent.action,
        "incident": intent.incident,
        "at_ms": at_ms,
        "block": {"number": 7, "hash": "0x" + "ab" * 32, "parent_hash": "0x" + "cd" * 32},
        "verdict": {
            "rule": "oracle-divergence",
            "state": "tripped",
            "value": "0.06",
            "threshold": "0.02",
            "at_ms": at_ms,
        },
        "signals": [{"name": "divergence", "value": "0.06", "status": "ready", "unit": "ratio"}],
        "observations": [{"source": name, **observation, "received_ms": at_ms} for name in ("oracle", "spot")],
        "config_hash": "ef" * 32,
    }
    market, action, incident = intent.market, intent.action, intent.incident
    return Draft(RecordKind.DECISION, body, intent.created_ms, market=market, action=action, incident=incident)


def _bytes(record: Record) -> bytes:
    """What the record itself is: its columns, and its body as it is stored."""
    columns = (record.seq, record.at, record.kind, record.market, record.action, record.incident, record.intent)
    text = "|".join(map(str, columns)) + canonical(record.body) + record.prev_hash + record.hash
    return text.encode()


@contextmanager
def _file(path: Path) -> Iterator[int]:
    """A file of its full size, on the disk."""
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(file, bytes(FILE_BYTES))
        os.fsync(file)
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)
