"""What must be shown nowhere, and looking for it: in what tests and commands write, in messages of errors, in databases, logs and reports.

The values are those that tests hand to the keeper as passwords, tokens, parts of addresses and private keys. Looking costs little: texts of one test
at its end, files once at the end of the session.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SENTINEL = "sentinelSecret0f3b9d71"
"""In no test but that of this module."""
WORDS = (
    SENTINEL,
    "rpckey7f3a9c",
    "hookpass51d2",
    "hookpath88e1",
    "headerkey44b0",
    "keystorepass93fe",
    "correct horse battery",
    "T0KENabcdef0123456789",
    "hidden-from-the-child",
    "awsSecretKey7d1f0b62e5",
    "remoteSignerToken51c7",
    "remoteSignerUrlKey90ab",
    "kmsUrlKey6ef4d0c2",
)
KEY = "7c85211829498cd04a93dd1a2c6f1c7e5cf6c5c0c1e47e3a3bdaf9f0c2a6d2b1"
"""A private key that only tests of signers have. It is looked for in every writing."""
NODE_KEYS = (
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
)
"""The keys of the development node are public knowledge; here they stand for those of a real keeper."""

DELIBERATE = re.compile(
    r"(?<![a-z])keys?(?![a-z])|keystore|identity|password|token|secret|\.env|\.ya?ml$|^k$|^anvil", re.IGNORECASE
)
"""Names of files and folders that people, and so tests, put secrets into; and what anvil itself writes."""
MAX_FILE_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Leak:
    """``secret`` is what to look for in the list above, never more of it than its beginning."""

    where: str
    secret: str

    def __str__(self) -> str:
        return f"{self.where} shows a secret: {self.secret}"


def _forms() -> Iterator[tuple[str, bytes]]:
    for word in WORDS:
        yield f"{word[:8]}...", word.encode()
    for key in (KEY, *NODE_KEYS):
        yield f"private key {key[:8]}...", key.encode()
        yield f"private key {key[:8]}... as bytes", bytes.fromhex(key)
    yield f"private key {KEY[:8]}... in capitals", KEY.upper().encode()
    yield f"private key {KEY[:8]}... as Python shows bytes", repr(bytes.fromhex(KEY))[2:-1].encode()
    yield f"private key {KEY[:8]}... as a number", str(int(KEY, 16)).encode()


FORMS = tuple(_forms())
noted: list[Leak] = []
"""Found while a test ran, by whoever shows something; the test's end takes them."""


def find(content: bytes, where: str) -> list[Leak]:
    """Every secret that is in it."""
    return [Leak(where, name) for name, form in FORMS if form in content]


def note(text: str, where: str) -> None:
    """Looks now, and lets the test that runs fail at its end."""
    noted.extend(find(text.encode("utf-8", "replace"), where))


def take() -> list[Leak]:
    """What was noted since the last time."""
    taken = list(noted)
    noted.clear()
    return taken


def find_in_files(folder: Path) -> list[Leak]:
    """In every file below, but for those that hold secrets on purpose. A file that is gone or cannot be read meanwhile is none."""
    leaks: list[Leak] = []
    for path in _files(folder):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        leaks += find(content, str(path.relative_to(folder)))
    return leaks


def _files(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        # Folders of tests are called after tests: only their own ones are judged by name.
        below = Path(place) != folder
        folders[:] = sorted(name for name in folders if not (below and DELIBERATE.search(name)))
        for name in sorted(names):
            path = Path(place, name)
            if DELIBERATE.search(name):
                continue
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
                yield path
