"""The names in a configuration, and where its log is: for a command that must work in a hurry, without the environment that the rest needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from keeper.config.audit import read_audit
from keeper.config.environment import Environment
from keeper.config.file import read_bytes
from keeper.config.problems import Report
from keeper.config.shape import Context, Cursor
from keeper.config.tree import Node, Table, parse


@dataclass(frozen=True, slots=True)
class Names:
    """``rules`` has those of each market; ``actions`` are those of the section."""

    audit_url: str
    rules: Mapping[str, tuple[str, ...]]
    actions: tuple[str, ...]


def names(path: str | Path, *, environ: Mapping[str, str] | None = None, stdin: BinaryIO | None = None) -> Names:
    """Looks at nothing but names and the section audit. Raises ConfigurationError."""
    data, folder = read_bytes(path, stdin)
    report, elsewhere = Report(), Report()
    tree = parse(data, elsewhere)
    report.take(elsewhere, "audit")
    root = Cursor(tree, "", 1, Context(report, Environment.of(environ), folder))
    audit = read_audit(root.child("audit") if "audit" in tree.entries else None, folder)
    report.raise_any()
    assert audit is not None, "the section is broken and no problem says so"
    markets = _entries(tree, "markets")
    return Names(
        audit_url=audit.url.reveal(),
        rules={name: tuple(_entries(market, "rules")) for name, market in markets.items()},
        actions=tuple(_entries(tree, "actions")),
    )


def _entries(node: Node, key: str) -> Mapping[str, Node]:
    below = node.entries.get(key) if isinstance(node, Table) else None
    return below.entries if isinstance(below, Table) else {}
