"""The sections about the keeper itself: name and mode, signer, routes, notifications."""

from __future__ import annotations

from keeper.config import breaker, safe
from keeper.config.kinds import APPRISE_URL, FILE_PATH, NAME_TEXT, PASSWORD, choice
from keeper.config.model import AppriseNotify, BreakerRoute, KeeperConfig, LogNotify, Mode, NotifyConfig, RouteConfig
from keeper.config.secret import Secret
from keeper.config.sending import KeyFileSigner, KeystoreSigner, PublicRoute, SignerConfig
from keeper.config.shape import Cursor, Field, Shape
from keeper.domain.verdict import Severity

SEVERITY = choice(Severity, Severity.INFO)

KEEPER_NAME = Field("name", NAME_TEXT, "What this keeper is called in records and notifications.")
KEEPER_MODE = Field(
    "mode", choice(Mode, Mode.SHADOW), "shadow decides and records and never sends; live acts.", Mode.SHADOW
)
KEEPER = Shape("Which keeper this is, and whether it acts.", (KEEPER_NAME, KEEPER_MODE))

KEYSTORE_PATH = Field("path", FILE_PATH, "The keystore file (Web3 secret storage).")
KEYSTORE_PASSWORD = Field("password", PASSWORD, "Its password, from the environment only.")
KEY_FILE_PATH = Field("path", FILE_PATH, "A file with the key as hex, readable only by its owner.")
SIGNERS = {
    "keystore": Shape("An encrypted key file.", (KEYSTORE_PATH, KEYSTORE_PASSWORD), kind="keystore"),
    "key-file": Shape("A plain key file.", (KEY_FILE_PATH,), kind="key-file"),
}

DEFAULT_ROUTE = "public"
ROUTES = {
    "public": Shape("The public mempool, through the endpoints of chain.", (), kind="public"),
    "breaker": breaker.ROUTE,
    "safe": safe.ROUTE,
}

MIN_SEVERITY = Field("min_severity", SEVERITY, "What is less severe is not told here.", Severity.INFO)
NOTIFY_URL = Field("url", APPRISE_URL, "An Apprise address; it holds a token, so take it from the environment.")
NOTIFIERS = {
    "log": Shape("Writes to the log of the process.", (MIN_SEVERITY,), kind="log"),
    "apprise": Shape("Sends through Apprise: chat, mail, pager.", (NOTIFY_URL, MIN_SEVERITY), kind="apprise"),
}


def read_keeper(cursor: Cursor) -> KeeperConfig | None:
    section = cursor.open(KEEPER)
    return KeeperConfig(section.get(KEEPER_NAME), section.get(KEEPER_MODE)) if section else None


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
    routes: list[RouteConfig] = []
    names: list[str] = []
    places: dict[str, tuple[str, Secret]] = {}
    for name, below in cursor.named() if cursor else ():
        names.append(name)
        chosen = below.choose(ROUTES, implied=name)
        if chosen is None:
            continue
        kind, section = chosen
        if kind == "breaker":
            orders = section.get(breaker.ORDERS)
            breaker.check_orders(section, name, places)
            routes.append(
                BreakerRoute(
                    name,
                    section.get(breaker.ADDRESS),
                    section.get(breaker.HEARTBEAT),
                    orders if orders.reveal() else None,
                )
            )
        elif kind == "safe":
            routes.append(safe.read_safe(name, section))
        else:
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
