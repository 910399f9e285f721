"""``keeper council`` over matters in memory: the command line as it is typed, with a council that no node or service stands behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from keeper.app.cli import run_command
from keeper.app.council.matter import Matter
from keeper.config.model import ProposeAs, SafeRoute
from keeper.domain.errors import UnitError
from keeper.domain.proposal import Confirmation
from keeper.domain.safe import SafeTransaction, rejection
from tests.support.council_matters import CHAIN_ID, MEMBERS, SAFE, FakeCouncil, matter

ROUTE = SafeRoute("council", SAFE, None, "", None, ProposeAs.DELEGATE, False, "/nowhere", 1, 2, "", MEMBERS, SAFE)


@dataclass
class CommandCouncil(FakeCouncil):
    """Everything that the commands ask for."""

    route: SafeRoute = ROUTE
    given: list[Confirmation] = field(default_factory=list)
    proposed: list[tuple[Matter, dict[str, Any]]] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    carried_out: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    drafted: Matter | None = None
    asked: dict[str, Any] = field(default_factory=dict)

    async def confirm(self, matter: Matter, signature: bytes, /, *, via: str, despite_alarms: bool = False) -> Matter:
        if matter.alarms and not despite_alarms:
            raise UnitError("the proposal has alarms")
        return await super().confirm(matter, signature, via=via)

    async def confirmations(self, matter: Matter, /) -> Sequence[Confirmation]:
        return self.given

    async def draft(self, calls: Sequence[tuple[str, int, bytes]], /, **asked: Any) -> Matter:
        self.asked = {"calls": list(calls), **asked}
        if self.drafted is not None:
            return self.drafted
        to, value, data = calls[0]
        transaction = SafeTransaction(CHAIN_ID, SAFE, 9, to, data, value)
        return matter(
            signers=0,
            transaction=transaction,
            title=asked["title"],
            changes=tuple(asked["changes"]),
            remarks=(),
            from_service=False,
        )

    async def draft_rejection(self, matter_: Matter, /) -> Matter:
        transaction = rejection(CHAIN_ID, SAFE, matter_.transaction.nonce)
        known = next((one for one in self.matters if one.transaction == transaction), None)
        return known or matter(signers=0, transaction=transaction, title="Rejects", remarks=(), from_service=False)

    async def propose(self, matter_: Matter, /, **asked: Any) -> Matter:
        self.proposed.append((matter_, asked))
        self.matters.append(replace(matter_, from_service=True))
        return self.matters[-1]

    async def withdraw(self, matter_: Matter, /) -> None:
        self.withdrawn.append(matter_.hash)

    async def unwanted(self, matter_: Matter, /, *, owner: str, via: str) -> None:
        self.rejected.append((matter_.hash, owner))

    async def executed(self, matter_: Matter, /, **said: Any) -> None:
        self.carried_out.append((matter_.hash, said))


@dataclass
class Typed:
    """``keeper`` with a configuration that leads to ``council``."""

    council: CommandCouncil
    capsys: pytest.CaptureFixture[str]
    folder: Path

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """(exit code, standard output, standard error)."""
        code = run_command(list(words))
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def document(self, *words: str) -> tuple[int, dict[str, Any]]:
        """With ``--json``: exactly one document."""
        code, out, _ = self("--json", *words)
        return code, json.loads(out)

    def key_file(self, account: LocalAccount) -> str:
        path = self.folder / f"{account.address}.key"
        path.touch(mode=0o600)
        path.write_text(bytes(account.key).hex())
        return str(path)


def typed_over(
    council: CommandCouncil, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> Typed:
    """``config`` holds what the commands look at and no more."""
    import keeper.config
    from keeper.app.council import opening

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[CommandCouncil]:
        yield council

    config = SimpleNamespace(
        chain=SimpleNamespace(id=CHAIN_ID),
        http=None,
        signer=None,
        audit=SimpleNamespace(url=SimpleNamespace(reveal=lambda: "x")),
    )
    monkeypatch.setattr(opening, "open_council", opened)
    monkeypatch.setattr(keeper.config, "load", lambda path: config, raising=False)
    monkeypatch.chdir(folder)
    return Typed(council, capsys, folder)
