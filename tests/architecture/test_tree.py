"""The folders, the decisions and the make targets are the ones that the documents promise."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.architecture

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"help", "setup", "demo", "test", "conformance", "prove", "check", "bench", "clean"}


def drawn_folders(text: str) -> set[str]:
    """The folders under ``keeper/`` in the first tree of the document that begins with it; two spaces are one level."""
    block = re.search(r"^```\n(keeper/\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None, "there is no tree that begins with keeper/"
    folders: set[str] = set()
    above: list[str] = []
    for line in block.group(1).splitlines():
        match = re.match(r"( *)([a-z_]+)/", line)
        if match is None:
            continue
        level = len(match.group(1)) // 2
        above = [*above[:level], match.group(2)]
        if above[0] == "keeper" and level > 0:
            folders.add("/".join(above[1:]))
    return folders


def real_folders() -> set[str]:
    keeper = ROOT / "keeper"
    packages = {path.parent for path in keeper.rglob("*.py")} - {keeper}
    return {path.relative_to(keeper).as_posix() for path in packages}


def test_drawn_folders__of_a_small_tree__are_read_with_their_levels() -> None:
    text = "words\n```\nother/\n```\n```\nkeeper/\n  a/    words\n    b/  words\n  c/\ntests/\n  d/\n```\n"
    assert drawn_folders(text) == {"a", "a/b", "c"}


def test_architecture__its_tree__is_the_real_one() -> None:
    assert drawn_folders((ROOT / "docs" / "architecture.md").read_text()) == real_folders()


def test_architecture__its_folders_outside_of_keeper__are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    outside = {"contracts", "migrations", "scripts", "tests", "bench", "docs"}
    assert outside <= set(re.findall(r"^([a-z]+)/ ", text, re.MULTILINE))
    assert all((ROOT / name).is_dir() for name in outside)


def test_decisions__each__is_listed_and_each_listed_one_is_there() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}


def test_makefile__every_promised_target__is_there_with_its_help() -> None:
    described = set(re.findall(r"^([a-z-]+):[^#\n]*## \S", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert described >= TARGETS


def test_makefile__phony__names_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == set(re.findall(r"^([a-z-]+):(?!=)", text, re.MULTILINE))


@pytest.mark.parametrize(
    "name",
    [".ci/run", "scripts/lock", "scripts/solc", "scripts/forge", "scripts/deploy_breaker", "scripts/bootstrap.py"],
)
def test_script__that_is_called_by_name__may_be_executed(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
