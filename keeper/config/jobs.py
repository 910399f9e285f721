"""The section ``jobs``: what the keeper does by the clock, as far as it may be chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from keeper.config.kinds import duration
from keeper.config.secret import Secret
from keeper.config.shape import Bad, Cursor, Field, Given, Kind, Part, Shape
from keeper.config.urls import SAFE_URL

_AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class HeartbeatConfig:
    """``url`` is asked (GET) at every heartbeat of a keeper that evaluates; what its path holds may be a secret."""

    every_ms: int = 300_000
    url: Secret | None = None


@dataclass(frozen=True, slots=True)
class DigestConfig:
    """``at_minute`` counts from midnight UTC; None: no digest."""

    at_minute: int | None = 8 * 60


@dataclass(frozen=True, slots=True)
class JobsConfig:
    """Without the section everything is as here. ``drill_ms`` is how often a rule is drilled in memory; None: never."""

    heartbeat: HeartbeatConfig = field(default_factory=HeartbeatConfig)
    digest: DigestConfig = field(default_factory=DigestConfig)
    drill_ms: int | None = None


def _at(given: Given) -> int | None:
    text = given.text.strip()
    if text == _NEVER:
        return None
    match = _AT.fullmatch(text)
    if match is None:
        raise Bad("not a time of the day", 'write it in UTC and in quotes, such as "08:00", or never')
    return int(match[1]) * 60 + int(match[2])


EVERY = Field("every", duration(10_000), "How often a heartbeat is recorded.", 300_000)
URL = Field(
    "url",
    SAFE_URL,
    "Asked at every heartbeat while blocks are evaluated: a service that calls people when it is not asked any more.",
    Secret(""),
)
HEARTBEAT = Shape("Signs of life, in the log and to a dead man's service.", (EVERY, URL))
_TIME: Kind[int | None] = Kind(_at, None, {"type": "string", "pattern": r"^\s*(([01]\d|2[0-3]):[0-5]\d|never)\s*$"})
AT = Field(
    "at",
    _TIME,
    'When the digest of the last day is sent, in UTC: "08:00" when left out; never: none.',
    8 * 60,
)
DIGEST = Shape("One notice a day: what was seen, done, and is out of order.", (AT,))
DRILL_EVERY = Field("every", duration(10_000), "How often the next rule is drilled.", 7 * 86_400_000)
DRILL = Shape("Drills in memory: one rule after the other is made to trip, all but the broadcast.", (DRILL_EVERY,))
JOBS = Shape(
    "What the keeper does by the clock.",
    (
        Part("heartbeat", HEARTBEAT.help, {}, required=False),
        Part("digest", DIGEST.help, {}, required=False),
        Part("drill", DRILL.help, {}, required=False),
    ),
)


def read_jobs(cursor: Cursor) -> JobsConfig:
    """What is wrong is told."""
    section = cursor.open(JOBS)
    if section is None:
        return JobsConfig()
    return JobsConfig(_heartbeat(section.at("heartbeat")), _digest(section.at("digest")), _drill(section.at("drill")))


def _heartbeat(cursor: Cursor | None) -> HeartbeatConfig:
    section = cursor.open(HEARTBEAT) if cursor is not None else None
    if section is None:
        return HeartbeatConfig()
    url = section.get(URL)
    return HeartbeatConfig(section.get(EVERY), url if url.reveal() else None)


def _digest(cursor: Cursor | None) -> DigestConfig:
    section = cursor.open(DIGEST) if cursor is not None else None
    return DigestConfig() if section is None else DigestConfig(section.get(AT))


def _drill(cursor: Cursor | None) -> int | None:
    section = cursor.open(DRILL) if cursor is not None else None
    return None if section is None else section.get(DRILL_EVERY)
