"""The sections about the keeper itself: name and mode, notifications."""

from __future__ import annotations

from keeper.config.kinds import APPRISE_URL, NAME_TEXT, choice
from keeper.config.model import AppriseNotify, KeeperConfig, LogNotify, Mode, NotifyConfig
from keeper.config.shape import Cursor, Field, Shape
from keeper.domain.verdict import Severity

SEVERITY = choice(Severity, Severity.INFO)

KEEPER_NAME = Field("name", NAME_TEXT, "What this keeper is called in records and notifications.")
KEEPER_MODE = Field(
    "mode", choice(Mode, Mode.SHADOW), "shadow decides and records and never sends; live acts.", Mode.SHADOW
)
KEEPER = Shape("Which keeper this is, and whether it acts.", (KEEPER_NAME, KEEPER_MODE))

MIN_SEVERITY = Field("min_severity", SEVERITY, "What is less severe is not told here.", Severity.INFO)
NOTIFY_URL = Field("url", APPRISE_URL, "An Apprise address; it holds a token, so take it from the environment.")
NOTIFIERS = {
    "log": Shape("Writes to the log of the process.", (MIN_SEVERITY,), kind="log"),
    "apprise": Shape("Sends through Apprise: chat, mail, pager.", (NOTIFY_URL, MIN_SEVERITY), kind="apprise"),
}


def read_keeper(cursor: Cursor) -> KeeperConfig | None:
    section = cursor.open(KEEPER)
    return KeeperConfig(section.get(KEEPER_NAME), section.get(KEEPER_MODE)) if section else None


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
