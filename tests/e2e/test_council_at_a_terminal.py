"""The questions of ``keeper council`` and ``keeper restore`` on a terminal: one Ctrl-C ends them, Ctrl-D is no answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account import Account

from tests.support.council_matters import OWNERS, matter
from tests.support.restoring import INCIDENT
from tests.support.terminal import at_terminal

pytestmark = pytest.mark.e2e

CTRL_C, CTRL_D = "\x03", "\x04"
DIGITS = "digits of the hash to sign: "
PASSWORD = "Password of "
YES_OR_NO = "(yes/no) "
Words = Callable[[Path], tuple[str, ...]]


def by_key_file(folder: Path) -> tuple[str, ...]:
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(bytes(OWNERS[1].key).hex())
    return ("council", "confirm", matter().hash, "--key-file", str(key))


def by_keystore(folder: Path) -> tuple[str, ...]:
    keystore = folder / "key.json"
    keystore.write_text(json.dumps(Account.encrypt(OWNERS[1].key, "x", kdf="pbkdf2", iterations=2)))
    return ("council", "confirm", matter().hash, "--keystore", str(keystore))


def put_back(_: Path) -> tuple[str, ...]:
    return ("restore", "keeper.yaml", INCIDENT)


@pytest.mark.parametrize(
    ("words", "question", "done"),
    [(by_key_file, DIGITS, "signed"), (by_keystore, PASSWORD, "signed"), (put_back, YES_OR_NO, "proposed")],
    ids=["digits", "password", "yes-or-no"],
)
def test_question__one_ctrl_c__ends_it_and_leaves_the_terminal_as_it_was(
    tmp_path: Path, words: Words, question: str, done: str
) -> None:
    with at_terminal(tmp_path, *words(tmp_path)) as here:
        here.sees(question)
        here.types(CTRL_C)
        assert here.ended() == 130
        assert f"interrupted: nothing was {done}" in here.shown
        assert "Traceback" not in here.shown
        assert here.echoes


@pytest.mark.parametrize(
    ("words", "question", "said", "code"),
    [
        (by_key_file, DIGITS, "not signed: nothing was typed", 1),
        (by_keystore, PASSWORD, "no password was typed: nothing was signed", 2),
        (put_back, YES_OR_NO, "not proposed: nothing was typed", 1),
    ],
    ids=["digits", "password", "yes-or-no"],
)
def test_question__ctrl_d__is_no_answer(tmp_path: Path, words: Words, question: str, said: str, code: int) -> None:
    with at_terminal(tmp_path, *words(tmp_path)) as here:
        here.sees(question)
        here.types(CTRL_D)
        assert here.ended() == code
        assert said in here.shown
        assert here.echoes
