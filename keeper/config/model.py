"""What a configuration says, as one frozen object. Nothing here is optional guesswork: defaults are filled in, texts are checked."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from keeper.config.jobs import JobsConfig as JobsConfig
from keeper.config.notifying import AppriseNotify as AppriseNotify
from keeper.config.notifying import LogNotify as LogNotify
from keeper.config.notifying import NotifyConfig as NotifyConfig
from keeper.config.secret import Secret
from keeper.config.sending import Lanes, PrivateRoute, PublicRoute, RaceRoute, SignerConfig
from keeper.domain.action import Action, FunctionCall
from keeper.domain.budget import NO_BUDGET, Budget
from keeper.domain.invariant import Invariant
from keeper.domain.record import Json
from keeper.domain.testimony import QuorumPolicy
from keeper.domain.units import Unit
from keeper.domain.verdict import Severity

if (
    TYPE_CHECKING
):  # the package keeper.signals compiles its steps on import; whoever only wants the audit log must not wait for it
    from keeper.config.audit import AuditConfig
    from keeper.config.replicas import ReplicasConfig
    from keeper.config.watch import WatchConfig
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


class PoolMode(StrEnum):
    """How a pool's price is read."""

    SPOT = "spot"
    TWAP = "twap"


@dataclass(frozen=True, slots=True)
class KeeperConfig:
    name: str
    mode: Mode
    replicas: ReplicasConfig | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``url`` is ``ws(s)://``, ``http(s)://`` or ``ipc:///absolute/path``; ``shown`` is the same without secrets, for people and logs."""

    url: Secret
    shown: str
    role: EndpointRole


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """``confirmations`` counts blocks, the one that holds the transaction included.

    ``quorum`` has no entry for a severity whose actions ask nobody. ``backfill`` and ``lag_blocks`` count blocks.
    ``rehearse`` is how many actions may be simulated with the reads of each block.
    """

    id: int
    endpoints: tuple[Endpoint, ...]
    confirmations: int
    quorum: Mapping[Severity, QuorumPolicy] = field(default_factory=dict)
    backfill: int = 64
    lag_blocks: int = 3
    rehearse: int = 8

    @property
    def primary(self) -> Endpoint:
        """The preferred primary."""
        return self.primaries[0]

    @property
    def primaries(self) -> tuple[Endpoint, ...]:
        """In the order of preference."""
        return self._with(EndpointRole.PRIMARY)

    @property
    def verifiers(self) -> tuple[Endpoint, ...]:
        return self._with(EndpointRole.VERIFY)

    @property
    def broadcasters(self) -> tuple[Endpoint, ...]:
        """Those that only take transactions."""
        return self._with(EndpointRole.BROADCAST)

    def _with(self, role: EndpointRole) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.role is role)


@dataclass(frozen=True, slots=True)
class ChainlinkSource:
    """A Chainlink aggregator (proxy) at ``address``; its decimals are read from the chain.

    ``bounds`` None: the address itself is asked for its bounds, which a proxy does not answer.
    """

    name: str
    unit: Unit
    max_age_ms: int
    address: str
    heartbeat_ms: int | None = None
    bounds: tuple[Decimal, Decimal] | None = None
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class PythSource:
    """The price ``price_id`` of Pyth's contract at ``address``."""

    name: str
    unit: Unit
    max_age_ms: int
    address: str
    price_id: str
    max_confidence: Decimal
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class UniswapV3Source:
    """``quote`` per ``base`` in a pool; ``window_s`` None is the price now. ``min_liquidity`` is in quote tokens."""

    name: str
    max_age_ms: int
    pool: str
    base: str
    quote: str
    window_s: int | None
    min_liquidity: Decimal
    needs: str | None = None
    unit: Unit = Unit.PRICE


@dataclass(frozen=True, slots=True)
class Erc4626Source:
    """``asset`` per share of a vault; ``max_growth_per_day`` None: it may grow as it likes."""

    name: str
    max_age_ms: int
    vault: str
    asset: str
    max_growth_per_day: Decimal | None
    needs: str | None = None
    unit: Unit = Unit.PRICE


@dataclass(frozen=True, slots=True)
class SequencerUptimeSource:
    """1 while the sequencer of a layer-2 chain is up; not good within ``grace_ms`` after it came back."""

    name: str
    max_age_ms: int
    address: str
    grace_ms: int
    unit: Unit = Unit.FLAG


