"""Keys: the section ``signer`` in all its kinds, ``lanes``, and that every key is a key of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keeper.config.schema import json_schema
from keeper.config.secret import Secret
from keeper.config.sending import EnvSigner, KeyFileSigner, KeystoreSigner, KmsSigner, RemoteSigner
from keeper.config.signers import SIGNERS, TEST_CHAINS, WORDS
from tests.unit.config.sending_stage import ENVIRON, KEY, SIGNER, loaded, problems, sending
from tests.unit.config.test_config_schema import document, fits

if TYPE_CHECKING:
    from keeper.domain.errors import Problem
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ENV = '{kind: env, key: "${KEEPER_KEY}"}'
FAST = 'fast: {kind: kms, key: alias/keeper, region: eu-west-1, endpoint: "http://127.0.0.1:4566", timeout: 1s}'
ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
IDENTITY = '{kind: keystore, path: identity.json, password: "${IDENTITY_PASSWORD}"}'
UPKEEP = "upkeep: {kind: key-file, path: upkeep.key}"


def signer_of(load: Load, text: str, environ: dict[str, str] = ENVIRON) -> object:
    return load((SIGNER, text), environ=environ).signer


def problem_of(broken: Break, text: str, environ: dict[str, str] = ENVIRON) -> Problem:
    (problem,) = broken((SIGNER, text), environ=environ)
    assert problem.line is not None
    return problem


# --- kinds


def test_signer__keystore_and_key_file__with_the_address_it_must_be(load_good: Load, tmp_path: Path) -> None:
    keystore = signer_of(load_good, f'{SIGNER[:-1]}, address: "{ADDRESS}"}}')
    assert keystore == KeystoreSigner(str(tmp_path / "key.json"), Secret("correct-horse-battery"), ADDRESS)
    key_file = signer_of(load_good, f'{{kind: key-file, path: k, address: "{ADDRESS}"}}')
    assert key_file == KeyFileSigner(str(tmp_path / "k"), ADDRESS)
    assert signer_of(load_good, "{kind: key-file, path: k}") == KeyFileSigner(str(tmp_path / "k"))


@pytest.mark.parametrize("key", [KEY, f"0x{KEY}", KEY.upper()])
def test_signer__env__is_the_key_of_the_variable(key: str, load_good: Load) -> None:
    assert signer_of(load_good, ENV, ENVIRON | {"KEEPER_KEY": key}) == EnvSigner(Secret(key))
    full = f'{{kind: env, key: "${{KEEPER_KEY}}", address: "{ADDRESS}", on_mainnet: {WORDS}}}'
    assert signer_of(load_good, full) == EnvSigner(Secret(KEY), ADDRESS, on_mainnet=True)


@pytest.mark.parametrize("name", ["alias/keeper", ARN, "mrk-1234abcd12ab34cd56ef1234567890ab"])
def test_signer__kms__by_any_name_of_the_key(name: str, load_good: Load) -> None:
    assert signer_of(load_good, f'{{kind: kms, key: "{name}", region: eu-west-1}}') == KmsSigner(
        name, "eu-west-1", None, None, 2_000
    )


def test_signer__kms__all_given(load_good: Load) -> None:
    text = f'{{kind: kms, key: a, region: us-gov-west-1, endpoint: "https://kms.example", address: "{ADDRESS}", timeout: 30s}}'
    assert signer_of(load_good, text) == KmsSigner(
        "a", "us-gov-west-1", Secret("https://kms.example"), ADDRESS, timeout_ms=30_000
    )


def test_signer__remote__its_address_is_shown_without_credentials(load_good: Load) -> None:
    text = f'{{kind: remote, url: "https://user:pass-word@signer.example", address: "{ADDRESS}"}}'
    found = signer_of(load_good, text)
    assert found == RemoteSigner(
        Secret("https://user:pass-word@signer.example"), "https://***@signer.example", ADDRESS, None, 2_000
    )
    assert "pass-word" not in repr(found)
    assert "pass-word" not in json.dumps(load_good((SIGNER, text)).public())


def test_lanes__each_is_a_key__as_written(load_good: Load, tmp_path: Path) -> None:
    config = loaded(load_good)
    assert dict(config.lanes) == {
        "upkeep": KeyFileSigner(str(tmp_path / "upkeep.key")),
        "fast": KmsSigner("alias/keeper", "eu-west-1", Secret("http://127.0.0.1:4566"), None, 1_000),
        "slow": RemoteSigner(
            Secret("https://signer.example:9000/0123456789abcdef0"),
            "https://signer.example:9000/***",
            ADDRESS,
            Secret("signer-token-42"),
            2_000,
        ),
    }
    assert isinstance(config.signer, KeystoreSigner)


def test_lanes__left_out__are_none(load_good: Load) -> None:
    assert dict(load_good().lanes) == {}


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("{kind: key-file, path: k, address: 0x12}", "address", "not an address"),
        (f'{{kind: key-file, path: k, address: "{ADDRESS.lower()}"}}', "address", "no checksum"),
        (f'{{kind: key-file, path: k, address: "0x{"0" * 40}"}}', "address", "no key has the zero address"),
        (f'{{kind: env, key: "{KEY}"}}', "key", "a key does not belong in the file"),
        ('{kind: env, key: "${NODE_KEY}"}', "key", "not a private key"),
        ('{kind: env, key: "${KEEPER_KEY}", on_mainnet: true}', "on_mainnet", "not one of the words"),
        ('{kind: env, key: "${KEEPER_KEY}", on_mainnet: yes}', "on_mainnet", "not one of the words"),
        ("{kind: env}", "key", "key is missing"),
        (f'{{kind: kms, key: "{KEY}", region: eu-west-1}}', "key", "looks like a private key"),
        (f'{{kind: kms, key: "0x{KEY}", region: eu-west-1}}', "key", "looks like a private key"),
        ('{kind: kms, key: "alias keeper", region: eu-west-1}', "key", "not the name of a KMS key"),
        ("{kind: kms, key: alias/k, region: ireland}", "region", "not a region"),
        ("{kind: kms, key: alias/k}", "region", "region is missing"),
        (f'{{kind: kms, key: "{ARN}", region: eu-west-2}}', "region", "names another region"),
        ('{kind: kms, key: "arn:aws", region: eu-west-1}', "region", "names another region"),
        ('{kind: kms, key: k, region: eu-west-1, endpoint: "http://kms.example"}', "endpoint", "plain http"),
        ("{kind: kms, key: k, region: eu-west-1, timeout: 99ms}", "timeout", "too short"),
        ("{kind: kms, key: k, region: eu-west-1, timeout: 30001ms}", "timeout", "cannot wait so long"),
        (f'{{kind: remote, url: "http://signer:9000", address: "{OTHER}"}}', "url", "plain http"),
        (f'{{kind: remote, url: "ws://signer:9000", address: "{OTHER}"}}', "url", "not a URL that can be used"),
        ('{kind: remote, url: "https://signer:9000"}', "address", "address is missing"),
        (f'{{kind: remote, url: "https://s", address: "{OTHER}", token: abc}}', "token", "a token does not belong"),
        ("{kind: hsm}", "kind", "not one of the words"),
        ("{path: k}", "kind", "kind is missing"),
    ],
)
def test_signer__wrong__is_told_at_its_place_without_a_secret(text: str, key: str, message: str, broken: Break) -> None:
    problem = problem_of(broken, text)
    assert problem.path == f"signer.{key}"
    assert message in problem.message
    assert KEY not in repr(problem)
    as_lane = problems(broken, (FAST, f"fast: {text}"))
    assert [(one.path, one.message) for one in as_lane] == [(f"lanes.fast.{key}", problem.message)]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_remote__plain_http_to_this_machine__is_taken(host: str, load_good: Load) -> None:
    found = signer_of(load_good, f'{{kind: remote, url: "http://{host}:9000", address: "{ADDRESS}"}}')
    assert isinstance(found, RemoteSigner)


@pytest.mark.parametrize("host", ["128.0.0.1", "0.0.0.0", "localhost.example", "10.0.0.1"])
def test_remote__plain_http_to_another_machine__is_refused(host: str, broken: Break) -> None:
    text = f'{{kind: remote, url: "http://{host}:9000", address: "{ADDRESS}"}}'
    assert problem_of(broken, text).path == "signer.url"


def test_problems__harmless_words_of_a_key__are_shown(broken: Break) -> None:
    assert problem_of(broken, "{kind: kms, key: k, region: eu-west}").found == "eu-west"
    assert problem_of(broken, "{kind: kms, key: k, region: eu-west-1, timeout: 1}").found == "1"
    assert problem_of(broken, f"{{kind: kms, key: k, region: {KEY}}}").found == "***"
    assert problem_of(broken, '{kind: kms, key: "a b", region: eu-west-1}').found == "***"


def test_public__name_of_a_kms_key__stays_and_what_stands_beside_a_variable_does_not(load_good: Load) -> None:
    environ = ENVIRON | {"HALF": KEY[:32]}
    text = f'{{kind: env, key: "{KEY[:32]}${{HALF}}"}}'
    document = load_good((SIGNER, text), environ=environ).public()
    assert document["signer"] == {"kind": "env", "key": "***${HALF}"}
    lanes: Any = loaded(load_good).public()["lanes"]
    assert lanes["fast"]["key"] == "alias/keeper"
    assert lanes["slow"] == {
        "kind": "remote",
        "url": "https://signer.example:9000/***",
        "address": ADDRESS,
        "token": "${KEEPER_SIGNER_TOKEN}",
    }


def test_env__read_for_a_replay__needs_no_key(good: str, tmp_path: Path) -> None:
    from keeper.config import loads

    text = good.replace(SIGNER, ENV).replace("id: 31337", "id: 1")
    assert loads(text.encode(), folder=tmp_path, environ={}, offline=True).signer == EnvSigner(Secret(""))


# --- development


@pytest.mark.parametrize("chain", [1, 10, 56, 100, 137, 8453, 42161, 61, 185, 1030, 987654321])
def test_env__on_a_chain_with_money__is_refused_without_the_words(chain: int, broken: Break, load_good: Load) -> None:
    (problem,) = broken(("id: 31337", f"id: {chain}"), (SIGNER, ENV), environ=ENVIRON)
    assert problem.path == "signer.kind"
    assert f"chain {chain} has money on it" in problem.message
    assert WORDS in problem.hint
    forced = f"{ENV[:-1]}, on_mainnet: {WORDS}}}"
    assert isinstance(load_good(("id: 31337", f"id: {chain}"), (SIGNER, forced), environ=ENVIRON).signer, EnvSigner)


@pytest.mark.parametrize("chain", [11155111, 17000, 560048, 84532, 421614, 31337, 1337])
def test_env__on_a_chain_without_money__is_taken(chain: int, load_good: Load) -> None:
    assert chain in TEST_CHAINS
    config = load_good(("31337", f"{chain}"), (SIGNER, ENV), environ=ENVIRON)
    assert config.chain.id == chain


def test_env__as_a_lane_on_a_chain_with_money__is_refused_too(broken: Break) -> None:
    edits = (sending((FAST, f"fast: {ENV}")), ("id: 31337", "id: 1"))
    (problem,) = broken(*edits, environ=ENVIRON)
    assert problem.path == "lanes.fast.kind"


def test_env__where_the_chain_id_is_wrong__only_that_is_told(broken: Break) -> None:
    (problem,) = broken(("id: 31337", "id: none"), (SIGNER, ENV), environ=ENVIRON)
    assert problem.path == "chain.id"


# --- keys of their own


@pytest.mark.parametrize(
    ("signer", "lane", "whose"),
    [
        ("{kind: key-file, path: one.key}", "{kind: key-file, path: one.key}", "`signer`"),
        ("{kind: key-file, path: one.key}", "{kind: key-file, path: x/../one.key}", "`signer`"),
        ("{kind: key-file, path: one.key}", "{kind: key-file, path: link}", "`signer`"),
        (SIGNER, SIGNER, "`signer`"),
        (SIGNER, "{kind: key-file, path: upkeep.key}", "the lane upkeep"),
        (ENV, ENV, "`signer`"),
        (ENV, '{kind: env, key: "${UPPER}"}', "`signer`"),
        (
            "{kind: kms, key: alias/k, region: eu-west-1}",
            "{kind: kms, key: alias/k, region: eu-west-1, timeout: 5s}",
            "`signer`",
        ),
        (
            f'{{kind: kms, key: alias/k, region: eu-west-1, address: "{OTHER}"}}',
            f'{{kind: key-file, path: k, address: "{OTHER}"}}',
            "`signer`",
        ),
        (
            f'{{kind: remote, url: "https://a.example", address: "{OTHER}"}}',
            f'{{kind: remote, url: "https://b.example", address: "{OTHER}"}}',
            "`signer`",
        ),
    ],
)
def test_lane__with_the_key_of_another__is_refused(
    signer: str, lane: str, whose: str, broken: Break, tmp_path: Path
) -> None:
    (tmp_path / "one.key").touch()
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one.key")
    environ = ENVIRON | {"UPPER": "0x" + KEY.upper()}
    (problem,) = broken((SIGNER, signer), sending((FAST, f"fast: {lane}")), environ=environ)
    assert problem.path == "lanes.fast"
    assert f"this is the key of {whose} too" in problem.message
    assert "the nonces of one key" in problem.hint


@pytest.mark.parametrize(
    "lane",
    [
        "{kind: kms, key: alias/k, region: eu-west-2}",
        "{kind: kms, key: alias/other, region: eu-west-1}",
        '{kind: kms, key: alias/k, region: eu-west-1, endpoint: "https://kms.example"}',
        "{kind: key-file, path: k}",
        f'{{kind: remote, url: "https://a.example", address: "{OTHER}"}}',
    ],
)
def test_lane__with_another_key__is_taken(lane: str, load_good: Load) -> None:
    kms = "{kind: kms, key: alias/k, region: eu-west-1}"
    assert len(loaded(load_good, (FAST, f"fast: {lane}"), signer=kms).lanes) == 3


@pytest.mark.parametrize(("path", "whose"), [("key.json", "`signer`"), ("upkeep.key", "the lane upkeep")])
def test_identity_of_a_route__that_sends_transactions__is_refused(path: str, whose: str, broken: Break) -> None:
    (problem,) = problems(broken, ("path: identity.json", f"path: {path}"))
    assert problem.path == "routes.private.identity.path"
    assert problem.message == f"this is the key of {whose}: a key that sends transactions must not sign texts as well"
    assert "docs/operator/signing.md" in problem.hint


def test_identity_of_a_route__that_signs_checkpoints__is_refused(broken: Break) -> None:
    audit = 'audit: {url: "sqlite:///keeper.db", checkpoints: {identity: {kind: key-file, path: identity.json}}}'
    (problem,) = broken(sending(), ('audit: {url: "sqlite:///keeper.db"}', audit), environ=ENVIRON)
    assert problem.path == "audit.checkpoints.identity.path"
    assert problem.message == "this is the key of the route private too"


def test_identity__of_two_private_routes__may_be_one(load_good: Load) -> None:
    second = f'other: {{kind: private, identity: {IDENTITY}, builders: {{b: {{url: "https://b.example"}}}}}}'
    config = loaded(load_good, ("  race: {private", f"  {second}\n  race: {{private"))
    assert {"private", "other"} <= {route.name for route in config.routes}


@pytest.mark.parametrize(
    ("path", "whose"),
    [("upkeep.key", "the lane upkeep"), ("identity.json", "the route private"), ("key.json", "`signer`")],
)
def test_audit__a_file_that_a_key_lies_in__is_refused(path: str, whose: str, broken: Break) -> None:
    audit = f'audit: {{url: "sqlite:///keeper.db", spool: {path}}}'
    (problem,) = broken(sending(), ('audit: {url: "sqlite:///keeper.db"}', audit), environ=ENVIRON)
    assert (problem.path, problem.message) == ("audit.spool", f"this is the key of {whose} too")


# --- the schema


@pytest.mark.parametrize(
    "text",
    [
        SIGNER,
        "{kind: key-file, path: k}",
        ENV,
        f"{ENV[:-1]}, on_mainnet: {WORDS}}}",
        "{kind: kms, key: alias/k, region: eu-west-1}",
        f'{{kind: remote, url: "https://s", address: "{ADDRESS}"}}',
    ],
)
def test_schema__every_signer_that_loads__satisfies_it(text: str, good: str, load_good: Load) -> None:
    assert signer_of(load_good, text) is not None
    assert fits(document(good.replace(SIGNER, text)), json_schema())


@pytest.mark.parametrize("text", [f'{{kind: env, key: "{KEY}"}}', f"{ENV[:-1]}, on_mainnet: true}}", "{kind: hsm}"])
def test_schema__signer_that_does_not_load__does_not(text: str, good: str, broken: Break) -> None:
    assert broken((SIGNER, text), environ=ENVIRON)
    assert not fits(document(good.replace(SIGNER, text)), json_schema())


def test_schema__signer_and_lanes__are_the_kinds_of_the_reader() -> None:
    properties: Any = json_schema()["properties"]
    for choices in (properties["signer"]["oneOf"], properties["lanes"]["additionalProperties"]["oneOf"]):
        assert [one["properties"]["kind"]["const"] for one in choices] == list(SIGNERS)


def test_live__with_lanes_and_no_signer__is_refused(broken: Break) -> None:
    (problem,) = broken((f"signer: {SIGNER}\n", ""), sending(), environ=ENVIRON)
    assert problem.message == "mode live needs a signer"
