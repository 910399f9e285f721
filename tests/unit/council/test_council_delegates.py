"""``keeper council delegate``: who signs it, and what the service is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from keeper.adapters import clock as clock_module
from keeper.adapters.safe import service as service_module
from keeper.config.secret import Secret
from keeper.domain.council_words import Delegation, hour_of
from keeper.domain.errors import Refused
from keeper.domain.order import recover
from keeper.domain.proposal import Delegate
from tests.support.council_commands import ROUTE, CommandCouncil, Typed, typed_over
from tests.support.council_matters import CHAIN_ID, NOW_MS, OWNERS, SAFE, STRANGER
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit

WORDS = Delegation(CHAIN_ID, STRANGER.address, hour_of(NOW_MS))


@dataclass
class Book:
    """The service."""

    known: list[Delegate] = field(default_factory=list)
    added: list[tuple[Delegate, bytes]] = field(default_factory=list)
    removed: list[tuple[Delegate, bytes]] = field(default_factory=list)
    error: Exception | None = None

    async def delegates(self, safe: str, owners: Sequence[str] = ()) -> Sequence[Delegate]:
        return self.known

    async def add(self, delegate: Delegate, signature: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.added.append((delegate, signature))

    async def remove(self, delegate: Delegate, signature: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.removed.append((delegate, signature))

    async def close(self) -> None: ...


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    made = Book()
    monkeypatch.setattr(service_module, "SafeTransactionService", lambda *_, **__: made)
    monkeypatch.setattr(clock_module, "SystemClock", lambda: ManualClock(NOW_MS))
    return made


@pytest.fixture
def typed(book: Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Typed:
    route = replace(ROUTE, service=Secret("http://127.0.0.1:1"))
    return typed_over(CommandCouncil(matters=[], route=route), monkeypatch, capsys, tmp_path)


def test_add__with_an_owners_key__gives_the_service_the_owners_word(typed: Typed, book: Book) -> None:
    path = typed.key_file(OWNERS[0])
    assert typed("council", "delegate", "add", STRANGER.address, "--key-file", path)[0] == 0
    ((delegate, signature),) = book.added
    assert delegate == Delegate(STRANGER.address, OWNERS[0].address, "keeper", SAFE)
    assert recover(WORDS.hash, signature) == OWNERS[0].address


def test_add__for_every_safe__names_none(typed: Typed, book: Book) -> None:
    path = typed.key_file(OWNERS[0])
    assert typed("council", "delegate", "add", STRANGER.address, "--key-file", path, "--every-safe")[0] == 0
    assert book.added[0][0].safe is None


def test_add__by_somebody_else__is_refused(typed: Typed, book: Book) -> None:
    path = typed.key_file(STRANGER)
    code, said = typed.document("council", "delegate", "add", STRANGER.address, "--key-file", path)
    assert code == 1
    assert "is no owner of the Safe" in said["error"]["message"]
    assert book.added == []


def test_add__without_a_key__prints_what_an_owner_signs(typed: Typed, book: Book, tmp_path: Path) -> None:
    words = ("council", "delegate", "add", STRANGER.address)
    code, said = typed.document(*words, "--typed-data", "sign.json")
    assert (code, said["digest"]) == (0, "0x" + WORDS.hash.hex())
    assert json.loads((tmp_path / "sign.json").read_text()) == WORDS.typed_data()
    signature = bytes(Account.unsafe_sign_hash(WORDS.hash, OWNERS[1].key).signature).hex()
    assert typed(*words, "--signature", "0x" + signature)[0] == 0
    assert book.added[0][0].delegator == OWNERS[1].address


def test_add__the_service_refuses__is_told(typed: Typed, book: Book) -> None:
    book.error = Refused("the Safe is not indexed")
    path = typed.key_file(OWNERS[0])
    code, said = typed.document("council", "delegate", "add", STRANGER.address, "--key-file", path)
    assert code == 1
    assert "not indexed" in said["error"]["message"]


@pytest.mark.parametrize("by", [OWNERS[0], STRANGER])
def test_remove__by_the_owner_or_the_delegate__is_taken(typed: Typed, book: Book, by: Any) -> None:
    book.known = [Delegate(STRANGER.address, OWNERS[0].address, "keeper", SAFE)]
    path = typed.key_file(by)
    assert typed("council", "delegate", "remove", STRANGER.address, "--key-file", path)[0] == 0
    ((delegate, signature),) = book.removed
    assert delegate.delegator == OWNERS[0].address
    assert recover(WORDS.hash, signature) == by.address


@pytest.mark.parametrize("by", [OWNERS[0], STRANGER])
def test_remove__what_is_no_delegate__says_so_and_where_they_are_listed(typed: Typed, book: Book, by: Any) -> None:
    book.error = Refused("the Safe service refuses (HTTP 404): Not found.", code=404)
    code, _, err = typed("council", "delegate", "remove", STRANGER.address, "--key-file", typed.key_file(by))
    assert code == 1
    assert err.startswith("keeper: not removed: ")
    assert "council keeper.yaml delegate list" in err


def test_list__says_who_counts_for_nothing(typed: Typed, book: Book) -> None:
    book.known = [Delegate(SAFE, OWNERS[0].address, "a", SAFE), Delegate(SAFE, STRANGER.address, "b", None)]
    code, said = typed.document("council", "delegate", "list")
    assert (code, [one["owner"] for one in said["delegates"]]) == (0, [True, False])
    _, out, _ = typed("council", "delegate", "list")
    assert "this Safe, for Alice" in out
    assert "no owner any more" in out


@pytest.mark.parametrize("words", [("list",), ("add", STRANGER.address, "--signature", "0x" + 65 * "11")])
def test_delegate__without_a_service__is_usage(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    typed = typed_over(CommandCouncil(matters=[]), monkeypatch, capsys, tmp_path)
    assert typed("council", "delegate", *words)[0] in (1, 2)


def test_add__without_an_address_and_without_a_signer__is_usage(typed: Typed) -> None:
    code, said = typed.document("council", "delegate", "add")
    assert (code, said["error"]["message"]) == (2, "no signer is configured")
