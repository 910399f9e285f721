"""``keeper status`` where proposals wait for the owners of a Safe: from the log alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from keeper.adapters import clock as clock_module
from keeper.adapters.audit.times import to_iso
from keeper.app.cli.output import Output
from keeper.app.cli.status import run
from keeper.app.cli.typed import keeper_command
from keeper.app.council.ledger import transaction_body
from keeper.app.exit_codes import Exit
from keeper.domain.address import checksum_address
from keeper.domain.record import Draft, Json, RecordKind
from keeper.domain.safe import SafeTransaction
from tests.support.audit_log import write_log
from tests.support.source_fakes import ManualClock
from tests.unit.app.test_app_status import NOW_MS, start, tick

pytestmark = pytest.mark.unit

SAFE = checksum_address(b"\x5a" * 20)
TARGET = checksum_address(b"\x7a" * 20)
WANTED = SafeTransaction(31337, SAFE, 4, TARGET, b"\x01\x02\x03\x04")
HASH = WANTED.hash_text
TITLE = "ETH-PERP: pause-market by the Safe"


def made(
    what: str = "action", *, step: str = "made", threshold: int | None = 2, expires_ms: int | None = None
) -> Draft:
    body: dict[str, Json] = {
        "step": step,
        **transaction_body(WANTED),
        "what": what,
        "title": TITLE,
        "origin": "",
        "block": 7,
        "expires_ms": None if expires_ms is None else str(expires_ms),
        "evidence": None,
        "facts": {} if threshold is None else {"threshold": threshold},
    }
    at_ms = NOW_MS - 180_000
    return Draft(RecordKind.PROPOSAL, body, at_ms, market="ETH-PERP", action="pause-market", incident="ETH-PERP@1")


def step(name: str, **facts: Json) -> Draft:
    body: dict[str, Json] = {"step": name, "safe": SAFE, "safe_tx_hash": HASH, **facts}
    return Draft(RecordKind.PROPOSAL, body, NOW_MS - 60_000, market="ETH-PERP", action="pause-market")


def signed(owner: str, threshold: int = 2) -> Draft:
    return step("signed", owner=owner, count=1, threshold=threshold)


async def said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *drafts: Draft
) -> tuple[int, list[str], list[Mapping[str, Json]]]:
    """The exit code, what people read of troubles, and the proposals for machines."""
    monkeypatch.setattr(clock_module, "SystemClock", lambda: ManualClock(NOW_MS))
    config = tmp_path / "keeper.yaml"
    config.write_text("audit: {url: 'sqlite:///keeper.db'}\n")
    await write_log(tmp_path / "keeper.db", [start(300), tick(200), *drafts, tick(1)])
    code = run(Output(), str(config))
    text = capsys.readouterr().out.replace(str(config), "CONFIG")
    assert run(Output(as_json=True), str(config)) == code
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is (code == Exit.DONE)
    return code, text.strip().splitlines()[3:], document["proposals"]


async def test_status__action_waits_for_signatures__is_told_and_not_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = made(expires_ms=NOW_MS + 1), step("sent"), signed("0xAda"), signed("0xAda")
    code, text, documents = await said(tmp_path, capsys, monkeypatch, *drafts)
    assert code == Exit.FOUND
    assert text[-2:] == [
        f"waits for signatures: {TITLE} ({HASH[:12]}.., 1 of 2 signatures, proposed 3 min ago)",
        f"  -> {keeper_command()} council CONFIG show {HASH[:12]}",
    ]
    assert documents == [
        {
            "hash": HASH,
            "title": TITLE,
            "what": "action",
            "incident": "ETH-PERP@1",
            "market": "ETH-PERP",
            "action": "pause-market",
            "step": "signed",
            "signed": 1,
            "threshold": 2,
            "made_at": to_iso(NOW_MS - 180_000),
            "expires_at": to_iso(NOW_MS + 1),
        }
    ]


async def test_status__enough_have_signed__waits_to_be_executed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = made(expires_ms=NOW_MS), signed("0xAda"), signed("0xBen")
    _, text, documents = await said(tmp_path, capsys, monkeypatch, *drafts)
    assert f"waits to be executed: {TITLE} ({HASH[:12]}.., 2 of 2 signatures" in text[-2]
    assert "its time is over" in text[-2]
    assert documents[0]["signed"] == 2


@pytest.mark.parametrize(("first", "newest"), [("made", "made"), ("adopted", "adopted")])
async def test_status__nobody_has_signed__by_the_threshold_of_its_making(
    first: str,
    newest: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, text, documents = await said(tmp_path, capsys, monkeypatch, made(step=first))
    assert "0 of 2 signatures" in text[-2]
    assert (documents[0]["step"], documents[0]["expires_at"]) == (newest, None)


async def test_status__threshold_that_changed_or_is_not_told__is_the_newest_or_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text, documents = await said(tmp_path, capsys, monkeypatch, made(threshold=None), step("sent"))
    assert ".., 0 signatures," in text[-2]
    assert documents[0]["threshold"] is None
    (tmp_path / "keeper.db").unlink()
    _, text, _ = await said(tmp_path, capsys, monkeypatch, made(), signed("0xAda", 2), signed("0xBen", 3))
    assert "2 of 3 signatures" in text[-2]


async def test_status__what_people_propose_by_themselves__may_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text, documents = await said(tmp_path, capsys, monkeypatch, made("restore"))
    assert code == Exit.DONE
    assert "waits for signatures" in text[-2]
    assert documents[0]["what"] == "restore"


@pytest.mark.parametrize("end", ["executed", "superseded"])
async def test_status__over__is_not_told(
    end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text, documents = await said(tmp_path, capsys, monkeypatch, made(), step(end))
    assert (code, documents) == (Exit.DONE, [])
    assert text[-1] == "nothing is down, no intent is open"
