"""The example on the page about invariants is one that ``keeper check`` takes, and that an editor's schema takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from keeper.config import loads
from keeper.config.invariants import KINDS
from keeper.config.problems import Report
from keeper.config.schema import json_schema
from keeper.config.tree import parse, plain_json
from tests.unit.config.test_config_schema import fits

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).resolve().parents[3] / "docs/operator/invariants.md").read_text(encoding="utf-8")
REST = """\
keeper: {name: page}
chain: {id: 1, endpoints: [{url: "ws://127.0.0.1:8545", role: primary}]}
sources: {spot: {kind: http, url: "https://venue.example/ticker", value: last, unit: price, every: 1s, max_age: 10s}}
markets:
  ETH-PERP:
    vars: {id: "0x4554482d50455250000000000000000000000000000000000000000000000000"}
    signals: {age: {kind: staleness, of: spot}}
    rules:
      old: {when: {signal: age, above: 1h}, clear: {below: 30m}, severity: warning, actions: [halve-withdrawals]}
"""


def example() -> str:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return REST + str(block)


def test_page__its_example__is_a_configuration() -> None:
    config = loads(example().encode(), folder=Path(), environ={})
    assert {one.name for one in config.invariants} == {"price-in-use", "cap-covers-use", "nobody-liquidated"}
    assert [action.keep for action in config.actions] == [("cap-covers-use", "nobody-liquidated")]


def test_page__its_example__fits_the_schema() -> None:
    document: Any = plain_json(parse(example().encode(), Report()))
    assert fits(document, json_schema())
    document["invariants"]["price-in-use"]["witin"] = "2%"
    assert not fits(document, json_schema())


@pytest.mark.parametrize("kind", KINDS)
def test_page__every_kind__is_shown(kind: str) -> None:
    assert f"kind: {kind}\n" in example()


def test_page__every_key__is_explained() -> None:
    keys = {part.key for shape in KINDS.values() for part in shape.parts}
    assert {key for key in keys if f"`{key}`" not in PAGE and f"{key}:" not in PAGE} == set()
