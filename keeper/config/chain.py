"""The section about the chain: its id, the nodes that serve it, and how many of them must agree before something is done."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from keeper.config.kinds import choice, duration, file_in, split_url, whole
from keeper.config.model import ChainConfig, Endpoint, EndpointRole
from keeper.config.problems import without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Shape
from keeper.config.tree import Scalar
from keeper.domain.errors import UnitError
from keeper.domain.testimony import Otherwise, QuorumPolicy
from keeper.domain.units import Span, parse_span
from keeper.domain.verdict import Severity

MAX_CHAIN_ID = 2**53 - 1
MAX_CONFIRMATIONS = 1_000
MAX_BACKFILL = 1_024
MAX_LAG_BLOCKS = 1_000
MAX_ENDPOINTS = 32
MAX_REHEARSALS = 50
MAX_DEADLINE_MS = 30_000
ENDPOINT_HINT = "ws://host:port, wss://host/path, https://host/path or ipc:///path/to/node.ipc"
_IPC_FILE = re.compile(r"[^:?#]+\.ipc")


def _endpoint(given: Given) -> Secret:
    """The address with an absolute path: ``ipc:///abs`` for what was written as a file."""
    text = given.text
    if _IPC_FILE.fullmatch(text) and text.isprintable():
        return Secret(f"ipc://{file_in(given.folder, text)}")
    if text.startswith("ipc:"):
        if not re.fullmatch(r"ipc:///[^?#]+", text) or not text.isprintable():
            raise Bad("not the address of an IPC socket", "ipc:///absolute/path/to/node.ipc")
        return Secret(text)
    try:
        split_url(text, ("ws", "wss", "http", "https"))
    except Bad as bad:
        raise Bad(bad.message, ENDPOINT_HINT) from None
    return Secret(text)


def _blocks(given: Given) -> Span:
    hint = f"a number of blocks, from 1 block to {MAX_LAG_BLOCKS} blocks"
    try:
        span = parse_span(given.text)
    except UnitError:
        raise Bad("not a number of blocks", hint) from None
    if span.blocks is None:
        raise Bad("this is a time; a number of blocks is needed", hint)
    if not 1 <= span.blocks <= MAX_LAG_BLOCKS:
        raise Bad("the number is too small" if span.blocks < 1 else "the number is too large", hint)
    return span


ENDPOINT_URL = Kind(_endpoint, Secret(""), {"type": "string", "minLength": 1}, env=True)
BLOCKS = Kind(_blocks, Span(blocks=1), {"type": "string", "pattern": r"^\s*\d{1,4}\s*blocks?\s*$"})

URL = Field("url", ENDPOINT_URL, f"A node: {ENDPOINT_HINT}.")
ROLE = Field(
    "role",
    choice(EndpointRole, EndpointRole.PRIMARY),
    "primary: heads and reads (one or more, the first is preferred); verify: a second opinion; broadcast: takes transactions too.",
)
ENDPOINT = Shape("One node.", (URL, ROLE))

CHAIN_ID = Field("id", whole(1, MAX_CHAIN_ID, env=True), "The chain id that every endpoint must answer with (EIP-155).")
CONFIRMATIONS = Field(
    "confirmations",
    whole(1, MAX_CONFIRMATIONS),
    "How many blocks make an effect count as final, the transaction's own included.",
    1,
)
BACKFILL = Field(
    "backfill",
    whole(0, MAX_BACKFILL),
    "How many missed blocks are evaluated late at most; what is beyond that is a recorded gap.",
    64,
)
LAG = Field(
    "lag",
    BLOCKS,
    "So far behind the others, an endpoint counts as lagging, and the next primary takes over.",
    Span(blocks=3),
)
REHEARSE = Field(
    "rehearse",
    whole(0, MAX_REHEARSALS),
    "Where no more actions than these can be simulated before they are wanted, all of them are at each block, with its reads; 0 does not.",
    8,
)
DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
ENDPOINTS_KEY = "endpoints"
QUORUM_KEY = "quorum"

DEFAULT_QUORUM = QuorumPolicy(agree=2, deadline_ms=500, otherwise=Otherwise.HOLD)
AGREE = Field(
    "agree",
    whole(1, MAX_ENDPOINTS),
    "How many endpoints must give the same block and the same answers, the one in use included; 1 asks nobody.",
    DEFAULT_QUORUM.agree,
)
DEADLINE = Field(
    "deadline",
    duration(10, "at least 10ms: no other node answers faster"),
    "How long all of them together have; an action waits no longer than that.",
    DEFAULT_QUORUM.deadline_ms,
)
OTHERWISE = Field(
    "otherwise",
    choice(Otherwise, Otherwise.HOLD),
    "When too few agree in time: hold does nothing and pages; act trusts the endpoint in use, and records that it stood alone.",
    Otherwise.HOLD,
)
POLICY = Shape("What is asked of the other nodes before an action of this severity.", (AGREE, DEADLINE, OTHERWISE))
QUORUM = Shape(
    "How many endpoints must agree before something is done, by the severity of the rule.",
    tuple(
        Part(severity.value, f"Before actions of {severity.value} rules.", {}, required=False) for severity in Severity
    ),
)
CHAIN = Shape(
    "The chain, and the nodes that serve it.",
    (
        CHAIN_ID,
        Part(ENDPOINTS_KEY, "The nodes; at least one is primary.", {}),
        CONFIRMATIONS,
        Part(QUORUM_KEY, QUORUM.help, {}, required=False),
        BACKFILL,
        LAG,
        REHEARSE,
    ),
)


