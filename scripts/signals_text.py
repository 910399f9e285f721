"""Docstrings of statistics as Markdown."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

_LABEL = re.compile(r"^([A-Z][a-z]+(?:-[a-z]+)?(?: [a-z]+)?)([.:]) ")


def docstring(module: str) -> str:
    """Of a module that is not imported for it: it would bring the compiler along."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return ast.get_docstring(ast.parse(Path(found.origin).read_text(encoding="utf-8"))) or ""


def markdown(text: str) -> list[str]:
    """The blocks after the title: paragraphs with their first word in bold, formulas, tables, lists."""
    return [_block(block.splitlines()) for block in re.split(r"\n[ \t]*\n", text.strip("\n"))[1:]]


def _block(lines: Sequence[str]) -> str:
    if set(lines[0]) == {"=", " "}:
        return _table(lines)
    if all(line.startswith("    ") for line in lines):
        return "\n".join(lines)
    if lines[0].startswith("- "):
        return _code(re.sub(r"\n(?!- )\s*", " ", "\n".join(lines)))
    words = _LABEL.sub(r"**\1\2** ", " ".join(line.strip() for line in lines))
    return _code(words.removesuffix(":") if words.endswith("::") else words)


def _table(lines: Sequence[str]) -> str:
    """A simple table: columns begin where the runs of ``=`` begin."""
    starts = [match.start() for match in re.finditer("=+", lines[0])]
    rows = [
        [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
        for line in lines
        if set(line) != {"=", " "}
    ]
    shown = ["| " + " | ".join(_code(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([shown[0], "|" + "---|" * len(starts), *shown[1:]])


def _code(text: str) -> str:
    return text.replace("``", "`")
