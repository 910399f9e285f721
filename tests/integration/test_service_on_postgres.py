"""A keeper whose log is in PostgreSQL: it watches, acts, is the only one, survives the server's hiccup, and every command reads the log."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from keeper.adapters.audit.migrate import upgrade
from tests.support.keeper_process import Running, in_process, keeper
from tests.support.keeper_stage import MARKET, PostgresStage, Setup, staged

pytestmark = pytest.mark.integration


def asked(*args: str | Path) -> dict[str, object]:
    """The JSON answer of a command that went well."""
    done = in_process("--json", *args)
    assert (done.code, done.err) == (0, ""), done
    answer = json.loads(done.out)
    assert isinstance(answer, dict)
    return answer


def cut_off(url: str) -> None:
    """The server ends every connection to the log."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_run__log_in_postgresql__pauses_once_and_every_command_reads_it(
    tmp_path: Path, postgres_url: str
) -> None:
    async with staged(tmp_path) as plain:
        stage = PostgresStage(plain.world, tmp_path)
        stage.postgres = postgres_url
        stage.write(Setup(audit=postgres_url))
        missing = in_process("audit", stage.config, "log")
        assert missing.code == 2
        assert "db CONFIG upgrade" in missing.err
        assert in_process("db", stage.config, "upgrade").code == 0
        async with Running(["run", stage.config], tmp_path) as keeper_run:
            await keeper_run.watching()
            second = keeper("run", stage.config)
            assert second.code == 2
            assert f" {keeper_run.pid}, process" in second.err
            cut_off(postgres_url)
            await stage.shock()
            await stage.mine_until(lambda: stage.outcomes() != [], ended=keeper_run.ended)
            assert await keeper_run.end() == 0
            assert "Traceback" not in keeper_run.err
        await stage.assert_paused_once()
        assert stage.outcomes() == [("included", "effect-verified")]

        log = asked("audit", stage.config, "log", "--limit", "1000")
        records = log["records"]
        assert isinstance(records, list)
        kinds = [record["kind"] for record in records]
        assert {"start", "intent", "attempt", "receipt", "outcome", "stop"} <= set(kinds)
        assert kinds.count("outcome") == 1
        status = in_process("--json", "status", stage.config)
        assert (status.code, status.err) == (1, ""), "an incident is open"
        assert MARKET in status.out
        assert asked("audit", stage.config, "verify")["ok"] is True


def test_commands__postgresql_that_is_away__exit_3_without_the_password(tmp_path: Path) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text("audit: {url: 'postgresql+psycopg://keeper:sesame@/d?host=/nowhere'}\n", encoding="utf-8")
    for command in (("audit", config, "log"), ("audit", config, "verify"), ("db", config, "current")):
        done = in_process(*command)
        assert done.code == 3, done
        assert "No such file" in done.err
        assert "sesame" not in done.err + done.out


async def test_current__before_and_after_the_upgrade__exit_1_then_0(tmp_path: Path, postgres_url: str) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text(f"audit: {{url: '{postgres_url}'}}\n", encoding="utf-8")
    assert in_process("db", config, "current").code == 1
    upgrade(postgres_url)
    assert in_process("db", config, "current").code == 0
