"""The API: what is asked is answered, unchanged answers are not sent again, and what cannot be answered says why."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.app.api import models
from keeper.app.witnessing import WitnessReason, WitnessRefused
from keeper.domain.checkpoint import SignedCheckpoint, from_document
from keeper.domain.record import Draft, Json, RecordKind
from tests.support.audit_log import T0, write_log
from tests.support.log_site import API, Site, filled, incident_id, iso, site_of

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.db"
    asyncio.run(write_log(path, filled()))
    return path


@pytest.fixture
def log(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "log.db"))


async def document(site: Site, path: str) -> Any:
    answer = await site.get(API + path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("kind=start&kind=verification", {"start", "verification"}),
        ("action=pause-market&kind=effect", {"effect"}),
        (f"incident={incident_id(0)}&kind=incident", {"incident"}),
        (f"since={iso(1_800_000)}&until={iso(1_800_001)}", {"verification"}),
        ("since=2025-11-21T06:10:00.000%2B01:00&kind=verification", {"verification"}),
        ("since=2025-11-21T05:10:00.001Z&kind=verification", set()),
    ],
)
async def test_records__filtered__are_those_that_fit(log: Path, query: str, kinds: set[str]) -> None:
    async with site_of(log) as site:
        records = (await document(site, f"/records?{query}"))["records"]
    assert {record["kind"] for record in records} == kinds


async def test_records__with_full_evidence__hold_it_in_the_body(log: Path) -> None:
    async with site_of(log) as site:
        named = (await document(site, "/records?kind=tick&limit=1"))["records"][0]
        full = (await document(site, "/records?kind=tick&limit=1&evidence=full"))["records"][0]
        kept = await document(site, f"/evidence/{named['body']['evidence']}")
        too_many = await site.get(f"{API}/records?evidence=full&limit=101")
    assert "signals" not in named["body"]
    assert full["body"]["signals"] == kept["content"]["signals"]
    assert kept["seq"] == named["seq"]
    assert too_many.status_code == 400
    assert "at most 100" in too_many.json()["detail"]


async def test_records__more_than_one_answer_holds__are_cut_and_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.adapters.audit.public_reader.BODIES_MAX", 150)
    drafts = [Draft(RecordKind.FAULT, {"text": "x" * 100}, T0) for _ in range(5)]
    async with site_of(tmp_path / "large.db", drafts) as site:
        page = await document(site, "/records?limit=5")
        rest = await document(site, f"/records?limit=5&cursor={page['next_cursor']}")
    assert [record["seq"] for record in page["records"]] == [1, 2]
    assert [record["seq"] for record in rest["records"]] == [3, 4]


async def test_etag__of_a_full_page__stays_while_the_log_grows_and_of_the_newest_changes(log: Path) -> None:
    async with site_of(log) as site:
        full = await site.get(f"{API}/records?limit=5")
        newest = await site.get(f"{API}/records?limit=5&order=newest")
        store = await SqlAuditStore.open(sqlite_url(log))
        await store.append([Draft(RecordKind.JOB, {"job": "x"}, T0 + 9_000_000)])
        await store.close()
        again = await site.get(f"{API}/records?limit=5", **{"if-none-match": f'"old", W/{full.headers["etag"]}'})
        newer = await site.get(f"{API}/records?limit=5&order=newest", **{"if-none-match": newest.headers["etag"]})
    assert full.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == full.headers["etag"]
    assert newer.status_code == 200
    assert newer.headers["etag"] != newest.headers["etag"]


async def test_etag__of_a_row_that_was_changed_and_kept_its_hash__is_another(log: Path) -> None:
    async with site_of(log) as site:
        before = await site.get(f"{API}/records/1")
        with sqlite3.connect(log) as connection:
            connection.execute("DROP TRIGGER records_no_update")
            connection.execute("UPDATE records SET body = '{\"forged\":true}' WHERE seq = 1")
        after = await site.get(f"{API}/records/1", **{"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.json()["body"] == {"forged": True}
    assert after.json()["hash"] == before.json()["hash"]


async def test_incidents__are_told_in_short_and_in_full(log: Path) -> None:
    async with site_of(log) as site:
        listed = await document(site, "/incidents")
        one = await document(site, "/incidents?limit=1")
        two = await document(site, f"/incidents?limit=1&cursor={one['next_cursor']}")
        story = await document(site, f"/incidents/{incident_id(0)}")
        markdown = await site.get(f"{API}/incidents/{incident_id(0)}/report?format=md")
        html = await site.get(f"{API}/incidents/{incident_id(0)}/report?format=html")
    newest, oldest = listed["incidents"]
    assert (newest["id"], newest["state"], newest["closed_at"]) == (incident_id(1), "open", None)
    assert (oldest["state"], oldest["lasted_ms"], oldest["first_effect_ms"]) == ("closed", "120000", "412")
    assert (oldest["actions"], oldest["outcomes"], oldest["severity"]) == (1, {"included": 1}, "critical")
    assert [one["incidents"][0]["id"], two["incidents"][0]["id"]] == [incident_id(1), incident_id(0)]
    assert story["id"] == incident_id(0)
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "oracle-divergence" in markdown.text
    assert "sandbox" in html.headers["content-security-policy"]
    assert html.text.startswith("<!doctype html>")


async def test_actions__and_response_times__say_what_came_of_each_and_how_long_it_took(log: Path) -> None:
    async with site_of(log) as site:
        actions = (await document(site, "/actions?order=oldest"))["actions"]
        times = await document(site, "/response-times")
    assert [(one["outcome"], one["block"], one["action"]) for one in actions] == [
        ("included", 1001, "pause-market"),
        ("included", 1011, "pause-market"),
    ]
    assert actions[0]["timeline_ms"]["verified"] == "350.000"
    stages = {one["stage"]: one for one in times["percentiles"]}
    assert list(stages)[:3] == ["head", "reads", "decided"]
    assert (stages["verified"]["p50_ms"], stages["verified"]["max_ms"]) == ("350.000", "351.000")


async def test_verification__is_the_last_that_was_recorded_and_checkpoints_are_none_yet(log: Path) -> None:
    async with site_of(log) as site:
        found = await document(site, "/verification")
        models.Verification.model_validate(found)
        assert found["verdict"]["ok"] is True
        assert found["head_seq"] == len(filled())
        assert await document(site, "/checkpoints") == {"checkpoints": [], "next_cursor": None}


async def test_checkpoints__are_paged_newest_first(log: Path) -> None:
    async with site_of(log) as site:
        await document(site, "/verification")
        with sqlite3.connect(log) as connection:
            for number in range(1, 4):
                prev = "" if number == 1 else "0x" + "44" * 65
                row = (number, number, HEAD, HEAD, iso(0), "k1", 1, CHECKPOINT["signer"], prev, "0x" + "44" * 65)
                connection.execute(f"INSERT INTO checkpoints VALUES ({', '.join('?' * 10)})", row)
        one = await document(site, "/checkpoints?limit=2")
        two = await document(site, f"/checkpoints?limit=2&cursor={one['next_cursor']}")
    assert [each["number"] for each in one["checkpoints"] + two["checkpoints"]] == [3, 2, 1]
    assert two["next_cursor"] is None
    models.Checkpoints.model_validate(one)


async def test_log__damaged_or_not_there__says_so_of_it_alone(log: Path, tmp_path: Path) -> None:
    async with site_of(log) as site:
        await document(site, "/records/1")
        with sqlite3.connect(log) as connection:
            connection.execute("DROP TRIGGER records_no_update")
            connection.execute("UPDATE records SET body = '{' WHERE seq = 2")
        damaged = await site.get(f"{API}/records/2")
        assert (damaged.status_code, damaged.json()["status"]) == (500, 500)
        assert "verify" in damaged.json()["remedy"]
        page = await document(site, "/records?limit=3")
        assert ([one["seq"] for one in page["records"]], page["damaged"]) == ([1, 3], [2])
        assert (await document(site, f"/records?limit=1&cursor={page['next_cursor']}"))["records"][0]["seq"] == 4
        only = await document(site, "/records?kind=configuration")
        assert (only["records"], only["damaged"], only["next_cursor"]) == ([], [2], None)
        shown = await site.get("/audit?kind=start&kind=configuration")
        assert "cannot be read" in shown.text
        assert (await site.get("/audit/records/2")).status_code == 500
        assert (await site.get("/audit/records/3")).status_code == 200
        assert (await site.get(f"{API}/records/1")).status_code == 200
    (tmp_path / "empty.db").touch()
    async with site_of(tmp_path / "empty.db") as site:
        answer = await site.get(f"{API}/records")
    assert answer.status_code == 503
    assert "upgrade" in answer.json()["remedy"]


async def test_question__that_takes_too_long__is_broken_off_and_the_next_is_answered(log: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    async with site_of(log, limit_ms=200) as site:
        await document(site, "/records/1")
        for each in site.reader._all:
            each.endless = lambda each=each: list(each.rows(endless, ()))
        with pytest.raises(Exception, match="was broken off"):
            await site.reader._ask(lambda reader: reader.endless())
        await document(site, "/records/1")


HEAD = "0x" + "11" * 32
CHECKPOINT: dict[str, Json] = {
    "number": 1, "seq": 5, "head": "0x" + "11" * 32, "genesis": "0x" + "22" * 32, "at": iso(0), "keeper": "k2",
    "chain_id": 1, "signer": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "prev": "", "signature": "0x" + "33" * 65,
}  # fmt: skip


async def test_witness__is_there_only_where_checkpoints_of_others_are_kept(log: Path) -> None:
    taken: list[Mapping[str, object]] = []

    async def take(found: Mapping[str, object]) -> SignedCheckpoint:
        taken.append(found)
        return from_document(found)

    async with site_of(log) as site:
        assert (await site.ask("POST", f"{API}/witness", json=CHECKPOINT)).status_code == 404
    async with site_of(log, take_witness=take, tokens=True) as site:
        kept = await site.ask("POST", f"{API}/witness", json=CHECKPOINT)
        stranger = await site.ask("POST", f"{API}/witness", json=CHECKPOINT, headers={"authorization": "Bearer no"})
        form = await site.ask("POST", f"{API}/witness", content="{}", headers={"content-type": "text/plain"})
        large = await site.ask("POST", f"{API}/witness", json={"x": "y" * 9_000})
        nothing = await site.ask("POST", f"{API}/witness", json=[1])
        paths = (await document(site, "/openapi.json"))["paths"]
    assert kept.json() == {"ok": True, "number": 1, "seq": 5, "signer": CHECKPOINT["signer"]}
    assert taken == [CHECKPOINT]
    assert [each.status_code for each in (stranger, form, large, nothing)] == [401, 415, 413, 422]
    assert "post" in paths["/witness"]


@pytest.mark.parametrize("reason", list(WitnessReason))
async def test_witness__refused__is_4xx_with_the_reason(log: Path, reason: WitnessReason) -> None:
    async def take(found: Mapping[str, object]) -> SignedCheckpoint:
        raise WitnessRefused(reason, "because", remedy="do this")

    async with site_of(log, take_witness=take) as site:
        answer = await site.ask("POST", f"{API}/witness", json=CHECKPOINT)
    assert 400 <= answer.status_code < 500
    assert (answer.json()["detail"], answer.json()["remedy"]) == ("because", "do this")
