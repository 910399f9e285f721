"""What the documents say is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keeper.domain.observation import Quality
from keeper.domain.outcome import OutcomeKind, Reason
from keeper.domain.record import RecordKind

pytestmark = pytest.mark.architecture

ROOT = Path(__file__).resolve().parents[2]


def _read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("quality", list(Quality))
def test_sources_page__names_every_quality(quality: Quality) -> None:
    assert f"`{quality}`" in _read("operator/sources/README.md")


@pytest.mark.parametrize("kind", list(RecordKind))
def test_auditors_guide__names_every_kind_of_record(kind: RecordKind) -> None:
    assert f"`{kind}`" in _read("auditor.md")


def test_council_page__names_only_outcomes_that_exist() -> None:
    outcomes = {str(kind) for kind in OutcomeKind}
    reasons = {str(reason) for reason in Reason}
    named = re.findall(r"`([a-z-]+) \(([a-z-]+)\)`", _read("council.md"))
    assert named, "the table of outcomes is gone"
    assert {outcome for outcome, _ in named} <= outcomes
    assert {reason for _, reason in named} <= reasons


def test_links__lead_to_files_that_exist() -> None:
    missing = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not missing, missing


def test_sources__each_kind_that_a_configuration_knows__has_its_page_and_its_line() -> None:
    from keeper.config.sources import KINDS

    index = _read("operator/sources/README.md")
    for kind in KINDS:
        assert f"[`{kind}`]({kind}.md)" in index
        page = _read(f"operator/sources/{kind}.md")
        assert page.startswith(f"# Source `{kind}`\n")
        assert f"kind: {kind}" in page
    pages = {page.stem for page in (ROOT / "docs/operator/sources").glob("*.md")} - {"README"}
    assert pages == set(KINDS)
