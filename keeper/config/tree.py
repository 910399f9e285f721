"""YAML text -> a tree of nodes that know their line.

Plainer than YAML on purpose: an unquoted text is null, true/false, a whole number, or the text itself (so ``0xAb..`` and ``2%`` stay
as written, and nothing becomes a float or a date). Tags and merge keys are refused. Aliases are allowed in small numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from keeper.config.problems import FILE, Report, fail, join, visible_key
from keeper.domain.record import Json

MAX_BYTES = 1_000_000
MAX_DEPTH = 24
MAX_ALIASES = 200
MAX_NODES = 20_000
"""Far above any real configuration; aliases count with everything they stand for."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_TEXT = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f\\ud800-\\udfff\\ufffe\\uffff]")
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")  # 15 digits: exact in every JSON reader
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(slots=True)
class Scalar:
    """``text`` as written; ``value`` what it means; ``refused``: it was told already what is wrong with it."""

    text: str
    value: bool | int | str | None
    line: int
    refused: bool = False


@dataclass(slots=True)
class Items:
    items: list[Node]
    line: int


@dataclass(slots=True)
class Table:
    """``lines`` has the line of each key."""

    entries: dict[str, Node]
    lines: dict[str, int]
    line: int


Node = Scalar | Items | Table


def parse(data: bytes, report: Report) -> Table:
    """The document's root. Duplicate keys and tags go to the report; what is not YAML at all raises ConfigurationError."""
    text = _decoded(data)
    builder = _Builder(yaml.parse(text, Loader=_LOADER), report)
    try:
        root = builder.document()
    except yaml.YAMLError as error:
        from keeper.config.yaml_hints import advice

        found = advice(error, text)
        raise fail(FILE, found.line, "", f"not valid YAML: {found.message}", found.hint) from None
    if root is None or (isinstance(root, Scalar) and root.value is None):
        raise fail(FILE, None, "", "the file is empty", "keeper init writes one to start from")
    if not isinstance(root, Table):
        raise fail(
            FILE, root.line, "", "the file is not a mapping of sections", "it starts with a line such as: keeper:"
        )
    return root


def plain_json(node: Node) -> Json:
    """The node as a JSON value. Whole numbers stay numbers, everything else with digits stays text."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Items):
        return [plain_json(item) for item in node.items]
    return {key: plain_json(value) for key, value in node.entries.items()}


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise fail(FILE, None, "", f"the file is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise fail(FILE, line, "", "the file is not UTF-8 text", "save it as UTF-8") from None
    bad = _NOT_TEXT.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        raise fail(FILE, line, bad.group(), "the file holds a control character", "remove it")
    return text


@dataclass
class _Builder:
    events: Iterator[Any]
    report: Report
    aliases: int = 0
    nodes: int = 0
    anchors: dict[str, tuple[Node, int] | None] = field(default_factory=dict)

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise fail(FILE, _line(event), "---", "the file holds more than one document")
            elif isinstance(event, yaml.NodeEvent):
                root = self.node(event, "", 0)
        return root

    def node(self, event: Any, path: str, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path)
        self.count(1, event, path)
        if depth > MAX_DEPTH:
            raise fail(path or FILE, _line(event), "", f"nested deeper than {MAX_DEPTH} levels")
        if event.tag is not None:
            self.report.add(path or FILE, _line(event), event.tag, "YAML tags are not used here", "remove the tag")
        before = self.nodes
        if event.anchor:
            self.anchors[event.anchor] = None  # open: an alias to it from inside would never end
        built = self.content(event, path, depth)
        if event.anchor:
            self.anchors[event.anchor] = (built, self.nodes - before + 1)
        return built

    def content(self, event: Any, path: str, depth: int) -> Node:
        if isinstance(event, yaml.MappingStartEvent):
            return self.table(event, path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.items(event, path, depth)
        if _CONTROL.search(event.value):
            self.report.add(path, _line(event), event.value, "holds a control character", "remove it")
            return Scalar("", None, _line(event), refused=True)
        return Scalar(event.value, _meaning(event), _line(event))

    def table(self, event: Any, path: str, depth: int) -> Table:
        table = Table({}, {}, _line(event))
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            name = self.key(key, path)
            where = join(path, visible_key(name))
            value = self.node(next(self.events), where, depth + 1)
            if name in table.entries:
                hint = f"keep one of them: the first stands on line {table.lines[name]}"
                self.report.add_key(where, _line(key), name, "this key is there twice", hint)
                continue
            table.entries[name] = value
            table.lines[name] = _line(key)
        return table

    def key(self, event: Any, path: str) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise fail(path or FILE, _line(event), "", "a key must be plain text", 'quote what holds braces: "{id}"')
        if event.value == "<<":
            raise fail(path or FILE, _line(event), "<<", "merge keys are not used here", "write the keys out")
        if event.anchor:
            raise fail(path or FILE, _line(event), "", "a key cannot carry an anchor")
        self.count(1, event, path)
        return str(event.value)

    def items(self, event: Any, path: str, depth: int) -> Items:
        built = Items([], _line(event))
        while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
            built.items.append(self.node(item, f"{path}[{len(built.items)}]", depth + 1))
        return built

    def alias(self, event: Any, path: str) -> Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise fail(path or FILE, _line(event), "", f"more than {MAX_ALIASES} YAML aliases")
        if event.anchor not in self.anchors:
            raise fail(path or FILE, _line(event), f"*{event.anchor}", "this alias has no anchor before it")
        target = self.anchors[event.anchor]
        if target is None:
            raise fail(path or FILE, _line(event), f"*{event.anchor}", "this alias contains itself")
        node, size = target
        self.count(size, event, path)
        return node

    def count(self, size: int, event: Any, path: str) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise fail(path or FILE, _line(event), "", f"more than {MAX_NODES} values, aliases written out")


def _meaning(event: Any) -> bool | int | str | None:
    text = str(event.value)
    if event.style not in (None, ""):
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _WHOLE.fullmatch(text) else text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
