"""The section ``watch``: the dead man's switch, a process of its own (``keeper watch``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keeper.config.chain import BLOCKS
from keeper.config.kinds import duration
from keeper.config.notifying import NotifyConfig, read_notify
from keeper.config.shape import Cursor, Field, Part, Shape
from keeper.domain.units import Span


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """``silent`` and ``missed`` count blocks. ``notify`` empty: whoever the keeper tells. Without the section everything is as here."""

    silent_blocks: int = 3
    missed_blocks: int = 3
    stands_ms: int = 60_000
    again_ms: int = 600_000
    notify: tuple[NotifyConfig, ...] = ()


_DEFAULT: Final = WatchConfig()
_THREE: Final = Span(blocks=3)

SILENT = Field(
    "silent", BLOCKS, "So many blocks without an evaluated one are an alarm: 3 blocks when left out.", _THREE
)
MISSED = Field(
    "missed",
    BLOCKS,
    "So many blocks after a rule tripped for the watcher, the keeper's log must know of it: 3 blocks when left out.",
    _THREE,
)
STANDS = Field(
    "stands",
    duration(5_000),
    "The chain stands still when there is no block for so long: 60s when left out.",
    _DEFAULT.stands_ms,
)
AGAIN = Field("again", duration(10_000), "What lasts is told again so often: 10m when left out.", _DEFAULT.again_ms)
NOTIFY = Part(
    "notify",
    "Who is told by the watcher, as in `notify` of the file; without it, the same people.",
    {"type": "array"},
    required=False,
)
WATCH = Shape(
    "The dead man's switch: `keeper watch`, better on another machine.", (SILENT, MISSED, STANDS, AGAIN, NOTIFY)
)


def read_watch(cursor: Cursor) -> WatchConfig:
    """What is wrong is told."""
    section = cursor.open(WATCH)
    if section is None:
        return WatchConfig()
    below = section.at(NOTIFY.key)
    return WatchConfig(
        section.get(SILENT).blocks or _DEFAULT.silent_blocks,
        section.get(MISSED).blocks or _DEFAULT.missed_blocks,
        section.get(STANDS),
        section.get(AGAIN),
        read_notify(below) if below is not None else (),
    )