@dataclass(frozen=True, slots=True)
class ContractCallSource:
    """Result number ``index`` of a view, divided by ten to the ``decimals``."""

    name: str
    unit: Unit
    max_age_ms: int
    call: FunctionCall
    decimals: int
    index: int
    needs: str | None = None


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


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """``name`` as ccxt knows it; ``url`` stands in for the venue's own address (None: that), ``shown`` is it without secrets."""

    name: str
    symbol: str
    url: Secret | None
    shown: str


@dataclass(frozen=True, slots=True)
class ExchangeSource:
    """The median of ``venues``; guards that are None are not asked. ``min_volume`` is in quote currency over ``volume_window_ms``."""

    name: str
    unit: Unit
    max_age_ms: int
    venues: tuple[VenueConfig, ...]
    min_venues: int
    outlier: Decimal | None
    min_volume: Decimal | None
    volume_window_ms: int
    max_spread: Decimal | None
    every_ms: int
    timeout_ms: int
    stream: bool


@dataclass(frozen=True, slots=True)
class DerivedSource:
    """Made of the sources ``of``; ``how`` is a word of ``keeper.engine.derivation.How``. Its members have the ages."""

    name: str
    unit: Unit
    how: str
    of: tuple[str, ...]
    min_fresh: int
    outlier: Decimal | None
    stuck_after_ms: int | None
    max_age_ms: None = None


@dataclass(frozen=True, slots=True)
class ConstantSource:
    """A number that stands in the file."""

    name: str
    unit: Unit
    value: Decimal
    max_age_ms: None = None


ChainSource = (
    ChainlinkSource | ContractCallSource | PythSource | UniswapV3Source | Erc4626Source | SequencerUptimeSource
)
"""Every kind that is read at a block."""

Source = ChainSource | HttpSource | ExchangeSource | DerivedSource | ConstantSource
"""Every kind of source."""


@dataclass(frozen=True, slots=True)
class BreakerRoute:
    """The contract CircuitBreaker at ``address``, reached by the route ``through``.

    ``heartbeat_ms`` is how often the keeper proves that it lives. ``orders`` is where keepers leave what several of them must sign: a folder,
    or the address of a database; None where one is enough.
    """

    name: str
    address: str
    heartbeat_ms: int
    orders: Secret | None
    through: str = "public"


class ProposeAs(StrEnum):
    """What the keeper's key is to a Safe."""

    DELEGATE = "delegate"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class SafeRoute:
    """The Safe at ``address``, whose owners sign what the keeper proposes.

    ``service`` is the base URL of the Transaction Service (None: files only), ``service_shown`` the same without secrets. ``files`` is an absolute
    path. ``members`` are names by address. ``web`` is the Safe web app, empty for no links; ``multisend`` the contract that batches go through.
    """

    name: str
    address: str
    service: Secret | None
    service_shown: str
    api_key: Secret | None
    propose_as: ProposeAs
    execute: bool
    files: str
    remind_ms: int
    escalate_ms: int
    web: str
    members: Mapping[str, str]
    multisend: str


RouteConfig = PublicRoute | PrivateRoute | RaceRoute | BreakerRoute | SafeRoute


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """``url`` is where people reach the pages, empty where nobody said; ``approve`` whether signatures are taken there.

    ``tokens`` are the hashes (``sha256:`` and 64 digits) of the tokens that open API and log, by name; ``rate`` is requests in a minute.
    """

    host: str
    port: int
    url: str
    approve: bool
    tokens: Mapping[str, str] = field(default_factory=dict)
    rate: int = 120


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
    http: HttpConfig | None
    document: dict[str, Json]
    invariants: tuple[Invariant, ...] = ()
    lanes: Lanes = field(default_factory=dict)
    budget: Budget = NO_BUDGET
    jobs: JobsConfig = field(default_factory=JobsConfig)
    watch: WatchConfig | None = None

    def public(self) -> dict[str, Json]:
        """The document for the audit record: what came from the environment as ``${NAME}``, credentials hidden.

        When nothing had to be hidden, ``hash`` is the SHA-256 of this document in RFC 8785 form.
        """
        return copy.deepcopy(self.document)

    def __repr__(self) -> str:
        return f"Config(path={self.path!r}, hash={self.hash!r})"
