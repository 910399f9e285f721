"""What is needed to hold a log against the chain: the nodes, and the breaker contracts. No other section is read, and no other secret needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from keeper.config.breaker import ADDRESS, ROUTE
from keeper.config.chain import read_chain
from keeper.config.environment import Environment
from keeper.config.file import read_bytes
from keeper.config.model import ChainConfig
from keeper.config.problems import Report, fail
from keeper.config.shape import Context, Cursor
from keeper.config.tree import Scalar, parse


def chain_and_breakers(
    path: str | Path, *, environ: Mapping[str, str] | None = None, stdin: BinaryIO | None = None
) -> tuple[ChainConfig, tuple[str, ...]]:
    """The section ``chain``, and the addresses (EIP-55) of the routes that are breaker contracts. Raises ConfigurationError."""
    data, folder = read_bytes(path, stdin)
    report, elsewhere = Report(), Report()
    tree = parse(data, elsewhere)
    for section in ("chain", "routes"):
        report.take(elsewhere, section)
    root = Cursor(tree, "", 1, Context(report, Environment.of(environ), folder))
    if "chain" not in tree.entries:
        raise fail("chain", 1, "", "the section chain is missing", "name the chain and its endpoints")
    chain = read_chain(root.child("chain"))
    addresses = tuple(_addresses(root.child("routes"))) if "routes" in tree.entries else ()
    report.raise_any()
    assert chain is not None, "the section is broken and no problem says so"
    return chain, tuple(dict.fromkeys(addresses))


def _addresses(cursor: Cursor) -> Iterator[str]:
    """Of the routes to breaker contracts; the others hold keys and passwords that are not needed."""
    for name, below in cursor.named():
        table = below.table()
        kind = table.entries.get("kind") if table else None
        if (isinstance(kind, Scalar) and kind.text == ROUTE.kind) or (kind is None and name == ROUTE.kind):
            section = below.open(ROUTE)
            if section:
                yield section.get(ADDRESS)
