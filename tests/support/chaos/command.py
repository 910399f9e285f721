"""Many runs side by side, with their seeds, how far it has come, and a summary."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.chaos.lottery import trips
from tests.support.chaos.play import few
from tests.support.chaos.scenario import Fault
from tests.support.chaos.series import Done, Series

TRIPS = 1_000
RUNS_OF_A_NODE = 25
"""After some thousand blocks that it has taken back, anvil forgets the state that it goes back to."""
Told = Done | dict[tuple[str, Fault], Sequence[str]]
"""The end of a run, or at the end of all what was observed."""


def main() -> int:
    """The exit code: 0 where everything held in every run."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever was started ends before this does
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 10**9)
    print(f"chaos: {options.runs} runs, seeds {first} to {first + options.runs - 1}")
    done, observed = _all(range(first, first + options.runs), options.jobs, postgres=options.postgres)
    print(summary(done, observed))
    lottery = asyncio.run(trips(first, TRIPS))
    print(lottery)
    failed = [one for one in done if one.problem]
    for one in failed:
        print(f"again: make chaos RUNS=1 SEED={one.scenario.seed}")
    missing = options.runs - len(done)
    if missing:
        print(f"{missing} runs did not end")
    return 1 if failed or missing or not lottery.holds else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="of the first run; each later one has the next number")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-postgres", dest="postgres", action="store_false", help="all logs in SQLite")
    return parser.parse_args()


def _all(seeds: Iterable[int], jobs: int, *, postgres: bool) -> tuple[list[Done], dict[tuple[str, Fault], set[str]]]:
    context = multiprocessing.get_context("spawn")
    waiting: Queue[int | None] = context.Queue()
    told: Queue[Told | None] = context.Queue()
    count = 0
    for seed in seeds:
        waiting.put(seed)
        count += 1
    jobs = max(1, min(jobs, count))
    for _ in range(jobs):
        waiting.put(None)
    done: list[Done] = []
    places: dict[tuple[str, Fault], set[str]] = {}
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        url = stack.enter_context(_server()) if postgres else ""
        workers = [
            context.Process(target=_work, args=(waiting, told, Path(folder), number, url)) for number in range(jobs)
        ]
        for worker in workers:
            worker.start()
        try:
            ended = 0
            while ended < jobs:
                news = told.get()
                if news is None:
                    ended += 1
                elif isinstance(news, Done):
                    done.append(news)
                    print(_line(len(done), count, news), flush=True)
                else:
                    for kind, steps in news.items():
                        places.setdefault(kind, set()).update(places_of(steps))
        finally:
            for worker in workers:
                if worker.is_alive() and ended < jobs:
                    worker.terminate()
                worker.join()
    return done, places


def _server() -> Any:
    from contextlib import contextmanager

    from tests.support.postgres import own_postgres

    @contextmanager
    def served() -> Any:
        with own_postgres() as server:
            yield str(server.get_uri())

    return served()


def _work(waiting: Queue[int | None], told: Queue[Told | None], folder: Path, number: int, server: str) -> None:
    """One process: its own node, one run after the other."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    mine = folder / str(number)
    mine.mkdir()
    try:
        asyncio.run(_series(waiting, told, mine, _databases(server, number) if server else None))
    except Exception:
        traceback.print_exc()
    finally:
        told.put(None)


async def _series(
    waiting: Queue[int | None], told: Queue[Told | None], folder: Path, postgres: Callable[[], str] | None
) -> None:
    from tests.support.chaos.ground import grounded

    known: dict[tuple[str, Fault], Sequence[str]] = {}
    seed = await asyncio.to_thread(waiting.get)
    for number in itertools.count(1):
        mine = folder / str(number)
        mine.mkdir()
        async with grounded(mine, postgres) as ground:
            series = Series(ground, mine, postgres=postgres is not None, thorough=True, known=known)
            for _ in range(RUNS_OF_A_NODE):
                if seed is None:
                    told.put(known)
                    return
                told.put(await series.tried(seed))
                seed = await asyncio.to_thread(waiting.get)


def _databases(server: str, number: int) -> Callable[[], str]:
    """Each call makes an empty database and gives its URL."""
    import psycopg

    numbers = itertools.count(1)

    def database() -> str:
        name = f"chaos_{os.getpid()}_{number}_{next(numbers)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return urlsplit(server)._replace(scheme="postgresql+psycopg", path=f"/{name}").geturl()

    return database


# -- words -------------------------------------------------------------------------------------------------------------------------


def _line(number: int, count: int, done: Done) -> str:
    if done.problem:
        return f"{number}/{count} FAILED {done.scenario}\n{done.problem}"
    played = done.played
    kills = f", killed {', '.join(played.killed)}" if played.killed else ""
    return f"{number}/{count} {done.scenario}: {played.end} in block {played.blocks}{kills}"


def places_of(steps: Sequence[str]) -> set[str]:
    """Where a run in which these steps were reached may be killed, as ``before|after:STEP:N``."""
    return {f"{when}:{name}:{nth}" for name, nth in few(steps) for when in ("before", "after")}


def summary(done: Sequence[Done], observed: dict[tuple[str, Fault], set[str]]) -> str:
    """In lines."""
    held = [one for one in done if not one.problem]
    lines = [f"{len(held)} of {len(done)} runs held"]
    for title, values in (
        ("routes", [one.scenario.route for one in done]),
        ("logs", [one.scenario.database for one in done]),
        ("faults", [one.scenario.fault.value for one in done]),
        ("ends", [one.played.end for one in held]),
        ("kill -9", [f"{len(one.played.killed)} times" for one in held]),
    ):
        counted = Counter(values).most_common()
        lines.append(f"  {title}: " + ", ".join(f"{value} {count}" for value, count in counted))
    routes = sorted({route for route, _ in observed})
    for route in routes:
        known = set().union(*(places for (each, _), places in observed.items() if each == route))
        names = {place.rsplit(":", 1)[0] for place in known}
        met = {
            place.rsplit(":", 1)[0] for one in held if one.scenario.route == route for place in one.played.killed
        } & names
        lines.append(f"  killed before and after steps of {route}: {len(met)} of {len(names)}")
        if left := sorted(names - met):
            lines.append(f"    not at: {', '.join(left)}")
    return "\n".join(lines)
