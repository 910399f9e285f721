"""Holding a log against the chain needs the nodes and the breaker contracts, and no key, password or token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keeper.config.onchain import chain_and_breakers
from keeper.domain.errors import ConfigurationError
from tests.unit.config.sending_stage import sending

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

CONTRACT = "0x000000000000000000000000000000000000dEaD"
ENVIRON = {"NODE_KEY": "n"}


def written(folder: Path, text: str) -> Path:
    path = folder / "keeper.yaml"
    path.write_text(text, "utf-8")
    return path


def test_chain_and_breakers__beside_private_routes__needs_none_of_their_secrets(good: str, tmp_path: Path) -> None:
    chain, contracts = chain_and_breakers(written(tmp_path, good.replace(*sending())), environ=ENVIRON)
    assert chain.id == 31337
    assert contracts == (CONTRACT,)


def test_chain_and_breakers__route_named_as_its_kind__is_one(good: str, tmp_path: Path) -> None:
    text = good.replace("routes: {public: {kind: public}}", f'routes: {{breaker: {{address: "{CONTRACT}"}}}}')
    assert chain_and_breakers(written(tmp_path, text), environ=ENVIRON)[1] == (CONTRACT,)


@pytest.mark.parametrize("routes", ["", "routes: {public: {kind: public}}", "routes: {}"])
def test_chain_and_breakers__without_any__is_empty(routes: str, good: str, tmp_path: Path) -> None:
    text = good.replace("routes: {public: {kind: public}}", routes)
    assert chain_and_breakers(written(tmp_path, text), environ=ENVIRON)[1] == ()


@pytest.mark.parametrize(
    ("routes", "path"),
    [
        ("{guard: {kind: breaker, address: 0x12}}", "routes.guard.address"),
        ("{breaker: {}}", "routes.breaker.address"),
        ("[breaker]", "routes"),
        ("{guard: breaker}", "routes.guard"),
    ],
)
def test_chain_and_breakers__broken__says_where(routes: str, path: str, good: str, tmp_path: Path) -> None:
    text = good.replace("{public: {kind: public}}", routes)
    with pytest.raises(ConfigurationError) as caught:
        chain_and_breakers(written(tmp_path, text), environ=ENVIRON)
    assert [problem.path for problem in caught.value.problems] == [path]
