"""A running keeper signs its log's head, gives it to a file and to an address, and goes on after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.adapters.audit.checkpoints import SqlCheckpointBook
from keeper.domain.checkpoint import SignedCheckpoint, from_document, signed_by
from keeper.domain.errors import SigningError
from keeper.domain.record import RecordKind
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import Stage, staged
from tests.support.signed_checkpoints import OTHER
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

KEY = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


def with_checkpoints(stage: Stage, hook: Webhook, every: str = "1h") -> None:
    """The section ``audit`` of the stage's configuration, with an identity and two witnesses."""
    key = stage.folder / "identity.key"
    key.touch(mode=0o600)
    key.write_text(KEY)
    text = stage.config.read_text()
    plain = 'audit: {url: "sqlite:///keeper.db"}'
    assert plain in text
    address = f"http://127.0.0.1:{hook.port}/kept"
    section = f"""audit:
  url: "sqlite:///keeper.db"
  signer: "{OTHER.address}"
  checkpoints:
    every: {every}
    identity: {{kind: key-file, path: identity.key}}
    witnesses: [{{file: kept.jsonl}}, {{url: "{address}"}}]"""
    stage.config.write_text(text.replace(plain, section))


async def checkpoints(stage: Stage) -> list[SignedCheckpoint]:
    book = SqlCheckpointBook(stage.url)
    try:
        return list(await book.after(0, 1_000))
    finally:
        await book.close()


def in_the_file(stage: Stage) -> list[SignedCheckpoint]:
    path = stage.folder / "kept.jsonl"
    return [from_document(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


async def test_service__a_trip_and_a_stop__are_signed_and_kept_by_witnesses(tmp_path: Path, hook: Webhook) -> None:
    async with staged(tmp_path) as stage:
        with_checkpoints(stage, hook)
        async with inside(stage.config) as service:
            await service.watching()
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await service.until(lambda: bool(in_the_file(stage)))
            during = in_the_file(stage)[0].checkpoint
            (outcome,) = stage.records(RecordKind.OUTCOME)
            assert during.seq >= outcome.seq, "the outcome is signed at once"
            hook.status = 500
            await service.end()
        kept = await checkpoints(stage)
        last = stage.records()[-1]
        assert last.kind is RecordKind.STOP
        assert (kept[-1].checkpoint.seq, kept[-1].checkpoint.head) == (last.seq, last.hash)
        assert {signed_by(one) for one in kept} == {OTHER.address}
        assert [one.checkpoint.number for one in kept] == list(range(1, len(kept) + 1))
        assert in_the_file(stage) == kept

        hook.status = 200
        hook.received.clear()
        async with inside(stage.config) as service:
            await service.watching()
            await service.end()
        again = await checkpoints(stage)
        assert again[: len(kept)] == kept
        assert again[-1].checkpoint.seq == stage.records()[-1].seq
        assert in_the_file(stage) == again
        told = [from_document(document) for _, document in hook.received]
        assert told == again[-len(told) :], "in order, from the first that the address lacked"
        assert kept[-1] in told


async def test_service__every_so_often__signs_what_is_new(tmp_path: Path, hook: Webhook) -> None:
    async with staged(tmp_path) as stage:
        with_checkpoints(stage, hook, "1s")
        async with inside(stage.config) as service:
            await service.watching()
            await service.until(lambda: len(in_the_file(stage)) > 0)
            await service.end()


async def test_service__the_identity_is_the_key_that_sends__does_not_start(tmp_path: Path, hook: Webhook) -> None:
    async with staged(tmp_path) as stage:
        with_checkpoints(stage, hook)
        (stage.folder / "identity.key").write_text(stage.key.private_key)
        stage.config.write_text(stage.config.read_text().replace(OTHER.address, stage.key.address))
        with pytest.raises(SigningError, match="must not sign texts"):
            async with inside(stage.config):
                pass
