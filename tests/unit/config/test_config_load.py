"""What a good configuration becomes."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeper.config import load
from keeper.config.model import (
    AppriseNotify,
    ChainlinkSource,
    ContractCallSource,
    EndpointRole,
    HttpSource,
    LogNotify,
    Mode,
    TimeUnit,
)
from keeper.config.sending import KeyFileSigner, KeystoreSigner, PublicRoute
from keeper.domain.action import ActionKind, FunctionCall, SafeSide
from keeper.domain.errors import ConfigurationError
from keeper.domain.matters import Policy
from keeper.domain.units import NO_SPAN, Span, Unit
from keeper.domain.verdict import Severity
from keeper.engine.spec import ActionPolicy, SourceSpec
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.spec import SignalSpec

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load

pytestmark = pytest.mark.unit

CONTRACT = "0x000000000000000000000000000000000000dEaD"
MARKET_ID = "0x4554482d50455250000000000000000000000000000000000000000000000000"
AUDIT = 'audit: {url: "sqlite:///keeper.db"}'
SIGNER = 'signer: {kind: keystore, path: key.json, password: "${KEEPER_KEYSTORE_PASSWORD}"}'
WS = '"ws://127.0.0.1:8545"'


def test_load__keeper_and_chain__as_written(load_good: Load) -> None:
    config = load_good()
    assert (config.keeper.name, config.keeper.mode) == ("demo", Mode.LIVE)
    assert (config.chain.id, config.chain.confirmations) == (31337, 1)
    assert config.chain.primary.url.reveal() == "ws://127.0.0.1:8545"
    assert [one.role for one in config.chain.broadcasters] == [EndpointRole.BROADCAST]
    assert config.chain.broadcasters[0].url.reveal() == "wss://node.example/v2/node-key-5e1f"
    assert config.chain.broadcasters[0].shown == "wss://node.example/v2/${NODE_KEY}"


def test_load__mode_left_out__is_shadow(load_good: Load) -> None:
    assert load_good(("{name: demo, mode: live}", "{name: demo}")).keeper.mode is Mode.SHADOW


def test_load__sources__typed_per_kind(load_good: Load) -> None:
    oracle, tvl, spot = load_good().sources
    assert oracle == ChainlinkSource("eth-oracle", Unit.PRICE, 3_600_000, "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419")
    call = FunctionCall(CONTRACT, "reserves(uint8)(uint256,bool)", ("3",))
    assert tvl == ContractCallSource("eth-tvl", Unit.AMOUNT, 300_000, call, decimals=6, index=0)
    assert isinstance(spot, HttpSource)
    assert (spot.value, spot.time, spot.time_unit) == ("lastPrice", "closeTime", TimeUnit.MILLISECONDS)
    assert (spot.every_ms, spot.timeout_ms, spot.max_age_ms) == (1_000, 2_000, 10_000)
    assert spot.url.reveal() == "http://127.0.0.1:8080/api/v3/ticker/24hr?symbol=ETHUSDT"
    assert [(name, value.reveal()) for name, value in spot.headers] == [("X-Key", "exchange-key-77aa")]


def test_load__http_without_time__has_none(load_good: Load) -> None:
    spot = load_good(("    time: closeTime\n    time_unit: ms\n", "")).sources[2]
    assert isinstance(spot, HttpSource)
    assert spot.time is None


def test_load__engine__sources_signals_rules_and_policies(load_good: Load) -> None:
    engine = load_good().engine
    assert engine.sources[0] == SourceSpec("eth-oracle", Unit.PRICE, 3_600_000)
    market = engine.markets[0]
    assert market.name == "ETH-PERP"
    assert market.signals == (
        SignalSpec("divergence", "divergence", ("eth-oracle", "eth-spot"), (("side", "either"),)),
        SignalSpec(
            "volatility",
            "realised-volatility",
            ("eth-spot",),
            (("window", Span(ms=600_000)), ("sampling", Span(ms=30_000)), ("annualised", "no")),
        ),
    )
    assert market.rules == (
        RuleSpec(
            "oracle-divergence",
            Condition("divergence", Side.ABOVE, Decimal("0.02"), Span(blocks=2)),
            Condition("divergence", Side.BELOW, Decimal("0.01"), Span(blocks=5)),
            Severity.CRITICAL,
            ("pause-market",),
        ),
        RuleSpec(
            "violent",
            Condition("volatility", Side.ABOVE, Decimal("0.03"), Span(ms=30_000)),
            Condition("volatility", Side.BELOW, Decimal("0.01"), NO_SPAN),
            Severity.WARNING,
            ("tighten-withdrawals", "pause-market"),
        ),
    )
    assert engine.actions == (
        ActionPolicy("pause-market", ActionKind.PAUSE, 600_000, 30_000),
        ActionPolicy("tighten-withdrawals", ActionKind.RATE_LIMIT, 600_000, 30_000),
    )


def test_load__actions__bound_once_per_market_that_names_them(load_good: Load) -> None:
    pause, tighten = load_good().actions
    assert (pause.name, pause.market, pause.kind, pause.route) == (
        "pause-market",
        "ETH-PERP",
        ActionKind.PAUSE,
        "public",
    )
    assert pause.call == FunctionCall(CONTRACT, "pauseMarket(bytes32)", (MARKET_ID,))
    assert pause.effect.read == FunctionCall(CONTRACT, "paused(bytes32)(bool)", (MARKET_ID,))
    assert pause.effect.expect == "true"
    assert pause.undo == FunctionCall(CONTRACT, "unpauseMarket(bytes32)", (MARKET_ID,))
    assert (pause.expires_ms, pause.gas_limit, pause.safe_side) == (300_000, 200_000, None)
    assert tighten.call.args == (MARKET_ID, "250000000000")
    assert (tighten.effect.expect, tighten.safe_side) == ("250000000000", SafeSide.LOWER)
    assert (tighten.undo, tighten.gas_limit, tighten.expires_ms) == (None, None, 300_000)


def test_load__two_markets__each_with_its_own_variables(load_good: Load) -> None:
    second = """
  BTC-PERP:
    vars: {id: "0x4254432d50455250000000000000000000000000000000000000000000000000", key: "{id}"}
    signals: {gap: {kind: divergence, of: eth-oracle, against: eth-spot}}
    rules: {one: {when: {signal: gap, above: 1%}, clear: {below: 50bps}, severity: info, actions: [pause-market]}}
