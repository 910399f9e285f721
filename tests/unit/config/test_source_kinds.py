"""The kinds that read one sort of contract: how each is written, what is refused, and what becomes of it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from keeper.app.chain_sources import open_chain_source
from keeper.config import model
from keeper.config.schema import json_schema
from keeper.config.sources import KINDS
from keeper.domain.units import Unit

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

AT = "  eth-tvl:\n    kind: contract-call\n"
DEAD = "0x000000000000000000000000000000000000dEaD"
USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
ID = "0xff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"

CHAINLINK = f'kind: chainlink, address: "{DEAD}", unit: price, max_age: 1h'
PYTH = f'kind: pyth, address: "{DEAD}", id: "{ID}", max_age: 1m'
POOL = f'kind: uniswap-v3, pool: "{DEAD}", base: "{WETH}", quote: "{USDC}", max_age: 30s'
VAULT = f'kind: erc4626, vault: "{DEAD}", asset: "{USDC}", max_age: 30s'
VIEW = f'kind: contract-call, target: "{DEAD}", call: "f()(uint256)", unit: price, max_age: 1m'
SEQUENCER = f'kind: sequencer-uptime, address: "{DEAD}", max_age: 30s'


def written(*sources: str) -> tuple[str, str]:
    """An edit that puts further sources, ``name: {...}`` each, into the good configuration."""
    return AT, "".join(f"  {source}\n" for source in sources) + AT


def loaded(load_good: Load, text: str, *others: str) -> model.Source:
    config = load_good(written(f"subject: {{{text}}}", *others))
    return next(source for source in config.sources if source.name == "subject")


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (CHAINLINK, model.ChainlinkSource("subject", Unit.PRICE, 3_600_000, DEAD)),
        (
            CHAINLINK + ", heartbeat: 20m, bounds: [0.01, 10000]",
            model.ChainlinkSource(
                "subject", Unit.PRICE, 3_600_000, DEAD, 1_200_000, (Decimal("0.01"), Decimal(10_000))
            ),
        ),
        (CHAINLINK + ", heartbeat: 1h", model.ChainlinkSource("subject", Unit.PRICE, 3_600_000, DEAD, 3_600_000)),
        (PYTH, model.PythSource("subject", Unit.PRICE, 60_000, DEAD, ID, Decimal("0.01"))),
        (
            PYTH.replace("ff61", "FF61") + ", unit: ratio, max_confidence: 50bps",
            model.PythSource("subject", Unit.RATIO, 60_000, DEAD, ID, Decimal("0.005")),
        ),
        (POOL + ", mode: spot", model.UniswapV3Source("subject", 30_000, DEAD, WETH, USDC, None, Decimal(0))),
        (
            POOL + ", mode: twap, window: 10m, min_liquidity: 2000000.5",
            model.UniswapV3Source("subject", 30_000, DEAD, WETH, USDC, 600, Decimal("2000000.5")),
        ),
        (VAULT, model.Erc4626Source("subject", 30_000, DEAD, USDC, None)),
        (
            VAULT + ", max_growth_per_day: 50bps",
            model.Erc4626Source("subject", 30_000, DEAD, USDC, Decimal("0.005")),
        ),
        (SEQUENCER, model.SequencerUptimeSource("subject", 30_000, DEAD, 3_600_000)),
        (SEQUENCER + ", grace: 30m", model.SequencerUptimeSource("subject", 30_000, DEAD, 1_800_000)),
    ],
)
def test_kind__as_it_is_written__is_typed_and_opens(load_good: Load, text: str, source: model.ChainSource) -> None:
    assert loaded(load_good, text) == source
    opened = open_chain_source(source)
    assert opened.name == "subject"
    assert opened.calls()


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        (model.ChainlinkSource("x", Unit.PRICE, 1, DEAD), 4),
        (model.ChainlinkSource("x", Unit.PRICE, 1, DEAD, bounds=(Decimal(1), Decimal(2))), 2),
        (model.UniswapV3Source("x", 1, DEAD, WETH, USDC, None, Decimal(0)), 6),
        (model.UniswapV3Source("x", 1, DEAD, WETH, USDC, 60, Decimal(0)), 7),
    ],
)
def test_kind__options__decide_what_is_asked(source: model.ChainSource, calls: int) -> None:
    assert len(open_chain_source(source).calls()) == calls


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (CHAINLINK + ", bounds: [1]", "bounds", "a lower and an upper bound"),
        (CHAINLINK + ", bounds: [1, 2, 3]", "bounds", "a lower and an upper bound"),
        (CHAINLINK + ", bounds: [2, 1]", "bounds", "a lower and an upper bound"),
        (CHAINLINK + ", bounds: [1, 1]", "bounds", "a lower and an upper bound"),
        (CHAINLINK + ", bounds: 5", "bounds", "a list is needed"),
        (CHAINLINK + ", bounds: [1, much]", "bounds[1]", "not a plain number"),
        (CHAINLINK + ", heartbeat: 3 blocks", "heartbeat", "counts blocks"),
        (CHAINLINK + ", heartbeat: 3601s", "max_age", "shorter than heartbeat"),
        (PYTH.replace(ID, ID[:-1]), "id", "not the id of a price"),
        (PYTH.replace(ID, "ETH/USD"), "id", "not the id of a price"),
        (PYTH + ", max_confidence: 1", "max_confidence", "unit is missing"),
        (PYTH + ", max_confidence: 0%", "max_confidence", "more than zero"),
        (PYTH + ", max_confidence: -1%", "max_confidence", "more than zero"),
        (POOL, "mode", "mode is missing"),
        (POOL + ", mode: mean", "mode", "not one of the words"),
        (POOL + ", mode: twap", "window", "a mean needs a window"),
        (POOL + ", mode: spot, window: 10m", "window", "has no window"),
        (POOL + ", mode: twap, window: 1500ms", "window", "no pool can tell"),
        (POOL + ", mode: twap, window: 999ms", "window", "too short"),
        (POOL + ", mode: twap, window: 8d", "window", "no pool can tell"),
        (POOL.replace(USDC, WETH) + ", mode: spot", "quote", "the same token"),
        (POOL.replace(USDC, USDC.lower()) + ", mode: spot", "quote", "checksum"),
        (POOL + ", mode: spot, min_liquidity: -1", "min_liquidity", "more than zero"),
        (POOL + ", mode: spot, unit: price", "unit", "unknown key"),
        (VAULT + ", max_growth_per_day: 0%", "max_growth_per_day", "more than zero"),
        (VAULT + ", max_growth_per_day: 0.01", "max_growth_per_day", "unit is missing"),
        (SEQUENCER + ", grace: -1s", "grace", "negative"),
        (SEQUENCER + ", needs: other", "needs", "unknown key"),
    ],
)
def test_kind__written_wrong__is_refused_at_its_key(broken: Break, text: str, key: str, says: str) -> None:
    (problem,) = broken(written(f"subject: {{{text}}}"))
    assert problem.path == f"sources.subject.{key}"
    assert says in problem.message


@pytest.mark.parametrize("text", [CHAINLINK, PYTH, POOL + ", mode: spot", VAULT, VIEW])
def test_needs__a_flag__reaches_the_engine(load_good: Load, text: str) -> None:
    config = load_good(written(f"subject: {{{text}, needs: up}}", f"up: {{{SEQUENCER}}}"))
    needs = {source.name: source.needs for source in config.engine.sources}
    assert (needs["subject"], needs["up"], needs["eth-spot"]) == ("up", None, None)


def test_needs__a_flag_of_any_kind__will_do(load_good: Load) -> None:
    flag = f'up: {{kind: contract-call, target: "{DEAD}", call: "alive()(bool)", unit: flag, max_age: 1m}}'
    source = loaded(load_good, CHAINLINK + ", needs: up", flag)
    assert isinstance(source, model.ChainlinkSource)
    assert source.needs == "up"


@pytest.mark.parametrize(
    ("needs", "others", "says", "hint"),
    [
        ("upp", [f"up: {{{SEQUENCER}}}"], "no source has this name", "up"),
        ("subject", [], "cannot need itself", ""),
        ("eth-spot", [], "unit flag is needed", "eth-spot is of unit price"),
        (
            "gate",
            [
                f'gate: {{kind: contract-call, target: "{DEAD}", call: "a()(bool)", unit: flag, max_age: 1m, needs: up}}',
                f"up: {{{SEQUENCER}}}",
            ],
            "cannot be needed",
            "gate needs up",
        ),
        ("one", ["one: {kind: constant, value: 1, unit: flag}"], "cannot be needed", "the one that is read"),
    ],
)
def test_needs__what_cannot_be_needed__is_refused(
    broken: Break, needs: str, others: list[str], says: str, hint: str
) -> None:
    (problem,) = broken(written(f"subject: {{{CHAINLINK}, needs: {needs}}}", *others))
    assert problem.path == "sources.subject.needs"
    assert says in problem.message
    assert hint in problem.hint


def test_needs__a_broken_source__is_told_once_where_it_stands(broken: Break) -> None:
    (problem,) = broken(written(f"subject: {{{CHAINLINK}, needs: up}}", f"up: {{{SEQUENCER}, grace: long}}"))
    assert problem.path == "sources.up.grace"


@pytest.mark.parametrize("kind", ["chainlink", "pyth", "uniswap-v3", "erc4626", "sequencer-uptime", "contract-call"])
def test_schema__has_every_key_of_the_kind(kind: str) -> None:
    schemas = json_schema()["properties"]
    assert isinstance(schemas, dict)
    text = str(schemas["sources"])
    assert f"'const': '{kind}'" in text
    assert all(f"'{key}'" in text for key in KINDS[kind].keys())  # noqa: SIM118 - a method of Shape


def test_schema__defaults__are_the_ones_that_apply() -> None:
    text = str(json_schema())
    assert re.search(r"'grace': \{.{1,300}'default': '1h'\}", text)
    assert re.search(r"'max_confidence': \{.{1,200}; 1% if left out", text)