def read_chain(cursor: Cursor) -> ChainConfig | None:
    section = cursor.open(CHAIN)
    if section is None:
        return None
    before = len(cursor.context.report)
    below = section.at(ENDPOINTS_KEY)
    endpoints = _read_endpoints(below) if below else ()
    certain = below is not None and len(cursor.context.report) == before
    return ChainConfig(
        id=section.get(CHAIN_ID),
        endpoints=endpoints,
        confirmations=section.get(CONFIRMATIONS),
        quorum=_read_quorum(section.at(QUORUM_KEY), endpoints, certain),
        backfill=section.get(BACKFILL),
        lag_blocks=section.get(LAG).blocks or 0,
        rehearse=section.get(REHEARSE),
    )


def _read_endpoints(cursor: Cursor) -> tuple[Endpoint, ...]:
    before, endpoints, asked = len(cursor.context.report), [], set[tuple[str, int, str]]()
    for item in cursor.items():
        section = item.open(ENDPOINT)
        if section is None:
            continue
        raw = section.table.entries.get("url")
        text = without_credentials("chain.endpoints.url", raw.text) if isinstance(raw, Scalar) else ""
        endpoint = Endpoint(section.get(URL), text, section.get(ROLE))
        address = node_of(endpoint.url.reveal())
        if section.clean and endpoint.role is not EndpointRole.BROADCAST:
            if address in asked:
                section.problem(
                    "url", "this node is there twice", "a node cannot stand in for itself, nor confirm itself"
                )
            asked.add(address)
        endpoints.append(endpoint)
    primaries = [endpoint for endpoint in endpoints if endpoint.role is EndpointRole.PRIMARY]
    if len(cursor.context.report) == before:
        if not primaries:
            cursor.problem(
                "no endpoint has the role primary", "at least one must have it: heads and reads come from it"
            )
        elif len(endpoints) > MAX_ENDPOINTS:
            cursor.problem(f"there are {len(endpoints)} endpoints", f"{MAX_ENDPOINTS} at most")
    return tuple(endpoints)


def node_of(address: str) -> tuple[str, int, str]:
    """Host, port and path: what tells one node from another, however its address is written. A key in the path counts as another node."""
    parts = urlsplit(address)
    if parts.scheme.lower() not in DEFAULT_PORTS:
        return "", 0, os.path.normpath(address.removeprefix("ipc://"))
    host = (parts.hostname or "").rstrip(".")
    if host == "localhost" or host == "::1" or host.startswith("127."):
        host = "loopback"
    return host, parts.port or DEFAULT_PORTS[parts.scheme.lower()], parts.path.rstrip("/")


def _read_quorum(
    cursor: Cursor | None, endpoints: tuple[Endpoint, ...], certain: bool
) -> Mapping[Severity, QuorumPolicy]:
    """A policy for each severity. Without verify endpoints there is nobody to ask, and so no policy, unless one is written out.

    ``certain``: the endpoints are known well enough to be counted.
    """
    count = 1 + sum(endpoint.role is EndpointRole.VERIFY for endpoint in endpoints)
    found = dict.fromkeys(Severity, DEFAULT_QUORUM) if count > 1 else {}
    section = cursor.open(QUORUM) if cursor else None
    for severity in Severity:
        below = section.at(severity.value) if section else None
        policy = below.open(POLICY) if below else None
        if policy is None:
            continue
        agree = policy.get(AGREE)
        if policy.clean and policy.get(DEADLINE) > MAX_DEADLINE_MS:
            policy.problem("deadline", "an action cannot wait so long", f"{MAX_DEADLINE_MS // 1000}s at most")
        if certain and policy.clean and agree > count:
            have = (
                "there is no verify endpoint"
                if count == 1
                else f"there are {count}: the primary in use and the verify ones"
            )
            policy.problem("agree", f"{agree} endpoints cannot agree: {have}", "add verify endpoints, or lower it")
        found[severity] = QuorumPolicy(agree, policy.get(DEADLINE), policy.get(OTHERWISE))
    return found
