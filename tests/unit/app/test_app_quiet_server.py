"""Warnings of the server under the pages: each once a minute, however often nonsense is sent."""

from __future__ import annotations

import logging

import pytest

from keeper.app.pages.connections import SELDOM_S, _Seldom, quieten

pytestmark = pytest.mark.unit


def said(text: str, at: float, level: int = logging.WARNING) -> logging.LogRecord:
    record = logging.LogRecord("uvicorn.error", level, "", 0, text, None, None)
    record.created = at
    return record


def test_warning__again_within_a_minute__is_said_once() -> None:
    seldom = _Seldom()
    at = [1_000.0, 1_001.0, 1_000.0 + SELDOM_S - 1, 1_000.0 + SELDOM_S, 1_001.0 + SELDOM_S]
    assert [seldom.filter(said("Invalid HTTP request received.", each)) for each in at] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert seldom.filter(said("Exceeded concurrency limit.", 1_001.0))


def test_failure__of_ours__is_said_each_time() -> None:
    seldom = _Seldom()
    assert all(seldom.filter(said("Exception in ASGI application", 1_000.0, logging.ERROR)) for _ in range(3))


def test_quieten__twice__is_one_filter() -> None:
    quieten()
    quieten()
    assert sum(isinstance(one, _Seldom) for one in logging.getLogger("uvicorn.error").filters) == 1
