"""What a soak must show, judged from numbers, records and the chain's events alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from keeper.domain.record import Json, Record, RecordKind
from tests.support.soak.usage import Usage

GROWTH_PERCENT = 5.0
CORES = 0.5
GOOD = frozenset({"included", "superseded"})


@dataclass(frozen=True, slots=True)
class Bar:
    """``measured`` and ``bar`` as people read them; ``detail`` says what is wrong where it does not hold."""

    name: str
    measured: str
    bar: str
    holds: bool
    detail: str = ""


def memory(samples: Sequence[Usage], warm_up_s: float) -> Bar:
    """The median of the last fifth of what comes after the warm-up, against the median of its first fifth. RSS of all its processes: the
    share of shared pages that is PSS changes with who else runs on the machine.
    """
    warm = [sample.rss_kb for sample in samples if sample.at_s >= warm_up_s]
    fifth = len(warm) // 5
    if not fifth:
        return Bar("memory", "too few samples", f"under {GROWTH_PERCENT} % growth", holds=False)
    before, after = median(warm[:fifth]), median(warm[-fifth:])
    growth = (after / before - 1) * 100
    told = f"{before / 1024:.1f} -> {after / 1024:.1f} MiB, {growth:+.1f} %"
    return Bar("memory", told, f"under {GROWTH_PERCENT} % growth", growth < GROWTH_PERCENT)


def processor(samples: Sequence[Usage]) -> Bar:
    """Over the whole time between the first and the last sample."""
    first, last = samples[0], samples[-1]
    cores = (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s) if last.at_s > first.at_s else float("inf")
    return Bar("processor", f"{cores:.2f} cores", f"under {CORES}", cores < CORES)


def blocks(records: Iterable[Record], last_block: int) -> Bar:
    """Every block from the first evaluated one to ``last_block`` was evaluated, or the log says why not, and none was evaluated twice."""
    ticks: Counter[int] = Counter()
    told: set[int] = set()
    for record in records:
        if record.kind is RecordKind.TICK:
            ticks[_number(record.body["block"])] += 1
        elif record.kind is RecordKind.CHAIN and record.body["event"] in {"gap", "skipped"}:
            told.update(range(_whole(record.body["first"]), _whole(record.body["last"]) + 1))
    if not ticks:
        return Bar("blocks", "none evaluated", "none missing", holds=False)
    missing = sorted(set(range(min(ticks), last_block + 1)) - set(ticks) - told)
    twice = sorted(number for number, times in ticks.items() if times > 1)
    share = f"{len(ticks)} evaluated, {len(told - set(ticks))} told to be passed over, {len(missing)} missing"
    detail = " ".join([f"missing {missing[:20]}" if missing else "", f"twice {twice[:20]}" if twice else ""]).strip()
    return Bar("blocks", share, "none missing, none twice", not missing and not twice, detail)


def effects(paused: Sequence[str], failed: int, shocked: Sequence[str]) -> Bar:
    """``paused`` are the markets of the chain's events, one for each; ``failed`` how many of the key's transactions reverted."""
    seen, wanted = Counter(paused), Counter(shocked)
    wrong = {name: (wanted[name], seen[name]) for name in seen | wanted if seen[name] != wanted[name]}
    detail = "; ".join(f"{name}: {want} wanted, {got} there" for name, (want, got) in sorted(wrong.items()))
    if failed:
        detail += f"; {failed} transactions reverted"
    told = f"{len(paused)} pauses for {len(shocked)} shocks"
    return Bar("effects", told, "one for each, and no other", not wrong and not failed, detail)


def intents(records: Iterable[Record], shocked: Sequence[str]) -> Bar:
    """One intent for each shocked market, with one end, and a good one."""
    opened: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    bad: list[str] = []
    for record in records:
        if record.kind is RecordKind.INTENT:
            opened[str(record.market)] += 1
        elif record.kind is RecordKind.OUTCOME:
            ends[str(record.market)] += 1
            if record.body["kind"] not in GOOD:
                bad.append(f"{record.market}: {record.body['kind']} ({record.body['reason']})")
    wanted = Counter(shocked)
    for name in sorted(opened | ends | wanted):
        if not opened[name] == ends[name] == wanted[name]:
            bad.append(f"{name}: {wanted[name]} wanted, {opened[name]} intents, {ends[name]} ends")
    told = f"{opened.total()} intents, {ends.total()} ends"
    return Bar("intents", told, "one for each shock, with a good end", not bad, "; ".join(bad))


def reloads(records: Iterable[Record], windows_lost: Sequence[int], wanted: int) -> Bar:
    """``windows_lost``: of each reload, how many windows had to be filled again. Each configuration is another one, and names the one before."""
    bodies = [record.body for record in records if record.kind is RecordKind.CONFIGURATION]
    changes = sum(new["hash"] != old["hash"] == new.get("previous") for old, new in pairwise(bodies))
    holds = changes == wanted == len(windows_lost) and not any(windows_lost)
    told = f"{changes} taken, windows lost {list(windows_lost)}"
    return Bar("reloads", told, f"{wanted}, no window lost", holds)


def ready_signals(body: dict[str, Json], name: str) -> int:
    """How many signals of this name have a value, in the whole body of a tick."""
    signals = body["signals"]
    assert isinstance(signals, list)
    return sum(isinstance(one, dict) and one["name"] == name and one["status"] == "ready" for one in signals)


def _number(block: Json) -> int:
    assert isinstance(block, dict)
    return _whole(block["number"])


def _whole(value: Json) -> int:
    assert isinstance(value, int)
    return value
