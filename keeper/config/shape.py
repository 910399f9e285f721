"""The small language in which each section says what it holds: once, for reading, for error messages and for the JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from keeper.config.environment import PLACEHOLDER, Environment, EnvironmentProblem, NotSet
from keeper.config.problems import FILE, Report, join, nearest, visible_key
from keeper.config.tree import Items, Node, Scalar, Table
from keeper.domain.record import Json

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_HINT = "letters, digits, . _ - with a letter or digit first, 64 at most"


class Bad(Exception):
    """A text is not what its place asks for. The message never holds the text: it may come from the environment."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Given:
    """One value as a Kind sees it: ``text`` with the environment filled in, ``value`` its YAML meaning."""

    text: str
    value: bool | int | str | None
    from_env: bool
    folder: Path


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of single value. ``blank`` stands in for a broken one until all problems are known; nothing is built from it.

    ``env`` says whether ``${NAME}`` may fill it in: places and secrets yes; what is decided and called no, so that the hash pins it.
    """

    parse: Callable[[Given], T]
    blank: T
    schema: Mapping[str, Json]
    env: bool = False


class _Required:
    pass


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """A single value of a section; ``help`` is one sentence.

    ``implied``: the default only says that nothing was given, and is not shown to people.
    """

    key: str
    kind: Kind[T]
    help: str
    default: T | _Required = REQUIRED
    implied: bool = False

    @property
    def required(self) -> bool:
        return isinstance(self.default, _Required)


@dataclass(frozen=True, slots=True)
class Part:
    """A nested section or list, which has a reader of its own."""

    key: str
    help: str
    schema: Mapping[str, Json]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """What a section may hold. ``kind`` is the word of a section that comes in kinds."""

    help: str
    parts: tuple[Field[Any] | Part, ...]
    kind: str | None = None

    def keys(self) -> list[str]:
        return (["kind"] if self.kind else []) + [part.key for part in self.parts]


@dataclass(frozen=True, slots=True)
class Context:
    """What all readers of one file share. ``folder`` is what relative paths are relative to."""

    report: Report
    environment: Environment
    folder: Path


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the file."""

    node: Node
    path: str
    line: int
    context: Context

    def problem(self, message: str, hint: str = "", *, found: str | None = None, at: str = "") -> None:
        """Notes a problem here, or at the key ``at`` below."""
        if found is None:
            found = self.node.text if isinstance(self.node, Scalar) else ""
        self.context.report.add(join(self.path, at) or FILE, self.line, found, message, hint)

    def read(self, kind: Kind[T]) -> T:
        """The value, or the kind's blank after noting what is wrong with it."""
        node = self.node
        if not isinstance(node, Scalar):
            hint = 'put it in quotes: "{name}"' if isinstance(node, Table) and None in _values(node) else ""
            self.problem("a single value is needed here", hint)
            return kind.blank
        if node.refused:
            return kind.blank
        if node.value is None:
            self.problem("there is no value", "give one, or leave the key out if it may be left out")
            return kind.blank
        try:
            return kind.parse(self._given(node, kind.env))
        except EnvironmentProblem as error:
            if not (isinstance(error, NotSet) and self.context.environment.offline):
                self.problem(error.message, error.hint)
        except Bad as error:
            self.problem(error.message, error.hint)
        return kind.blank

    def _given(self, node: Scalar, env: bool) -> Given:
        if not PLACEHOLDER.search(node.text):
            return Given(node.text, node.value, False, self.context.folder)
        if not env:
            raise Bad(
                "the environment cannot be used here",
                "it fills in addresses, URLs, paths, headers, passwords and the chain id; what is decided and called stands in the file",
            )
        text = self.context.environment.fill(node.text)
        return Given(text, text, True, self.context.folder)

    def table(self) -> Table | None:
        if isinstance(self.node, Table):
            return self.node
        if isinstance(self.node, Scalar) and self.node.refused:
            return None
        empty = isinstance(self.node, Scalar) and self.node.value is None
        self.problem("this section is empty" if empty else "a section with keys is needed here", "key: value, indented")
        return None

    def open(self, shape: Shape) -> Section | None:
        """The section, after noting unknown and missing keys; None when this is no section."""
        table = self.table()
        if table is None:
            return None
        before = len(self.context.report)
        known = shape.keys()
        for key in table.entries:
            if key not in known:
                below = self.child(key)
                self.context.report.add_key(below.path, below.line, key, "unknown key", nearest(key, known))
        for part in shape.parts:
            if part.required and part.key not in table.entries:
                self.problem(
                    f"{part.key} is missing", f"add {part.key}: {in_a_sentence(part.help)}", found="", at=part.key
                )
        return Section(self, table, before)

    def choose(self, shapes: Mapping[str, Shape], implied: str = "") -> tuple[str, Section] | None:
        """The section of the kind that its key ``kind`` names; None after noting a problem with that. An ``implied`` kind need not be named."""
        table = self.table()
        if table is None:
            return None
        if "kind" not in table.entries and implied in shapes:
            section = self.open(shapes[implied])
            return (implied, section) if section else None
        if "kind" not in table.entries:
            self.problem("kind is missing", "one of: " + ", ".join(shapes), found="", at="kind")
            return None
        word = self.child("kind").read(word_of(shapes))
        section = self.open(shapes[word]) if word else None
        return (word, section) if section else None

    def child(self, key: str) -> Cursor:
        """The value under a key that is there."""
        assert isinstance(self.node, Table)
        node = self.node.entries[key]
        line = node.line if isinstance(node, Scalar) else self.node.lines[key]
        return Cursor(node, join(self.path, visible_key(key)), line, self.context)

    def written(self, key: str) -> Cursor | None:
        """The value under a key, or None where it is not there."""
        return self.child(key) if isinstance(self.node, Table) and key in self.node.entries else None

    def named(self) -> list[tuple[str, Cursor]]:
        """The entries of a mapping from names; a bad name is noted and left out."""
        table = self.table()
        found = []
        for key in table.entries if table else ():
            if NAME.fullmatch(key):
                found.append((key, self.child(key)))
            else:
                below = self.child(key)
                self.context.report.add_key(below.path, below.line, key, "this is not a name", NAME_HINT)
        return found

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, Items)

    @property
    def empty(self) -> bool:
        """A mapping without any entry."""
        return isinstance(self.node, Table) and not self.node.entries

    def items(self) -> list[Cursor]:
        """The entries of a list."""
        if not isinstance(self.node, Items):
            self.problem("a list is needed here", "- one entry per line, or [one, two]")
            return []
        return [
            Cursor(item, f"{self.path}[{index}]", item.line, self.context) for index, item in enumerate(self.node.items)
        ]


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping that was opened with its Shape."""

    cursor: Cursor
    table: Table
    _before: int

    @property
    def clean(self) -> bool:
        """Nothing was noted since this section was opened."""
        return len(self.cursor.context.report) == self._before

    def get(self, field: Field[T]) -> T:
        """The field's value; its default when it is not there; the blank of its kind when it is broken or missing."""
        if field.key in self.table.entries:
            return self.cursor.child(field.key).read(field.kind)
        return field.kind.blank if isinstance(field.default, _Required) else field.default

    def at(self, key: str) -> Cursor | None:
        """The place of a part, or None when it is not there."""
        return self.cursor.child(key) if key in self.table.entries else None

    def problem(self, key: str, message: str, hint: str = "") -> None:
        """Notes a problem at a key, or at the section when the key is not there."""
        below = self.at(key)
        if below:
            below.problem(message, hint)
        else:
            self.cursor.problem(message, hint, found="", at=key)


def word_of(words: Iterable[str]) -> Kind[str]:
    """One of the given words."""
    allowed = list(words)

    def parse(given: Given) -> str:
        if given.text in allowed:
            return given.text
        raise Bad("not one of the words allowed here", nearest(given.text, allowed))

    return Kind(parse, "", {"enum": list(allowed)})


def in_a_sentence(text: str) -> str:
    """``The URL.`` -> ``the URL``; a name at the beginning keeps its capitals."""
    first, rest = text[:1], text[1:]
    return ((first.lower() if rest[:1].islower() else first) + rest).removesuffix(".")


def _values(table: Table) -> list[object]:
    return [value.value if isinstance(value, Scalar) else value for value in table.entries.values()]
