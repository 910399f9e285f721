"""Writes what docs/operator/signals-and-rules.md says of each kind of signal and each key of a rule, and draws docs/operator/signals/.

Run: .venv/bin/python -m scripts.signals_page
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from keeper.domain.units import Unit, format_ratio, plain
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import Example, Param, ParamType, ParamValue, SignalKind
from scripts.rules_keys import keys
from scripts.signals_picture import picture
from scripts.signals_run import run
from scripts.signals_text import docstring, markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operator" / "signals-and-rules.md"
PICTURES = PAGE.parent / "signals"
BEGIN, END = "<!-- {}: begin (written by scripts/signals_page.py) -->", "<!-- {}: end -->"


def kinds() -> str:
    """All kinds in the order of the registry, as Markdown: a table of them, and a part for each."""
    overview = ["| kind | what it says | threshold |", "|---|---|---|"]
    overview += [
        f"| [`{one.kind}`](#{one.kind}) | {one.summary} | {one.output or 'as its inputs'} |" for one in SIGNALS.values()
    ]
    return "\n".join([*overview, "", *(_kind(kind) for kind in SIGNALS.values())])


def page(text: str) -> str:
    """The page with what is generated made anew. ValueError when a marker is missing."""
    return _between("keys", keys(), _between("kinds", kinds(), text))


def _between(name: str, generated: str, text: str) -> str:
    head, rest = text.split(BEGIN.format(name))
    _, tail = rest.split(END.format(name))
    return f"{head}{BEGIN.format(name)}\n\n{generated}\n{END.format(name)}{tail}"


def pictures() -> Iterator[tuple[str, str]]:
    """(name of the file, its text) for each kind."""
    for kind in SIGNALS.values():
        if kind.example is not None:
            yield f"{kind.kind}.svg", picture(kind.kind, run(kind.example))


def _kind(kind: SignalKind) -> str:
    text = markdown(docstring(kind.module))
    lines = [f"### `{kind.kind}`", "", kind.summary, "", f"    {kind.formula}", ""]
    if kind.example is not None:
        lines += [*_example(kind.example), "", f"![{kind.kind}](signals/{kind.kind}.svg)", ""]
    lines += ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    lines += [_param(param) for param in kind.params]
    lines += ["", f"{_inputs(kind)} {_threshold(kind)}"]
    if kind.reference and not any(block.startswith("**Source:**") for block in text):
        text.append(f"**Source:** {kind.reference}")
    return "\n".join([*lines, "", "<details><summary>Exactly</summary>", "", "\n\n".join(text), "", "</details>", ""])


def _example(example: Example) -> list[str]:
    name = example.signals.strip().splitlines()[-1].partition(":")[0]
    lines = ["```yaml", "signals:", *(f"  {line}" for line in example.signals.strip().splitlines())]
    if example.above or example.below:
        side, limit = ("above", example.above) if example.above else ("below", example.below)
        lines.append(f"# and in a rule: when: {{signal: {name}, {side}: {limit}}}")
    return [*lines, "```"]


def _inputs(kind: SignalKind) -> str:
    units = "any unit" if kind.accepts == frozenset(Unit) else " or ".join(_listed(kind.accepts))
    same = "inputs of one unit: " if len(kind.sources) > 1 or kind.sources[-1].many else "an input of "
    return f"Takes {same}{units}{', sources only' if kind.timed else ''}."


def _listed(units: frozenset[Unit]) -> list[str]:
    return [unit.value for unit in Unit if unit in units]


def _threshold(kind: SignalKind) -> str:
    return (
        f"Its thresholds are of unit {kind.output}." if kind.output else "Its thresholds have the unit of its inputs."
    )


def _param(param: Param) -> str:
    kind = " \\| ".join(param.choices) if param.choices else param.type.value
    if param.many:
        kind = "list of names" if param.least > 1 else "name, or list of names"
    elif param.type is ParamType.SOURCE:
        kind = "name"
    default = "required" if param.required else "see meaning" if param.implied else _default(param, param.default)
    return f"| `{param.name}` | {kind} | {default} | {param.help} |"


def _default(param: Param, value: ParamValue | None) -> str:
    if isinstance(value, Decimal):
        return format_ratio(value) if param.type is ParamType.RATIO else plain(value)
    return str(value)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    for name, drawn in pictures():
        (PICTURES / name).write_text(drawn, encoding="utf-8")
