"""What came from the environment is never shown, and does not change the hash."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import rfc8785

from keeper.config import Secret, load
from keeper.config.secret import redact_all, redact_for_record
from keeper.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit


def test_secret__shown_in_every_way__is_stars() -> None:
    secret = Secret("hunter2")
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>3}", "%s" % secret} == {"***"}  # noqa: UP031
    assert repr([secret]) == "[***]"
    assert secret.reveal() == "hunter2"


def test_secret__equality_and_hash__are_those_of_the_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_secret__pickled__is_refused() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("a"))


def test_config__repr_and_public__hold_no_value_of_the_environment(load_good: Load, secrets: dict[str, str]) -> None:
    config = load_good()
    parts = (
        config,
        config.keeper,
        config.chain,
        config.audit,
        config.sources,
        config.engine,
        config.actions,
        config.notify,
    )
    told = "".join(map(repr, parts)) + repr(config.signer) + json.dumps(config.public())
    for name, value in secrets.items():
        assert value not in told
        assert f"${{{name}}}" in json.dumps(config.public())


def test_config__hash__does_not_depend_on_the_environment(load_good: Load, secrets: dict[str, str]) -> None:
    other = load_good(environ=dict.fromkeys(secrets, "wss://other"))
    assert load_good().hash == other.hash


def test_config__hash__depends_on_every_word_of_the_document(load_good: Load) -> None:
    hashes = {
        load_good(edit).hash
        for edit in (("name: demo", "name: dema"), ("above: 2%", "above: 3%"), ("id: 31337", "id: 1"))
    }
    assert len(hashes | {load_good().hash}) == 4


def test_config__hash__does_not_depend_on_layout(load_good: Load) -> None:
    assert (
        load_good(("{name: demo, mode: live}", "{mode: 'live',   name: demo} # said otherwise")).hash
        == load_good().hash
    )


def test_config__hash__is_that_of_the_public_document_when_nothing_is_hidden(load_good: Load) -> None:
    config = load_good()
    assert config.hash == "0x" + hashlib.sha256(rfc8785.dumps(config.public())).hexdigest()


def test_config__public__is_a_copy(load_good: Load) -> None:
    config = load_good()
    before = copy.deepcopy(config.public())
    config.public().clear()
    assert config.public() == before


def test_config__credentials_in_the_file__are_hidden(load_good: Load) -> None:
    config = load_good(
        ("ws://127.0.0.1:8545", "wss://user:pass-word@node.example/v3/0123456789abcdef0123456789abcdef"),
        ('"${EXCHANGE_KEY}"', "inline-key-1"),
        ('"${KEEPER_NOTIFY_URL}"', "tgram://inline-token/chat"),
    )
    told = json.dumps(config.public()) + repr(config.chain) + repr(config.audit)
    for part in ("pass-word", "0123456789abcdef", "inline-key-1", "inline-token"):
        assert part not in told
    assert "wss://***@node.example/v3/***" in told
    assert '"tgram://***"' in told


@pytest.mark.parametrize("name", ["NODE_KEY", "EXCHANGE_KEY", "KEEPER_KEYSTORE_PASSWORD", "KEEPER_NOTIFY_URL"])
def test_problems__broken_values_of_the_environment__are_never_shown(
    name: str, broken: Break, secrets: dict[str, str]
) -> None:
    secret = "zqx-\u00e9\u0007-" + "ab" * 32
    problems = broken(environ=secrets | {name: secret})
    told = repr(problems)
    assert "zqx" not in told
    assert "abab" not in told
    assert problems[0].found in (f"${{{name}}}", f"wss://node.example/v2/${{{name}}}")


def test_problems__broken_address_from_the_environment__is_not_in_the_hint(
    broken: Break, secrets: dict[str, str]
) -> None:
    wrong = "0x5f4ec3df9cbd43714fe2740f5e3616155c5b8419"
    edit = ('"0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"', '"${ORACLE}"')
    problem = broken(edit, environ=secrets | {"ORACLE": wrong})[0]
    assert problem.message == "the address has no checksum"
    assert wrong[2:10] not in repr(problem).lower()


def test_load__address_and_chain_id_from_the_environment__are_taken(load_good: Load, secrets: dict[str, str]) -> None:
    given = secrets | {"ORACLE": "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", "CHAIN": "31337"}
    edits = (('"0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"', '"${ORACLE}"'), ("id: 31337", 'id: "${CHAIN}"'))
    assert load_good(*edits, environ=given).chain.id == 31337


@pytest.mark.parametrize(
    ("old", "new", "leak"),
    [
        ('"${KEEPER_KEYSTORE_PASSWORD}"', "correct-horse", "correct-horse"),
        ("path: key.json", "path: " + "ab" * 32, "abab"),
        ("path: key.json", "private_key: 0x" + "ab" * 32, "abab"),
        ("path: key.json", f"{'ab' * 32}: x", "abab"),
        ("kind: keystore", "kind: 0x" + "ab" * 32, "abab"),
        ("name: demo", f"{'ab' * 32}: x", "abab"),
        ('"${KEEPER_NOTIFY_URL}"', "token-without-scheme", "token-without"),
        ('"ws://127.0.0.1:8545"', '"ftps://user:pw-in-url@node/0123456789abcdef0"', "pw-in-url"),
        ('"ws://127.0.0.1:8545"', '"node.example/v3/0123456789abcdef0"', "0123456789abcdef0"),
        ('"ws://127.0.0.1:8545"', '"wss://user:pw/in@url@node.example:x/"', "pw/in"),
        ('"sqlite:///keeper.db"', '"mysql://keeper:pw-in-url@h/d"', "pw-in-url"),
        ('"${EXCHANGE_KEY}"', '"inline-kéy"', "inline"),
    ],
)
def test_problems__credentials_in_the_file__are_never_shown(old: str, new: str, leak: str, broken: Break) -> None:
    assert leak not in repr(broken((old, new)))


def test_configuration_error__traceback__holds_no_secret(good: str, tmp_path: Path, secrets: dict[str, str]) -> None:
    file = tmp_path / "keeper.yaml"
    file.write_text(good, "utf-8")
    secrets["EXCHANGE_KEY"] = "-".join(("zqx", "é"))  # in two parts, because a traceback quotes the lines of this test
    with pytest.raises(ConfigurationError) as caught:
        load(file, environ=secrets)
    text = "".join(traceback.format_exception(caught.value))
    assert "zqx-é" not in text
    assert "another exception occurred" not in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://h/api/v3/ticker/24hr?symbol=ETHUSDT", "http://h/api/v3/ticker/24hr?symbol=ETHUSDT"),
        ("wss://h/v3/0123456789abcde", "wss://h/v3/0123456789abcde"),
        ("wss://h/v3/0123456789abcdef", "wss://h/v3/***"),
        ("wss://h/eyJhbGciOi.eyJzdWIiOi.sig/x", "wss://h/***/x"),
        ("wss://user:pass@h/", "wss://***@h/"),
        ("wss://user:p@ss@h/", "wss://***@h/"),
        ("https://h/?apikey=1&symbol=X", "https://h/?apikey=***&symbol=X"),
        ("https://h/?x=0123456789abcdef", "https://h/?x=***"),
        ("https://h/?token=${TOKEN}", "https://h/?token=${TOKEN}"),
        ("wss://h/v2/${NODE_KEY_OF_PROVIDER}", "wss://h/v2/${NODE_KEY_OF_PROVIDER}"),
        ("sqlite:////a/very-long-name-of-a-folder/k.db", "sqlite:////a/very-long-name-of-a-folder/k.db"),
        ("no url", "no url"),
    ],
)
def test_redact_url__credentials_only(url: str, shown: str) -> None:
    assert redact_for_record(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("abc", "***"),
        ("", ""),
        ("${TOKEN}", "${TOKEN}"),
        ("Bearer ${TOKEN}", "Bearer ${TOKEN}"),
        ("Bearer abc", "Bearer ***"),
        ("abc${TOKEN}def", "***${TOKEN}***"),
        ("tgram://a/b", "tgram://***"),
        ("tgram://${TOKEN}/b", "tgram://${TOKEN}***"),
    ],
)
def test_redact_all__only_names_of_variables_stay(text: str, shown: str) -> None:
    assert redact_all(text) == shown
