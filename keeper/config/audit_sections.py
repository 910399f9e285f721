"""The sections inside of ``audit``: checkpoints with who signs and who keeps them, other keepers' signers, and how long evidence stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from keeper.config.audit import (
    ADDRESS,
    CheckpointConfig,
    FileWitness,
    RetentionConfig,
    UrlWitness,
)
from keeper.config.kinds import FILE_PATH, duration, from_environment
from keeper.config.problems import without_credentials
from keeper.config.safe import SERVICE_URL
from keeper.config.secret import Secret
from keeper.config.shape import Cursor, Field, Part, Shape
from keeper.config.signers import read_identity
from keeper.config.tree import Scalar

DEFAULT_EVERY_MS: Final = 600_000
SHORTEST_EVERY_MS: Final = 1_000
SHORTEST_KEEP_MS: Final = 3_600_000


EVERY = Field(
    "every",
    duration(SHORTEST_EVERY_MS),
    "How often a checkpoint is made, when there are new records.",
    DEFAULT_EVERY_MS,
)
IDENTITY = Part("identity", "The key that signs checkpoints, and nothing else: no funds, no rights.", {})
WITNESSES = Part("witnesses", "Who is given every checkpoint to keep.", {}, required=False)
CHECKPOINTS = Shape(
    "The log's head, signed from time to time: what was signed cannot be cut off or written anew unnoticed.",
    (EVERY, IDENTITY, WITNESSES),
)

WITNESS_FILE = Field("file", FILE_PATH, "A file that gets a line for every checkpoint, better on another machine.")
WITNESS_URL = Field("url", SERVICE_URL, "Where every checkpoint is posted to: a webhook, or another keeper.")
WITNESS_TOKEN = Field(
    "token",
    from_environment("a token", "WITNESS_TOKEN"),
    "The bearer token that is asked for there, from the environment only.",
    Secret(""),
)
FILE_WITNESS = Shape("A file that keeps checkpoints.", (WITNESS_FILE,))
URL_WITNESS = Shape("An address that keeps checkpoints.", (WITNESS_URL, WITNESS_TOKEN))

KEEP = Field("keep", duration(SHORTEST_KEEP_MS), "How long the evidence of every tick stays in the database.")
ARCHIVE = Field("archive", FILE_PATH, "The folder that older evidence moves to, as Parquet files.")
RETENTION = Shape(
    "Evidence of ticks moves to files when it is old. Records never do, nor what is around incidents.", (KEEP, ARCHIVE)
)


def read_checkpoints(cursor: Cursor, *, auditing: bool = False) -> CheckpointConfig | None:
    """``auditing``: whoever only reads the log has neither the identity's password nor a witness's token, and needs none."""
    if auditing:
        environment = replace(cursor.context.environment, offline=True)
        cursor = replace(cursor, context=replace(cursor.context, environment=environment))
    section = cursor.open(CHECKPOINTS)
    if section is None:
        return None
    at = section.at("identity")
    identity = read_identity(at) if at else None
    at = section.at("witnesses")
    witnesses = _witnesses(at) if at else ()
    return CheckpointConfig(section.get(EVERY), identity, witnesses) if identity else None


def _witnesses(cursor: Cursor) -> tuple[FileWitness | UrlWitness, ...]:
    """No place twice: a line that is there twice would look like two keepers of it."""
    found: list[FileWitness | UrlWitness] = []
    places: set[str] = set()
    for item in cursor.items():
        witness = _witness(item)
        if witness is None:
            continue
        place = witness.path if isinstance(witness, FileWitness) else witness.url.reveal()
        if not place:  # what is wrong with it was noted, or it is not set and nobody needs it
            continue
        if place in places:
            item.problem("this witness is named twice", "name each once", found="")
        places.add(place)
        found.append(witness)
    return tuple(found)


def _witness(cursor: Cursor) -> FileWitness | UrlWitness | None:
    table = cursor.table()
    if table is None:
        return None
    ways = [key for key in ("file", "url") if key in table.entries]
    if len(ways) != 1:
        message = "a witness is a file or a url, not both" if ways else "file or url is missing"
        cursor.problem(message, "write {file: PATH}, or {url: URL, token: ...}", found="")
        return None
    section = cursor.open(FILE_WITNESS if ways == ["file"] else URL_WITNESS)
    if section is None:
        return None
    if ways == ["file"]:
        return FileWitness(section.get(WITNESS_FILE))
    raw = table.entries["url"]
    shown = without_credentials(f"{cursor.path}.url", raw.text) if isinstance(raw, Scalar) else ""
    token = section.get(WITNESS_TOKEN)
    return UrlWitness(section.get(WITNESS_URL), shown, token if token.reveal() else None)


def read_witness_for(cursor: Cursor, own: str | None) -> dict[str, str]:
    """The signers of other keepers, by name. ``own`` is this keeper's own signer."""
    found: dict[str, str] = {}
    for name, below in cursor.named():
        address = below.read(ADDRESS)
        if not address:
            continue
        if address == own:
            below.problem("this is the keeper's own signer", "a keeper is no witness of itself: name other keepers'")
        elif address in found.values():
            other = next(known for known, value in found.items() if value == address)
            below.problem(f"this is the signer of {other} already", "each signer has one name")
        else:
            found[name] = address
    return found


def read_retention(cursor: Cursor) -> RetentionConfig | None:
    section = cursor.open(RETENTION)
    return RetentionConfig(section.get(KEEP), section.get(ARCHIVE)) if section else None
