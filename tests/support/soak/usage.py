"""What a process and its children use of memory and processor, read from Linux's /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and all its children. ``pss_kb``: shared pages count by the share. ``cpu_s`` since each began, ended children included."""

    at_s: float
    rss_kb: int
    pss_kb: int
    cpu_s: float


def usage(pid: int, at_s: float) -> Usage:
    """``at_s`` is noted as it is. Raises FileNotFoundError or ProcessLookupError when there is no such process."""
    own = _memory_kb(pid)
    rss, pss, cpu_s = own[0], own[1], _cpu_s(pid)
    for child in children(pid):
        with suppress(OSError):  # it has ended by now: its time is its parent's
            more = _memory_kb(child)
            cpu_s += _cpu_s(child)
            rss, pss = rss + more[0], pss + more[1]
    return Usage(at_s, rss, pss, cpu_s)


def children(pid: int) -> list[int]:
    """All below it."""
    found: list[int] = []
    for path in (PROC / str(pid) / "task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text("ascii").split())
    return found + [one for child in found for one in children(child)]


def _memory_kb(pid: int) -> tuple[int, int]:
    """(RSS, PSS)."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines()
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return values["Rss"], values["Pss"]


def _cpu_s(pid: int) -> float:
    """User and system time, its own and of ended children."""
    fields = (
        (PROC / str(pid) / "stat")
        .read_text(
            "utf-8",
        )
        .rsplit(")", 1)[1]
        .split()
    )
    return sum(map(int, fields[11:15])) / TICKS_PER_S
