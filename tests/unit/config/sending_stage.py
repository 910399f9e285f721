"""The good configuration with lanes, every kind of route, and a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.config.conftest import SECRETS

if TYPE_CHECKING:
    from keeper.config import Config
    from keeper.config.model import RouteConfig
    from keeper.domain.errors import Problem
    from tests.unit.config.conftest import Break, Edit, Load

TEXT = (Path(__file__).parent / "sending.yaml").read_text("utf-8")
PUBLIC = "routes: {public: {kind: public}}"
ROUTE = "    route: public\n"
SIGNER = '{kind: keystore, path: key.json, password: "${KEEPER_KEYSTORE_PASSWORD}"}'
KEY = "ab" * 32
ENVIRON = SECRETS | {
    "KEEPER_SIGNER_TOKEN": "signer-token-42",
    "IDENTITY_PASSWORD": "identity-pass-77",
    "BUILDER_KEY": "builder-key-3c",
    "KEEPER_KEY": KEY,
}


def sending(*edits: Edit) -> Edit:
    """The edit that puts ``sending.yaml`` in place of the one route, after these edits to it."""
    text = TEXT
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        text = text.replace(old, new)
    return PUBLIC, text.rstrip("\n")


def loaded(load: Load, *edits: Edit, action: str = ROUTE, signer: str = SIGNER) -> Config:
    """``action``: the lines of the action pause-market that say how it travels."""
    return load(sending(*edits), (ROUTE, action), (SIGNER, signer), environ=ENVIRON)


def problems(broken: Break, *edits: Edit, action: str = ROUTE, signer: str = SIGNER) -> tuple[Problem, ...]:
    return broken(sending(*edits), (ROUTE, action), (SIGNER, signer), environ=ENVIRON)


def route(config: Config, name: str) -> RouteConfig:
    return next(one for one in config.routes if one.name == name)
