"""Keys: the section ``signer``, those of ``lanes``, and the identities that sign texts. Whether they are keys of their own is checked here too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from keeper.config.kinds import FILE_PATH, HEX_KEY, PASSWORD, check_address, duration, from_environment
from keeper.config.secret import Secret, looks_like_key
from keeper.config.sending import (
    EnvSigner,
    IdentityConfig,
    KeyFileSigner,
    KeystoreSigner,
    KmsSigner,
    RemoteSigner,
    SignerConfig,
)
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Section, Shape, word_of
from keeper.config.urls import SAFE_URL, shown_url

WORDS: Final = "yes-i-know-that-this-is-for-development"
"""What somebody has to write who keeps a key in the environment on a chain with money."""
SIGNER: Final = "signer"
TEST_CHAINS: Final = frozenset(
    {
        *(1337, 31337),  # on the machine of whoever develops
        *(11155111, 17000, 560048),  # Sepolia, Holesky, Hoodi
        *(84532, 421614, 11155420, 80002, 43113, 97, 10200),  # Base, Arbitrum, OP, Polygon, Avalanche, BNB, Gnosis
        *(
            1301,
            59141,
            534351,
            300,
            168587773,
            5003,
            44787,
            11142220,
            2442,
            4002,
        ),  # Unichain, Linea, Scroll, zkSync, Blast, Mantle, Celo (2), Polygon zkEVM, Fantom
    }
)
"""Chain ids on which nobody loses money with a stolen key. Every other one counts as a chain with money, known or not."""
MAX_TIMEOUT_MS: Final = 30_000
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{1,12}){1,3}-[0-9]{1,2}")
_KMS_KEY = re.compile(r"[A-Za-z0-9:/_-]{1,2048}")


def _address(given: Given) -> str:
    text = check_address(given.text, show=not given.from_env)
    if int(text, 16) == 0:
        raise Bad("no key has the zero address", "write the address of the key, or leave it out")
    return text


def _env_key(given: Given) -> Secret:
    if not given.from_env:
        raise Bad("a key does not belong in the file", 'write "${KEEPER_KEY}" and set it in the environment')
    if not HEX_KEY.fullmatch(given.text.strip()):
        raise Bad("not a private key", "64 hex digits, with or without 0x")
    return Secret(given.text.strip())


def _kms_key(given: Given) -> str:
    if looks_like_key(given.text):
        raise Bad("this looks like a private key, not like the name of one", "write its id, its ARN or alias/NAME")
    if not _KMS_KEY.fullmatch(given.text):
        raise Bad("not the name of a KMS key", "write its id, its ARN or alias/NAME")
    return given.text


def _region(given: Given) -> str:
    if not _REGION.fullmatch(given.text):
        raise Bad("not a region", "for example eu-west-1")
    return given.text


KEYSTORE_PATH = Field("path", FILE_PATH, "The keystore file (Web3 secret storage).")
KEYSTORE_PASSWORD = Field("password", PASSWORD, "Its password, from the environment only.")
KEY_FILE_PATH = Field("path", FILE_PATH, "A file with the key as hex, readable only by its owner.")
_ADDRESS_KIND = Kind(_address, "", {"type": "string", "pattern": r"^(0x[0-9a-fA-F]{40}|.*\$\{.+\}.*)$"}, env=True)
ADDRESS = Field("address", _ADDRESS_KIND, "Whose key this must be; any other is refused at the start.", "")
ENV_KEY = Field(
    "key",
    Kind(_env_key, Secret(""), dict(PASSWORD.schema), env=True),
    "The key as hex, from the environment only: for development.",
)
ON_MAINNET = Field(
    "on_mainnet",
    word_of([WORDS]),
    "These words, where a key in the environment is to be used on a chain with money all the same.",
    "",
)
KMS_KEY = Field(
    "key",
    Kind(_kms_key, "", {"type": "string", "minLength": 1}, env=True),
    "The key of AWS KMS: its id, its ARN or alias/NAME (ECC_SECG_P256K1, SIGN_VERIFY).",
)
KMS_REGION = Field("region", Kind(_region, "", {"type": "string", "minLength": 1}, env=True), "The region it lies in.")
KMS_ENDPOINT = Field("endpoint", SAFE_URL, "Where KMS is asked; left out: the region's own address.", Secret(""))
REMOTE_URL = Field("url", SAFE_URL, "A service that knows eth_signTransaction: web3signer, clef.")
REMOTE_ADDRESS = Field("address", _ADDRESS_KIND, "Whose key it is to sign with.")
REMOTE_TOKEN = Field(
    "token",
    from_environment("a token", "KEEPER_SIGNER_TOKEN"),
    "The bearer token that it asks for, from the environment only.",
    Secret(""),
)
TIMEOUT = Field("timeout", duration(100), "How long an answer may take.", 2_000)

IDENTITIES = {
    "keystore": Shape("An encrypted key file.", (KEYSTORE_PATH, KEYSTORE_PASSWORD), kind="keystore"),
    "key-file": Shape("A plain key file.", (KEY_FILE_PATH,), kind="key-file"),
}
SIGNERS = {
    "keystore": Shape("An encrypted key file.", (KEYSTORE_PATH, KEYSTORE_PASSWORD, ADDRESS), kind="keystore"),
    "key-file": Shape("A plain key file.", (KEY_FILE_PATH, ADDRESS), kind="key-file"),
    "env": Shape("A key in the environment, for development.", (ENV_KEY, ADDRESS, ON_MAINNET), kind="env"),
    "kms": Shape("A key of AWS KMS.", (KMS_KEY, KMS_REGION, KMS_ENDPOINT, ADDRESS, TIMEOUT), kind="kms"),
    "remote": Shape(
        "A service that holds the key.", (REMOTE_URL, REMOTE_ADDRESS, REMOTE_TOKEN, TIMEOUT), kind="remote"
    ),
}


def read_identity(cursor: Cursor) -> IdentityConfig | None:
    """A key that signs texts."""
    chosen = cursor.choose(IDENTITIES)
    return _in_a_file(*chosen) if chosen else None


def read_signer(cursor: Cursor) -> SignerConfig | None:
    """A key that signs transactions."""
    chosen = cursor.choose(SIGNERS)
    if chosen is None:
        return None
    kind, section = chosen
    match kind:
        case "env":
            return EnvSigner(section.get(ENV_KEY), section.get(ADDRESS) or None, section.get(ON_MAINNET) == WORDS)
        case "kms":
            return _kms(section)
        case "remote":
            return _remote(section)
        case _:
            return _in_a_file(kind, section)


def read_lanes(cursor: Cursor) -> dict[str, SignerConfig | None]:
    """The keys by name; None for what is no key, after noting why."""
    return {name: read_signer(below) for name, below in cursor.named() if _is_name(name, below)}


def _is_name(name: str, below: Cursor) -> bool:
    """Whether this is no key: a name is shown everywhere. Notes it where it is."""
    if looks_like_key(name):
        below.problem("this looks like a key, not like the name of one", "name the lane in words: fast", found="")
        return False
    if name == SIGNER:
        below.problem("this is the name of the first key", "choose another: without `lane`, `signer` signs", found="")
        return False
    return True


def _in_a_file(kind: str, section: Section) -> KeystoreSigner | KeyFileSigner:
    address = section.get(ADDRESS) or None
    if kind == "keystore":
        return KeystoreSigner(section.get(KEYSTORE_PATH), section.get(KEYSTORE_PASSWORD), address)
    return KeyFileSigner(section.get(KEY_FILE_PATH), address)


def _kms(section: Section) -> KmsSigner:
    key, region, endpoint = section.get(KMS_KEY), section.get(KMS_REGION), section.get(KMS_ENDPOINT)
    arn = key.split(":")
    if section.clean and arn[0] == "arn" and (len(arn) < 6 or arn[3] != region):
        section.problem(KMS_REGION.key, "the ARN of the key names another region", "write the region of the ARN")
    timeout_ms = _timeout(section)
    return KmsSigner(
        key, region, endpoint if endpoint.reveal() else None, section.get(ADDRESS) or None, timeout_ms=timeout_ms
    )


def _remote(section: Section) -> RemoteSigner:
    token = section.get(REMOTE_TOKEN)
    return RemoteSigner(
        section.get(REMOTE_URL),
        shown_url(section.at(REMOTE_URL.key)),
        section.get(REMOTE_ADDRESS),
        token if token.reveal() else None,
        _timeout(section),
    )


def _timeout(section: Section) -> int:
    timeout_ms = section.get(TIMEOUT)
    if timeout_ms > MAX_TIMEOUT_MS:
        section.problem(TIMEOUT.key, "an action cannot wait so long", f"{MAX_TIMEOUT_MS // 1000}s at most")
    return timeout_ms


REQUESTS: Final = "requests"
CHECKPOINTS: Final = "checkpoints"


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """A key and where it stands; ``what`` is what people call it. ``texts``: ``REQUESTS`` or ``CHECKPOINTS``, where it signs those."""

    what: str
    key: SignerConfig
    at: Cursor
    texts: str = ""


def check_own_keys(places: list[KeyPlace]) -> None:
    """Notes every key that is there twice: nonces are counted for each key alone, and what signs texts may sign no transaction."""
    seen: dict[tuple[str, ...], KeyPlace] = {}
    for place in places:
        for mark in _marks(place.key):
            other = seen.setdefault(mark, place)
            if other is not place and not (place.texts and place.texts == other.texts):
                _tell_twice(place, other)
                break


def _tell_twice(place: KeyPlace, other: KeyPlace) -> None:
    at = place.at.child("path") if place.texts else place.at
    if place.texts and not other.texts:
        at.problem(
            f"this is the key of {other.what}: a key that sends transactions must not sign texts as well",
            "make a key of its own, which needs no funds and no rights: docs/operator/signing.md",
            found="",
        )
    elif place.texts:
        at.problem(f"this is the key of {other.what} too", "make a key of its own for each", found="")
    else:
        hint = "give each lane a key of its own: the nonces of one key cannot be counted twice"
        at.problem(f"this is the key of {other.what} too", hint, found="")


def _marks(key: SignerConfig) -> Iterator[tuple[str, ...]]:
    """What two keys that are the same have in common, as far as it can be told without opening them."""
    if key.address:
        yield "address", key.address
    match key:
        case KeystoreSigner() | KeyFileSigner():
            if key.path:
                yield "file", os.path.realpath(key.path)
        case EnvSigner():
            if key.key.reveal():
                yield "hex", key.key.reveal().lower().removeprefix("0x")
        case KmsSigner():
            if key.key:
                yield "kms", key.key, key.region, _host(key.endpoint)
        case RemoteSigner():
            pass  # told apart by its address


def files_of(places: list[KeyPlace]) -> dict[str, str]:
    """The files that keys lie in, by what people call the key. The one that signs checkpoints is a matter of the audit log's."""
    return {
        place.what: place.key.path
        for place in places
        if isinstance(place.key, KeystoreSigner | KeyFileSigner) and place.key.path and place.texts != CHECKPOINTS
    }


def _host(endpoint: Secret | None) -> str:
    return urlsplit(endpoint.reveal()).netloc if endpoint is not None else ""


def check_development(places: list[KeyPlace], chain_id: int) -> None:
    """Notes keys of the environment on a chain with money that nobody insisted on."""
    for place in places:
        if isinstance(place.key, EnvSigner) and chain_id not in TEST_CHAINS and not place.key.on_mainnet:
            hint = f"use a keystore, KMS or a remote signer; or write on_mainnet: {WORDS}"
            message = f"a key in the environment is for development, and chain {chain_id} has money on it"
            place.at.child("kind").problem(message, hint)
