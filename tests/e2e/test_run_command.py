"""``keeper run`` and ``keeper status`` where something is not as it should be: each ends with a code, a record and a remedy."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import closing
from pathlib import Path

import pytest
from eth_account import Account
from eth_typing import HexStr

from keeper.adapters.audit.verify import verify
from keeper.devnet.world import Role
from keeper.domain.record import RecordKind
from tests.support.forked_keeper import ForkedRunning, forked_keeper
from tests.support.keeper_process import Done, Running, keeper
from tests.support.keeper_stage import MARKET, Setup, Stage, staged

pytestmark = pytest.mark.e2e

SECRETS = {
    "KEEPER_RPC_KEY": "rpckey7f3a9c",
    "KEEPER_NOTIFY_URL": "json://user:hookpass51d2@127.0.0.1:{port}/hookpath88e1",
    "KEEPER_HEADER_KEY": "headerkey44b0",
    "KEEPER_KEYSTORE_PASSWORD": "keystorepass93fe",
}
WORDS = ("rpckey7f3a9c", "hookpass51d2", "hookpath88e1", "headerkey44b0", "keystorepass93fe")


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(stage: Stage, **env: str) -> Done:
    return forked_keeper("run", stage.config, env=env)


async def test_run__no_node__keeps_trying_and_ends_cleanly(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(node_url=f"ws://127.0.0.1:{free_port()}"))
        async with ForkedRunning(["run", stage.config], tmp_path) as keeper_run:
            await keeper_run.until(lambda: stage.faults("heads") == [("down", "unreachable")], "the fault")
            assert not keeper_run.ended()
            assert await keeper_run.end(signal.SIGTERM) == 0
        assert stage.faults("heads") == [("down", "unreachable")], "said once, however often it was tried"
        (fault,) = stage.records(RecordKind.FAULT)
        assert fault.body["remedy"]
        assert stage.kinds()[:2] == ["start", "configuration"]
        stage.assert_log_holds()
        assert "Traceback" not in keeper_run.err


async def test_run__another_keeper_runs_on_the_database__exit_2_naming_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, ForkedRunning(["run", stage.config], tmp_path) as first:
        await first.watching()
        records = len(stage.records())
        second = run(stage)
        assert second.code == 2
        assert f"process {first.pid}" in second.err
        assert "audit.url" in second.err
        assert not any(record.kind is RecordKind.START for record in stage.records()[records:])
        assert await first.end() == 0


@pytest.mark.parametrize(("name", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_run__asked_to_end__ends_with_its_code_and_a_stop_record(
    tmp_path: Path, name: signal.Signals, code: int
) -> None:
    async with staged(tmp_path) as stage, Running(["run", stage.config], tmp_path) as keeper_run:
        await keeper_run.watching()
        assert await keeper_run.end(name) == code
        assert keeper_run.out == "", "what is logged goes to standard error"
        assert "Traceback" not in keeper_run.err
        stage.assert_log_holds()


async def test_run__wrong_chain__exit_2_with_record_and_remedy(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(chain_id=1))
        done = run(stage)
        assert done.code == 2
        assert "the node serves chain 31337, and the configuration says 1" in done.err
        assert "-> correct `chain.id` or the endpoint" in done.err
        assert "Traceback" not in done.err
        (fault,) = stage.records(RecordKind.FAULT)
        assert (fault.body["part"], fault.body["reason"]) == ("heads", "wrong-chain")
        assert fault.body["remedy"]
        stage.assert_log_holds()
        assert stage.records(RecordKind.STOP)[0].body["reason"] == "the node serves another chain"
        as_json = forked_keeper("--json", "run", stage.config)
        assert as_json.code == 2
        assert json.loads(as_json.out)["ok"] is False


async def test_run__key_file_that_others_may_read__exit_2_with_the_remedy(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        (tmp_path / "keeper.key").chmod(0o644)
        done = run(stage)
        assert done.code == 2
        assert "chmod 600" in done.err
        assert stage.world.keeper.private_key.removeprefix("0x") not in done.err + done.out


async def test_run__no_key_file__exit_2(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        (tmp_path / "keeper.key").unlink()
        done = run(stage)
        assert done.code == 2
        assert "is not there" in done.err
        assert "Traceback" not in done.err


async def test_run__wrong_keystore_password__exit_2_and_the_password_nowhere(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _keystore(stage, "the right one")
        stage.write(Setup(signer='{kind: keystore, path: key.json, password: "${KEEPER_KEYSTORE_PASSWORD}"}'))
        done = run(stage, KEEPER_KEYSTORE_PASSWORD="keystorepass93fe")
        assert done.code == 2
        assert "password" in done.err
        assert "keystorepass93fe" not in done.err + done.out
        assert "Traceback" not in done.err


async def test_run__database_in_a_folder_that_is_not_there__exit_3(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.write(Setup(audit="sqlite:///nowhere/keeper.db"))
        done = run(stage)
        assert done.code == 3
        assert "->" in done.err
        assert "Traceback" not in done.err


async def test_run__shadow__decides_and_records_and_sends_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        async with ForkedRunning(["run", stage.config, "--shadow"], tmp_path) as keeper_run:
            await keeper_run.watching()
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper_run.ended)
            assert await keeper_run.end() == 0
        assert _status(stage)["failed"] == [], "nothing was meant to be done"
        assert stage.outcomes()[0] == ("dry-run", "shadow-mode")
        assert await stage.sent() == []
        assert await stage.waiting() == []
        assert not await stage.world.paused(MARKET)
        assert stage.records(RecordKind.ATTEMPT) == []
        assert stage.records(RecordKind.START)[0].body["mode"] == "shadow"
        stage.assert_log_holds()


async def test_run__secrets_of_every_kind__are_nowhere_in_what_it_leaves(tmp_path: Path) -> None:
    """A whole course with a trip, a receiver and an endpoint that do not answer, and the most talkative log."""
    async with staged(tmp_path) as stage:
        port = free_port()
        env = {name: value.format(port=port) for name, value in SECRETS.items()}
        _keystore(stage, env["KEEPER_KEYSTORE_PASSWORD"])
        stage.write(
            Setup(
                signer='{kind: keystore, path: key.json, password: "${KEEPER_KEYSTORE_PASSWORD}"}',
                notify=('{kind: apprise, url: "${KEEPER_NOTIFY_URL}", min_severity: info}',),
                more_endpoints=f'    - {{url: "ws://127.0.0.1:{port}/v2/${{KEEPER_RPC_KEY}}", role: broadcast}}\n',
                more_sources=f'  venue:\n    kind: http\n    url: "http://127.0.0.1:{port}/?key=${{KEEPER_RPC_KEY}}"\n'
                "    value: price\n    unit: price\n    every: 1s\n    timeout: 1s\n    max_age: 10s\n"
                '    headers: {X-Key: "${KEEPER_HEADER_KEY}"}\n',
            )
        )
        async with ForkedRunning(["-vv", "run", stage.config], tmp_path, env=env) as keeper_run:
            await keeper_run.watching()
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper_run.ended)
            await keeper_run.until(lambda: bool(stage.records(RecordKind.NOTIFICATION)), "a failed notification")
            assert await keeper_run.end() == 0
        assert stage.outcomes() == [("included", "effect-verified")]
        left = _files(tmp_path)
        left |= {"out": keeper_run.out.encode(), "err": keeper_run.err.encode()}
        left |= {"status": _said(stage, env, "status"), "log": _said(stage, env, "audit", "log", "--ticks")}
        assert "keeper.db" in left
        for name, content in left.items():
            for word in (*WORDS, stage.key.private_key.removeprefix("0x")):
                assert word.encode() not in content, f"{word} is in {name}"


def _files(folder: Path) -> dict[str, bytes]:
    """The database and what lies beside it."""
    return {path.name: path.read_bytes() for path in folder.glob("keeper.db*")}


def _said(stage: Stage, env: dict[str, str], command: str, *rest: str) -> bytes:
    done = forked_keeper("--json", command, stage.config, *rest, env=env)
    return (done.out + done.err).encode()


def _keystore(stage: Stage, password: str) -> None:
    """A keystore of the keeper's key; few rounds, so that opening it is quick."""
    document = Account.encrypt(HexStr(stage.world.keeper.private_key), password, kdf="pbkdf2", iterations=1_000)
    path = stage.folder / "key.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))


