"""The engine that decided under a recorded configuration, built again from the log itself where that can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper import __version__
from keeper.app.declared_order import ORDER, order_of
from keeper.app.recorded_config import config_of
from keeper.app.restart import bound
from keeper.config import load
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
    """``path`` is the configuration at hand. Where the log does not say in which order the names of its own were written, as earlier versions left it
    out, it lends that; where the log's own cannot be used at all, its engine is taken, and only if it decides alike.

    The start says what its engine was bound to (``keeper.app.restart.bound``): sources, markets with their rules, actions, chain and mode. Nothing
    else that a configuration holds is asked for. A start of a version that did not say it is held against the hash of the whole configuration.
    """

    def build(configuration: Record, start: Record) -> Built | NoEngine:
        given = _given(path)
        engine = _from_log(configuration, given)
        return (
            _of_file(path, given, configuration, start)
            if engine is None
            else _of_log(*engine, path, given, configuration, start)
        )

    return build


def _of_log(
    recorded: Config, engine: Engine, path: str, given: Config | None, configuration: Record, start: Record
) -> Built | NoEngine:
    origin = f"the configuration in the log, record {configuration.seq}"
    if start.body.get("engine") in (None, bound(recorded, engine)):
        return Built(engine, origin)
    other = f"the configuration of record {configuration.seq} is not the one that the start of record {start.seq} says it ran with"
    if start.body.get("version") != __version__:
        if given is not None and given.hash == configuration.body.get("hash"):
            return Built(compile_engine(given.engine), f"{path}, which has the hash in record {configuration.seq}")
        return Built(engine, origin, f"{other}; this version of the keeper may only read it differently")
    if ORDER in configuration.body or (given is not None and order_of(given.public()) == order_of(recorded.public())):
        return NoEngine(f"{other}: run keeper audit CONFIG verify")
    return NoEngine(
        f"the log does not say in which order the names in the configuration of record {configuration.seq} were written, which earlier "
        f"versions of the keeper did not record, and {path} does not have the same names: give the file as it was"
    )


def _of_file(path: str, given: Config | None, configuration: Record, start: Record) -> Built | NoEngine:
    said, digest = start.body.get("engine"), configuration.body.get("hash")
    found = "cannot be read"
    if given is not None:
        engine, same = compile_engine(given.engine), given.hash == digest
        if said == bound(given, engine) or (same and (said is None or start.body.get("version") != __version__)):
            alike = (
                f"has the hash in record {configuration.seq}"
                if same
                else f"has the sources, markets, rules and actions that record {start.seq} ran with"
            )
            return Built(engine, f"{path}, which {alike}")
        found = f"has the hash {given.hash}"
    return NoEngine(
        f"it was decided with the configuration {digest} (record {configuration.seq}), of which the log holds too "
        f"little to use it, and {path} {found}: give the file as it was"
    )


def _from_log(configuration: Record, given: Config | None) -> tuple[Config, Engine] | None:
    """None where what was hidden in it (addresses with a password, say) is missed."""
    try:
        found = config_of(configuration, given)
    except ConfigurationError:
        return None
    return found, compile_engine(found.engine)


def _given(path: str) -> Config | None:
    try:
        return load(path, offline=True)
    except ConfigurationError:
        return None
