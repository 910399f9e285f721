"""A member's command needs no key of the keeper; what does need it says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.adapters.signing.remote import RemoteSigner
from keeper.app.council import opening
from keeper.app.council.ledger import Place, What
from keeper.config.sending import KeyFileSigner
from keeper.domain.errors import UnitError
from tests.support.council_world import CouncilWorld, pause_of
from tests.support.orders import KEYS
from tests.support.safe_proposals import TARGET

pytestmark = pytest.mark.unit


def configured(path: Path) -> Any:
    return SimpleNamespace(signer=KeyFileSigner(str(path)))


async def test_signer__the_keepers_key_is_there__is_opened(tmp_path: Path) -> None:
    path = tmp_path / "keeper.key"
    path.touch(mode=0o600)
    path.write_text(KEYS[3].hex())
    signer, why = await opening._signer(configured(path))
    assert signer is not None
    assert why == ""


async def test_signer__the_keepers_key_is_not_there__is_said_where_it_is_needed(tmp_path: Path) -> None:
    signer, why = await opening._signer(configured(tmp_path / "keeper.key"))
    assert signer is None
    world = CouncilWorld(tmp_path)
    world.council._signer = None
    world.council._no_signer = f"the keeper's key cannot be used here: {why}"
    draft = await world.council.draft(
        [(TARGET, 0, pause_of().data)], title="By hand", why=[], what=What.BY_HAND, place=Place()
    )
    with pytest.raises(UnitError, match="the keeper's key cannot be used here") as error:
        await world.council.propose(draft, what=What.BY_HAND, place=Place())
    assert "not there" in error.value.message


async def test_signer__it_signs_transactions_alone__is_said_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def remote(_: object) -> RemoteSigner:
        return RemoteSigner("https://signer.example", TARGET)

    monkeypatch.setattr(opening, "open_signer", remote)
    assert await opening._signer(configured(Path("nowhere"))) == (None, "it signs transactions alone")
