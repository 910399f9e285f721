"""One good configuration, and a way to break it in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.config import Config, loads
from keeper.domain.errors import ConfigurationError, Problem

HERE = Path(__file__).parent

SECRETS = {
    "NODE_KEY": "node-key-5e1f",
    "EXCHANGE_KEY": "exchange-key-77aa",
    "KEEPER_KEYSTORE_PASSWORD": "correct-horse-battery",
    "KEEPER_NOTIFY_URL": "tgram://bot-token-91/chat-id-17",
}

Edit = tuple[str, str]
Load = Callable[..., Config]
Break = Callable[..., tuple[Problem, ...]]


@pytest.fixture
def secrets() -> dict[str, str]:
    return dict(SECRETS)


@pytest.fixture
def good() -> str:
    return (HERE / "good.yaml").read_text("utf-8")


@pytest.fixture
def load_good(good: str, tmp_path: Path) -> Load:
    """The good configuration after these edits; each must change exactly one place."""

    def load(*edits: Edit, environ: dict[str, str] | None = None) -> Config:
        text = good
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
            text = text.replace(old, new)
        return loads(text.encode(), folder=tmp_path, environ=SECRETS if environ is None else environ)

    return load


@pytest.fixture
def broken(load_good: Load) -> Break:
    """The problems of the good configuration after these edits."""

    def problems(*edits: Edit, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
        with pytest.raises(ConfigurationError) as caught:
            load_good(*edits, environ=environ)
        return caught.value.problems

    return problems
