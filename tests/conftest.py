"""Rules for all tests: each is marked once, unit and property tests open no socket, the environment is clean."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections import Counter
from importlib.util import find_spec

import pytest
import structlog

import keeper.adapters  # noqa: F401 - before any test imports eth_account: it keeps the recursion limit as it is
from keeper.app.compiled import forget_outdated
from tests.support.postgres import postgres_server, postgres_url  # noqa: F401 - here, so that there is one server and not one for each module
from tests.support.secrets_plugin import *  # noqa: F403 - no test may show a secret

forget_outdated()

# httpcore asks for it at each request, and where it is not installed, every folder is searched each time: 0.3 ms of some 2.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

# What collecting makes stays to the end: nobody looks through it again and again, while it is made or afterwards.
gc.disable()

KINDS = {"unit", "property", "conformance", "integration", "e2e", "chaos", "architecture"}
OFFLINE = {"unit", "property"}
BEGIN_FIRST = ("test_soak.py", "test_replicas_runs.py")
"""Files that take minutes whatever the machine, and mostly wait: where several processes share the tests, these must not be left for the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        kinds = KINDS & {mark.name for mark in item.iter_markers()}
        if len(kinds) != 1:
            raise pytest.UsageError(f"{item.nodeid}: mark it with exactly one of {', '.join(sorted(KINDS))}")
    if hasattr(config, "workerinput"):  # one of several processes, which take file after file in this order
        sizes = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path.name not in BEGIN_FIRST, -sizes[item.path]))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that reaches for the network fails at once, and says so."""
    if not OFFLINE & {mark.name for mark in request.node.iter_markers()}:
        return

    def refuse(*_: object) -> None:
        raise AssertionError("this test is marked as one that opens no sockets")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture(autouse=True)
def _no_logger_of_another_test() -> None:
    """A command that ran in this process has set the log up on a stream that is closed by now."""
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the developer's shell exports for a keeper must not decide a test."""
    for name in list(os.environ):  # noqa: TID251
        if name.startswith(("KEEPER_", "AWS_")):
            monkeypatch.delenv(name)
    # Nobody's credentials are looked for: not in a home, and not at the address where a machine in a cloud finds its own.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
