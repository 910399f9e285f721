"""What slither says about ``contracts/``: each finding is answered in words, or it fails.

An answer (tests/solidity/findings.toml) repeats the finding without line numbers. So it holds when code moves, and no longer when
the finding is about something else: one more comparison, another call. An answer to what is not found any more is a mistake too.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from typing import Any

PLACE = re.compile(r" ?\([^()\s]+\.sol#\d+(-\d+)?\)")


@dataclass(frozen=True)
class Finding:
    check: str
    says: str
    place: str
    """File and lines, for people; no part of what is compared."""

    @property
    def key(self) -> tuple[str, str]:
        return self.check, self.says


class BadAnswers(Exception):
    """The list itself is wrong."""


class SlitherFailed(Exception):
    """Slither did not come to an end, or read less than it should have."""


def said(text: str) -> str:
    """A finding's text without places, a line for each of its parts."""
    lines = (" ".join(PLACE.sub("", line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def read_report(report: dict[str, Any]) -> list[Finding]:
    """The findings of slither's JSON. Raises SlitherFailed."""
    if report.get("success") is not True:
        raise SlitherFailed(str(report.get("error")))
    return [
        Finding(
            each["check"],
            said(each["description"]),
            each["first_markdown_element"].replace("#L", ":").replace("-L", "-"),
        )
        for each in report["results"].get("detectors", [])
    ]


def read_answers(text: str) -> Counter[tuple[str, str]]:
    """Raises BadAnswers when an answer lacks a part, or gives no reason."""
    answers: Counter[tuple[str, str]] = Counter()
    for entry in tomllib.loads(text).get("answer", []):
        if set(entry) != {"check", "reason", "findings"}:
            raise BadAnswers(f"an answer has check, reason and findings: {entry}")
        if len(str(entry["reason"]).split()) < 3:
            raise BadAnswers(f"{entry['check']}: {entry['findings']}: say the reason in words")
        answers.update((entry["check"], said(finding)) for finding in entry["findings"])
    return answers


def complaints(findings: list[Finding], answers: Counter[tuple[str, str]]) -> list[str]:
    """What is wrong, with an entry to fill in for each unanswered finding."""
    left = answers.copy()
    found = []
    for finding in findings:
        if left[finding.key] > 0:
            left[finding.key] -= 1
        else:
            found.append(f"{finding.place}: not answered:\n\n{entry(finding)}")
    found += [f"answered, and not found: {check}: {says}" for (check, says), count in left.items() if count > 0]
    return found


def entry(finding: Finding) -> str:
    """The entry to write into the list, its reason still empty."""
    return f"[[answer]]\ncheck = \"{finding.check}\"\nreason = \"\"\nfindings = [\n'''\n{finding.says}\n''',\n]\n"
