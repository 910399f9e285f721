"""Whatever stands in the file, ``load`` either gives a Config or raises ConfigurationError, and shows no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.config import Config, loads
from keeper.config.problems import Report
from keeper.config.schema import json_schema
from keeper.config.tree import parse, plain_json
from keeper.domain.errors import ConfigurationError
from tests.unit.config.test_config_schema import fits

pytestmark = pytest.mark.property

FILES = Path(__file__).parents[1] / "unit" / "config"
GOOD = (
    (FILES / "good.yaml")
    .read_text("utf-8")
    .replace("routes: {public: {kind: public}}\n", (FILES / "sending.yaml").read_text("utf-8"))
)
GOOD += """
jobs: {heartbeat: {every: 5m, url: "https://127.0.0.1/ping"}, digest: {at: "08:00"}, drill: {every: 7d}}
watch:
  silent: 3 blocks
  missed: 3 blocks
  stands: 60s
  again: 10m
  notify:
    - {kind: log, min_severity: critical, group: 2s}
    - {kind: apprise, name: pager, url: "${KEEPER_NOTIFY_URL}", about: [incidents], repeat: 10m, escalate: {after: 0s, every: 10m, times: 4}}
"""
SCHEMA = json_schema()
GOOD_DOCUMENT: Any = plain_json(parse(GOOD.encode(), Report()))
MARK = "x7q".join(("z", "9", "k"))  # put together, because Hypothesis tries the literals of a test as input
SECRETS = {
    "NODE_KEY": f"{MARK}-node",
    "EXCHANGE_KEY": f"{MARK}-exchange",
    "KEEPER_KEYSTORE_PASSWORD": f"{MARK}-password",
    "KEEPER_NOTIFY_URL": f"json://{MARK}-notify/",
    "KEEPER_SIGNER_TOKEN": f"{MARK}-token",
    "IDENTITY_PASSWORD": f"{MARK}-identity",
    "BUILDER_KEY": f"{MARK}-builder",
}
FOLDER = Path("/somewhere")

WORDS = st.sampled_from(
    [
        *(
            "keeper",
            "chain",
            "sources",
            "markets",
            "actions",
            "signals",
            "rules",
            "when",
            "clear",
            "kind",
            "pause",
            "above",
        ),
        *(
            "divergence",
            "2%",
            "1h",
            "-1",
            "0x00",
            "{id}",
            "{a",
            "${NODE_KEY}",
            "${",
            "${NOPE}",
            "ws://",
            "wss://u:p@h/k",
        ),
        *(
            "ipc:///",
            "~nobody-here/x",
            "sqlite:///",
            "f(bytes32)(bool)",
            "f(((",
            "true",
            "null",
            "1e999",
            ".nan",
            ".ipc",
            "env",
            "kms",
            "remote",
            "private",
            "race",
            "never",
            "upkeep",
            "https://h",
        ),
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=20))
GARBAGE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(WORDS, st.text(max_size=8)), inner, max_size=4)
    ),
    max_leaves=12,
)


def check_problems(error: ConfigurationError, data: bytes) -> None:
    lines = len(data.decode("utf-8", "replace").splitlines()) + 1
    assert error.problems
    for problem in error.problems:
        assert problem.path
        assert problem.message
        assert problem.line is None or 1 <= problem.line <= lines
        assert (problem.path + problem.found).isprintable()
    assert MARK not in repr(error.problems) + str(error)


def attempt(data: bytes) -> Config | ConfigurationError:
    try:
        return loads(data, folder=FOLDER, environ=SECRETS)
    except ConfigurationError as error:
        check_problems(error, data)
        return error


def places(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value in the document."""
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] * bool(path) + [found for key, value in below for found in places(value, (*path, key))]


PLACES = places(GOOD_DOCUMENT)


def replaced(path: tuple[str | int, ...], value: Any) -> Any:
    document = json.loads(json.dumps(GOOD_DOCUMENT))
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return document


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_loads__any_bytes__only_a_configuration_error(data: bytes) -> None:
    assert isinstance(attempt(data), ConfigurationError)


@given(st.text(alphabet="{}[]&*!|>'\"%@`#,?:- \n\tab01\u0085\u2028", max_size=60))
@settings(max_examples=400, deadline=None)
def test_loads__any_yaml_like_text__only_a_configuration_error(text: str) -> None:
    assert isinstance(attempt(text.encode()), ConfigurationError)


@given(GARBAGE)
@settings(max_examples=300, deadline=None)
def test_loads__any_document__only_a_configuration_error(value: Any) -> None:
    data = yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")
    assert isinstance(attempt(data), ConfigurationError)


@given(st.sampled_from(PLACES), GARBAGE)
@settings(max_examples=500, deadline=None)
def test_loads__good_document_with_garbage_in_one_place__loads_or_says_why(
    path: tuple[str | int, ...], value: Any
) -> None:
    document = replaced(path, value)
    outcome = attempt(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))
    if isinstance(outcome, Config):
        assert MARK not in json.dumps(outcome.public())
        assert outcome.hash == attempt_again(document).hash
        if isinstance(value, str) and path[0] in (
            "jobs",
            "watch",
            "notify",
        ):  # elsewhere a number is taken as a name too
            assert fits(document, SCHEMA), "what loads is what `keeper schema` allows"


def attempt_again(document: Any) -> Config:
    """Written in another layout, with the keys in another order."""
    text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=True, sort_keys=False, width=40)
    return loads(text.encode(), folder=FOLDER, environ=dict.fromkeys(SECRETS, "wss://another"))


@given(st.integers(0, len(GOOD) - 1), st.text(max_size=3), st.integers(0, 12))
@settings(max_examples=300, deadline=None)
def test_loads__good_text_with_a_slip_of_the_keyboard__loads_or_says_why(at: int, typed: str, deleted: int) -> None:
    attempt((GOOD[:at] + typed + GOOD[at + deleted :]).encode("utf-8", "surrogatepass"))


def test_loads__good_document__loads() -> None:
    assert isinstance(attempt(GOOD.encode()), Config)
    assert isinstance(attempt(yaml.safe_dump(GOOD_DOCUMENT).encode()), Config)
