"""What is needed to hold a log against the chain: the nodes, and the breaker contracts. No other section is read, and no other secret needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from keeper.config.basics import read_routes
from keeper.config.chain import read_chain
from keeper.config.environment import Environment
from keeper.config.file import read_bytes
from keeper.config.model import BreakerRoute, ChainConfig
from keeper.config.problems import Report, fail
from keeper.config.shape import Context, Cursor
from keeper.config.tree import parse


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
    routes, _ = read_routes(root.child("routes") if "routes" in tree.entries else None)
    report.raise_any()
    assert chain is not None, "the section is broken and no problem says so"
    return chain, tuple(dict.fromkeys(route.address for route in routes if isinstance(route, BreakerRoute)))
