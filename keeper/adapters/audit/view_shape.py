"""A view: its name, what each column says, and how it is made in one of the databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from keeper.adapters.audit.view_sql import Dialect

CLOCK: Final = "keeper's clock, ISO 8601 UTC"
BLOCK: Final = "the block's own time, ISO 8601 UTC"
SEQ: Final = "number of the record"

Expressions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """``columns``: name -> (what it says, the expression in a dialect); ``rest`` is everything from FROM on."""

    name: str
    says: str
    columns: Mapping[str, tuple[str, Callable[[Dialect], str]]]
    rest: Callable[[Dialect], str]

    def statement(self, dialect: Dialect) -> str:
        """CREATE VIEW."""
        shown = ",\n  ".join(f"{make(dialect)} AS {name}" for name, (_, make) in self.columns.items())
        return f"CREATE VIEW {dialect.view(self.name)} AS\nSELECT\n  {shown}\n{self.rest(dialect)}"

    def comments(self) -> list[str]:
        """COMMENT ON, which only PostgreSQL has."""
        found = [f"COMMENT ON VIEW audit.{self.name} IS {_quoted(self.says)}"]
        return found + [
            f"COMMENT ON COLUMN audit.{self.name}.{name} IS {_quoted(says)}" for name, (says, _) in self.columns.items()
        ]


def same(expression: str) -> Callable[[Dialect], str]:
    """The same in both databases."""
    return lambda _: expression


def text(doc: str, *path: str) -> Callable[[Dialect], str]:
    """See ``Dialect.text``."""
    return lambda dialect: dialect.text(doc, *path)


def whole(doc: str, *path: str) -> Callable[[Dialect], str]:
    """See ``Dialect.whole``."""
    return lambda dialect: dialect.whole(doc, *path)


def amount(doc: str, *path: str) -> Callable[[Dialect], str]:
    """See ``Dialect.amount``."""
    return lambda dialect: dialect.amount(doc, *path)


def measured(doc: str, *path: str) -> Callable[[Dialect], str]:
    """See ``Dialect.measured``."""
    return lambda dialect: dialect.measured(doc, *path)


def flag(doc: str, *path: str) -> Callable[[Dialect], str]:
    """See ``Dialect.flag``."""
    return lambda dialect: dialect.flag(doc, *path)


def record_of(dialect: Dialect, which: str, *kinds: str, among: str) -> str:
    """The number of the first (``min``) or last (``max``) record of these kinds ``among`` those that a condition on ``x`` leaves.

    The kind is compared so that its index is not used: the condition leaves few records, a kind may have millions.
    """
    words = ", ".join(repr(kind) for kind in kinds)
    return f"(SELECT {which}(x.seq) FROM {dialect.table('records')} AS x WHERE {among} AND x.kind || '' IN ({words}))"  # noqa: S608


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
