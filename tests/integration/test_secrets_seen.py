"""The search for secrets itself: what is shown is found, wherever that is; what people write down on purpose is not."""

from __future__ import annotations

import base64
import gzip
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.support.keeper_process import environment
from tests.support.postgres import secrets_in
from tests.support.secrets_seen import KEY, MAX_FILE_BYTES, NODE_KEYS, SENTINEL, WORDS, find, find_in_files

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
LEAKY = """
import logging
import os
from pathlib import Path
import pytest
from keeper.domain.errors import SigningError
from tests.support.keeper_process import Done

SECRET = {secret!r}

def test_quiet(tmp_path):
    (tmp_path / "keeper.key").write_text(SECRET)

def test_prints():
    print("the key is", SECRET)

def test_logs():
    logging.getLogger("keeper").error("the key is %s", SECRET)

def test_logs_what_nobody_wants():
    logging.getLogger("keeper.part").debug("the key is %s", SECRET)

def test_logs_elsewhere(tmp_path):
    log = logging.getLogger("own")
    log.propagate = False
    log.addHandler(logging.FileHandler(tmp_path / "keeper.key"))
    log.warning(SECRET)

def test_logs_where_it_is_cut_off():
    log = logging.getLogger("cut")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    log.warning(SECRET)

def test_reads_text(capsys):
    print(SECRET)
    assert capsys.readouterr().out

def test_reads_bytes(capfdbinary):
    os.write(2, SECRET.encode())
    assert capfdbinary.readouterr().err

def test_error_that_is_caught():
    with pytest.raises(SigningError):
        raise SigningError("bad", remedy="look at " + SECRET)

def test_error_that_is_not():
    raise ValueError(SECRET)

def test_command():
    Done(0, SECRET, "")
"""
WRITES = """
def test_writes(tmp_path):
    (tmp_path / "keeper.db").write_bytes(b"record" + {secret!r}.encode())
"""


