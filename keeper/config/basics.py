"""The sections about the keeper itself: name and mode, chain, signer, routes, notifications."""

from __future__ import annotations

import re

from keeper.config.kinds import APPRISE_URL, FILE_PATH, NAME_TEXT, PASSWORD, choice, file_in, split_url, whole
from keeper.config.model import (
    AppriseNotify,
    ChainConfig,
    Endpoint,
    EndpointRole,
    KeeperConfig,
    KeyFileSigner,
    KeystoreSigner,
    LogNotify,
    Mode,
    NotifyConfig,
    PublicRoute,
    RouteConfig,
    SignerConfig,
)
from keeper.config.problems import without_credentials
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Shape
from keeper.config.tree import Scalar
from keeper.domain.verdict import Severity

MAX_CHAIN_ID = 2**53 - 1
MAX_CONFIRMATIONS = 1_000
ENDPOINT_HINT = "ws://host:port, wss://host/path or ipc:///path/to/node.ipc"
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
    if text.startswith(("http://", "https://")):
        raise Bad("heads arrive by subscription, which plain HTTP does not offer", ENDPOINT_HINT)
    try:
        split_url(text, ("ws", "wss"))
    except Bad as bad:
        raise Bad(bad.message, ENDPOINT_HINT) from None
    return Secret(text)


ENDPOINT_URL = Kind(_endpoint, Secret(""), {"type": "string", "minLength": 1}, env=True)
SEVERITY = choice(Severity, Severity.INFO)

KEEPER_NAME = Field("name", NAME_TEXT, "What this keeper is called in records and notifications.")
KEEPER_MODE = Field(
    "mode", choice(Mode, Mode.SHADOW), "shadow decides and records and never sends; live acts.", Mode.SHADOW
)
KEEPER = Shape("Which keeper this is, and whether it acts.", (KEEPER_NAME, KEEPER_MODE))

URL = Field("url", ENDPOINT_URL, f"A node: {ENDPOINT_HINT}.")
ROLE = Field(
    "role",
    choice(EndpointRole, EndpointRole.PRIMARY),
    "primary: heads and reads (exactly one); broadcast: also takes transactions; verify: a second opinion.",
)
ENDPOINT = Shape("One node.", (URL, ROLE))

CHAIN_ID = Field("id", whole(1, MAX_CHAIN_ID, env=True), "The chain id that every endpoint must answer with (EIP-155).")
CONFIRMATIONS = Field(
    "confirmations",
    whole(1, MAX_CONFIRMATIONS),
    "How many blocks make an effect count as final, the transaction's own included.",
    1,
)
ENDPOINTS_KEY = "endpoints"

KEYSTORE_PATH = Field("path", FILE_PATH, "The keystore file (Web3 secret storage).")
KEYSTORE_PASSWORD = Field("password", PASSWORD, "Its password, from the environment only.")
KEY_FILE_PATH = Field("path", FILE_PATH, "A file with the key as hex, readable only by its owner.")
SIGNERS = {
    "keystore": Shape("An encrypted key file.", (KEYSTORE_PATH, KEYSTORE_PASSWORD), kind="keystore"),
    "key-file": Shape("A plain key file.", (KEY_FILE_PATH,), kind="key-file"),
}

DEFAULT_ROUTE = "public"
ROUTES = {"public": Shape("The public mempool, through the endpoints of chain.", (), kind="public")}

MIN_SEVERITY = Field("min_severity", SEVERITY, "What is less severe is not told here.", Severity.INFO)
NOTIFY_URL = Field("url", APPRISE_URL, "An Apprise address; it holds a token, so take it from the environment.")
NOTIFIERS = {
    "log": Shape("Writes to the log of the process.", (MIN_SEVERITY,), kind="log"),
    "apprise": Shape("Sends through Apprise: chat, mail, pager.", (NOTIFY_URL, MIN_SEVERITY), kind="apprise"),
}


def read_keeper(cursor: Cursor) -> KeeperConfig | None:
    section = cursor.open(KEEPER)
    return KeeperConfig(section.get(KEEPER_NAME), section.get(KEEPER_MODE)) if section else None


def read_chain(cursor: Cursor, shape: Shape) -> ChainConfig | None:
    section = cursor.open(shape)
    if section is None:
        return None
    below = section.at(ENDPOINTS_KEY)
    endpoints = _read_endpoints(below) if below else ()
    return ChainConfig(section.get(CHAIN_ID), endpoints, section.get(CONFIRMATIONS))


def _read_endpoints(cursor: Cursor) -> tuple[Endpoint, ...]:
    before, endpoints = len(cursor.context.report), []
    for item in cursor.items():
        section = item.open(ENDPOINT)
        if section:
            raw = section.table.entries.get("url")
            text = without_credentials("chain.endpoints.url", raw.text) if isinstance(raw, Scalar) else ""
            endpoints.append(Endpoint(section.get(URL), text, section.get(ROLE)))
    primaries = [endpoint for endpoint in endpoints if endpoint.role is EndpointRole.PRIMARY]
    if len(primaries) != 1 and len(cursor.context.report) == before:
        cursor.problem(f"{len(primaries)} endpoints have the role primary", "exactly one must have it")
    return tuple(endpoints)


def read_signer(cursor: Cursor) -> SignerConfig | None:
    chosen = cursor.choose(SIGNERS)
    if chosen is None:
        return None
    kind, section = chosen
    if kind == "keystore":
        return KeystoreSigner(section.get(KEYSTORE_PATH), section.get(KEYSTORE_PASSWORD))
    return KeyFileSigner(section.get(KEY_FILE_PATH))


def read_routes(cursor: Cursor | None) -> tuple[tuple[RouteConfig, ...], tuple[str, ...]]:
    """The routes, and every name that an action may use (those of broken routes too, so that one mistake counts once)."""
    routes, names = [], []
    for name, below in cursor.named() if cursor else ():
        names.append(name)
        if below.choose(ROUTES):
            routes.append(PublicRoute(name))
    if DEFAULT_ROUTE not in names:
        names.append(DEFAULT_ROUTE)
        routes.append(PublicRoute(DEFAULT_ROUTE))
    return tuple(routes), tuple(names)


def read_notify(cursor: Cursor | None) -> tuple[NotifyConfig, ...]:
    """Without the section, everything goes to the log."""
    if cursor is None:
        return (LogNotify(Severity.INFO),)
    notifiers: list[NotifyConfig] = []
    for item in cursor.items():
        chosen = item.choose(NOTIFIERS)
        if chosen is None:
            continue
        kind, section = chosen
        if kind == "log":
            notifiers.append(LogNotify(section.get(MIN_SEVERITY)))
        else:
            notifiers.append(AppriseNotify(section.get(NOTIFY_URL), section.get(MIN_SEVERITY)))
    return tuple(notifiers)


CHAIN = Shape(
    "The chain, and the nodes that serve it.",
    (CHAIN_ID, Part(ENDPOINTS_KEY, "The nodes; exactly one is primary.", {}), CONFIRMATIONS),
)
