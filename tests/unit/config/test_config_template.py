"""What ``keeper init`` writes is safe as it stands."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from keeper.config import Config, loads
from keeper.config.model import DerivedSource, ExchangeSource, Mode
from keeper.config.template import PRESETS, template
from keeper.domain.errors import ConfigurationError
from keeper.engine import compile_engine

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
VARIABLE = re.compile(r"\$\{(KEEPER_\w+)\}")
QUOTED = re.compile(r'"[^"]*"')
NUMBER = re.compile(r"(?<![\w.-])\d[\d.]*(%|bps|ms|[smhd])?(?![\w.-])")


def variables(env: str) -> dict[str, str]:
    lines = [line for line in env.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def loaded(preset: str) -> Config:
    text, env = template(preset)
    return loads(text.encode(), folder=Path("/somewhere"), environ=variables(env))


@pytest.mark.parametrize("preset", PRESETS)
def test_template__as_it_stands__loads_in_shadow_mode_without_a_signer(preset: str) -> None:
    config = loaded(preset)
    assert config.keeper.mode is Mode.SHADOW
    assert config.signer is None
    assert config.actions


@pytest.mark.parametrize("preset", PRESETS)
def test_template__offers__only_databases_that_can_be_used(preset: str) -> None:
    assert "postgres" not in template(preset)[0].lower()


@pytest.mark.parametrize("preset", PRESETS)
def test_template__variables__are_all_in_the_env_file(preset: str) -> None:
    text, env = template(preset)
    live = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert set(VARIABLE.findall(live)) == set(variables(env))


@pytest.mark.parametrize("preset", PRESETS)
def test_template__variables_of_what_is_only_offered__are_offered_in_the_env_file(preset: str) -> None:
    text, env = template(preset)
    assert [
        name for name in VARIABLE.findall(text) if f"\n# {name}_FILE=" not in env and name not in variables(env)
    ] == []


@pytest.mark.parametrize("preset", PRESETS)
def test_template__a_variable_not_set__is_told(preset: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loads(template(preset)[0].encode(), folder=Path("/somewhere"), environ={})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("preset", PRESETS)
def test_template__every_line_with_a_number__says_why(preset: str) -> None:
    numbers = [
        line for line in template(preset)[0].splitlines() if NUMBER.search(QUOTED.sub("", line.partition("#")[0]))
    ]
    assert len(numbers) > 15
    for line in numbers:
        assert line.partition("#")[2].strip(), line


@pytest.mark.parametrize("preset", PRESETS)
def test_template__without_any_environment_or_ccxt__loads_for_a_replay(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.config.venues.known_venues", lambda package: frozenset())
    config = loads(template(preset)[0].encode(), folder=Path("/somewhere"), environ={}, offline=True)
    assert compile_engine(config.engine)


@pytest.mark.parametrize("preset", PRESETS)
def test_template__every_call_of_a_contract_of_yours__says_what_to_replace(preset: str) -> None:
    for line in template(preset)[0].splitlines():
        assert "dEaD" not in line or "replace" in line, line


def test_template__ways_to_one_peg__share_no_venue() -> None:
    """Otherwise one venue would have two votes of three."""
    sources = {source.name: source for source in loaded("stablecoin-peg").sources}

    def venues(name: str) -> set[str]:
        source = sources[name]
        if isinstance(source, ExchangeSource):
            return {venue.name for venue in source.venues}
        assert isinstance(source, DerivedSource)
        return set().union(*(venues(member) for member in source.of))

    for ways in (("usdc-direct", "usdc-by-usdt", "usdc-by-btc"), ("usdt-direct", "usdt-coinbase", "usdt-by-btc")):
        behind = [venues(way) for way in ways]
        assert all(not one & other for one, other in combinations(behind, 2)), behind


def test_template__each_dollar_price__takes_two_venues() -> None:
    sources = {source.name: source for source in loaded("stablecoin-peg").sources}
    for name in ("usdc-direct", "usdt-direct"):
        source = sources[name]
        assert isinstance(source, ExchangeSource)
        assert source.min_venues == 2


@pytest.mark.parametrize("preset", PRESETS)
def test_template__signer_uncommented__goes_live(preset: str) -> None:
    text, env = template(preset)
    text = re.sub(r"(?m)^# (signer:|  kind: keystore|  path: |  password: )", r"\1", text)
    live = text.replace("mode: shadow ", "mode: live ")
    given = variables(env) | {"KEEPER_KEYSTORE_PASSWORD": "x"}
    config = loads(live.encode(), folder=Path("/somewhere"), environ=given)
    assert config.keeper.mode is Mode.LIVE
    assert config.signer


def test_env_example__of_the_repository__is_the_env_of_the_template() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == template()[1]


def test_env_example__holds_no_key_and_no_switch() -> None:
    given = variables(template()[1])
    assert set(given) == {"KEEPER_RPC_URL", "KEEPER_NOTIFY_URL"}
    assert not re.search(r"[0-9a-fA-F]{32}", template()[1])
    assert all("127.0.0.1" in value for value in given.values())


def test_template__unknown_preset__names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as caught:
        template("save")
    assert caught.value.problems[0].hint == "did you mean safe?"
