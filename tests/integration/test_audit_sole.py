"""One running keeper per database file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_sole__another_database__is_not_locked_here() -> None:
    url = "postgresql+psycopg://db/keeper"
    with sole_keeper(url), sole_keeper(url):
        pass
