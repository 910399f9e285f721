"""A key, its words or a password, pasted where it does not belong: the problem is told, and not what stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keeper.config.problems import shown_at, visible_key
from keeper.config.secret import looks_like_key, redact_for_record
from tests.unit.config.sending_stage import loaded, problems

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

KEY = "deadbeef" * 8
WORDS = "abandon ability able about above absent absorb abstract absurd abuse access accident"
PASSWORD = "hunter2-Passw0rd"
PASTED = {"key": KEY, "key with 0x": "0x" + KEY, "words": WORDS, "password": PASSWORD}
IDENTITY = 'identity: {kind: keystore, path: identity.json, password: "${IDENTITY_PASSWORD}"}'
BUILDER = 'plain: {url: "http://127.0.0.1:8645"}'
UPKEEP = "upkeep: {kind: key-file, path: upkeep.key}"
PATHS = (
    "signer",
    "signer[0]",
    "signer.kind",
    "signer.address",
    "signer.region",
    "signer.timeout",
    "signer.on_mainnet",
    "signer.path",
    "signer.endpoint",
    "lanes",
    "lanes.fast",
    "lanes.a.b",
    "lanes.kind",
    "lanes.fast.region",
    "routes.private.identity",
    "routes.private.identity.kind",
    "routes.private.builders",
    "routes.private.builders.plain",
    "routes.private.builders.plain.header",
    "audit.checkpoints.identity",
    "audit.checkpoints.identity.kind",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
def test_shown__where_keys_belong__nothing_pasted_is_there(path: str, pasted: str) -> None:
    assert shown_at(path, pasted) == "***"
    assert shown_at(path, "${KEEPER_KEY}") == "${KEEPER_KEY}"


@pytest.mark.parametrize("path", ["keeper.name", "routes.private.public_after", "chain.id", "actions.x.lane", "(file)"])
@pytest.mark.parametrize("pasted", [KEY, "0x" + KEY, WORDS, f"my words: {WORDS}", WORDS.replace(" ", ", ")])
def test_shown__anywhere__no_key_is(path: str, pasted: str) -> None:
    assert shown_at(path, pasted) == "***"
    assert visible_key(pasted) == "***"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("signer.kind", "keyfile"),
        ("signer.kind", "key_store"),
        ("signer.address", "0x70997970C51812dc3A010C7d01b50e0d17dc79c8"),
        ("signer.region", "eu-west"),
        ("signer.region", "us-gov-east-1"),
        ("lanes.fast.timeout", "2 min"),
        ("signer.on_mainnet", "yes-i-know"),
        ("routes.private.builders.plain.header", "Flashbots-Signature"),
        ("keeper.name", "abandon all hope"),
        ("routes.private.public_after", "two blocks"),
    ],
)
def test_shown__what_is_nearly_right__is(path: str, text: str) -> None:
    assert shown_at(path, text) == text


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (KEY, True),
        (KEY[:-1], False),
        (WORDS, True),
        (WORDS.replace(" ", "-"), True),
        (WORDS.rpartition(" ")[0], False),
        (WORDS.upper(), False),
        ("", False),
    ],
)
def test_looks_like_key__64_digits_or_12_words__are_one(text: str, is_one: bool) -> None:
    assert looks_like_key(text) is is_one


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
@pytest.mark.parametrize(
    "place", ['"{}"', '{{kind: "{}"}}', '["{}"]', '{{kind: kms, key: k, region: "{}"}}', '{{kind: env, key: "{}"}}']
)
def test_signer__anything_pasted__is_told_without_it(pasted: str, place: str, broken: Break) -> None:
    assert pasted not in repr(problems(broken, signer=place.format(pasted)))


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (UPKEEP, 'upkeep: "{}"'),
        (IDENTITY, 'identity: "{}"'),
        (BUILDER, 'plain: "{}"'),
        (BUILDER, 'plain: {{url: "https://a.example", header: "{}"}}'),
        (BUILDER, 'plain: {{url: "https://a.example", status: "a.b/{}"}}'),
        (BUILDER, 'plain: {{url: "https://a.example", status: "ftp://u:{}@h/x"}}'),
        ('"https://one.example"', '"one.example/{}"'),
    ],
)
def test_sending__anything_pasted__is_told_without_it(old: str, new: str, pasted: str, broken: Break) -> None:
    assert pasted not in repr(problems(broken, (old, new.format(pasted))))


def test_lane__named_with_a_key__is_refused_and_not_named(broken: Break) -> None:
    found = problems(broken, (UPKEEP, f"{KEY}: {{kind: key-file, path: upkeep.key}}"))
    assert ("lanes.***", "this looks like a key, not like the name of one") in [
        (one.path, one.message) for one in found
    ]
    assert KEY not in repr(found)


@pytest.mark.parametrize("words", [WORDS, KEY])
def test_path__of_words_of_a_key__is_refused(words: str, broken: Break) -> None:
    (problem,) = problems(broken, signer=f'{{kind: key-file, path: "{words}"}}')
    assert "looks like a key" in problem.message


def test_path__of_a_folder_with_many_words__is_taken(load_good: Load) -> None:
    config = loaded(load_good, signer=f'{{kind: key-file, path: "/keys/{WORDS}/my.key"}}')
    assert config.signer is not None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/v1?KEY-KEY-12", "https://x.example/v1?***"),
        ("https://x.example/v1?a=1;KEY-KEY-12", "https://x.example/v1?a=1;***"),
        ("https://x.example/v1?a=1&${NAME}&b=2", "https://x.example/v1?a=1&${NAME}&b=2"),
        ("https://x.example/v1#KEY-KEY-12", "https://x.example/v1#***"),
        ("https://x.example/0123456789abcdef$y", "https://x.example/***"),
        ("https://x.example/0123456789abcdef{", "https://x.example/***"),
        ("https://x.example/0123456789abcdef${NAME}/b", "https://x.example/***${NAME}/b"),
        ("https://x.example/${A_LONG_NAME_OF_A_VARIABLE}/b", "https://x.example/${A_LONG_NAME_OF_A_VARIABLE}/b"),
        ("https://x.example/0123456789abcde/b", "https://x.example/0123456789abcde/b"),
        ("https://x.example?symbol=ETHUSDT", "https://x.example?symbol=ETHUSDT"),
    ],
)
def test_record__of_an_address__holds_no_key(url: str, shown: str) -> None:
    assert redact_for_record(url) == shown


def test_url__with_a_fragment__is_refused(broken: Break) -> None:
    (problem,) = problems(broken, (BUILDER, f'plain: {{url: "https://a.example/#{PASSWORD}"}}'))
    assert "fragment" in problem.message
    assert PASSWORD not in repr(problem)


def test_public__nameless_part_of_the_query__is_hidden(load_good: Load) -> None:
    document: Any = loaded(load_good, (BUILDER, f'plain: {{url: "https://a.example/rpc?{PASSWORD}"}}')).public()
    assert document["routes"]["private"]["builders"]["plain"]["url"] == "https://a.example/rpc?***"
