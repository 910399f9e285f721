"""What the doctor says of checkpoints: the key, the log against what was signed, and the witnesses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.adapters.audit.checkpoints import SqlCheckpointBook
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.witness.file import FileWitness
from keeper.app.checkpoint_parts import open_witnesses
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.checkpoints import examine_checkpoints
from keeper.config.audit import AuditConfig, CheckpointConfig, UrlWitness
from keeper.config.audit import FileWitness as FileWitnessConfig
from keeper.config.secret import Secret
from keeper.config.sending import KeyFileSigner
from tests.support.audit_log import story
from tests.support.signed_checkpoints import IDENTITY, OTHER, checkpoint, signed
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


@dataclass
class Scene:
    folder: Path
    audit: AuditConfig

    async def look(self, sender: str | None = OTHER.address, **changes: Any) -> Check:
        config: Any = SimpleNamespace(audit=replace(self.audit, **changes))
        return await examine_checkpoints(config, [sender] if sender else [])

    def with_witnesses(self, *witnesses: FileWitnessConfig | UrlWitness) -> CheckpointConfig:
        assert self.audit.checkpoints is not None
        return replace(self.audit.checkpoints, witnesses=witnesses)

    async def log(self) -> None:
        """A log with a checkpoint."""
        store = await SqlAuditStore.open(self.audit.url.reveal(), create=True)
        await store.append(story())
        await store.close()
        book = SqlCheckpointBook(self.audit.url.reveal())
        look = await book.look()
        await book.add(await signed(checkpoint(1, seq=look.seq, head=look.head, genesis=look.genesis)))
        for witness in open_witnesses(self.audit):
            newest = await book.newest()
            assert newest is not None
            await witness.keep(newest)
            await witness.close()
        await book.close()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path, hook: Webhook) -> Scene:
    key = tmp_path / "identity.key"
    key.write_text(KEY)
    key.chmod(0o600)
    (tmp_path / "elsewhere").mkdir()
    address = UrlWitness(Secret(f"http://127.0.0.1:{hook.port}/hook"), "shown")
    file = FileWitnessConfig(str(tmp_path / "elsewhere" / "checkpoints.jsonl"))
    made = CheckpointConfig(600_000, KeyFileSigner(str(key)), (file, address))
    url = sqlite_url(tmp_path / "keeper.db")
    return Scene(
        tmp_path,
        AuditConfig(Secret(url), url, spool=str(tmp_path / "keeper.spool"), signer=IDENTITY.address, checkpoints=made),
    )


async def test_checkpoints__all_is_well__says_who_signs_and_what_is_kept(scene: Scene) -> None:
    check = await scene.look()
    assert (check.health, check.name) == (Health.OK, "checkpoints")
    assert "none was made yet; 2 witnesses" in check.message
    await scene.log()
    check = await scene.look()
    assert check.health is Health.OK, check
    assert IDENTITY.address in check.message
    assert "number 1" in check.message


async def test_checkpoints__not_configured__is_no_warning_and_says_what_that_means(scene: Scene) -> None:
    check = await scene.look(checkpoints=None)
    assert check.health is Health.OK
    assert "cut off" in check.message


async def test_checkpoints__no_key__fails_and_names_the_setting(scene: Scene) -> None:
    (scene.folder / "identity.key").unlink()
    check = await scene.look()
    assert check.health is Health.FAIL
    assert "audit.checkpoints.identity.path" in check.remedy


@pytest.mark.parametrize(
    ("sender", "signer", "said"), [(IDENTITY.address, None, "must not sign"), (None, OTHER.address, "belongs to")]
)
async def test_checkpoints__the_wrong_key__fails(
    scene: Scene, sender: str | None, signer: str | None, said: str
) -> None:
    check = await scene.look(sender, signer=signer)
    assert check.health is Health.FAIL
    assert said in check.message
    assert check.remedy


async def test_checkpoints__the_log_was_replaced__fails(scene: Scene) -> None:
    await scene.log()
    (scene.folder / "keeper.db").rename(scene.folder / "old.db")
    store = await SqlAuditStore.open(scene.audit.url.reveal(), create=True)
    await store.append(story()[:3])
    await store.close()
    import sqlite3

    with sqlite3.connect(scene.folder / "keeper.db") as new:
        new.execute("ATTACH ? AS old", (str(scene.folder / "old.db"),))
        new.execute("PRAGMA foreign_keys=OFF")
        new.execute("INSERT INTO checkpoints SELECT * FROM old.checkpoints")
    new.close()
    check = await scene.look()
    assert check.health is Health.FAIL
    assert "was signed at record 14" in check.message
    assert "verify" in check.remedy


async def test_checkpoints__nobody_else_keeps_them__warns(scene: Scene) -> None:
    check = await scene.look(checkpoints=scene.with_witnesses())
    assert check.health is Health.WARN
    assert "nobody but this machine" in check.message


async def test_checkpoints__only_a_file_beside_the_log__warns(scene: Scene) -> None:
    beside = scene.with_witnesses(FileWitnessConfig(str(scene.folder / "beside.jsonl")))
    check = await scene.look(checkpoints=beside)
    assert check.health is Health.WARN
    assert "on the disk of the log" in check.message


async def test_checkpoints__a_witness_lacks_some__warns(scene: Scene) -> None:
    await scene.log()
    (scene.folder / "elsewhere" / "checkpoints.jsonl").unlink()
    check = await scene.look()
    assert check.health is Health.WARN
    assert "keep none of 1" in check.message


async def test_checkpoints__a_witness_is_away__warns_without_its_path(scene: Scene) -> None:
    away = scene.with_witnesses(UrlWitness(Secret("http://127.0.0.1:1/secret-77"), "shown"))
    check = await scene.look(checkpoints=away)
    assert check.health is Health.WARN
    assert "connection refused" in check.message
    assert "secret-77" not in repr(check)


async def test_checkpoints__nobody_says_whose_they_are__warns_with_the_line_to_write(scene: Scene) -> None:
    check = await scene.look(signer=None)
    assert check.health is Health.WARN
    assert f'`signer: "{IDENTITY.address}"`' in check.remedy


@pytest.mark.parametrize("signer", [None, IDENTITY.address])
async def test_checkpoints__a_witness_is_away__the_identity_and_the_line_to_write_stay(
    scene: Scene, signer: str | None
) -> None:
    away = scene.with_witnesses(UrlWitness(Secret("http://127.0.0.1:1/hook"), "shown"))
    check = await scene.look(checkpoints=away, signer=signer)
    assert f"signed by {IDENTITY.address}; none was made yet; 1 witness;" in check.message
    assert "connection refused" in check.message
    assert "look at the `url` of the witness" in check.remedy
    assert (f'`signer: "{IDENTITY.address}"`' in check.remedy) == (signer is None)


def test_file_witness__in_the_configuration__is_opened_as_one(scene: Scene) -> None:
    assert isinstance(open_witnesses(scene.audit)[0], FileWitness)
