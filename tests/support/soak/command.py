"""One soak at a terminal: its seed, how far it has come, and a table at the end."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.soak.plan import RELOADS, Plan, What, draw
from tests.support.soak.play import soaking
from tests.support.soak.verdicts import Bar


def main() -> int:
    """The exit code: 0 where every bar is held."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--reloads", type=int, default=RELOADS)
    parser.add_argument("--folder", type=Path, default=None, help="of configuration, log and output; they stay there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started ends before this does
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 10**9)
    plan = draw(seed, options.minutes, reloads=options.reloads)
    say(announced(plan))
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        bars = asyncio.run(soak(plan, options.folder))
    else:
        with tempfile.TemporaryDirectory(prefix="keeper-soak-") as folder:
            bars = asyncio.run(soak(plan, Path(folder)))
    say(table(bars))
    say(f"again: make soak MINUTES={options.minutes:g} SEED={seed}")
    return 0 if all(bar.holds for bar in bars) else 1


async def soak(plan: Plan, folder: Path) -> list[Bar]:
    """From nothing to the verdicts."""
    async with soaking(folder, plan, say) as course:
        return await course.play()


def announced(plan: Plan) -> str:
    """One line."""
    counts = ", ".join(f"{what} {plan.count(what)}" for what in What)
    return f"soak: {plan.length_s / 60:g} minutes, seed {plan.seed}, warm-up {plan.warm_up_s:.0f} s; {counts}"


def table(bars: Sequence[Bar]) -> str:
    """In lines; what does not hold is told below."""
    lines = [
        f"{bar.name:10}  {bar.measured:56}  {bar.bar:38}  {'holds' if bar.holds else 'FALLS SHORT'}" for bar in bars
    ]
    lines += [f"{bar.name}: {bar.detail}" for bar in bars if not bar.holds and bar.detail]
    return "\n".join(lines)


def say(line: str) -> None:
    print(line, flush=True)
