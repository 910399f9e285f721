"""One running keeper per database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event

import psycopg
import pytest

from keeper.adapters.audit import postgres_sole
from keeper.adapters.audit.sole import sole_keeper
from keeper.domain.errors import AlreadyRunning, StoreUnavailable

pytestmark = pytest.mark.integration

HOLD = """
import sys, time
from keeper.adapters.audit.sole import sole_keeper
with sole_keeper(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_sole__a_second_one__is_refused_with_the_holder(tmp_path: Path) -> None:
    with sole_keeper(url_of(tmp_path / "a.db")):
        with (
            pytest.raises(AlreadyRunning, match=f"process {os.getpid()}") as caught,
            sole_keeper(url_of(tmp_path / "a.db")),
        ):
            pass
        assert "audit.url" in caught.value.remedy


def test_sole__by_another_name_of_the_same_file__is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.db").symlink_to(tmp_path / "a.db")
    with (
        sole_keeper(url_of(tmp_path / "a.db")),
        pytest.raises(AlreadyRunning),
        sole_keeper(url_of(tmp_path / "other" / "a.db")),
    ):
        pass


def test_sole__another_file_or_after_the_first_ended__goes_on(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_keeper(url_of(tmp_path / "a.db")), sole_keeper(url_of(tmp_path / "b.db")):
            assert (tmp_path / "a.db.lock").read_text() == f"{os.getpid()}\n"


def test_sole__the_holder_was_killed__the_next_one_goes_on(tmp_path: Path) -> None:
    url = url_of(tmp_path / "a.db")
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"), sole_keeper(url):
            pass
        holder.send_signal(signal.SIGKILL)
    with sole_keeper(url):
        pass


def test_sole__folder_is_not_there__is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"), sole_keeper(url_of(tmp_path / "nowhere" / "a.db")):
        pass


def test_sole__postgresql_a_second_one__is_refused_with_the_holder(postgres_url: str) -> None:
    for _ in range(2):
        with sole_keeper(postgres_url):
            with (
                pytest.raises(
                    AlreadyRunning, match=rf"keeper runs .* {os.getpid()}, process \d+ of the server"
                ) as caught,
                sole_keeper(postgres_url),
            ):
                pass
            assert "audit.url" in caught.value.remedy


def test_sole__postgresql_another_database_of_the_server__goes_on(postgres_server: Callable[[], str]) -> None:
    with sole_keeper(postgres_server()), sole_keeper(postgres_server()):
        pass


def test_sole__postgresql_the_holder_was_killed__the_next_one_goes_on(postgres_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, postgres_url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match=f" {holder.pid}, process"), sole_keeper(postgres_url):
            pass
        holder.send_signal(signal.SIGKILL)
    until(lambda: not holders(postgres_url), "the server lets go of the lock")
    with sole_keeper(postgres_url):
        pass


def test_sole__postgresql_connection_lost_and_nobody_else_there__is_held_again(postgres_url: str) -> None:
    lost: list[AlreadyRunning] = []
    with sole_keeper(postgres_url, lost.append):
        (first,) = holders(postgres_url)
        end(postgres_url, first)
        until(lambda: holders(postgres_url) not in ([], [first]), "the lock is taken again")
    assert lost == []
    assert holders(postgres_url) == []


def test_sole__postgresql_another_keeper_took_the_lock_meanwhile__is_told(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, lost, told = Event(), [], Event()
    real = postgres_sole.taken

    def only_when_free(url: str) -> object:
        assert free.wait(60)
        return real(url)

    def tell(error: AlreadyRunning) -> None:
        lost.append(error)
        told.set()

    with sole_keeper(postgres_url, tell):
        (first,) = holders(postgres_url)
        monkeypatch.setattr(postgres_sole, "taken", only_when_free)
        end(postgres_url, first)
        with closing(real(postgres_url)):
            free.set()
            assert told.wait(60)
    assert [f" {os.getpid()}, process" in error.message for error in lost] == [True]


def test_sole__postgresql_server_away__is_a_clear_error_without_the_password() -> None:
    with (
        pytest.raises(StoreUnavailable, match="No such file") as caught,
        sole_keeper("postgresql+psycopg://keeper:sesame@/d?host=/nowhere"),
    ):
        pass
    assert "sesame" not in str(caught.value)


def holders(url: str) -> list[int]:
    """The server's processes that hold the lock of this database."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        rows = connection.execute(
            "SELECT l.pid FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation WHERE c.relname = 'lock_running' AND l.granted "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return [row[0] for row in rows]


def end(url: str, pid: int) -> None:
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(6_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(what)