async def test_status__before_while_and_after__says_what_is_so(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        before = forked_keeper("status", stage.config)
        assert before.code != 0
        assert "Traceback" not in before.err
        async with ForkedRunning(["run", stage.config], tmp_path) as keeper_run:
            await keeper_run.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=keeper_run.ended)
            calm = _status(stage)
            assert calm["ok"] is True
            assert calm["running"] is True
            assert calm["mode"] == "live"
            assert calm["breakers"] == {MARKET: "armed"}
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper_run.ended)
            await stage.node.mine()
            assert await keeper_run.end() == 0
        after = _status(stage)
        assert after["running"] is False
        assert after["ok"] is False
        assert after["failed"] == []
        assert after["breakers"] == {MARKET: "tripped"}
        assert after["open_intents"] == []
        assert after["faults"] == []
        people = keeper("status", stage.config)
        assert people.code == 1
        assert "stopped (live)" in people.out
        assert "(keeper: tripped)" in people.out
        assert verify(stage.url).ok


async def test_status__the_pause_failed__says_what_was_not_done_and_what_to_do(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.world.revoke(Role.PAUSER, stage.world.keeper.address)
        async with ForkedRunning(["run", stage.config], tmp_path) as keeper_run:
            await keeper_run.watching()
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=keeper_run.ended)
            while_it_runs = _status(stage)
            assert await keeper_run.end() == 0
        assert not await stage.world.paused(MARKET)
        (failed,) = while_it_runs["failed"]  # type: ignore[misc]
        assert while_it_runs["ok"] is False
        assert (failed["market"], failed["action"]) == (MARKET, "pause-market")  # type: ignore[has-type]
        assert (failed["kind"], failed["reason"]) == ("failed", "missing-role")  # type: ignore[has-type]
        text = forked_keeper("status", stage.config).out
        assert f"NOT DONE: pause-market on {MARKET}" in text
        assert f"  -> {failed['remedy']}" in text  # type: ignore[has-type]


def _status(stage: Stage) -> dict[str, object]:
    done = forked_keeper("--json", "status", stage.config)
    found: dict[str, object] = json.loads(done.out)
    assert done.code == (0 if found["ok"] else 1)
    return found
