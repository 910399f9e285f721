"""The pages about keys and routes: what they show loads, and every key that the reader knows is on them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keeper.config.routes import BUILDER, PRIVATE, RACE
from keeper.config.schema import json_schema
from keeper.config.signers import SIGNERS, WORDS
from keeper.config.tree import parse
from tests.unit.config.sending_stage import ENVIRON, PUBLIC, ROUTE, SIGNER
from tests.unit.config.test_config_schema import document

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load

pytestmark = pytest.mark.unit

PAGES = Path(__file__).parents[3] / "docs" / "operator"
ADDRESS = "0x000000000000000000000000000000000000dEaD"


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def blocks(name: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)


def part(name: str, start: str) -> str:
    """The section ``start`` of the block that has it, on its own."""
    found = [re.search(rf"^{start}:.*?(?=^\w|\Z)", block, re.MULTILINE | re.DOTALL) for block in blocks(name)]
    return next(match.group() for match in found if match)


def test_signing_page__each_signer__loads(load_good: Load) -> None:
    text = next(block for block in blocks("signing") if block.startswith("signer:"))
    written = re.findall(r"\{kind: .*\}", text)
    assert {re.findall(r"kind: ([a-z-]+)", one)[0] for one in written} == set(SIGNERS)
    for one in written:
        assert load_good((SIGNER, one.replace("0x...", ADDRESS)), environ=ENVIRON).signer is not None


def test_signing_page__lanes__load_and_the_action_with_them(load_good: Load) -> None:
    lanes, action = part("signing", "lanes"), part("signing", "actions")
    assert "lane: fast, ..." in action
    config = load_good((PUBLIC, lanes + PUBLIC), (ROUTE, ROUTE + "    lane: fast\n"))
    assert list(config.lanes) == ["upkeep", "fast"]
    assert config.actions[0].lane == "fast"


def test_signing_page__words_for_a_chain_with_money__are_the_ones() -> None:
    assert f"on_mainnet: {WORDS}`" in page("signing")


def test_routes_page__the_first_example__loads(load_good: Load) -> None:
    routes, action = part("routes", "routes").replace("0x...", ADDRESS), part("routes", "actions")
    assert "pause-market: {route: breaker, public_after: 1 block, ...}" in action
    lines = ROUTE.replace("public", "breaker") + "    public_after: 1 block\n    breaker: b\n"
    config = load_good((PUBLIC, routes), (ROUTE, lines))
    assert [route.name for route in config.routes] == ["private", "breaker", "public"]
    assert config.actions[0].public_after == 1


def test_routes_page__every_other_section__loads(load_good: Load) -> None:
    texts = blocks("routes")
    sequencer = next(text for text in texts if "sequencer" in text)
    race = next(text for text in texts if "race:" in text)
    budget = next(text for text in texts if text.startswith("limits:"))
    private = 'private: {identity: {kind: key-file, path: i}, builders: {b: {url: "https://b.example"}}}\n'
    assert load_good((PUBLIC, sequencer)).routes
    assert load_good((PUBLIC, race + "  " + private)).routes
    budgeted = load_good((PUBLIC, budget + PUBLIC)).budget
    assert (budgeted.per_action_wei, budgeted.per_day_wei) == (10**17, 5 * 10**17)


def test_routes_page__rows_of_builders__are_as_the_reader_has_them(load_good: Load) -> None:
    rows = re.findall(r"^\| [A-Z].*? \| `(https://[^`]+)`.*?\| `\{(.*?)\}`", page("routes"), re.MULTILINE)
    assert len(rows) >= 3
    written = "".join(f'b{number}: {{url: "{url}", {rest}}}, ' for number, (url, rest) in enumerate(rows))
    text = f"routes: {{private: {{identity: {{kind: key-file, path: i}}, builders: {{{written}}}}}}}"
    assert load_good((PUBLIC, text)).routes


def test_routes_page__tables_of_keys__are_those_of_the_reader_with_their_defaults() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*?) \|", page("routes"), re.MULTILINE))
    for key in [part.key for part in (*PRIVATE.parts, *BUILDER.parts)]:
        assert key in rows, key
    properties: Any = json_schema()["properties"]
    kinds = {one["properties"]["kind"]["const"]: one for one in properties["routes"]["additionalProperties"]["oneOf"]}
    private = kinds["private"]["properties"]
    for shape in (private, private["builders"]["additionalProperties"]["properties"]):
        for key, below in shape.items():
            if "default" in below:
                assert rows[key] == f"`{below['default']}`", key
    assert [part.key for part in RACE.parts] == ["private", "public"]


def test_pages__every_yaml__is_yaml() -> None:
    from keeper.config.problems import Report

    for name in ("signing", "routes"):
        assert blocks(name)
        for text in blocks(name):
            report = Report()
            parse(text.replace(", ...}", "}").encode(), report)
            assert len(report) == 0
            assert document(text.replace(", ...}", "}"))
