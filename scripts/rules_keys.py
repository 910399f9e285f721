"""The keys of a rule as Markdown, from the very schema that editors check a configuration with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keeper.config.schema import json_schema

Object = dict[str, Any]


def keys() -> str:
    """A table for a rule, and one for each thing that its keys may hold; each once, where it is met first."""
    schema: Any = json_schema()
    market = schema["properties"]["markets"]["additionalProperties"]
    shapes = {shape["description"]: shape for shape in _shapes(market["properties"]["rules"]["additionalProperties"])}
    return "\n".join(_table(title, shape) for title, shape in shapes.items())


def _shapes(schema: Object) -> Iterator[Object]:
    """Every section described below this one, from the outside in; what only restricts another has no description."""
    waiting = [schema]
    while waiting:
        one = waiting.pop(0)
        if one.get("properties") and "description" in one:
            yield one
        waiting += [*one.get("properties", {}).values(), *one.get("oneOf", ()), *one.get("anyOf", ())]
        if "items" in one:
            waiting.append(one["items"])


def _table(title: str, shape: Object) -> str:
    rows = [_row(key, below, key in shape.get("required", ())) for key, below in shape["properties"].items()]
    return "\n".join([f"**{_shown(title)}**", "", "| key | default | meaning |", "|---|---|---|", *rows, ""])


def _row(key: str, below: Object, required: bool) -> str:
    default = "required" if required else str(below.get("default", ""))
    return f"| `{key}` | {default} | {_shown(below.get('description', '')).replace('|', chr(92) + '|')} |"


def _shown(help_text: str) -> str:
    """What is written in a configuration as code."""
    head, colon, rest = help_text.partition(": {")
    code, brace, tail = rest.rpartition("}")
    return f"{head}: `{{{code}}}`{tail}" if colon and brace else help_text