def inner(folder: Path, source: str) -> str:
    """What pytest says of these tests, under the same rules."""
    (folder / "test_inner.py").write_text(source.format(secret=SENTINEL))
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.secrets_plugin", "-p", "no:cacheprovider"]
    # The folder's name says that secrets are there on purpose: this session's own search leaves it out.
    command += ["-p", "no:xdist", "-rfEp", "--tb=short", "--basetemp", str(folder / "secrets"), "-c", os.devnull]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder / "test_inner.py")],
        cwd=ROOT,
        env=environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_session__tests_that_show_a_secret__fail_by_name_and_the_others_pass(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    said = inner(folder, LEAKY)
    for name in ("quiet", "logs_where_it_is_cut_off"):
        assert re.search(rf"^PASSED .*::test_{name}$", said, re.MULTILINE), said
    for name in (
        "prints", "logs", "logs_what_nobody_wants", "logs_elsewhere", "reads_text", "reads_bytes", "error_that_is_caught", "error_that_is_not",
        "command",
    ):  # fmt: skip
        assert re.search(rf"^FAILED .*::test_{name}\b", said, re.MULTILINE), said
    assert "9 failed, 2 passed in" in said, said
    assert said.count("shows a secret: sentinel...") >= 9
    assert "files of tests" not in said, "a file that holds a key on purpose is none"


def test_session__a_database_with_a_secret__is_an_error_at_its_end_that_names_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    said = inner(folder, WRITES)
    assert "files of tests show secrets" in said, said
    assert "test_writes0/keeper.db shows a secret: sentinel..." in said, said


def test_find__a_private_key_in_any_writing__is_found() -> None:
    raw = bytes.fromhex(KEY)
    number, shown_bytes = str(int(KEY, 16)).encode(), repr(raw).encode()
    for shown in (KEY.encode(), b"0x" + KEY.encode(), KEY.upper().encode(), raw, number, shown_bytes):
        assert find(b"before " + shown + b" after", "here"), shown
    assert not find(raw[::-1] + KEY[:-1].encode(), "here")


@pytest.mark.parametrize("secret", [*(word.encode() for word in WORDS), KEY.encode(), bytes.fromhex(KEY)])
def test_find__in_base64_or_hex__is_found_wherever_it_stands(secret: bytes) -> None:
    for before in range(4):
        for behind in range(4):
            around = b"a" * before + secret + b"z" * behind
            for shown in (base64.b64encode(around), base64.urlsafe_b64encode(around)):
                assert find(b"x" * before + shown, "here"), shown
    for shown in (secret.hex().encode(), secret.hex().upper().encode()):
        assert find(shown, "here") or secret == KEY.encode(), "the hex of hex is nobody's"
    assert not find(base64.b64encode(secret[:-2]), "here")


@pytest.mark.parametrize("word", WORDS)
def test_find__quoted_for_a_url__is_found(word: str) -> None:
    assert find(quote(word).encode(), "here")
    assert find(quote_plus(word).encode(), "here")


@pytest.mark.parametrize("secret", [*(word.encode() for word in WORDS), KEY.encode(), bytes.fromhex(KEY)])
def test_find__at_every_place_of_a_word__is_found(secret: bytes) -> None:
    for before in range(9):
        for behind in range(9):
            assert find(b"." * before + secret + b"." * behind, "here"), (before, behind)


@pytest.mark.parametrize("key", NODE_KEYS)
def test_find__a_key_of_the_development_node__is_found_as_text_and_as_bytes(key: str) -> None:
    assert [len(find(shown, "here")) for shown in (f"0x{key}".encode(), bytes.fromhex(key))] == [1, 1]


def test_find__what_is_told__does_not_repeat_the_secret() -> None:
    (leak,) = find(f"x {SENTINEL} y".encode(), "here")
    assert SENTINEL not in str(leak)


def test_find_in_files__in_a_row_of_a_database__is_found(tmp_path: Path) -> None:
    held = tmp_path / "secrets" / "test_0"
    held.mkdir(parents=True)
    with closing(sqlite3.connect(held / "log.db")) as database:
        database.execute("CREATE TABLE records (body TEXT)")
        database.execute("INSERT INTO records VALUES (?)", (f'{{"message": "{SENTINEL}"}}',))
        database.commit()
    assert [leak.where for leak in find_in_files(held.parent)] == ["test_0/log.db"]


@pytest.mark.parametrize(
    "name", ["keeper.key", "key", "k", "keystore.json", ".env", "keeper.yaml", "identity.json", "upkeep.key"]
)
def test_find_in_files__where_secrets_are_kept_on_purpose__is_left_out(tmp_path: Path, name: str) -> None:
    below = tmp_path / "secrets" / "test_0"
    below.mkdir(parents=True)
    (below / name).write_text(SENTINEL)
    assert find_in_files(below.parent) == []
    (below / "keeper.log").write_text(SENTINEL)
    assert [leak.where for leak in find_in_files(below.parent)] == ["test_0/keeper.log"]


NOT_ON_PURPOSE = (
    "anvil.log",
    "tokens.db",
    "identity-route.log",
    "incident-report.yaml",
    "secret-run/x.log",
    "a.key.log",
    "keys.db",
)


@pytest.mark.parametrize("name", NOT_ON_PURPOSE)
def test_find_in_files__name_that_only_sounds_like_a_secret__is_searched(tmp_path: Path, name: str) -> None:
    path = tmp_path / "secrets" / "test_0" / name
    path.parent.mkdir(parents=True)
    path.write_text(f"{SENTINEL} {NODE_KEYS[0]}")
    found = [leak.secret for leak in find_in_files(tmp_path / "secrets")]
    # anvil shows the keys of its own accounts when it starts
    assert found == ["sentinel...", *([] if name.startswith("anvil") else [f"private key {NODE_KEYS[0][:8]}..."])]


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", SENTINEL)


@pytest.mark.parametrize("write", [zipped, lambda path: path.write_bytes(gzip.compress(SENTINEL.encode()))])
def test_find_in_files__packed__is_unpacked(tmp_path: Path, write: Callable[[Path], object]) -> None:
    below = tmp_path / "secrets" / "test_0"
    below.mkdir(parents=True)
    write(below / "report.bin")
    assert [leak.where for leak in find_in_files(below.parent)] == ["test_0/report.bin"]
    content = (below / "report.bin").read_bytes()
    (below / "report.bin").write_bytes(content[: len(content) // 2])
    find_in_files(below.parent)  # a damaged one is no error


def test_find_in_files__one_member_is_damaged__the_others_are_searched(tmp_path: Path) -> None:
    below = tmp_path / "secrets" / "test_0"
    below.mkdir(parents=True)
    path = below / "report.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "untouched")
        archive.writestr("b.txt", SENTINEL, zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes().replace(b"untouched", b"UNTOUCHED"))
    assert [leak.where for leak in find_in_files(below.parent)] == ["test_0/report.zip"]


def test_secrets_in__records_of_a_postgresql_database__are_found(postgres_server: Callable[[], str]) -> None:
    psycopg = pytest.importorskip("psycopg")
    uri = postgres_server().replace("+psycopg", "")
    assert secrets_in(uri) == []
    with psycopg.connect(uri, autocommit=True) as database:
        database.execute("CREATE TABLE records (body TEXT)")
        assert secrets_in(uri) == []
        database.execute("INSERT INTO records VALUES (%s)", ("y" * 9_000 + SENTINEL,))
        assert [leak.secret for leak in secrets_in(uri)] == ["sentinel..."]
        database.execute("DROP TABLE records")
    assert secrets_in(uri + "-is-not-there") == []


def test_find_in_files__at_and_above_the_size_limit__looks_and_leaves_out(tmp_path: Path) -> None:
    below = tmp_path / "secrets" / "test_0"
    below.mkdir(parents=True)
    path = below / "large"
    path.write_bytes(SENTINEL.encode())
    os.truncate(path, MAX_FILE_BYTES)
    assert find_in_files(below.parent)
    os.truncate(path, MAX_FILE_BYTES + 1)
    assert not find_in_files(below.parent)
