"""What must be shown nowhere, and looking for it: in what tests and commands write, in messages of errors, in databases, logs and reports.

The values are those that tests hand to the keeper as passwords, tokens, parts of addresses and private keys. Looking costs little: texts of one test
at its end, files once at the end of the session.
"""

from __future__ import annotations

import base64
import gzip
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

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
    r"[a-z0-9_-]*\.key|keys?|k|token|password|secrets?|\.env|(key|keystore|identity)\.json|keeper\.yaml", re.IGNORECASE
)
"""Names of files and folders that people, and so tests, put secrets into."""
MAX_FILE_BYTES = 20_000_000
"""Of a file, and of what is unpacked of one."""


@dataclass(frozen=True, slots=True)
class Leak:
    """``secret`` is what to look for in the list above, never more of it than its beginning."""

    where: str
    secret: str

    def __str__(self) -> str:
        return f"{self.where} shows a secret: {self.secret}"


def _in_base64(content: bytes) -> Iterator[bytes]:
    """Wherever it begins in what is encoded: up to two bytes before it share its first character, and one or two behind it its last."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + content)
        known = encoded[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6]
        yield known
        yield known.translate(bytes.maketrans(b"+/", b"-_"))


def _of_word(word: str) -> Iterator[tuple[str, bytes]]:
    name = f"{word[:8]}..."
    yield name, word.encode()
    yield f"{name} URL-quoted", quote(word).encode()
    yield f"{name} URL-quoted", quote_plus(word).encode()
    yield f"{name} in hex", word.encode().hex().encode()
    yield f"{name} in hex", word.encode().hex().upper().encode()
    yield from ((f"{name} in base64", form) for form in _in_base64(word.encode()))


def _of_key(key: str) -> Iterator[tuple[str, bytes]]:
    name, raw = f"private key {key[:8]}...", bytes.fromhex(key)
    yield name, key.encode()
    yield f"{name} as bytes", raw
    yield f"{name} in capitals", key.upper().encode()
    yield f"{name} as Python shows bytes", repr(raw)[2:-1].encode()
    yield f"{name} as a number", str(int(key, 16)).encode()
    for writing in (raw, key.encode()):
        yield from ((f"{name} in base64", form) for form in _in_base64(writing))


class Forms:
    """All writings of some secrets, and a quick answer for what holds none of them.

    Of a form of 15 bytes or more, wherever it is, eight bytes are one whole word of the content: so looking at each word of the content once says
    for all forms together whether a search is worth its time, 10 ms for a megabyte in place of 1 ms for each form.
    """

    def __init__(self, words: Iterable[str], keys: Iterable[str]) -> None:
        named = (*(one for word in words for one in _of_word(word)), *(one for key in keys for one in _of_key(key)))
        self._names = {
            form: name for name, form in reversed(named)
        }  # of two that are the same, the first gives the name
        self._short = tuple(form for form in self._names if len(form) < 2 * _WORD - 1)
        self._words = frozenset(
            word
            for form in self._names
            for start in range(len(form) - _WORD + 1)
            for word in memoryview(form[start : start + _WORD]).cast("Q")
        )

    def in_(self, content: bytes) -> list[str]:
        """The names of those that are in it."""
        whole = memoryview(content)[: len(content) // _WORD * _WORD].cast("Q")
        if self._words.isdisjoint(whole) and not any(form in content for form in self._short):
            return []
        return list(dict.fromkeys(name for form, name in reversed(self._names.items()) if form in content))


_WORD = 8
FORMS = Forms(WORDS, (KEY, *NODE_KEYS))
OWN_FORMS = Forms(WORDS, (KEY,))
"""Without the keys that anvil shows when it starts."""
noted: list[Leak] = []
"""Found while a test ran, by whoever shows something; the test's end takes them."""


def find(content: bytes, where: str, forms: Forms = FORMS) -> list[Leak]:
    """Every secret that is in it."""
    return [Leak(where, name) for name in forms.in_(content)]


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
        where, forms = str(path.relative_to(folder)), OWN_FORMS if path.name.lower().startswith("anvil") else FORMS
        for part in (content, *_unpacked(content)):
            leaks += find(part, where, forms)
    return leaks


DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)
"""What reading a damaged archive raises, which tests make on purpose: no gzip file (OSError), cut off (EOFError), other bytes (zlib, zip), and a
member that is encrypted or packed in an unknown way (RuntimeError). Its bytes as they stand are searched all the same.
"""


def _unpacked(content: bytes) -> Iterator[bytes]:
    """What is in a gzip or zip file, as much as is allowed. A member that is damaged does not hide the others."""
    if content.startswith(b"\x1f\x8b"):
        with suppress(*DAMAGED), gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            yield packed.read(MAX_FILE_BYTES)
    elif content.startswith(b"PK\x03\x04"):
        with suppress(*DAMAGED), zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(one.file_size for one in members) <= MAX_FILE_BYTES:
                for one in members:
                    with suppress(*DAMAGED):
                        yield archive.read(one)


def _files(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        # Folders of tests are called after tests: only their own ones are judged by name.
        below = Path(place) != folder
        folders[:] = sorted(name for name in folders if not (below and DELIBERATE.fullmatch(name)))
        for name in sorted(names):
            path = Path(place, name)
            if DELIBERATE.fullmatch(name):
                continue
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
                yield path
