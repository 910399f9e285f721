"""``keeper restore``: what it shows, what it proposes, and when it proposes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.app.cli import nothing_yet, restore
from keeper.app.council.ledger import What
from keeper.app.council.matter import After, Matter
from keeper.app.council.restoring import Restore
from keeper.domain.abi import encode_call
from keeper.domain.action import FunctionCall
from keeper.domain.errors import Refused, Unreachable
from keeper.domain.safe import SafeTransaction
from tests.support.council_commands import CommandCouncil, Typed, typed_over
from tests.support.council_matters import CHAIN_ID, SAFE, matter
from tests.support.restoring import INCIDENT, VAULT, Log, planned

pytestmark = pytest.mark.unit

UNDO = encode_call(FunctionCall(VAULT, "setLimit(uint256)", ("1000000",)))
SAME = SafeTransaction(CHAIN_ID, SAFE, 5, UNDO.to, UNDO.data)
Over = Callable[..., Typed]


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Over:
    """A limit that the keeper lowered from 1000000 to 250000, and that is ``now``."""

    def make(*matters: Matter, now: int | None = 250_000, **fields: Any) -> Typed:
        log = Log()
        log.acted("limit", "1000000", "250000")

        async def plan(_: object, incident: str) -> Restore:
            return await planned(log, incident=incident, chain=MemoryChain(), limit=now)

        monkeypatch.setattr(restore, "planned", plan)
        monkeypatch.setattr(nothing_yet, "log_exists", lambda _: True)
        return typed_over(CommandCouncil(matters=list(matters), **fields), monkeypatch, capsys, tmp_path)

    return make


def test_restore__what_is_still_tight__is_proposed_after_it_was_shown(over: Over) -> None:
    typed = over()
    code, out, _ = typed("restore", "keeper.yaml", INCIDENT, "--yes")
    assert code == 0
    assert "250,000 now -> 1,000,000 (+300 %) as before the incident" in " ".join(out.split())
    assert "It goes through" in out
    assert "safeTxHash" in out
    ((proposed, asked),) = typed.council.proposed
    assert (proposed.transaction.to, proposed.transaction.data) == (UNDO.to, UNDO.data)
    assert (asked["what"], asked["place"].incident, asked.get("signature")) == (What.RESTORE, INCIDENT, None)
    assert typed.council.asked["calls"] == [(UNDO.to, 0, UNDO.data)]
    (change,) = typed.council.asked["changes"]
    assert (change.before, change.recorded) == ("250000", "1000000")


def test_restore__without_a_configuration__takes_the_usual_one(over: Over) -> None:
    assert over()("restore", INCIDENT, "--yes")[0] == 0


@pytest.mark.parametrize("config", ["keeper.yaml", "other.yml", "-", "here"])
def test_restore__a_configuration_alone__is_usage_that_asks_for_the_incident(
    over: Over, tmp_path: Path, config: str
) -> None:
    typed = over()
    (tmp_path / "here").touch()
    code, _, err = typed("restore", config, "--yes")
    assert code == 2
    assert "INCIDENT" in err
    assert f"keeper audit {config} log --kind incident" in err
    assert typed.council.proposed == []


def test_restore__already_as_before__has_nothing_to_do(over: Over) -> None:
    typed = over(now=1_000_000)
    code, said = typed.document("restore", INCIDENT)
    assert (code, said["proposed"], said["items"][0]["fate"]) == (0, False, "as-before")
    assert typed.council.proposed == []


def test_restore__changed_since__is_left_alone_and_said(over: Over) -> None:
    typed = over(now=7)
    code, said = typed.document("restore", INCIDENT, "--yes")
    assert code == 0
    (item,) = said["items"]
    assert (item["before_incident"], item["left_by_keeper"], item["now"]) == ("1000000", "250000", "7")
    assert typed.council.proposed == []


def test_restore__what_cannot_be_read__is_found_and_not_called_done(over: Over) -> None:
    code, said = over(now=None).document("restore", INCIDENT)
    assert (code, said["ok"], said["items"][0]["fate"]) == (1, False, "cannot")


def test_restore__dry_run__proposes_nothing(over: Over) -> None:
    typed = over()
    code, said = typed.document("restore", INCIDENT, "--dry-run")
    assert (code, said["proposed"]) == (0, False)
    assert said["items"][0]["undo"] == {"to": UNDO.to, "data": "0x" + UNDO.data.hex()}
    assert typed.council.proposed == []


def test_restore__out__writes_what_the_owners_sign(over: Over, tmp_path: Path) -> None:
    typed = over()
    assert typed("restore", INCIDENT, "--out", "batch.json")[0] == 0
    assert json.loads((tmp_path / "batch.json").read_text())["message"]["to"] == VAULT
    assert typed.council.proposed == []
    assert typed("restore", INCIDENT, "--out", "batch.json")[0] == 2


def test_restore__nobody_said_yes__proposes_nothing(over: Over) -> None:
    typed = over()
    code, said = typed.document("restore", INCIDENT)
    assert code == 1
    assert "nobody was asked" in said["error"]["message"]
    assert typed.council.proposed == []


def test_restore__that_would_fail__is_not_proposed(over: Over) -> None:
    drafted = matter(after=After(False, "the second call reverts"), from_service=False)
    typed = over(drafted=drafted)
    code, said = typed.document("restore", INCIDENT, "--yes")
    assert code == 1
    assert "the second call reverts" in said["error"]["message"]
    assert typed.council.proposed == []


@pytest.mark.parametrize("from_service", [True, False])
def test_restore__the_same_waits_already__is_not_proposed_twice(over: Over, from_service: bool) -> None:
    waiting = matter(transaction=SAME, from_service=from_service)
    typed = over(waiting)
    code, said = typed.document("restore", INCIDENT, "--yes")
    assert (code, said["matter"]["hash"]) == (0, waiting.hash)
    assert typed.council.proposed == []


def test_restore__an_unknown_incident__is_usage(over: Over) -> None:
    code, said = over().document("restore", "ETH-PERP@2")
    assert code == 2
    assert "no incident 'ETH-PERP@2'" in said["error"]["message"]


@pytest.mark.parametrize(("error", "expected"), [(Unreachable("away"), 3), (Refused("no delegate"), 1)])
def test_restore__the_service_does_not_take_it__is_told(over: Over, error: Exception, expected: int) -> None:
    class Closed(CommandCouncil):
        async def propose(self, matter_: Matter, /, **asked: Any) -> Matter:
            raise error

    typed = over()
    closed = Closed(matters=[])
    typed.council.propose = closed.propose  # type: ignore[method-assign]
    code, out, err = typed("restore", INCIDENT, "--yes")
    assert code == expected
    assert error.args[0] in err
    assert ("kept:" in out) is (expected == 3)


def test_restore__broken_invariants__are_shown_and_do_not_hinder_people(over: Over) -> None:
    typed = over(drafted=replace(matter(transaction=SAME), from_service=False))
    code, out, _ = typed("restore", INCIDENT, "--yes")
    assert code == 0
    assert "BROKEN   no-mass-liquidation" in out


def test_restore__before_the_first_run__says_that_there_is_no_log(over: Over, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = over()
    monkeypatch.setattr(nothing_yet, "log_exists", lambda _: False)
    code, said = typed.document("restore", INCIDENT)
    assert (code, said["error"]["message"]) == (1, "there is no log yet")
