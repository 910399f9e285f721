"""Trips, ours and each peer's in turn on one node: an oracle moves, and the clock runs from the head to the node's acceptance of the pause."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contestant import START_S, Broken, Contestant, running
from bench.options import Options, scratch
from bench.result import median, quantile, shown
from bench.stage import REST_S, Stage, staged
from keeper.devnet.markets import DEFAULT_MARKETS

WARM_UP = 5

STAGES = (
    ("reads", "all calls in one Multicall3 and what is rehearsed, one message pinned to the block, and decoding"),
    ("tick", "grading, signals, rules, decision"),
    (
        "first commit",
        "incident, decision, intent and signed attempt in one durable commit",
    ),
    ("simulation", "what is left to wait for after the commit, where it was not rehearsed with the reads"),
    ("sign", "EIP-1559, from the fields to the raw transaction"),
    ("second commit", "a commit of the attempt alone, where it could not be signed with the intent"),
    ("submit", "eth_sendRawTransaction until the node has taken it"),
    ("between", "the keeper's own code between these"),
)


@dataclass(slots=True)
class Times:
    """Milliseconds of every trip. ``peers`` by module; ``stages`` has those of ours by the names of STAGES.

    ``announcing`` is what came before ``ours``: from the announcement's frame to the service.
    """

    ours: list[float] = field(default_factory=list)
    announcing: list[float] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)
    stages: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name, _ in STAGES})

    def table(self) -> list[str]:
        """Where the milliseconds of ours go."""
        lines = [f"  {'stage of ours':<14} {'p50 ms':>8} {'p99 ms':>8}"]
        for name, meaning in STAGES:
            values = self.stages[name]
            lines.append(f"  {name:<14} {shown(median(values)):>8} {shown(quantile(values, 0.99)):>8}  {meaning}")
        return lines


async def race(
    modules: Sequence[str],
    trials: int,
    options: Options,
    kind: type[Stage] = Stage,
    markets: Sequence[str] = DEFAULT_MARKETS,
    ours_with: Sequence[str] = (),
) -> Times:
    """A trip of ours, a trip of each peer's, and so on; the first few of each are not counted. Raises Broken when a trip did not happen.

    ``ours_with`` are arguments of ``bench.peers.keeper_run`` after the configuration.
    """
    times = Times(peers={module: [] for module in modules})
    with scratch() as folder:
        async with staged(kind, markets) as stage, contextlib.AsyncExitStack() as contestants:
            config = stage.write_configuration(folder)
            ours = await contestants.enter_async_context(running("keeper_run", folder, [str(config), *ours_with]))
            peers = {name: await contestants.enter_async_context(running(name, folder)) for name in modules}
            await _get_ready(stage, ours, peers.values())
            for trial in range(-min(WARM_UP, trials), trials):
                ended = await _our_trip(stage, ours)
                peer_ms = {name: await _peer_trip(stage, peer) for name, peer in peers.items()}
                if trial >= 0:
                    _keep(times, ended, peer_ms)
        size = f"{_size(folder) / 1e6:.1f} MB"
    options.say(
        f"  one node ({stage.world.node.version}), blocks on demand; {trials} trips each, in turn; audit log {size}"
    )
    return times


async def _get_ready(stage: Stage, ours: Contestant, peers: Iterable[Contestant]) -> None:
    for peer in peers:
        peer.tell(**stage.for_rival())
        await peer.hear("ready", START_S)
    await ours.hear("ready", START_S)


async def _our_trip(stage: Stage, ours: Contestant) -> dict[str, Any]:
    """One trip of the keeper, from its head to the verified effect; what it told at the end of it."""
    ours.tell(open=True)
    await ours.hear("gate")
    await stage.mine()  # a keeper has seen the block before, and knows at it whether its calls would go through
    await ours.hear("probed", block=await stage.world.node.block_number())
    await stage.shock()
    stage.pull()
    await ours.hear("ticked")
    stage.settle()
    await asyncio.sleep(REST_S)
    await stage.mine()
    ended = await ours.hear("ended")
    if ended["outcome"] != "included":
        raise Broken(f"the keeper's trip ended as {ended['outcome']}: {ended['message']}")
    await stage.require_paused(ended["tx_hash"])
    # the keeper must have seen the calm before its gate is shut, or it would take the next shock for the same incident
    await ours.hear("ticked", block=await stage.calm())
    ours.tell(open=False)
    await ours.hear("gate")
    return ended


async def _peer_trip(stage: Stage, peer: Contestant) -> float:
    peer.tell(pause=True)
    await peer.hear("armed")
    await stage.shock()
    stage.pull()
    accepted = await peer.hear("accepted")
    stage.settle()
    await stage.mine()
    await stage.require_paused(accepted["tx_hash"])
    await stage.calm()
    return float(accepted["ms"])


def _keep(times: Times, ended: dict[str, Any], peer_ms: dict[str, float]) -> None:
    marks = ended["marks"]
    times.ours.append(marks["broadcast"] - marks["head"])
    times.announcing.append(marks["head"] - next(begin for name, begin, _ in ended["spans"] if name == "announced"))
    for name, ms in peer_ms.items():
        times.peers[name].append(ms)
    for name, ms in stages_of(marks, ended["spans"]).items():
        times.stages[name].append(ms)


def stages_of(marks: dict[str, float], spans: Sequence[Sequence[Any]]) -> dict[str, float]:
    """The trip cut at the marks of the keeper's own timeline and at the uses of its edges; the parts add up to the whole.

    A step that this trip did not have (no second commit, nothing to sign) counts as 0.
    """
    known = {name: (begin, end) for name, begin, end in spans}
    commits = [(name, begin, end) for name, begin, end in spans if name.startswith("append")]
    first = next((begin, end) for name, begin, end in commits if "intent" in name)
    found = {
        "reads": marks["reads"] - marks["head"],
        "tick": marks["decided"] - marks["reads"],
        "first commit": _length(first),
        "simulation": max(0.0, known.get("simulate", first)[1] - first[1]),
        "sign": _length(known.get("sign")),
        "second commit": _length(known.get("append attempt")),
        "submit": _length(known.get("submit")),
    }
    found["between"] = marks["broadcast"] - marks["head"] - sum(found.values())
    return found


def _length(span: tuple[float, float] | None) -> float:
    return span[1] - span[0] if span else 0.0


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("keeper.db*"))
