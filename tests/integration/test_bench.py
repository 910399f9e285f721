"""The benchmarks run: a few trials each, every claim about what happened checked, no figure judged (a busy machine decides those)."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from bench import audit_grows, audit_query, audit_verify, start_up, tick
from bench.__main__ import main
from bench.audit_verify import Pass, encoding_pass, hash_pass, passed
from bench.contestant import Broken, running
from bench.hot_path_100 import OURS, RAW, WEB3, numbers_of, reads_in_turn
from bench.log_samples import drafts
from bench.options import ROOT, Options, scratch
from bench.peers.raw_reads import aggregate3_results
from bench.peers.raw_steps import Steps
from bench.peers.raw_websocket import SENDING
from bench.race import STAGES, race, stages_of
from bench.reads import MARKETS, Read, WideStage
from bench.registry import BENCHES
from bench.result import Bar, Ratio, Result, Want, median, quantile, shown, spread
from bench.stage import CALM, MARKET, SHOCKED, Stage, staged
from bench.tick import Ours, Trips
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.chain.multicall import MULTICALL3, decode_aggregate3
from keeper.adapters.clock import SystemClock
from keeper.app.wiring import open_sources
from keeper.config import Config, load
from keeper.domain.abi import encode_call
from keeper.domain.action import Call
from keeper.execution.planner import arm

pytestmark = pytest.mark.integration

KEYS = {"bench", "ours", "peer", "peer_name", "unit", "ratio", "bar", "holds", "trials"}
LINE = re.compile(r"^(\S+)  ours=\S+  (\S+)=\S+  ratio=[\d.]+  bar=(\S+)  (holds|falls short|informative)$")


def quiet(trials: int) -> Options:
    return Options(trials, lambda _: None)


def result(ours: float, peer: float, kind: Ratio = Ratio.PEER_BY_OURS, bar: Bar | None = None) -> Result:
    return Result("some-bench", ours, peer, "some-peer", "ms", kind, bar, 3)


# -- what is printed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("want", "ratio", "holds"),
    [
        (Want.AT_LEAST, 9.99, False),
        (Want.AT_LEAST, 10.0, True),
        (Want.AT_LEAST, 10.01, True),
        (Want.AT_MOST, 9.99, True),
        (Want.AT_MOST, 10.0, True),
        (Want.AT_MOST, 10.01, False),
    ],
)
def test_result__around_the_bar__holds_at_the_bar_and_on_its_good_side(want: Want, ratio: float, holds: bool) -> None:
    assert result(1.0, ratio, bar=Bar(10, want)).holds is holds


def test_result__ratio_the_other_way__divides_ours_by_the_peer() -> None:
    assert result(6.0, 2.0, Ratio.OURS_BY_PEER).ratio == 3.0
    assert result(2.0, 6.0, Ratio.PEER_BY_OURS).ratio == 3.0


@pytest.mark.parametrize(
    ("bar", "ending"),
    [
        (Bar(10, Want.AT_LEAST), "bar=10  falls short"),
        (Bar(2.5, Want.AT_LEAST), "bar=2.5  holds"),
        (None, "bar=none  informative"),
    ],
)
def test_result__line__is_what_the_interface_promises(bar: Bar | None, ending: str) -> None:
    line = result(2.0, 10.0, bar=bar).line()
    assert LINE.match(line)
    assert line == f"some-bench  ours=2.00ms  some-peer=10.0ms  ratio=5.00  {ending}"


def test_result__document__has_the_keys_of_the_interface_and_the_same_ratio() -> None:
    document = result(2.0, 10.0, bar=Bar(10, Want.AT_LEAST)).document()
    assert set(document) == KEYS
    assert (document["ratio"], document["bar"], document["holds"], document["trials"]) == (5.0, 10, False, 3)


def test_quantile__nearest_rank__is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0), quantile(values, 0.0)) == (
        50,
        99,
        100,
        1,
    )
    assert median([3.0]) == 3.0
    assert "p50 2.00ms" in spread([1.0, 2.0, 3.0], "ms")


def test_quantile__no_values__is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (99.94, "99.9"), (12345.6, "12346")]
)
def test_shown__any_size__has_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert shown(value) == text


# -- the command -------------------------------------------------------------------------------------------------------------------


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *args], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )


def test_command__json__prints_lines_and_ends_with_one_list_of_the_same() -> None:
    done = bench("sign", "audit-write-sqlite", "--json", "--trials", "50")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    documents: list[dict[str, Any]] = json.loads(lines[-1])
    assert [document["bench"] for document in documents] == ["sign", "audit-write-sqlite", "audit-write-sqlite-bare"]
    found = [match for line in lines if (match := LINE.match(line))]
    assert [match[1] for match in found] == ["sign", "audit-write-sqlite", "audit-write-sqlite-bare"]
    assert [match[2] for match in found] == [document["peer_name"] for document in documents]
    for document in documents:
        assert set(document) == KEYS
        assert document["ours"] > 0
        assert document["peer"] > 0
        assert document["trials"] == 50


def test_command__unknown_name__is_a_usage_error_that_names_the_known_ones() -> None:
    done = bench("no-such-bench")
    assert done.returncode == 2
    assert "'no-such-bench'" in done.stderr
    assert all(name in done.stderr for name in BENCHES)
    assert done.stdout == ""


@pytest.mark.parametrize("trials", ["0", "-1", "many"])
def test_command__trials_that_are_no_count__are_a_usage_error(trials: str) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["sign", "--trials", trials])
    assert ending.value.code == 2


def test_command__names_of_the_interface__are_all_there() -> None:
    promised = {
        "hot-path",
        "hot-path-100",
        "plain-script",
        "tick",
        "replay",
        "sign",
        "durable",
        "audit-write-sqlite",
        "audit-write-postgres",
        "audit-query",
        "audit-query-grows",
        "audit-verify",
        "start-up",
    }
    assert promised <= set(BENCHES)
    assert all(callable(entry.load()) for entry in BENCHES.values())


# -- the chain ---------------------------------------------------------------------------------------------------------------------


async def test_race__all_contestants__really_pause_in_turn() -> None:
    peers = ("plain_script", "plain_script_http", "raw_websocket", "raw_steps")
    times = await race(peers, 2, quiet(2))
    assert len(times.ours) == 2
    assert {name: len(found) for name, found in times.peers.items()} == dict.fromkeys(peers, 2)
    assert min(times.ours) > 0
    for trip, total in enumerate(times.ours):
        assert sum(times.stages[name][trip] for name, _ in STAGES) == pytest.approx(total)
    assert len(times.table()) == len(STAGES) + 1


async def test_hot_path_100__reads__are_the_same_hundred_numbers_of_everybody() -> None:
    times = await reads_in_turn(2, quiet(2))
    assert {name: len(found) for name, found in times.items()} == {OURS: 2, RAW: 2, WEB3: 1}
    assert all(ms > 0 for found in times.values() for ms in found)


async def test_hot_path_100__trips__pause_with_a_hundred_reads_on_both_sides() -> None:
    times = await race((RAW,), 2, quiet(2), WideStage, MARKETS)
    assert (len(times.ours), len(times.announcing), len(times.peers[RAW])) == (2, 2, 2)
    assert min(times.announcing) > 0


def calls_of_the_keeper(config: Config) -> list[Call]:
    """What its fleet asks for at each block."""
    sources, _ = open_sources(config.sources, SystemClock())
    return [call for source in sources for call in source.calls()] + [arm(one).effect_call for one in config.actions]


async def test_stage__configuration__asks_for_the_calls_of_the_peers(tmp_path: Path) -> None:
    async with staged(Stage) as stage:
        calls = calls_of_the_keeper(load(stage.write_configuration(tmp_path)))
        assert len(calls) == 18
        assert Counter(calls) == Counter(map(encode_call, stage.calls))
        assert stage.calls[0].target == stage.world.feeds[MARKET]


async def test_wide_stage__configuration__asks_for_the_hundred_calls_of_the_peers(tmp_path: Path) -> None:
    async with staged(WideStage, MARKETS) as stage:
        config = load(stage.write_configuration(tmp_path))
        calls = calls_of_the_keeper(config)
        assert len(calls) == 100
        assert Counter(calls) == Counter(encode_call(read.call) for read in stage.reads)
        rival = stage.for_rival()
        assert (rival["count"], len(rival["reads"])) == (100, 100)
        assert stage.reads[0].target == stage.world.feeds[MARKET]


def test_raw_steps__sending__comes_after_the_bytes_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    class Socket:
        async def send(self, body: str) -> None:
            steps.append(f"sent {body}")

        async def recv(self) -> str:
            return f'{{"id": {SENDING}, "result": "0x1"}}'

    kept = tmp_path / "file"
    monkeypatch.setattr("bench.peers.raw_steps.os.fdatasync", lambda _: steps.append(kept.read_text()))
    with kept.open("wb", buffering=0) as file:
        client = Steps(Socket(), {"multicall": "", "multicall_data": "", "reference": "1"}, file.fileno())  # type: ignore[arg-type]
        assert asyncio.run(client.exchange("the pause", SENDING)) == "0x1"
    assert steps == ["the pause", "sent the pause"]


def test_raw_reads__an_answer__is_cut_as_the_keeper_cuts_it() -> None:
    pairs = [(True, bytes(range(32))), (False, b""), (True, b"x" * 160)]
    raw = encode(["(bool,bytes)[]"], [pairs])
    assert aggregate3_results(raw) == pairs == [(one.ok, one.data) for one in decode_aggregate3(raw, 3)]


@pytest.mark.parametrize(
    ("name", "told"), [(OURS, "1.5"), (RAW, (15 * 10**7).to_bytes(32, "big").hex()), (WEB3, 15 * 10**7)]
)
def test_numbers_of__what_each_contestant_tells__is_the_same_number(name: str, told: str | int) -> None:
    read = Read("x", MULTICALL3, "f()(uint256)", (), 0, 8, "amount")
    assert numbers_of(name, {"values": [told]}, [read]) == [Decimal("1.5")]


@pytest.mark.parametrize(("name", "told"), [(OURS, "None"), (RAW, None)])
def test_numbers_of__no_answer__is_none(name: str, told: str | None) -> None:
    read = Read("x", MULTICALL3, "f()(uint256)", (), 0, 8, "amount")
    assert numbers_of(name, {"values": [told]}, [read]) == [None]


async def test_contestant__frozen__does_nothing_until_it_is_thawed(tmp_path: Path) -> None:
    async with running("plain_script_http", tmp_path) as peer:
        peer.freeze()
        peer.tell(
            http_url="http://127.0.0.1:1",
            key="0x" + "01" * 32,
            market_ids=[],
            feeds=[],
            feed_abi=[],
            exchange_abi=[],
            exchange=MULTICALL3,
            reference="1",
        )
        with pytest.raises(Broken, match="did not say 'ready'"):
            await peer.hear("ready", 3)
        peer.thaw()
        await peer.hear("ready", 60)


async def test_stage__shock_and_calm__moves_the_oracle_and_a_trip_that_did_not_happen_is_noticed() -> None:
    async with staged(Stage) as stage:
        assert await stage.world.price(MARKET) == CALM
        await stage.shock()
        stage.pull()
        stage.settle()
        assert await stage.world.price(MARKET) == SHOCKED
        with pytest.raises(Broken, match="did not pause"):
            await stage.require_paused("0x" + "00" * 32)


async def test_contestant__dies__is_broken_with_its_last_words(tmp_path: Path) -> None:
    async with running("raw_websocket", tmp_path) as peer:
        peer.tell(url="ws://127.0.0.1:1")
        with pytest.raises(Broken, match="ended before it said 'ready'"):
            await peer.hear("ready", 30)


def test_stages_of__a_trip_without_some_steps__counts_them_as_nothing() -> None:
    marks = {"head": 100.0, "reads": 101.0, "decided": 102.0, "broadcast": 110.0}
    spans = [("append incident+decision+intent+attempt", 102.5, 104.5), ("submit", 105.0, 109.0)]
    found = stages_of(marks, spans)
    assert (found["sign"], found["second commit"], found["simulation"]) == (0, 0, 0)
    assert (found["first commit"], found["submit"]) == (2, 4)
    assert sum(found.values()) == pytest.approx(10.0)


# -- the other peers do the same work ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "audit-query",
        "audit-query-postgres",
        "audit-verify",
        "audit-verify-postgres",
        "audit-write-postgres",
        "durable",
        "start-up",
    ],
)
def test_bench__one_trial__agrees_with_its_peer_and_gives_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_query, "RECORDS", 1_000)
    monkeypatch.setattr(audit_verify, "VERIFIED", 1_000)
    results = BENCHES[name].load()(quiet(1))
    assert results
    assert all(one.ours > 0 and one.peer > 0 for one in results)


def test_audit_grows__small_logs__gives_each_page_of_both_databases() -> None:
    results = BENCHES["audit-query-grows"].load()(Options(1, lambda _: None, 100_000))
    assert [one.bench for one in results] == [
        f"audit-query-grows-{database}-{page}" for database in ("sqlite", "postgres") for page in audit_grows.PAGES
    ]
    assert {one.peer_name for one in results} == {"of-10000"}


def test_start_up__a_command_that_fails__is_broken_with_its_words() -> None:
    with pytest.raises(Broken, match=r"(?s)ended with 3.*no good"):
        start_up._output([sys.executable, "-c", "import sys; print('no good', file=sys.stderr); sys.exit(3)"])


def test_tick__same_snapshots__trips_the_same_rules_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick, "MARKETS", 200)
    said: list[str] = []
    results = BENCHES["tick"].load()(Options(60, said.append))
    assert [one.peer_name for one in results] == [
        "python-deque",
        "river",
        "bare-numpy",
        "p50",
        "10-markets",
        "python-deque",
    ]
    trips = next(int(match[1]) for line in said if (match := re.search(r"(\d+) trips", line)))
    assert trips > 100


class Sleeper(Ours):
    """Never trips."""

    def trips(self) -> Trips:
        return set()


def test_tick__sides_that_do_not_agree__are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick, "Ours", Sleeper)
    monkeypatch.setattr(tick, "MARKETS", 200)
    with pytest.raises(Broken, match="do not trip the same rules"):
        tick.tick(quiet(40))


def test_replay__all_sides__find_the_same_trips() -> None:
    said: list[str] = []
    results = BENCHES["replay"].load()(Options(2, said.append))
    assert [(one.bench, one.peer_name) for one in results] == [
        ("replay", "polars"),
        ("replay", "pandas"),
        ("replay-memory", "data"),
        ("replay-rows", "half-the-rows"),
    ]
    trips = next(int(match[1]) for line in said if (match := re.search(r"(\d+) trips", line)))
    assert trips > 1


@pytest.mark.parametrize("one_pass", [hash_pass, encoding_pass])
async def test_passes__a_changed_row__stop_there(one_pass: Pass) -> None:
    with scratch() as folder:
        path = folder / "keeper.db"
        store = await SqlAuditStore.open(sqlite_url(path), create=True)
        try:
            await store.append(drafts(20))
        finally:
            await store.close()
        assert await asyncio.to_thread(passed, path, one_pass) == 20
        raw = path.read_bytes()
        assert raw.count(b'"block":{"hash":"0x' + b"0" * 62 + b'0b"') == 1
        path.write_bytes(
            raw.replace(b'"block":{"hash":"0x' + b"0" * 62 + b'0b"', b'"block":{"hash":"0x' + b"0" * 62 + b'0c"')
        )
        assert await asyncio.to_thread(passed, path, one_pass) == 10
    assert not folder.exists()
