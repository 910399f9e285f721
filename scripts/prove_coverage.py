"""What forge's coverage says about ``contracts/``: every line and every branch ran, or somebody wrote down why it cannot.

The list (tests/solidity/uncovered.toml) names a line by its text, not by its number, so that it stays true when lines above it
come and go. An entry that is not needed any more is a mistake too.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CODE = re.compile(r"^(abstract contract|contract|library) ", re.MULTILINE)
KINDS = ("line", "branch")


@dataclass(frozen=True, order=True)
class Gap:
    """One line that never ran, or one branch of it that was never taken."""

    file: str
    number: int
    kind: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.kind, self.text


@dataclass(frozen=True)
class Answers:
    """How many gaps of each (file, kind, text of the line) have a reason."""

    allowed: Counter[tuple[str, str, str]]


class BadAnswers(Exception):
    """The list itself is wrong."""


def read_answers(text: str) -> Answers:
    """Raises BadAnswers when an entry lacks a part, names an unknown kind or gives no reason."""
    allowed: Counter[tuple[str, str, str]] = Counter()
    for entry in tomllib.loads(text).get("uncovered", []):
        if set(entry) != {"file", "kind", "line", "reason"} or entry["kind"] not in KINDS:
            raise BadAnswers(f"an entry has file, kind ({' or '.join(KINDS)}), line and reason: {entry}")
        if len(str(entry["reason"]).split()) < 3:
            raise BadAnswers(f"{entry['file']}: {entry['line']}: say the reason in words")
        allowed[(entry["file"], entry["kind"], entry["line"].strip())] += 1
    return Answers(allowed)


def gaps(lcov: str, sources: dict[str, str]) -> list[Gap]:
    """What did not run in those of the tracefile's files that are ``sources`` (path to text)."""
    return sorted(gap for file, record in records(lcov) if file in sources for gap in _of(file, record, sources[file]))


def records(lcov: str) -> Iterator[tuple[str, list[str]]]:
    """The tracefile's records: path and lines of each."""
    for record in lcov.split("end_of_record"):
        lines = record.strip().splitlines()
        name = next((line[3:] for line in lines if line.startswith("SF:")), None)
        if name is not None:
            yield name, lines


def _of(file: str, record: list[str], source: str) -> Iterator[Gap]:
    text = [line.strip() for line in source.splitlines()]
    for line in record:
        kind, _, rest = line.partition(":")
        fields = rest.split(",")
        if kind == "DA" and fields[1] == "0":
            yield Gap(file, int(fields[0]), "line", text[int(fields[0]) - 1])
        if kind == "BRDA" and fields[3] in ("0", "-"):
            yield Gap(file, int(fields[0]), "branch", text[int(fields[0]) - 1])


def complaints(lcov: str, sources: dict[str, str], answers: Answers) -> list[str]:
    """What is wrong, one line each; nothing when all of the sources ran or is answered for."""
    measured = {file for file, _ in records(lcov)}
    left = answers.allowed.copy()
    found = [
        f"{file}: has code and was not measured: no test uses it"
        for file in sorted(sources.keys() - measured)
        if CODE.search(sources[file])
    ]
    for gap in gaps(lcov, sources):
        if left[gap.key] > 0:
            left[gap.key] -= 1
        else:
            never = "never ran" if gap.kind == "line" else "has a branch that was never taken"
            found.append(f"{gap.file}:{gap.number}: {never}: {gap.text}")
    found += [f"{file}: answered for, and covered: {kind} `{text}`" for (file, kind, text), n in left.items() if n > 0]
    return found


def totals(lcov: str, sources: dict[str, str]) -> tuple[int, int]:
    """Lines and branches that were measured."""
    lines = [line for file, record in records(lcov) if file in sources for line in record]
    return sum(line.startswith("DA:") for line in lines), sum(line.startswith("BRDA:") for line in lines)


def solidity(root: Path) -> dict[str, str]:
    """Every source below ``contracts/``: path relative to ``root``, text."""
    return {
        path.relative_to(root).as_posix(): path.read_text("utf-8") for path in sorted(root.glob("contracts/**/*.sol"))
    }
