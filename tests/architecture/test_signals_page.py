"""The page about signals and rules: generated parts and pictures are what the code says, and its examples can be loaded."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from keeper.config.environment import Environment
from keeper.config.problems import Report
from keeper.config.rules import read_rules
from keeper.config.shape import Context, Cursor
from keeper.config.signals import read_signals
from keeper.config.tree import parse
from keeper.domain.signal import SignalStatus
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import Example, SignalKind
from scripts import signals_page
from scripts.signals_path import BACK, GAP, MINUTES, readings
from scripts.signals_run import known_sources, run
from scripts.signals_text import docstring, markdown

pytestmark = pytest.mark.architecture

PAGE = signals_page.PAGE.read_text(encoding="utf-8")
AGAIN = "run: .venv/bin/python -m scripts.signals_page"
KINDS = pytest.mark.parametrize("kind", SIGNALS.values(), ids=list(SIGNALS))


def test_page__is_what_the_script_writes() -> None:
    assert signals_page.page(PAGE) == PAGE, AGAIN


def test_pictures__are_what_the_script_draws() -> None:
    drawn = dict(signals_page.pictures())
    there = {file.name: file.read_text(encoding="utf-8") for file in signals_page.PICTURES.iterdir()}
    assert drawn.keys() == there.keys(), AGAIN
    assert [name for name, text in drawn.items() if text != there[name]] == [], AGAIN


@KINDS
def test_page__each_kind__has_an_example_a_picture_and_what_its_docstring_says(kind: SignalKind) -> None:
    assert kind.example is not None, "declare what the page shows of it"
    part = PAGE.split(f"### `{kind.kind}`\n")[1].split("\n### ")[0]
    assert f"(signals/{kind.kind}.svg)" in part
    assert "**Unit:**" in part
    assert all(f"`{param.name}`" in part for param in kind.params)


@KINDS
def test_picture__each_kind__is_svg_that_stands_alone_with_numbers_only(kind: SignalKind) -> None:
    text = (signals_page.PICTURES / f"{kind.kind}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"href|url\(|<style|<script|nan|inf\b", text.lower().replace("http://www.w3.org/2000/svg", ""))
    height = float(root.attrib["viewBox"].split()[3])
    assert all(0 <= float(one.attrib["y"]) <= height for one in root if "y" in one.attrib)


@KINDS
def test_example__each_kind__is_ready_in_the_shock_and_crosses_its_threshold(kind: SignalKind) -> None:
    assert kind.example is not None
    shown = run(kind.example)
    assert len(shown.value.values) == MINUTES
    ready = [value for value in shown.value.values if not math.isnan(value)]
    assert len(ready) > MINUTES / 2
    if shown.threshold is not None:
        limit = float(shown.threshold)
        beyond = [value > limit if shown.above else value < limit for value in ready]
        assert any(beyond)
        assert not all(beyond)


def test_readings__gap__is_a_gap_in_every_source() -> None:
    for one in readings().values():
        missing = [minute for minute, value in enumerate(one.values) if math.isnan(value)]
        assert missing == list(range(GAP, BACK))
        assert all(own <= minute for minute, own in enumerate(one.own))


def test_run__example_of_a_source__is_no_input_in_the_gap() -> None:
    shown = run(Example("far: {kind: peg-deviation, of: stable}", above="1%"))
    assert set(shown.value.status[GAP:BACK]) == {SignalStatus.NO_INPUT}


def test_page__rules_shown_with_their_signals__can_be_loaded() -> None:
    blocks = [
        block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if re.search(r"^rules:", block, re.M)
    ]
    assert blocks
    for block in blocks:
        report = Report()
        whole = Cursor(parse(block.encode(), report), "", 1, Context(report, Environment({}), Path()))
        signals = read_signals(whole.child("signals"), known_sources())
        rules = read_rules(whole.child("rules"), signals, {"pause-market": None})
        report.raise_any()
        assert [rule.name for rule in rules] == [name for name, _ in whole.child("rules").named()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Title.\n\nGaps. None ``here``.\n", ["**Gaps.** None `here`."]),
        ("Title.\n\nIn symbols::\n\n    a = b\n", ["In symbols:", "    a = b"]),
        ("Title.\n\n- one\n  two\n- three\n", ["- one two\n- three"]),
        ("T.\n\n== ===\na  b\n== ===\nx  |y\n== ===\n", ["| a | b |\n|---|---|\n| x | \\|y |"]),
    ],
)
def test_markdown__each_kind_of_block__is_turned_over(text: str, expected: list[str]) -> None:
    assert markdown(text) == expected


def test_docstring__of_a_module__is_read_without_importing_it() -> None:
    assert docstring("keeper.signals.divergence").startswith("Divergence:")
