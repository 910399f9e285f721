"""The engine that decided under a recorded configuration, built again from the log itself where that can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keeper import __version__
from keeper.app.restart import bound
from keeper.config import load, loads
from keeper.config.model import Config
from keeper.domain.errors import ConfigurationError
from keeper.domain.record import Record
from keeper.engine import Engine, compile_engine


@dataclass(frozen=True, slots=True)
class Built:
    """``origin`` says what it was built from; ``remark``, where there is one, what speaks against it."""

    engine: Engine
    origin: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class NoEngine:
    """Why the engine of a configuration cannot be built here."""

    why: str


Engines = Callable[[Record, Record], Built | NoEngine]
"""From the record of a configuration and that of the start before it."""


def engines_of(path: str) -> Engines:
    """``path`` is the configuration at hand: its engine is taken where the log alone does not give it, and only if it is the same configuration."""

    def build(configuration: Record, start: Record) -> Built | NoEngine:
        origin = f"the configuration in the log, record {configuration.seq}"
        recorded = _from_log(configuration)
        engine = None if recorded is None else compile_engine(recorded.engine)
        if recorded is not None and engine is not None and start.body.get("engine") in (None, bound(recorded, engine)):
            return Built(engine, origin)
        given = _given(path)
        if given is not None and given.hash == configuration.body.get("hash"):
            return Built(compile_engine(given.engine), f"{path}, which has the hash in record {configuration.seq}")
        if engine is not None:
            other = f"the configuration of record {configuration.seq} is not the one that the start of record {start.seq} says it ran with"
            if start.body.get("version") == __version__:
                return NoEngine(f"{other}: run keeper audit CONFIG verify")
            return Built(engine, origin, f"{other}; this version of the keeper may only read it differently")
        found = "cannot be read" if given is None else f"has the hash {given.hash}"
        return NoEngine(
            f"it was decided with the configuration {configuration.body.get('hash')} (record {configuration.seq}), of which the log holds too "
            f"little to use it, and {path} {found}: give the file as it was"
        )

    return build


def _from_log(configuration: Record) -> Config | None:
    """None where what was hidden in it (addresses with a password, say) is missed."""
    text = json.dumps(configuration.body.get("document")).encode()
    try:
        return loads(text, folder=Path.cwd(), environ={}, offline=True, path=f"record {configuration.seq}")
    except ConfigurationError:
        return None


def _given(path: str) -> Config | None:
    try:
        return load(path, offline=True)
    except ConfigurationError:
        return None
