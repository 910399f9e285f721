"""Many runs with replicas at a terminal: their seeds, how each went, how long takeovers took, and how to have one again."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from tests.support.replicas.checks import Takeover
from tests.support.replicas.ground import Ground, grounded
from tests.support.replicas.network import NETWORKS, why_not
from tests.support.replicas.play import Names, Play, Played
from tests.support.replicas.scenario import Kind, draw

BAR_BLOCKS = 2
"""A death is taken over within so many."""
NAMES = ("a", "b", "c")


def main() -> int:
    """The exit code: 0 where everything held in every run, and every death was taken over in time."""
    parser = argparse.ArgumentParser(prog="make chaos-replicas")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="of the first run; each later one has the next number")
    parser.add_argument(
        "--jobs", type=int, default=2, help="lanes side by side, each with a node and a server of its own"
    )
    parser.add_argument("--replicas", type=int, default=2, choices=(1, 2, 3))
    parser.add_argument("--network", default="proxies", choices=tuple(NETWORKS), help="namespaces need root")
    parser.add_argument("--folder", type=Path, default=None, help="where what is left of runs that fail stays")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started ends before this does
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 10**6)
    print(f"chaos-replicas: {options.runs} runs, seeds {first} to {first + options.runs - 1}", flush=True)
    seeds = range(first, first + options.runs)
    names = NAMES[: options.replicas]
    if options.network == "namespaces" and (why := asyncio.run(why_not())):
        print(f"no namespaces here: {why}")
        return 1
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        played = asyncio.run(runs(seeds, options.folder, options.jobs, names, options.network))
    else:
        with tempfile.TemporaryDirectory(prefix="keeper-replicas-") as folder:
            played = asyncio.run(runs(seeds, Path(folder), options.jobs, names, options.network))
    print(summary(played))
    for one in played:
        if one.problems:
            print(f"again: make chaos-replicas RUNS=1 SEED={one.scenario.seed}")
    return 0 if all_held(played) and len(played) == options.runs else 1


async def runs(
    seeds: Sequence[int], folder: Path, jobs: int, names: Names = NAMES[:2], network: str = "proxies"
) -> list[Played]:
    """``jobs`` lanes take one seed after the other; what each run left is thrown away where it held."""
    waiting = list(reversed(seeds))
    played: list[Played] = []

    async def lane() -> None:
        async with grounded() as ground:
            while waiting:
                one = await play(ground, folder, waiting.pop(), names, network)
                played.append(one)
                print(line(len(played), len(seeds), one), flush=True)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(max(1, min(jobs, len(seeds)))):
            lanes.create_task(lane())
    return played


async def play(ground: Ground, folder: Path, seed: int, names: Names, network: str) -> Played:
    """One run."""
    mine = folder / f"seed-{seed}"
    mine.mkdir()
    played = await Play(ground, mine, draw(seed), names, network).run()
    if not played.problems:
        shutil.rmtree(mine)
    return played


# -- words -------------------------------------------------------------------------------------------------------------------------


def line(number: int, count: int, played: Played) -> str:
    """One run; of one that does not hold everything that is known."""
    taken = ", ".join(f"{one.kind} {one.ms} ms, {one.blocks} blocks" for one in played.takeovers)
    told = f"{number}/{count} {played.scenario}: {played.fences} starts" + (f"; taken over: {taken}" if taken else "")
    told += f" ({played.seconds:.1f} s)"
    if not played.problems:
        return told
    return "\n".join([f"FAILED {told}", *played.hits, *played.problems])


def deaths(played: Sequence[Played]) -> list[Takeover]:
    """The takeovers from leaders that were killed while nothing else was the matter."""
    return [taken for one in played for taken in one.takeovers if taken.kind == Kind.KILL]


def all_held(played: Sequence[Played]) -> bool:
    """Every run, and the bar of takeovers."""
    late = [one for one in deaths(played) if one.blocks > BAR_BLOCKS]
    return not late and not any(one.problems for one in played)


def summary(played: Sequence[Played]) -> str:
    """In lines."""
    held = sum(not one.problems for one in played)
    kinds = Counter(fault.kind.value for one in played for fault in one.scenario.faults)
    lines = [f"{held} of {len(played)} runs held", "  faults: " + ", ".join(f"{k} {n}" for k, n in kinds.most_common())]
    every = [taken for one in played for taken in one.takeovers]
    lines += [
        f"  taken over after {kind}: {figures([one for one in every if one.kind == kind])}"
        for kind in sorted({one.kind for one in every})
    ]
    late = sum(one.blocks > BAR_BLOCKS for one in deaths(played))
    verdict = "holds" if not late else f"FALLS SHORT {late} times"
    lines.append(f"  deaths taken over within {BAR_BLOCKS} blocks: {verdict}, of {len(deaths(played))}")
    return "\n".join(lines)


def figures(takeovers: Sequence[Takeover]) -> str:
    """p50, p95 and the longest, in ms and in blocks."""
    times, blocks = sorted(one.ms for one in takeovers), sorted(one.blocks for one in takeovers)
    return (
        f"{len(times)} times, p50 {quantile(times, 50):.0f} ms, p95 {quantile(times, 95):.0f} ms, max {times[-1]} ms; "
        f"blocks p50 {quantile(blocks, 50):.0f}, p95 {quantile(blocks, 95):.0f}, max {blocks[-1]}"
    )


def quantile(values: Sequence[int], percent: int) -> float:
    """Of one value it is that."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else float(values[0])