actions:
  pause-market:"""
    config = load_good(("\nactions:\n  pause-market:", second))
    assert [(one.market, one.name) for one in config.actions] == [
        ("ETH-PERP", "pause-market"),
        ("ETH-PERP", "tighten-withdrawals"),
        ("BTC-PERP", "pause-market"),
    ]
    assert config.actions[2].call.args[0].startswith("0x425443")
    assert config.actions[2].effect.read.args[0].startswith("0x425443")


def test_load__action_that_no_rule_names__is_not_bound_but_has_a_policy(load_good: Load) -> None:
    config = load_good(("actions: [tighten-withdrawals, pause-market]", "actions: [pause-market]"))
    assert [one.name for one in config.actions] == ["pause-market"]
    assert [one.name for one in config.engine.actions] == ["pause-market", "tighten-withdrawals"]


def test_load__own_target_of_read__is_used_there_only(load_good: Load) -> None:
    view = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
    pause = load_good(('{call: "paused(bytes32)(bool)"', f'{{target: "{view}", call: "paused(bytes32)(bool)"')).actions[
        0
    ]
    assert (pause.call.target, pause.effect.read.target) == (CONTRACT, view)


def test_load__target_with_a_variable__is_filled_in(load_good: Load) -> None:
    place = 'kind: pause\n    target: "0x000000000000000000000000000000000000dEaD"'
    config = load_good(
        (place, 'kind: pause\n    target: "{breaker}"'), ("vars: {id", f'vars: {{breaker: "{CONTRACT}", id')
    )
    assert config.actions[0].call.target == CONTRACT


def test_load__values_of_one_meaning__take_one_form(load_good: Load) -> None:
    written = load_good(('250000000000"]', '0x3a35294400"]'), ("expect: true", 'expect: "true"'))
    assert written.actions[1].call.args[1] == "250000000000"
    assert written.actions[0].effect.expect == "true"


def test_load__signers__paths_are_beside_the_file(load_good: Load, tmp_path: Path) -> None:
    signer = load_good().signer
    assert isinstance(signer, KeystoreSigner)
    assert (signer.path, signer.password.reveal()) == (str(tmp_path / "key.json"), "correct-horse-battery")
    assert load_good((SIGNER, "signer: {kind: key-file, path: /run/key}")).signer == KeyFileSigner("/run/key")


def test_load__routes_and_notify__as_written_or_by_default(load_good: Load) -> None:
    config = load_good()
    assert config.routes == (PublicRoute("public"),)
    assert config.notify[0] == LogNotify(Policy(name="log"))
    assert isinstance(config.notify[1], AppriseNotify)
    assert config.notify[1].url.reveal() == "tgram://bot-token-91/chat-id-17"
    assert config.notify[1].min_severity is Severity.WARNING
    named = load_good(("{public: {kind: public}}", "{fast: {kind: public}}"), ("route: public", "route: fast"))
    assert [route.name for route in named.routes] == ["fast", "public"]
    assert [action.route for action in named.actions] == ["fast", "public"]


def test_load__notify_left_out__goes_to_the_log(load_good: Load, good: str) -> None:
    section = good[good.index("notify:") :]
    assert load_good((section, "")).notify == (LogNotify(Policy(name="log")),)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"wss://node.example/ws"', "wss://node.example/ws"),
        ('"ipc:///tmp/node.ipc"', "ipc:///tmp/node.ipc"),
        ("/tmp/node.ipc", "ipc:///tmp/node.ipc"),
        ("data/node.ipc", "ipc://{folder}/data/node.ipc"),
    ],
)
def test_load__endpoint__every_form(written: str, meant: str, load_good: Load, tmp_path: Path) -> None:
    assert load_good((WS, written)).chain.primary.url.reveal() == meant.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("section", "url"),
    [
        (AUDIT, "sqlite:///{folder}/keeper.db"),
        ('audit: {url: "sqlite:///data/log.db?timeout=5"}', "sqlite:///{folder}/data/log.db?timeout=5"),
        ('audit: {url: "sqlite:////var/log.db"}', "sqlite:////var/log.db"),
        ('audit: {url: "sqlite:///my%20log.db"}', "sqlite:///{folder}/my%20log.db"),
        ("", "sqlite:///{folder}/keeper.db"),
    ],
)
def test_load__audit__path_beside_the_file(section: str, url: str, load_good: Load, tmp_path: Path) -> None:
    assert load_good((AUDIT, section)).audit.url.reveal() == url.format(folder=tmp_path)


def test_load__from_a_file_elsewhere__is_relative_to_its_folder(
    good: str, tmp_path: Path, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a folder with 100%"
    folder.mkdir()
    (folder / "keeper.yaml").write_text(good, "utf-8")
    monkeypatch.chdir(tmp_path)
    config = load("a folder with 100%/keeper.yaml", environ=secrets)
    assert config.path == "a folder with 100%/keeper.yaml"
    assert config.audit.url.reveal() == f"sqlite:///{tmp_path}/a%20folder%20with%20100%25/keeper.db"


def test_load__from_standard_input__is_relative_to_the_working_folder(
    good: str, tmp_path: Path, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load("-", environ=secrets, stdin=io.BytesIO(good.encode()))
    assert (config.path, config.audit.url.reveal()) == ("-", f"sqlite:///{tmp_path}/keeper.db")


@pytest.mark.parametrize(
    ("path", "message"),
    [("nothing.yaml", "no such file"), (".", "a folder"), ("a\0b", "not the name"), ("x" * 5000, "cannot be read")],
)
def test_load__no_file_to_read__configuration_error(
    path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load(path, environ={})
    assert caught.value.problems[0].path == "(file)"


def test_load__byte_order_mark_and_windows_lines__are_taken(good: str, tmp_path: Path, secrets: dict[str, str]) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + good.replace("\n", "\r\n").encode())
    assert load(file, environ=secrets).keeper.name == "demo"
