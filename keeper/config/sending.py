"""What signs, and how what is signed reaches the chain, as frozen values. ``keeper.config.model`` has the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keeper.config.secret import Secret


@dataclass(frozen=True, slots=True)
class KeystoreSigner:
    """``path`` is absolute; ``password`` opens the keystore (Web3 secret storage) there. ``address`` None: whatever key is in it."""

    path: str = field(repr=False)
    password: Secret
    address: str | None = None


@dataclass(frozen=True, slots=True)
class KeyFileSigner:
    """``path`` is absolute; the file holds the key as hex."""

    path: str = field(repr=False)
    address: str | None = None


@dataclass(frozen=True, slots=True)
class EnvSigner:
    """For development: the key itself comes from the environment. ``on_mainnet``: somebody wrote out that this is meant on a chain with money."""

    key: Secret
    address: str | None = None
    on_mainnet: bool = False


@dataclass(frozen=True, slots=True)
class KmsSigner:
    """A key of AWS KMS (ECC_SECG_P256K1, SIGN_VERIFY): ``key`` is its id, ARN or alias. ``endpoint`` None: the region's own."""

    key: str
    region: str
    endpoint: Secret | None
    address: str | None = None
    timeout_ms: int = 2_000


@dataclass(frozen=True, slots=True)
class RemoteSigner:
    """A service with ``eth_signTransaction`` (web3signer, clef) that holds the key of ``address``; ``shown`` is its URL without secrets."""

    url: Secret
    shown: str
    address: str
    token: Secret | None = None
    timeout_ms: int = 2_000


SignerConfig = KeystoreSigner | KeyFileSigner | EnvSigner | KmsSigner | RemoteSigner

IdentityConfig = KeystoreSigner | KeyFileSigner
"""A key that holds no money and signs no transaction: it may be asked to sign any text, so it lies in this process."""


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """The public mempool, through the endpoints of ``chain``; with ``endpoints`` through those alone (the sequencer of a layer-2 chain, say)."""

    name: str
    endpoints: tuple[Secret, ...] = ()
    shown: tuple[str, ...] = ()


class Cancel(StrEnum):
    """How a builder is asked to forget a bundle."""

    METHOD = "method"
    """``eth_cancelBundle`` with its ``replacementUuid``."""
    EMPTY = "empty"
    """The same ``replacementUuid`` again, without transactions."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class BuilderConfig:
    """One builder or relay. ``shown`` is its URL without secrets; ``header`` names the one that carries our signature, empty: it wants none.

    ``private_transactions``: it takes ``eth_sendPrivateTransaction`` too. ``status`` is the base URL that answers ``/tx/HASH`` (None: none does).
    """

    name: str
    url: Secret
    shown: str
    header: str = "X-Flashbots-Signature"
    private_transactions: bool = False
    cancel: Cancel = Cancel.METHOD
    status: Secret | None = None


@dataclass(frozen=True, slots=True)
class PrivateRoute:
    """Block builders. ``public_after`` is what actions say that say nothing: blocks until the public pool is used too (None: never).

    ``fallback`` names the public route for that. ``prove_ms`` is how often every builder is asked whether it takes our signature.
    """

    name: str
    builders: tuple[BuilderConfig, ...]
    identity: IdentityConfig
    fallback: str
    public_after: int | None
    timeout_ms: int
    prove_ms: int


@dataclass(frozen=True, slots=True)
class RaceRoute:
    """Both at once: ``private`` and ``public`` name the routes."""

    name: str
    private: str
    public: str


Lanes = Mapping[str, SignerConfig]
"""Further keys by name, each with nonces of its own."""
