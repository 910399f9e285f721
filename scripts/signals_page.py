"""Writes the part of docs/operator/signals-and-rules.md that lists the kinds of signals. Run: .venv/bin/python scripts/signals_page.py"""

from __future__ import annotations

from pathlib import Path

from keeper.signals.registry import SIGNALS
from keeper.signals.spec import Param, SignalKind

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operator" / "signals-and-rules.md"
BEGIN, END = "<!-- kinds: begin (written by scripts/signals_page.py) -->", "<!-- kinds: end -->"


def kinds() -> str:
    """All kinds in the order of the registry, as Markdown."""
    return "\n".join(_kind(kind) for kind in SIGNALS.values())


def page(text: str) -> str:
    """The page with its list of kinds made anew. ValueError when a marker is missing."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{kinds()}\n{END}{tail}"


def _kind(kind: SignalKind) -> str:
    lines = [f"### `{kind.kind}`", "", kind.summary, "", f"    {kind.formula}", ""]
    lines += ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    lines += [_param(param) for param in kind.params]
    units = ", ".join(sorted(kind.accepts))
    lines += ["", f"Takes sources of unit {units}; its thresholds are of unit {kind.output}."]
    if kind.reference:
        lines += ["", f"Source: {kind.reference}"]
    return "\n".join([*lines, ""])


def _param(param: Param) -> str:
    kind = " \\| ".join(param.choices) if param.choices else param.type.value
    default = "required" if param.required else str(param.default)
    return f"| `{param.name}` | {kind} | {default} | {param.help} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
