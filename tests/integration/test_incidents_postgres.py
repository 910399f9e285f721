"""The same story from both databases."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.store import SqlAuditStore
from keeper.app.incidents.listing import Asked, list_incidents, meant
from keeper.app.incidents.telling import read_story
from tests.support import incident_log as log

pytestmark = pytest.mark.integration


async def write(url: str) -> None:
    store = await SqlAuditStore.open(url, create=True)
    try:
        await store.append([*log.whole(), *log.restoring(), log.verification()])
    finally:
        await store.close()


async def test_incidents__on_postgresql__are_told_as_on_sqlite(tmp_path: Path, postgres_url: str) -> None:
    urls = (sqlite_url(tmp_path / "keeper.db"), postgres_url)
    for url in urls:
        await write(url)
    sqlite, postgres = (partial(page_sync, url) for url in urls)
    assert meant(postgres, "ETH").id == log.ID
    assert read_story(postgres, log.ID) == read_story(sqlite, log.ID)
    assert read_story(postgres, log.ID) is not None
    assert list_incidents(postgres, Asked()) == list_incidents(sqlite, Asked())
