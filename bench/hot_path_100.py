"""``hot-path-100``: a hundred reads at each block, by themselves and on the way to a pause."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bench.contestant import START_S, Broken, Contestant, running
from bench.options import Options, scratch
from bench.race import race
from bench.reads import MARKETS, Read, WideStage
from bench.result import Bar, Ratio, Result, Want, median, spread
from bench.stage import CALM, REST_S, staged
from keeper.domain.evm import CallResult

OURS, RAW, WEB3 = "keeper_reads", "raw_reads", "web3_reads"
WARM_UP = 10
WEB3_EVERY = 6
"""A trial of web3.py takes as long as hundreds of the others: one at every sixth."""


def hot_path_100(options: Options) -> Sequence[Result]:
    """Reads against a raw client and against web3.py's contract objects, then whole trips against the raw client."""
    trials = options.count(150)
    return [*_reads(trials, options), *_trips(trials, options)]


# -- a tick's reads ----------------------------------------------------------------------------------------------------------------


def _reads(trials: int, options: Options) -> Sequence[Result]:
    times = asyncio.run(reads_in_turn(trials, options))
    for module, name in ((OURS, "ours"), (RAW, "raw, multicall"), (WEB3, "web3.py contracts")):
        options.say(f"  {name:<18} {spread(times[module], 'ms')}")
    ours = median(times[OURS])
    near, far = Bar(3, Want.AT_MOST), Bar(50, Want.AT_LEAST)
    return [
        Result("hot-path-100-reads", ours, median(times[RAW]), "raw-multicall", "ms", Ratio.OURS_BY_PEER, near, trials),
        Result(
            "hot-path-100-web3", ours, median(times[WEB3]), "web3.py", "ms", Ratio.PEER_BY_OURS, far, len(times[WEB3])
        ),
    ]


async def reads_in_turn(trials: int, options: Options) -> dict[str, list[float]]:
    """Milliseconds from the announcement of a block to a hundred numbers. Raises Broken when one is not what the chain says."""
    times: dict[str, list[float]] = {OURS: [], RAW: [], WEB3: []}
    with scratch() as folder:
        async with staged(WideStage, MARKETS) as stage, contextlib.AsyncExitStack() as stack:
            contestants = {name: await stack.enter_async_context(running(name, folder)) for name in times}
            for contestant in contestants.values():
                contestant.tell(**stage.for_rival())
                await contestant.hear("ready", START_S)
                contestant.freeze()
            calm: list[Decimal | None] = []
            for trial in range(-min(WARM_UP, trials), trials):
                for number, (name, contestant) in enumerate(contestants.items()):
                    if name == WEB3 and trial % WEB3_EVERY:
                        continue
                    price = CALM + Decimal(3 * (trial + WARM_UP) + number) / 100
                    ms, others = await _one_read(stage, contestant, name, price)
                    calm = calm or others
                    if others != calm:
                        raise Broken(f"{name} read other numbers than the others")
                    if trial >= 0:
                        times[name].append(ms)
        options.say(
            f"  one node ({stage.world.node.version}), blocks on demand; in turn, whose turn it is not stands still"
        )
    return times


async def _one_read(
    stage: WideStage, contestant: Contestant, name: str, price: Decimal
) -> tuple[float, list[Decimal | None]]:
    """One contestant's turn: a new price of every market, a block, and everything read at it; all numbers but the prices."""
    contestant.thaw()
    await asyncio.sleep(REST_S)  # it hears of the blocks of the others' turns first
    contestant.tell()
    await contestant.hear("armed")
    await stage.move_all(price)
    await asyncio.sleep(REST_S)
    stage.pull()
    told = await contestant.hear("read")
    stage.settle()
    contestant.freeze()
    block = await stage.world.node.block_number()
    if told["block"] != block:
        raise Broken(f"{name} read at block {told['block']} and not at {block}, that of its turn")
    numbers = numbers_of(name, told, stage.reads)
    expected = [price if read.moves else None for read in stage.reads]
    if None in numbers or any(wanted not in (None, found) for wanted, found in zip(expected, numbers, strict=True)):
        raise Broken(f"{name} did not read the price of {price} at block {block}")
    return float(told["ms"]), [number for number, read in zip(numbers, stage.reads, strict=True) if not read.moves]


def numbers_of(name: str, told: dict[str, Any], reads: Sequence[Read]) -> list[Decimal | None]:
    """What a contestant read, as the numbers that the sources make of it; None where it has none."""
    pairs = zip(told["values"], reads, strict=True)
    if name == OURS:
        return [None if text == "None" else Decimal(text) for text, _ in pairs]
    if name == RAW:
        return [None if text is None else read.number(CallResult(True, bytes.fromhex(text))) for text, read in pairs]
    return [Decimal(number).scaleb(-read.decimals) for number, read in pairs]


# -- trips -------------------------------------------------------------------------------------------------------------------------


def _trips(trials: int, options: Options) -> Sequence[Result]:
    times = asyncio.run(race((RAW,), trials, options, WideStage, MARKETS))
    ours = [trip + wait for trip, wait in zip(times.ours, times.announcing, strict=True)]
    options.say(f"  {'ours':<18} {spread(ours, 'ms')}")
    options.say(f"  {'raw, pre-signed':<18} {spread(times.peers[RAW], 'ms')}")
    options.say(f"  {'of ours: from the frame to the service':<38} {spread(times.announcing, 'ms')}")
    for line in times.table():
        options.say(line)
    bar = Bar(2.5, Want.AT_MOST)
    peer = median(times.peers[RAW])
    return [Result("hot-path-100", median(ours), peer, "raw-multicall", "ms", Ratio.OURS_BY_PEER, bar, trials)]
