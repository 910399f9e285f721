"""What a configuration says, as one frozen object. Nothing here is optional guesswork: defaults are filled in, texts are checked."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from keeper.config.secret import Secret
from keeper.domain.action import Action, FunctionCall
from keeper.domain.record import Json
from keeper.domain.units import Unit
from keeper.domain.verdict import Severity

if (
    TYPE_CHECKING
):  # the package keeper.signals compiles its steps on import; whoever only wants the audit log must not wait for it
    from keeper.engine.spec import EngineSpec


class Mode(StrEnum):
    SHADOW = "shadow"
    """Decides and records, never sends."""
    LIVE = "live"


class EndpointRole(StrEnum):
    PRIMARY = "primary"
    VERIFY = "verify"
    BROADCAST = "broadcast"


class TimeUnit(StrEnum):
    MILLISECONDS = "ms"
    SECONDS = "s"


@dataclass(frozen=True, slots=True)
class KeeperConfig:
    name: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``url`` is ``ws://``, ``wss://`` or ``ipc:///absolute/path``; ``shown`` is the same without secrets, for people and logs."""

    url: Secret
    shown: str
    role: EndpointRole


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """``confirmations`` counts blocks, the one that holds the transaction included."""

    id: int
    endpoints: tuple[Endpoint, ...]
    confirmations: int

    @property
    def primary(self) -> Endpoint:
        return next(endpoint for endpoint in self.endpoints if endpoint.role is EndpointRole.PRIMARY)

    @property
    def broadcasters(self) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.role is EndpointRole.BROADCAST)


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """``url`` as SQLAlchemy takes it, paths absolute; ``shown`` is the same without secrets."""

    url: Secret
    shown: str


@dataclass(frozen=True, slots=True)
class ChainlinkSource:
    """A Chainlink aggregator (proxy) at ``address``; its decimals are read from the chain."""

    name: str
    unit: Unit
    max_age_ms: int
    address: str


@dataclass(frozen=True, slots=True)
class ContractCallSource:
    """Result number ``index`` of a view, divided by ten to the ``decimals``."""

    name: str
    unit: Unit
    max_age_ms: int
    call: FunctionCall
    decimals: int
    index: int


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A number in a JSON answer. ``value`` and ``time`` are dotted paths into it (``data.0.price``); ``time`` None: the answer has none."""

    name: str
    unit: Unit
    max_age_ms: int
    url: Secret
    shown: str
    value: str
    time: str | None
    time_unit: TimeUnit
    every_ms: int
    timeout_ms: int
    headers: tuple[tuple[str, Secret], ...]


Source = ChainlinkSource | ContractCallSource | HttpSource


@dataclass(frozen=True, slots=True)
class KeystoreSigner:
    """``path`` is absolute; ``password`` opens the keystore (Web3 secret storage) there."""

    path: str = field(repr=False)
    password: Secret


@dataclass(frozen=True, slots=True)
class KeyFileSigner:
    """``path`` is absolute; the file holds the key as hex."""

    path: str = field(repr=False)


SignerConfig = KeystoreSigner | KeyFileSigner


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """The public mempool, through the endpoints of ``chain``."""

    name: str


RouteConfig = PublicRoute


@dataclass(frozen=True, slots=True)
class LogNotify:
    min_severity: Severity


@dataclass(frozen=True, slots=True)
class AppriseNotify:
    """``url`` is an Apprise address, which is a secret as a whole."""

    url: Secret
    min_severity: Severity


NotifyConfig = LogNotify | AppriseNotify


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """The whole configuration.

    ``path`` is the file as given (``-`` for standard input); ``hash`` pins the document as written, before any value of the
    environment is put in; ``actions`` holds one entry for every action that some rule of a market names, bound to that market.
    """

    path: str
    hash: str
    keeper: KeeperConfig
    chain: ChainConfig
    audit: AuditConfig
    sources: tuple[Source, ...]
    engine: EngineSpec
    actions: tuple[Action, ...]
    signer: SignerConfig | None
    routes: tuple[RouteConfig, ...]
    notify: tuple[NotifyConfig, ...]
    document: dict[str, Json]

    def public(self) -> dict[str, Json]:
        """The document for the audit record: what came from the environment as ``${NAME}``, credentials hidden.

        When nothing had to be hidden, ``hash`` is the SHA-256 of this document in RFC 8785 form.
        """
        return copy.deepcopy(self.document)

    def __repr__(self) -> str:
        return f"Config(path={self.path!r}, hash={self.hash!r})"
