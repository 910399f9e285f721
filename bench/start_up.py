"""``start-up`` and ``start-up-audit-log``: a cold process until it has printed and ended, against the least that does the same."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.contestant import Broken
from bench.log_samples import drafts
from bench.options import ROOT, Options, scratch
from bench.result import Bar, Ratio, Result, Want, median, spread
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore

RECORDS = 1_000
PAGE = 100
BAR = Bar(4, Want.AT_MOST)

TYPER = """\
import typer
app = typer.Typer(add_completion=False, rich_markup_mode=None)
@app.command()
def one() -> None:
    "Does nothing."
@app.command()
def two() -> None:
    "Does nothing either."
app(["--help"])
"""
"""The same command line library, two commands, and nothing else."""

SQLITE = f"""\
import json, sqlite3, sys
names = ("seq", "at", "kind", "market", "action", "incident", "intent", "prev_hash", "hash", "body")
rows = sqlite3.connect(sys.argv[1]).execute(f"SELECT {{', '.join(names)}} FROM records ORDER BY seq DESC LIMIT {PAGE}").fetchall()
for row in reversed(rows):
    found = dict(zip(names, row))
    found["body"] = json.loads(found["body"])
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\\n")
"""
"""The same page, byte for byte, by the standard library alone."""


def start_up(options: Options) -> Sequence[Result]:
    """``keeper --help`` and ``keeper audit CONFIG log``, each against the least that prints the same kind of thing."""
    trials = options.count(15)
    return [_help(trials, options), _audit_log(trials, options)]


def _help(trials: int, options: Options) -> Result:
    ours, peer = _in_turn([_keeper(), "--help"], [sys.executable, "-c", TYPER], trials)
    options.say(f"  keeper --help      {spread(ours, 'ms')}")
    options.say(f"  bare typer --help  {spread(peer, 'ms')}")
    return Result("start-up", median(ours), median(peer), "bare-typer", "ms", Ratio.OURS_BY_PEER, BAR, trials)


def _audit_log(trials: int, options: Options) -> Result:
    with scratch() as folder:
        database, config = folder / "keeper.db", folder / "keeper.yaml"
        asyncio.run(_write_log(database))
        config.write_text('audit: {url: "sqlite:///keeper.db"}\n', encoding="utf-8")
        command = [_keeper(), "audit", str(config), "log", "--ticks", "--limit", str(PAGE), "--format", "jsonl"]
        bare = [sys.executable, "-c", SQLITE, str(database)]
        if _output(command) != _output(bare):
            raise Broken("the two sides do not print the same page")
        ours, peer = _in_turn(command, bare, trials)
    options.say(f"  keeper audit log   {spread(ours, 'ms')}  {RECORDS} records, the newest {PAGE} as JSON lines")
    options.say(f"  bare sqlite3       {spread(peer, 'ms')}  the same bytes")
    ms_ours, ms_peer = median(ours), median(peer)
    return Result("start-up-audit-log", ms_ours, ms_peer, "bare-sqlite3", "ms", Ratio.OURS_BY_PEER, BAR, trials)


async def _write_log(path: Path) -> None:
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    try:
        await store.append(drafts(RECORDS))
    finally:
        await store.close()


def _in_turn(ours: Sequence[str], peer: Sequence[str], trials: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each run; the first of each warms the disk cache and is not counted."""
    found: tuple[list[float], list[float]] = [], []
    for trial in range(-1, trials):
        for command, times in zip((ours, peer), found, strict=True):
            begin = time.perf_counter()
            _output(command)
            if trial >= 0:
                times.append((time.perf_counter() - begin) * 1000)
    return found


def _output(command: Sequence[str]) -> bytes:
    """Standard output. Raises Broken with what it said on standard error when it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-15:]
        raise Broken("\n".join([f"{Path(command[0]).name} ended with {done.returncode}", *said]))
    return done.stdout


def _keeper() -> str:
    return str(Path(sys.executable).parent / "keeper")
