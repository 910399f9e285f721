"""Broken configurations: what is said, where, and with which hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config import load
from keeper.domain.errors import ConfigurationError, Problem

pytestmark = pytest.mark.unit

BAD = Path(__file__).parent / "bad"
ENVIRON = {
    "NODE_KEY": "node-key-5e1f",
    "EXCHANGE_KEY": "exchange-key-77aa",
    "KEEPER_KEYSTORE_PASSWORD": "correct-horse-battery",
    "KEEPER_NOTIFY_URL": "tgram://bot-token-91/chat-id-17",
}
RULE = "markets.ETH-PERP.rules.oracle-divergence"
SIGNALS = "markets.ETH-PERP.signals"
PAUSE = "actions.pause-market"

EXPECTED = {
    "unknown-key": (f"{PAUSE}.cooldwon", 57, "unknown key", "did you mean cooldown?"),
    "wrong-unit": (f"{RULE}.when.above", 39, "not a share", "2% or 50bps"),
    "unknown-signal-kind": (f"{SIGNALS}.divergence.kind", 35, "not one of the words", "did you mean divergence?"),
    "unknown-signal": (f"{RULE}.when.signal", 39, "no signal of this market", "did you mean divergence?"),
    "unknown-source": (f"{SIGNALS}.divergence.of", 35, "no source has this name", "did you mean eth-oracle?"),
    "unknown-action": (f"{RULE}.actions[0]", 42, "no action has this name", "did you mean pause-market?"),
    "empty-actions": (f"{RULE}.actions", 42, "names no action", "at least one"),
    "unknown-route": (f"{PAUSE}.route", 56, "no route has this name", "one of: public"),
    "missing-variable": ("sources.eth-spot.headers.X-Key", 30, "EXCHANGE_KEE is not set", "EXCHANGE_KEE_FILE"),
    "address-checksum": (
        "sources.eth-oracle.address",
        10,
        "checksum of the address is wrong",
        "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
    ),
    "address-lower-case": (
        "sources.eth-oracle.address",
        10,
        "the address has no checksum",
        "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
    ),
    "threshold-without-clear": (f"{RULE}.clear", 38, "clear is missing", "on the other side"),
    "clear-on-the-wrong-side": (f"{RULE}.clear.above", 40, "on the side where it trips", "write below here"),
    "clear-without-gap": (f"{RULE}.clear.below", 40, "no gap to the threshold at 0.02", "a lower value"),
    "persistence-of-nothing": (f"{RULE}.when.for", 39, "a persistence of nothing", "leave `for` out"),
    "group-of-one": (f"{RULE}.when.all", 39, "2 to 16 conditions", "without a group"),
    "group-needs-too-many": (f"{RULE}.when.at_least", 39, "at most 2 can be true", ""),
    "group-member-with-for": (f"{RULE}.when.any[0].for", 39, "unknown key", ""),
    "clear-while-tripping": (f"{RULE}.clear", 40, "could trip and clear at once", "all of them always do"),
    "k-of-fewer": (f"{RULE}.when.for", 39, "never reached", "3 of 5 blocks"),
    "k-of-too-many": (f"{RULE}.clear.for", 40, "too far", "at most 62"),
    "k-of-what": (f"{RULE}.when.for", 39, "of what", "write 3 of 5 blocks, or ticks"),
    "threshold-of-another-unit": (
        f"{RULE}.when.above.of",
        39,
        "of unit volatility, the threshold of unit ratio",
        "plus",
    ),
    "threshold-follows-itself": (f"{RULE}.when.above.of", 39, "the very signal", "name another one"),
    "threshold-follows-nothing": (f"{RULE}.when.above.of", 39, "no signal of this market", "did you mean volatility?"),
    "moving-without-gap": (f"{RULE}.clear.below", 40, "no gap to the threshold", "a lower value"),
    "share-of-everything": (f"{RULE}.clear.below.share", 40, "between 0% and 100%", "50%"),
    "suppressor-unknown": (f"{RULE}.unless[0].signal", 42, "no signal of this market", "did you mean volatility?"),
    "schedule-of-no-time": (f"{RULE}.schedule.to", 42, "ends when it begins", "leave from and to out"),
    "schedule-unknown-day": (f"{RULE}.schedule.days[0]", 42, "not one of the words", "mon"),
    "schedule-without-minutes": (f"{RULE}.schedule.from", 42, "not a time of day", "08:30"),
    "negative-age": ("sources.eth-oracle.max_age", 10, "cannot be negative", "90s"),
    "max-age-below-heartbeat": ("sources.eth-oracle.max_age", 10, "shorter than heartbeat", "more than `heartbeat`"),
    "cyclic-variables": ("markets.ETH-PERP.vars.key", 33, "in a circle", "key -> other -> key"),
    "duplicate-key": (f"{PAUSE}.cooldown", 59, "there twice", "line 57"),
    "tag": ("keeper.name", 1, "YAML tags are not used", "remove the tag"),
    "bad-signature": (f"{PAUSE}.call", 52, "not a function signature", "bytes1 to bytes32"),
    "argument-out-of-range": ("sources.eth-tvl.args[0]", 15, "not a value of uint8", "from 0 to 255"),
    "expect-of-wrong-type": (f"{PAUSE}.read.expect", 54, "not a value of bool", "true or false"),
    "unit-does-not-fit-signal": (f"{SIGNALS}.divergence.of", 35, "this source gives: amount", "price"),
    "number-too-large": ("chain.id", 3, "too large", "9007199254740991"),
    "live-without-signer": ("keeper.mode", 1, "needs a signer", "mode: shadow"),
    "market-without-rules": ("markets.ETH-PERP.rules", 37, "has no rule", "nothing is watched"),
    "empty": ("(file)", None, "the file is empty", "keeper init"),
    "alias-bomb": ("e[0]", 5, "more than 20000 values", ""),
    "wrong-type": ("keeper.name", 1, "a text is needed", "in quotes"),
}


def problems_of(name: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(BAD / f"{name}.yaml", environ=ENVIRON)
    return caught.value.problems


@pytest.mark.parametrize("name", EXPECTED)
def test_load__one_mistake__one_problem_with_place_and_hint(name: str) -> None:
    path, line, message, hint = EXPECTED[name]
    problems = problems_of(name)
    assert len(problems) == 1, problems
    assert (problems[0].path, problems[0].line) == (path, line)
    assert message in problems[0].message
    assert hint in problems[0].hint


def test_bad_files__every_one__is_in_the_table() -> None:
    assert {file.stem for file in BAD.glob("*.yaml")} == {*EXPECTED, "many"}


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"empty"}))
def test_bad_files__the_line__holds_what_was_found(name: str) -> None:
    problem = problems_of(name)[0]
    assert problem.line is not None
    line = (BAD / f"{name}.yaml").read_text("utf-8").splitlines()[problem.line - 1]
    last = problem.path.rpartition(".")[2].partition("[")[0]
    assert problem.found.removeprefix("tag:yaml.org,2002:") in line or last in line


def test_load__many_mistakes__all_told_at_once_in_the_order_of_the_file() -> None:
    problems = problems_of("many")
    assert [(one.path, one.line) for one in problems] == [
        ("keeper.mode", 1),
        ("keeper.name", 1),
        ("chain.id", 3),
        ("sources.eth-oracle.address", 10),
        ("sources.eth-oracle.max_age", 10),
        ("sources.eth-spot.headers.X-Key", 30),
        ("markets.ETH-PERP.signals.divergence.of", 35),
        ("markets.ETH-PERP.signals.volatility.window", 36),
        ("markets.ETH-PERP.rules.oracle-divergence.when.above", 39),
        ("actions.pause-market.route", 56),
        ("actions.pause-market.cooldwon", 57),
        ("actions.tighten-withdrawals.args", 65),
    ]


def test_configuration_error__many_problems__says_how_many_more() -> None:
    with pytest.raises(ConfigurationError, match=r"^keeper\.mode: .* \(and 11 more\)$"):
        load(BAD / "many.yaml", environ=ENVIRON)
