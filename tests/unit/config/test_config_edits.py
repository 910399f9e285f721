"""One edit to the good configuration, one problem: the rules that have no file of their own, and both sides of each boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Edit, Load

pytestmark = pytest.mark.unit

KEY = "ab" * 32
CLEAR = "clear: {below: 1%, for: 5 blocks}"
WHEN = "when: {signal: divergence, above: 2%, for: 2 blocks}"
TARGET_OF_PAUSE = 'kind: pause\n    target: "0x000000000000000000000000000000000000dEaD"'
TARGET_OF_SOURCE = 'kind: contract-call\n    target: "0x000000000000000000000000000000000000dEaD"'
RULE = "markets.ETH-PERP.rules.oracle-divergence"
ID = '{id: "0x4554482d50455250000000000000000000000000000000000000000000000000", key: "{id}"}'

REFUSED: dict[str, tuple[Edit, str, str]] = {
    "unknown section": (("notify:", "notfy:"), "notfy", "unknown key"),
    "section that is text": (("keeper: {name: demo, mode: live}", "keeper: demo"), "keeper", "a section with keys"),
    "section that is empty": (("keeper: {name: demo, mode: live}", "keeper:"), "keeper", "this section is empty"),
    "value that is empty": (("confirmations: 1", "confirmations:"), "chain.confirmations", "there is no value"),
    "mode from nowhere": (("mode: live", "mode: armed"), "keeper.mode", "not one of the words"),
    "mode from the environment": (("mode: live", 'mode: "${NODE_KEY}"'), "keeper.mode", "environment cannot be used"),
    "name with a blank": (("name: demo", "name: my demo"), "keeper.name", "this is not a name"),
    "name of 65 characters": (("name: demo", "name: " + "a" * 65), "keeper.name", "this is not a name"),
    "name that begins with a dot": (("name: demo", "name: .demo"), "keeper.name", "this is not a name"),
    "name with a NUL": (("name: demo", 'name: "de\\0mo"'), "keeper.name", "control character"),
    "market with a blank": (("  ETH-PERP:\n", "  ETH PERP:\n"), "markets.ETH PERP", "this is not a name"),
    "chain id 0": (("id: 31337", "id: 0"), "chain.id", "too small"),
    "chain id of 2**53": (("id: 31337", "id: 9007199254740992"), "chain.id", "too large"),
    "chain id in quotes": (("id: 31337", 'id: "31337"'), "chain.id", "not a whole number"),
    "confirmations 0": (("confirmations: 1", "confirmations: 0"), "chain.confirmations", "too small"),
    "confirmations with a fraction": (("confirmations: 1", "confirmations: 1.5"), "chain.confirmations", "not a whole"),
    "no primary": (("role: primary", "role: verify"), "chain.endpoints", "no endpoint has the role primary"),
    "node over ftp": (("ws://127", "ftp://127"), "chain.endpoints[0].url", "can be used here"),
    "no host": (("ws://127.0.0.1:8545", "ws://"), "chain.endpoints[0].url", "names no host"),
    "bad port": (("ws://127.0.0.1:8545", "ws://127.0.0.1:85450"), "chain.endpoints[0].url", "not a URL"),
    "relative ipc url": (("ws://127.0.0.1:8545", "ipc://node.ipc"), "chain.endpoints[0].url", "IPC"),
    "audit in memory": (("sqlite:///keeper.db", "sqlite:///:memory:"), "audit.url", "needs a file"),
    "audit without a file": (("sqlite:///keeper.db", "sqlite://"), "audit.url", "not the URL of a database"),
    "audit in a nameless database of PostgreSQL": (
        ("sqlite:///keeper.db", "postgresql+psycopg://h"),
        "audit.url",
        "names no database",
    ),
    "audit elsewhere": (("sqlite:///keeper.db", "mysql://h/d"), "audit.url", "not the URL of a database"),
    "address of 39 digits": (("5c5b8419", "5c5b841"), "sources.eth-oracle.address", "not an address"),
    "zero address": ((TARGET_OF_SOURCE, TARGET_OF_SOURCE[:-5] + '0000"'), "sources.eth-tvl.target", "zero address"),
    "age in blocks": (("max_age: 1h", "max_age: 3 blocks"), "sources.eth-oracle.max_age", "a time is needed"),
    "age without a unit": (("max_age: 1h", "max_age: 90"), "sources.eth-oracle.max_age", "not a duration"),
    "age of 0": (("max_age: 1h", "max_age: 0s"), "sources.eth-oracle.max_age", "too short"),
    "age of 367 days": (("max_age: 1h", "max_age: 367d"), "sources.eth-oracle.max_age", "too large"),
    "age below the interval": (("max_age: 10s", "max_age: 999ms"), "sources.eth-spot.max_age", "shorter than every"),
    "unit from nowhere": (("unit: amount", "unit: tokens"), "sources.eth-tvl.unit", "not one of the words"),
    "unknown kind of source": (("kind: http\n", "kind: htpp\n"), "sources.eth-spot.kind", "not one of the words"),
    "source without a kind": (("    kind: http\n", ""), "sources.eth-spot.kind", "kind is missing"),
    "78 decimals": (("decimals: 6", "decimals: 78"), "sources.eth-tvl.decimals", "too large"),
    "third of two results": (("index: 0", "index: 2"), "sources.eth-tvl.index", "there are 2 results"),
    "bool as an amount": (("index: 0", "index: 1"), "sources.eth-tvl.unit", "the result is a bool"),
    "bytes as a number": (("(uint256,bool)", "(bytes32,bool)"), "sources.eth-tvl.call", "not a number"),
    "no arguments": (("    args: [3]\n", ""), "sources.eth-tvl.args", "takes 1 arguments, none is given"),
    "too many arguments": (("args: [3]", "args: [3, 4]"), "sources.eth-tvl.args", "takes 1 arguments, 2 are given"),
    "arguments that are no list": (("args: [3]", "args: 3"), "sources.eth-tvl.args", "a list is needed"),
    "url of a file": (("http://127.0.0.1:8080", "file://h"), "sources.eth-spot.url", "can be used here"),
    "path with a blank": (("value: lastPrice", "value: last price"), "sources.eth-spot.value", "not a path"),
    "time unit without time": (("    time: closeTime\n", ""), "sources.eth-spot.time_unit", "there is no time"),
    "asked too often": (("every: 1s", "every: 99ms"), "sources.eth-spot.every", "too short"),
    "header with a colon": (("{X-Key:", '{"X:Key":'), "sources.eth-spot.headers.X:Key", "name of a header"),
    "missing parameter": ((", window: 10m", ""), "markets.ETH-PERP.signals.volatility.window", "window is missing"),
    "window not whole": (("window: 10m", "window: 601s"), "markets.ETH-PERP.signals.volatility.window", "whole number"),
    "source twice": (
        ("against: eth-spot", "against: eth-oracle"),
        "markets.ETH-PERP.signals.divergence.against",
        "same",
    ),
    "wrong word": (
        ("of: eth-oracle,", "side: up, of: eth-oracle,"),
        "markets.ETH-PERP.signals.divergence.side",
        "words",
    ),
    "no signals": (("    signals:\n", "    signal:\n"), "markets.ETH-PERP.signals", "signals is missing"),
    "no threshold": ((WHEN, "when: {signal: divergence}"), f"{RULE}.when", "above or below is missing"),
    "two thresholds": (("above: 2%, for", "above: 2%, below: 1%, for"), f"{RULE}.when", "both above and below"),
    "threshold of the wrong kind": ((CLEAR, "clear: {below: 10m}"), f"{RULE}.clear.below", "not a share"),
    "threshold of 13 digits": (("above: 2%", "above: 2000000000000%"), f"{RULE}.when.above", "too large"),
    "threshold from the environment": (("above: 2%", 'above: "${NODE_KEY}"'), f"{RULE}.when.above", "environment"),
    "clears on another signal": ((CLEAR, "clear: {signal: volatility, below: 1%}"), f"{RULE}.clear.signal", "trips on"),
    "persistence of 0 blocks": (("for: 2 blocks", "for: 0 blocks"), f"{RULE}.when.for", "persistence of nothing"),
    "persistence without a unit": (("for: 2 blocks", "for: 2"), f"{RULE}.when.for", "not a duration"),
    "negative persistence": (("for: 2 blocks", "for: -2 blocks"), f"{RULE}.when.for", "negative"),
    "severity from nowhere": (("severity: critical", "severity: fatal"), f"{RULE}.severity", "not one of the words"),
    "action named twice": (("[pause-market]", "[pause-market, pause-market]"), f"{RULE}.actions[1]", "named twice"),
    "unknown variable": (
        ('args: ["{key}"]', 'args: ["{kee}"]'),
        "actions.pause-market.read.args[0]",
        "no variable kee",
    ),
    "unquoted variable": (('args: ["{key}"]', "args: [{key}]"), "actions.pause-market.read.args[0]", "single value"),
    "lonely brace": (('args: ["{key}"]', 'args: ["{key"]'), "actions.pause-market.read.args[0]", "brace"),
    "variable of the wrong type": (
        (ID, "{id: ETH-PERP, key: '{id}'}"),
        "markets.ETH-PERP.vars.id",
        "not a value of bytes32",
    ),
    "part of a wrong value": (
        ('args: ["{key}"]', 'args: ["{key}00"]'),
        "actions.pause-market.read.args[0]",
        "in market ETH-PERP: this is 0x4554",
    ),
    "target of the wrong type": (
        (TARGET_OF_PAUSE, 'kind: pause\n    target: "{id}"'),
        "markets.ETH-PERP.vars.id",
        "not an address",
    ),
    "variable from the environment": (
        (ID, "{id: '${NODE_KEY}', key: '{id}'}"),
        "markets.ETH-PERP.vars.id",
        "environment",
    ),
    "view without a result": (("(bytes32)(bool)", "(bytes32)"), "actions.pause-market.read.call", "names its results"),
    "view with two results": (
        ("(bytes32)(bool)", "(bytes32)(bool,bool)"),
        "actions.pause-market.read.call",
        "2 results",
    ),
    "call with a result": (
        ('"pauseMarket(bytes32)"', '"pauseMarket(bytes32)(bool)"'),
        "actions.pause-market.call",
        "no results",
    ),
    "call with a tuple": (
        ('"pauseMarket(bytes32)"', '"pauseMarket((bytes32))"'),
        "actions.pause-market.call",
        "signature",
    ),
    "limit without its safe side": (
        ("    safe_side: lower\n", ""),
        "actions.tighten-withdrawals.safe_side",
        "is missing",
    ),
    "limit read as bool": (
        ('(bytes32)(uint256)", args: ["{id}"], expect: 250000000000', '(bytes32)(bool)", args: ["{id}"], expect: true'),
        "actions.tighten-withdrawals.read",
        "the view answers a bool",
    ),
    "pause with a safe side": (
        ("route: public\n", "safe_side: lower\n"),
        "actions.pause-market.safe_side",
        "no safe side",
    ),
    "gas below a transfer": (("gas_limit: 200000", "gas_limit: 20999"), "actions.pause-market.gas_limit", "too small"),
    "gas above a transaction": (
        ("gas_limit: 200000", "gas_limit: 16777217"),
        "actions.pause-market.gas_limit",
        "too large",
    ),
    "retry without a pause": (("retry: 30s", "retry: 999ms"), "actions.pause-market.retry", "too short"),
    "password in the file": (('"${KEEPER_KEYSTORE_PASSWORD}"', "hunter2"), "signer.password", "does not belong"),
    "key for a path": (("path: key.json", f'path: "0x{KEY}"'), "signer.path", "looks like a key"),
    "home of nobody": (("path: key.json", "path: ~nobody-has-this-name/key"), "signer.path", "home folder"),
    "unknown kind of signer": (("kind: keystore", "kind: hsm"), "signer.kind", "not one of the words"),
    "unknown kind of route": (("{kind: public}", "{kind: dark}"), "routes.public.kind", "not one of the words"),
    "notify that is no list": (
        ("notify:\n  - {kind: log}\n  - {kind: apprise,", "notify:\n  {kind: apprise,"),
        "notify",
        "list",
    ),
    "notify without an address": (('"${KEEPER_NOTIFY_URL}"', "somewhere"), "notify[1].url", "not an Apprise address"),
    "merge key": (("{public: {kind: public}}", "{<<: {public: {kind: public}}}"), "routes", "merge keys"),
    "alias in itself": (
        ("routes: {public: {kind", "routes: &r {public: *r, more: {kind"),
        "routes.public",
        "contains itself",
    ),
    "alias without anchor": (("{kind: public}", "*nothing"), "routes.public", "no anchor before it"),
    "two documents": (("notify:\n", "---\nnotify:\n"), "(file)", "more than one document"),
    "not YAML": (("confirmations: 1", "confirmations: 1: 2"), "(file)", "not valid YAML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_load__one_edit__one_problem(case: str, broken: Break) -> None:
    edit, path, message = REFUSED[case]
    first = broken(edit)[0]
    assert first.path == path
    assert message in first.message
    assert len(broken(edit)) == 1 or case == "no signals"


TAKEN: dict[str, Edit] = {
    "name of 64 characters": ("name: demo", "name: " + "a" * 64),
    "largest chain id": ("id: 31337", "id: 9007199254740991"[:19]),
    "age of one millisecond": ("max_age: 1h", "max_age: 1ms"),
    "age of 366 days": ("max_age: 1h", "max_age: 366d"),
    "age as long as the interval": ("max_age: 10s", "max_age: 1s"),
    "77 decimals": ("decimals: 6", "decimals: 77"),
    "largest uint8": ("args: [3]", "args: [255]"),
    "hex argument": ("args: [3]", 'args: ["0xff"]'),
    "smallest gap": (CLEAR, "clear: {below: 1.999999999999999999%}"),
    "threshold of 12 digits": ("above: 2%", "above: 200000000000%"),
    "least gas": ("gas_limit: 200000", "gas_limit: 21000"),
    "most gas": ("gas_limit: 200000", "gas_limit: 16777216"),
    "shortest retry": ("retry: 30s", "retry: 1s"),
    "shortest interval": ("every: 1s", "every: 100ms"),
    "address without quotes": (
        'address: "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"',
        "address: 0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
    ),
    "no audit section": ('audit: {url: "sqlite:///keeper.db"}\n', ""),
    "no routes section": ("routes: {public: {kind: public}}\n", ""),
}


@pytest.mark.parametrize("case", TAKEN)
def test_load__at_the_boundary__is_taken(case: str, load_good: Load) -> None:
    assert load_good(TAKEN[case]).hash.startswith("0x")


def test_load__sections_left_out__each_is_told(good: str, broken: Break) -> None:
    problems = broken((good, "keeper: {name: demo}\n"))
    assert [(one.path, one.message) for one in problems] == [
        (name, f"{name} is missing") for name in ("actions", "chain", "markets", "sources")
    ]


def test_load__key_that_is_nothing__has_a_path(good: str, broken: Break) -> None:
    assert broken((good, good + '"": 1\n'))[0].path == '""'


def test_load__two_circles_of_variables__each_told_once(broken: Break) -> None:
    circles = "{id: '{id}', a: '{b}', b: '{c}', c: '{a}', key: '{a}'}"
    assert [(one.path, one.hint) for one in broken((ID, circles))] == [
        ("markets.ETH-PERP.vars.a", "a -> b -> c -> a"),
        ("markets.ETH-PERP.vars.id", "id -> id"),
    ]


def test_load__variable_that_no_market_has__is_told_once_with_the_markets(broken: Break, good: str) -> None:
    start, end = good.index("  ETH-PERP:"), good.index("actions:\n  pause-market")
    market = good[start:end]
    more = "".join(market.replace("ETH-PERP", f"M-{number}") for number in range(6))
    (problem,) = broken((market, market + more), ('args: ["{key}"]', 'args: ["{kee}"]'))
    assert problem.path == "actions.pause-market.read.args[0]"
    assert problem.message == "in markets ETH-PERP, M-0, M-1, M-2, M-3 and 2 more: no variable kee"
    assert problem.hint == "did you mean key?"


@pytest.mark.parametrize("text", ["1e999%", "1E3 bps", "1,5%", "2.%", "0.1234567890123456789%", "+2%"])
def test_load__share_that_is_no_plain_decimal__is_not_said_to_lack_its_unit(broken: Break, text: str) -> None:
    (problem,) = broken(("above: 2%", f'above: "{text}"'))
    assert problem.message == "too large, or not a plain decimal number before its unit"
    assert "no exponent: 2% or 0.5bps" in problem.hint


@pytest.mark.parametrize("text", ["2", "%", "two %", "2 percent"])
def test_load__share_without_its_unit__is_said_to_lack_it(broken: Break, text: str) -> None:
    (problem,) = broken(("above: 2%", f'above: "{text}"'))
    assert problem.message == "not a share: its unit is missing or wrong"


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("actions: [pause-market]", "actions: ['']", f"{RULE}.actions[0]"),
        ("{signal: divergence, above", "{signal: '', above", f"{RULE}.when.signal"),
        ("{signal: volatility, below", "{signal: ' ', below", "markets.ETH-PERP.rules.violent.clear.signal"),
        ("route: public", "route: ''", "actions.pause-market.route"),
        ("of: eth-oracle,", "of: '',", "markets.ETH-PERP.signals.divergence.of"),
        ("against: eth-spot", "against: ''", "markets.ETH-PERP.signals.divergence.against"),
    ],
)
def test_load__name_that_is_empty__is_told(broken: Break, old: str, new: str, path: str) -> None:
    """Not let pass: a rule without its signal would never be judged."""
    (problem,) = broken((old, new))
    assert (problem.path, problem.message) == (path, "there is no name")


def test_load__missing_clear__the_hint_reads_as_a_sentence(broken: Break) -> None:
    (problem,) = broken((f"        {CLEAR}\n", ""))
    assert problem.hint == (
        "add clear: what ends the trip, on the other side of the threshold and with a gap to it: "
        "{below: 1%, for: 10 blocks}"
    )


def test_load__shadow_without_signer__is_taken(load_good: Load) -> None:
    signer = 'signer: {kind: keystore, path: key.json, password: "${KEEPER_KEYSTORE_PASSWORD}"}\n'
    assert load_good((signer, ""), ("mode: live", "mode: shadow")).signer is None


def test_load__clear_above_for_a_rule_below__needs_a_higher_value(broken: Break, load_good: Load) -> None:
    below = (WHEN, "when: {signal: divergence, below: 2%}")
    assert load_good(below, (CLEAR, "clear: {above: 2.01%}")).engine.markets[0].rules[0].clear.hold.blocks == 0
    problem = broken(below, (CLEAR, "clear: {above: 2%}"))[0]
    assert (problem.path, problem.hint) == (f"{RULE}.clear.above", "clear at a higher value than it trips")
