"""``plain-script`` and ``hot-path``: head announced to the client until the node has accepted the pause."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bench.options import Options
from bench.peers.keeper_run import SIGN_ON_THE_PATH
from bench.race import Times, race
from bench.result import Bar, Ratio, Result, Want, median, spread

PLAIN, HTTP = "plain_script", "plain_script_http"
RAW, READS, STEPS = "raw_websocket", "raw_reads", "raw_steps"
TEN_TIMES = Bar(10, Want.AT_LEAST)
NEAR = Bar(2.5, Want.AT_MOST)
NEAR_WITH_SIGNING = Bar(3, Want.AT_MOST)


def against_plain_script(options: Options) -> Sequence[Result]:
    """Against a web3.py script as in most examples, which is over HTTP; and, without a bar, against the same script over a WebSocket as ours."""
    trials = options.count(200)
    times = asyncio.run(race((PLAIN, HTTP), trials, options))
    _tell(times, {HTTP: "plain, HTTP", PLAIN: "plain, WebSocket"}, options)
    ours = median(times.ours)
    return [
        Result(name, ours, median(times.peers[module]), peer, "ms", Ratio.PEER_BY_OURS, bar, trials)
        for name, module, peer, bar in (
            ("plain-script", HTTP, "plain-web3.py", TEN_TIMES),
            ("plain-script-websocket", PLAIN, "plain-web3.py-websocket", None),
        )
    ]


def against_raw_websocket(options: Options) -> Sequence[Result]:
    """Against a raw client that reads nothing, judges nothing, keeps nothing, and holds a signed transaction; then ours signs on the path.

    Beside it two raw clients: one makes the path's two requests, the other its one durable write too. Ours is held against that one by the same
    bars, and ``-least`` is how near to the first anybody who reads and writes down could come.
    """
    trials = options.count(100)
    found: list[Result] = []
    for name, how, bar in (("hot-path", (), NEAR), ("hot-path-signing", (SIGN_ON_THE_PATH,), NEAR_WITH_SIGNING)):
        times = asyncio.run(race((RAW, READS, STEPS), trials, options, ours_with=how))
        _tell(times, {RAW: "raw, pre-signed", READS: "raw, same reads", STEPS: "raw, same steps"}, options)
        ours = median(times.ours)
        raw, reads, steps = (median(times.peers[module]) for module in (RAW, READS, STEPS))
        found += [
            Result(name, ours, raw, "raw-websocket", "ms", Ratio.OURS_BY_PEER, bar, trials),
            Result(f"{name}-same-reads", ours, reads, "raw-reads", "ms", Ratio.OURS_BY_PEER, None, trials),
            Result(f"{name}-same-steps", ours, steps, "raw-steps", "ms", Ratio.OURS_BY_PEER, bar, trials),
            Result(f"{name}-least", steps, raw, "raw-websocket", "ms", Ratio.OURS_BY_PEER, None, trials),
        ]
    return found


def _tell(times: Times, names: dict[str, str], options: Options) -> None:
    options.say(f"  {'ours':<18} {spread(times.ours, 'ms')}")
    for module, name in names.items():
        options.say(f"  {name:<18} {spread(times.peers[module], 'ms')}")
    for line in times.table():
        options.say(line)
