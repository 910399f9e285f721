"""The report in its three forms: what it holds, and that nothing in a record becomes more than text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from keeper.app.incidents.document import document
from keeper.app.incidents.gathering import gather_sync
from keeper.app.incidents.markdown import markdown, text
from keeper.app.incidents.page import html
from keeper.app.incidents.report import report_of
from keeper.app.incidents.story import Story
from keeper.app.incidents.telling import read_story, tell
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint
from keeper.domain.record import Draft, Json
from tests.support import incident_log as log

pytestmark = pytest.mark.unit

HOSTILE = "`x` | <script>alert(1)</script> </td></table> [a](http://evil) ![i](x) **b** \x1b[31m\n\n# h\n```\n{{ 7*7 }} &lt; \u202e $a$ @who"
COMPLETE = [*log.whole(), *log.restoring(), log.verification()]


def story_of(drafts: Sequence[Draft]) -> Story:
    story = read_story(log.page_of(log.records_of(drafts)), log.ID)
    assert story is not None
    return story


def hostile() -> Story:
    """Every text of every record is hostile, but those by which a record is told from another."""
    kept = {
        "phase",
        "kind",
        "step",
        "state",
        "safe_tx_hash",
        "what",
        "market",
        "tx_hash",
        "hash",
        "contract",
        "trigger",
    }

    def spoiled(value: Json, key: str = "") -> Json:
        if isinstance(value, dict):
            return {name: spoiled(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [spoiled(each) for each in value]
        number = isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)
        return HOSTILE if isinstance(value, str) and not number and key not in kept else value

    records = log.records_of(COMPLETE)
    found = gather_sync(log.page_of([replace(one, body=spoiled(dict(one.body))) for one in records]), log.ID)  # type: ignore[arg-type]
    assert found is not None
    return tell(found)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_markdown__of_a_whole_story__has_every_part() -> None:
    made = markdown(report_of(story_of(COMPLETE), "keeper.yaml"))
    titles = re.findall(r"^## (.*)$", made, re.MULTILINE)
    assert titles == [
        "Summary",
        "Figures",
        "Timeline",
        "Evidence",
        "Inputs of the decisions",
        "Transactions",
        "What changed",
        "What people did",
        "How to check this",
    ]
    for wanted in (
        "# Incident ETH-PERP@15: oracle-divergence",
        "divergence 0.0599 against 0.02",
        "The first block beyond the threshold was block 13",
        "pause-market was done by the public route in block 16",
        "used 31,573 gas and cost 0.0000473595 of the chain's coin",
        "| time to include | 11,900 ms (11.9 s) |",
        "keeper audit keeper.yaml verify --on-chain",
        "keeper audit keeper.yaml reproduce ETH-PERP@15",
        f"cast receipt {log.TX}",
        f"cast call --block 16 {log.TARGET} 'paused(bytes32)(bool)' 0x45",
        f"`{log.CONFIG}`",
        f"`{log.EXECUTED}`",
    ):
        assert wanted in made


def test_markdown__tables__have_as_many_cells_in_every_row() -> None:
    for story in (story_of(COMPLETE), hostile()):
        for block in markdown(report_of(story, "keeper.yaml")).split("\n\n"):
            if block.startswith("| "):
                cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
                assert len(cells) == 1, block


def test_markdown__hostile_texts__stay_text() -> None:
    made = markdown(report_of(hostile(), "keeper.yaml"))
    fences = [line for line in made.splitlines() if line.startswith("```")]
    assert len(fences) % 2 == 0
    assert set(fences) == {"```sh", "```"}
    outside = re.sub(r"^```sh\n.*\n```$", "", made, flags=re.MULTILINE)
    assert "<" not in outside
    assert not re.search(r"(?<!\\)\[", outside)
    assert not re.search(r"https?:", outside)
    assert not re.search(r"(?<!\\)\$", outside)
    code = re.findall(r"(?<!\\)`([^`]*)(?<!\\)`", outside)
    assert all(re.fullmatch(r"0x[0-9a-fA-F]+", one) for one in code)
    assert "\x1b" not in made
    assert not [line for line in outside.splitlines() if line.startswith("# ") and not line.startswith("# Incident")]


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("plain-text (v1), 0.5", "plain-text (v1), 0.5"),
        ("a|b`c*d_e", r"a\|b\`c\*d\_e"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("1. no list", r"1\. no list"),
        ("1.5 is a number", "1.5 is a number"),
        ("0xabcd1234 is code", "`0xabcd1234` is code"),
        ("see https://x.y", "see h&#8203;ttps://x.y"),
        ("two\nlines", "two lines"),
        ("ETH-PERP@14: a name", "ETH-PERP@14: a name"),
        ("@who and a @who", "&#64;who and a &#64;who"),
        ("me@there.org, me@my-host", "me&#64;there.org, me&#64;my-host"),
    ],
)
def test_markdown_text__of_anything__is_one_line_of_text(value: str, made: str) -> None:
    assert text(value) == made


def test_html__is_one_file_that_loads_and_runs_nothing() -> None:
    story = story_of(COMPLETE)
    made = html(report_of(story, "keeper.yaml"), story)
    tags = Tags()
    tags.feed(made)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(tags.found)
    assert not {"src", "href", "style"} & set(tags.attributes)
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert "default-src 'none'; style-src 'unsafe-inline'" in made
    assert "http://" not in made
    assert "https://" not in made
    assert "svg" in tags.found
    assert "@media print" in made
    assert made.count("<h1>") == 1


def test_html__hostile_texts__stay_text() -> None:
    story = hostile()
    made = html(report_of(story, "keeper.yaml"), story)
    tags = Tags()
    tags.feed(made)
    assert "script" not in tags.found
    assert "&lt;script&gt;" in made
    assert "49" not in re.findall(r"\{\{.*?\}\}", made)
    assert tags.found.count("table") == len(re.findall("</table>", made))
    assert "\x1b" not in made
    assert "\u202e" not in made


def test_document__is_json_with_amounts_as_text_and_times_in_utc() -> None:
    made: dict[str, Any] = json.loads(json.dumps(document(story_of(COMPLETE))))
    assert made["state"] == "restored"
    assert made["cost_wei"] == str(31_573 * 1_500_000_000)
    assert (made["opened"]["clock"], made["opened"]["block"]) == ("keeper", 15)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["opened"]["time"])
    figures = {one["name"]: one for one in made["figures"]}
    assert figures["broadcast"]["ms"] == 2.5
    assert figures["ratify"] == {
        "name": "ratify",
        "label": "time to ratify",
        "span": "proposed to the owners to executed by them",
        "ms": None,
        "remark": "nothing was to be ratified",
    }
    assert [one["kind"] for one in made["timeline"]][:3] == ["onset", "persisting", "incident"]
    assert made["actions"][0]["attempts"][0]["tx_hash"] == log.TX


def test_report__raw_transactions_and_paths__are_not_in_it() -> None:
    story = story_of(COMPLETE)
    report = report_of(story, "some/secret-place/keeper.yaml")
    for made in (markdown(report), html(report, story), json.dumps(document(story))):
        assert "02f8" not in made
        assert "secret-place" not in made


@pytest.mark.parametrize(("seq", "words"), [(1_000, "covers it:"), (3, "covers it in part:")])
def test_report__with_a_checkpoint__names_it(seq: int, words: str) -> None:
    found = gather_sync(log.page_of(log.records_of(COMPLETE)), log.ID)
    assert found is not None
    one = Checkpoint(4, seq, "0x" + "ab" * 32, "0x" + "cd" * 32, "2026-11-21T19:00:00.000Z", "k", 1, log.SENDER, "")
    made = markdown(report_of(tell(found, SignedCheckpoint(one, "0x" + "ef" * 65)), "keeper.yaml"))
    assert f"Checkpoint 4, signed by `{log.SENDER}`" in made
    assert words in made


def test_report__of_almost_nothing__is_made_all_the_same() -> None:
    story = story_of([log.proposal("seen", 0)])
    report = report_of(story, "-")
    assert "does not say which rule" in markdown(report)
    assert html(report, story).startswith("<!doctype html>")
    assert "keeper audit keeper.yaml verify" in markdown(report)


def test_report__hostile_name__is_one_shell_word() -> None:
    story = replace(story_of(COMPLETE), id="x'; rm -rf / #\n`y`")
    made = markdown(report_of(story, "keeper.yaml"))
    line = next(one for one in made.splitlines() if "reproduce" in one and one.startswith("keeper "))
    import shlex

    assert shlex.split(line) == ["keeper", "audit", "keeper.yaml", "reproduce", "x'; rm -rf / # `y`"]
