"""Export loses nothing: whatever a log holds, its bundle holds the same and checks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keeper.adapters.audit.evidence import pack, unpack
from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.reading import all_records
from keeper.adapters.audit.store import SqlAuditStore
from keeper.app.bundle import layout
from keeper.app.bundle.checking import check
from keeper.app.bundle.exporting import as_row
from keeper.domain.errors import AuditError, InvalidTransition
from keeper.domain.evidence import KEY
from keeper.domain.record import Draft, RecordKind
from tests.property.test_audit_log import BODIES, JOURNAL, PLAIN
from tests.support.bundles import bundle, lines_of

pytestmark = pytest.mark.property


def with_evidence(draft: Draft, content: dict[str, object]) -> Draft:
    evidence = pack(content)  # type: ignore[arg-type]
    return replace(draft, kind=RecordKind.TICK, body={**draft.body, KEY: evidence.hash}, evidence=evidence)


def without_evidence(draft: Draft) -> Draft:
    kind = RecordKind.TICK if draft.kind is RecordKind.ARCHIVE else draft.kind
    return replace(draft, kind=kind, body={name: value for name, value in draft.body.items() if name != KEY})


DRAFTS = st.one_of(PLAIN.map(without_evidence), JOURNAL, st.builds(with_evidence, PLAIN, BODIES))


async def written(path: Path, drafts: list[Draft]) -> None:
    store = await SqlAuditStore.open(sqlite_url(path), create=True)
    try:
        for draft in drafts:
            with suppress(AuditError, InvalidTransition):  # what the journal refuses is not in the log
                await store.append([draft])
    finally:
        await store.close()


@settings(
    max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(DRAFTS, max_size=12))
def test_export__of_any_log__verifies_and_holds_all_of_it(drafts: list[Draft]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path, folder = Path(place) / "keeper.db", Path(place) / "bundle"
        asyncio.run(written(path, drafts))
        contents = bundle(sqlite_url(path), folder)
        records = all_records(sqlite_url(path))
        rows = [as_row(line) for line in lines_of(folder / layout.RECORDS)]
        assert [(row.hash, row.seq, row.at, row.market) for row in rows] == [
            (record.hash, record.seq, record.at, record.market) for record in records
        ]
        kept = {draft.evidence.hash: unpack(draft.evidence) for draft in drafts if draft.evidence is not None}
        for line in lines_of(folder / layout.EVIDENCE):
            assert line["content"] == kept[line["hash"]]
        found = check(folder)
        assert (found.problem, contents.records) == ("", len(records))
        script = [sys.executable, "-I", "-S", str(folder / layout.STANDALONE)]
        done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
