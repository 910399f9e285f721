"""The views say the same in both databases, whatever the bodies hold."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.migrate import upgrade
from keeper.adapters.audit.times import to_iso
from keeper.adapters.audit.views import VIEWS
from tests.support.audit_log import T0
from tests.support.postgres_roles import connected
from tests.support.view_log import BLOCK_S, HASH, HOSTILE, INCIDENT, INTENT, SAFE, rows

pytestmark = pytest.mark.integration

DOCUMENT = Path(__file__).parents[2] / "docs/auditor-sql.md"
E1, E2 = "0x" + "e1" * 32, "0x" + "e2" * 32
HEAD_HASH, SIGNATURE = "0x" + "a1" * 32, "0x" + "51" * 65
EXTRA = [
    f"INSERT INTO intents VALUES ('{INTENT}', 5, 'ETH-PERP', 'pause', '{INCIDENT}', 'done', "
    f"'{to_iso(T0 + 9)}', '{to_iso(T0 + 99)}', '0xaa', '0x', 'false')",
    f"INSERT INTO attempts VALUES ('{INTENT}', 1, 6, 1, '0xbb', 3, '5', '1', 90, '0xaa', '0x', '0x01', '0xff', '{to_iso(T0 + 10)}')",
    f"INSERT INTO evidence VALUES ('{E1}', 2, 'columns+zlib/1', 10, CAST('abc' AS {{bytes}}))",
    f"INSERT INTO archived VALUES ('{E2}', 24)",
    f"INSERT INTO checkpoints VALUES (1, 7, '{HEAD_HASH}', '{HEAD_HASH}', '{to_iso(T0)}', 'k', 1, '0xcc', '', '{SIGNATURE}')",
]

Ask = Callable[[str], list[dict[str, Any]]]
Both = dict[bool, tuple[Ask, Ask]]


def as_one(value: Any) -> Any:
    """SQLite has no booleans and no exact decimals."""
    if isinstance(value, bool):
        return int(value)
    return Decimal(str(value)) if isinstance(value, (int, float, Decimal)) else value


def asked(run: Callable[[str], Any], prefix: str) -> Ask:
    def ask(name: str) -> list[dict[str, Any]]:
        view = next(view for view in VIEWS if view.name == name)
        cursor = run(f"SELECT * FROM {prefix}{name}")
        assert [column[0] for column in cursor.description] == list(view.columns)
        found = [dict(zip(view.columns, map(as_one, row), strict=True)) for row in cursor.fetchall()]
        for row in found:
            row.update({key: Decimal(row[key]) for key in row if key.endswith("_wei") and row[key] is not None})
        return sorted(found, key=repr)

    return ask


def in_sqlite(path: Path, hostile: bool, ends: ExitStack) -> Ask:
    upgrade(sqlite_url(path))
    connection = ends.enter_context(closing(sqlite3.connect(path)))
    with connection:
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows(hostile))
        for statement in EXTRA:
            connection.execute(statement.format(bytes="BLOB"))
    return asked(connection.execute, "")


def in_postgres(url: str, hostile: bool, ends: ExitStack) -> Ask:
    upgrade(url)
    connection = ends.enter_context(connected(url))
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO records VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", rows(hostile))
    for statement in EXTRA:
        connection.execute(statement.format(bytes="bytea").encode())
    return asked(lambda sql: connection.execute(sql.encode()), "audit.")


@pytest.fixture(scope="module")
def both(postgres_server: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("views")
    with ExitStack() as ends:
        yield {
            hostile: (
                in_sqlite(folder / f"{hostile}.db", hostile, ends),
                in_postgres(postgres_server(), hostile, ends),
            )
            for hostile in (False, True)
        }


@pytest.fixture(params=["sqlite", "postgresql"])
def ask(request: pytest.FixtureRequest, both: Both) -> Ask:
    return both[False][request.param == "postgresql"]


def test_incidents__opened_and_closed__one_row(ask: Ask) -> None:
    assert ask("incidents") == [
        {
            "id": INCIDENT, "market": "ETH-PERP", "rule": "oracle-divergence", "signal": "divergence", "severity": "critical",
            "observed": "0.0592", "threshold": "0.02", "opened_at": to_iso(T0 + 5), "opened_block": 14,
            "closed_at": to_iso(T0 + 60), "closed_block": 20, "opened_seq": 3, "closed_seq": 11,
        }
    ]  # fmt: skip


def test_actions__finished__with_exact_cost(ask: Ask) -> None:
    (row,) = ask("actions")
    assert (row["outcome_kind"], row["outcome_reason"], row["state"], row["attempts"]) == (
        "included",
        "effect-verified",
        "done",
        1,
    )
    assert (row["tx_hash"], row["block"], row["kind"], row["sender"]) == ("0x01", 15, "pause", "0xbb")
    times = ("intent_at", "first_attempt_at", "first_broadcast_at", "receipt_at", "outcome_at")
    assert [row[name] for name in times] == [to_iso(T0 + ms) for ms in (9, 10, 20, 30, 50)]
    assert int(row["cost_wei"]) == 8_000_000_000 * (10**27 - 1)


def test_response_times__finished__from_the_block_and_from_its_announcement(ask: Ask) -> None:
    (row,) = ask("response_times")
    assert (row["block"], row["block_at"], row["included_block"]) == (14, to_iso(BLOCK_S * 1000), 15)
    steps = ("decision", "intent", "broadcast", "include", "effect")
    late = T0 - BLOCK_S * 1000
    assert [row[f"block_to_{step}_ms"] for step in steps] == [late + ms for ms in (5, 9, 20, 30, 40)]
    assert (row["head_to_decision_ms"], row["head_to_effect_ms"]) == (Decimal("2.517"), Decimal("430.718"))
    assert row["head_to_broadcast_ms"] is None


def test_proposals__made_twice__a_row_for_each_round(ask: Ask) -> None:
    first, again = sorted(ask("proposals"), key=lambda row: row["made_seq"])
    assert {first["safe_tx_hash"], again["safe_tx_hash"]} == {HASH}
    assert (first["safe"], first["title"], first["step"], first["signatures"], first["threshold"]) == (
        SAFE,
        "Restore",
        "superseded",
        2,
        2,
    )
    assert (first["superseded_why"], first["executed_at"], first["market"]) == ("its nonce was used", None, "ETH-PERP")
    assert (again["title"], again["step"], again["signatures"], again["tx_hash"], again["block"]) == (
        "Again",
        "executed",
        0,
        "0x02",
        99,
    )


def test_people_actions__switch_signatures_and_breaker__but_nothing_that_happened_by_itself(ask: Ask) -> None:
    found = [
        (row["kind"], row["step"], row["who"], row["words"])
        for row in sorted(ask("people_actions"), key=lambda row: row["seq"])
    ]
    assert found == [
        ("proposal", "signed", "0x0a", None),
        ("proposal", "signed", "0x0b", None),
        ("switch", "off", "ann", "upgrade"),
        ("breaker", "disarmed", None, "upgrade"),
    ]


def test_log_itself__configurations_gaps_evidence_checkpoints__are_told(ask: Ask) -> None:
    (configuration,) = ask("configurations")
    assert (configuration["hash"], configuration["starts"], configuration["first_seq"], configuration["last_seq"]) == (
        "0xc0",
        2,
        1,
        25,
    )
    assert (configuration["name"], configuration["mode"], configuration["chain_id"]) == ("k", "live", 1)
    of_records, of_blocks = sorted(ask("gaps"), key=lambda row: row["seq"])
    assert (of_records["from_at"], of_records["until_at"], of_records["records"]) == (to_iso(T0), to_iso(T0 + 1), 3)
    assert (of_blocks["event"], of_blocks["first_block"], of_blocks["last_block"]) == ("gap", 5, 9)
    here, away = sorted(ask("evidence_overview"), key=lambda row: row["hash"])
    assert (here["here"], here["packed_size"], here["kind"], here["archive_file"]) == (1, 3, "tick", None)
    assert (away["here"], away["seq"], away["archive_file"], away["archive_sha256"]) == (
        0,
        None,
        "evidence-2-2.parquet",
        "0xf1",
    )
    (checkpoint,) = ask("checkpoint_overview")
    assert (checkpoint["records"], checkpoint["holds"]) == (7, 0)  # the record has another hash than was signed


def test_timeline__of_the_incident__every_record_of_it_in_words(ask: Ask) -> None:
    found = [row["words"] for row in sorted(ask("incident_timeline"), key=lambda row: row["seq"])]
    assert found == [
        "opened: oracle-divergence, divergence 0.0592 against 0.02",
        "act (tripped): oracle-divergence 0.0592",
        "pause() on 0xaa, effect now false",
        "nonce 3, 0x01",
        "accepted by public",
        "status 1 in block 15: 0x01",
        "paused()(bool): false -> true at block 15",
        "included (effect-verified): paused",
        "closed: oracle-divergence, divergence 0.0592 against 0.02",
    ]


@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("view", [view.name for view in VIEWS])
def test_views__same_log__same_rows_from_both(both: Both, view: str, hostile: bool) -> None:
    in_one, in_other = (ask(view) for ask in both[hostile])
    assert in_one == in_other
    assert in_one


def test_views__hostile_bodies__no_row_is_lost(both: Both) -> None:
    for ask in both[True]:
        assert len(ask("decisions")) == len(HOSTILE) + 1
        assert len(ask("effects")) == len(HOSTILE) + 1
        # those that say so, but for the one with half a character: it can be read as no document at all
        opened = [body for body in HOSTILE if '"opened"' in body and "ud800" not in body]
        assert len(ask("incidents")) == len(opened) + 1
        rules = {row["rule"] for row in ask("incidents")}
        assert "a\ufffdb" in rules


def test_document__views_and_columns__are_those_that_there_are() -> None:
    found: dict[str, list[str]] = {}
    for line in DOCUMENT.read_text().splitlines():
        if heading := re.fullmatch(r"### `(\w+)`", line):
            found[heading.group(1)] = columns = []
        elif column := re.match(r"\| `(\w+)` \| .+ \|", line):
            columns.append(column.group(1))
    assert found == {view.name: list(view.columns) for view in VIEWS}


def test_document__examples__run(postgres_url: str) -> None:
    upgrade(postgres_url)
    examples = re.findall(r"```sql\n(-- how.*?)```", DOCUMENT.read_text(), re.DOTALL)
    statements = [one for text in examples for one in text.split(";") if "SELECT" in one]
    assert len(statements) == 5
    with connected(postgres_url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
