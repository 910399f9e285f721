"""The section about the keeper itself: name, mode and replicas."""

from __future__ import annotations

from keeper.config.kinds import NAME_TEXT, choice
from keeper.config.model import KeeperConfig, Mode
from keeper.config.replicas import REPLICAS, read_replicas
from keeper.config.shape import Cursor, Field, Part, Shape

KEEPER_NAME = Field("name", NAME_TEXT, "What this keeper is called in records and notifications.")
KEEPER_MODE = Field(
    "mode", choice(Mode, Mode.SHADOW), "shadow decides and records and never sends; live acts.", Mode.SHADOW
)
KEEPER_REPLICAS = Part("replicas", REPLICAS.help, {}, required=False)
KEEPER = Shape("Which keeper this is, and whether it acts.", (KEEPER_NAME, KEEPER_MODE, KEEPER_REPLICAS))


def read_keeper(cursor: Cursor) -> KeeperConfig | None:
    section = cursor.open(KEEPER)
    if section is None:
        return None
    below = section.at(KEEPER_REPLICAS.key)
    return KeeperConfig(section.get(KEEPER_NAME), section.get(KEEPER_MODE), read_replicas(below) if below else None)
