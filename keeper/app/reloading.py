"""A changed configuration for a running keeper: asked for by SIGHUP or by ``keeper reload``, checked, built, and only then put in the other's place.

``keeper reload`` leaves its wish in the log, as ``keeper switch`` does, so that it reaches the keeper wherever that runs, and what came of it stands
there too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from keeper.app import reload_records as words
from keeper.app.parts import Parts
from keeper.app.service import Service
from keeper.app.wiring import build
from keeper.config.model import Config
from keeper.domain.decision import IncidentPhase
from keeper.domain.errors import (
    AuditError,
    ConfigurationError,
    KeeperError,
    OutsideError,
    Problem,
    Unreachable,
    WrongChain,
)
from keeper.domain.record import Draft, Record, RecordKind, RecordQuery
from keeper.ports.audit import AuditStore

POLL_S = 1.0
PAGE = 100
REACH_S = 15.0
"""So long the nodes of the new configuration have to answer."""
ASK_AGAIN_S = 0.5
RESTART = "restart the keeper for this: it cannot change while it runs"
PUT_BACK = "restart the keeper with this file, or put the old values back; until then the old configuration goes on"


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants the configuration taken over; ``record`` is 0 for a signal."""

    record: int = 0


class Wishes:
    """What was asked for since the process began, oldest first; ``asked`` is set by a signal. One for the whole process."""

    def __init__(self, store: AuditStore, asked: asyncio.Event) -> None:
        self._store = store
        self._asked = asked
        self._seen: int | None = None
        self._back: Wish | None = None

    async def begin(self) -> None:
        """What is asked for from here on is answered, whenever somebody waits for it."""
        if self._seen is None:
            with suppress(AuditError):  # then what is asked for from the first answer on
                self._seen, _ = await self._store.head()

    async def next(self) -> Wish:
        """Waits for one; those that wait together are one. What was asked for before the process began is not answered."""
        if self._back is not None:
            wish, self._back = self._back, None
            return wish
        while True:
            newest = await self._read()
            if self._asked.is_set() or newest is not None:
                self._asked.clear()
                return Wish(newest or 0)
            try:
                await asyncio.wait_for(self._asked.wait(), POLL_S)
            except TimeoutError:
                continue

    def put_back(self, wish: Wish) -> None:
        """Nobody answered it; it is the next one."""
        self._back = wish

    async def _read(self) -> int | None:
        try:
            if self._seen is None:
                self._seen, _ = await self._store.head()
            found: list[Record] = []
            seen = self._seen
            while page := await self._store.page(RecordQuery(kinds=(RecordKind.JOB,), after=seen, limit=PAGE)):
                found += [record for record in page if words.is_asked(record)]
                seen = page[-1].seq
        except AuditError:
            return None  # that is told elsewhere
        self._seen = seen  # only now: whoever is cut off in between reads it again
        return found[-1].seq if found else None


class Reloading:
    """For one service. ``again`` reads the configuration and raises ConfigurationError; ``wishes`` are of the process."""

    def __init__(self, parts: Parts, service: Service, again: Callable[[], Config], wishes: Wishes) -> None:
        self._parts = parts
        self._service = service
        self._again = again
        self._wishes = wishes
        self._log = structlog.get_logger("keeper")

    async def next(self) -> Parts:
        """Waits for parts that can take over; what cannot is refused and told, and the service goes on."""
        while True:
            wish = await self._wishes.next()
            try:
                return await self._prepare(wish)
            except KeeperError as error:
                self._refuse(wish, error)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a new configuration must not end the old one
                self._log.exception("a configuration could not be prepared")
                self._refuse(
                    wish, KeeperError(f"it could not be prepared: {type(error).__name__}", remedy="see the log")
                )

    async def _prepare(self, wish: Wish) -> Parts:
        parts = await _prepared(self._parts, self._again, self._service.open_incidents)
        config = parts.config
        self._log.info("another configuration takes over", old=self._parts.config.hash, new=config.hash)
        self._service.told(self._draft(words.APPLIED, wish, "it takes over", config.hash))
        return parts

    def _refuse(self, wish: Wish, error: KeeperError) -> None:
        lines = lines_of(error)
        self._log.error("the configuration is refused; the old one goes on", problems=lines, remedy=error.remedy)
        message = "; ".join(lines)
        self._service.told(self._draft(words.REFUSED, wish, message, ""), message, error.remedy)

    def _draft(self, state: str, wish: Wish, message: str, new: str) -> Draft:
        return words.answer(self._parts.edges.clock.now_ms(), state, wish.record, message, self._parts.config.hash, new)


async def standing_reload(parts: Parts, again: Callable[[], Config]) -> Parts | None:
    """The same for a replica that stands by, which writes nothing to the log: its program's log has what came of it. None: it was refused."""
    log = structlog.get_logger("keeper")

    try:
        left_open = await _left_open(parts)
        following = await _prepared(parts, again, lambda: left_open, patient=False)
    except KeeperError as error:
        log.error("the configuration is refused; the standby keeps the old one", problems=lines_of(error))
    except Exception:
        log.exception("a configuration could not be prepared; the standby keeps the old one")
    else:
        log.info("standing by with another configuration", old=parts.config.hash, new=following.config.hash)
        return following
    return None


async def _left_open(parts: Parts) -> dict[str, str]:
    """The incident of each market that has one, as the log has it. Raises StoreUnavailable."""
    found = {}
    for market in parts.config.engine.markets:
        query = RecordQuery(market=market.name, kinds=(RecordKind.INCIDENT,), newest_first=True, limit=1)
        for record in await parts.edges.store.page(query):
            if record.incident is not None and record.body.get("phase") != IncidentPhase.CLOSED.value:
                found[market.name] = record.incident
    return found


async def _prepared(
    parts: Parts, again: Callable[[], Config], incidents: Callable[[], dict[str, str]], *, patient: bool = True
) -> Parts:
    """Parts that can take over from ``parts``. Raises KeeperError."""
    config = await asyncio.to_thread(again)
    if problems := unchangeable(parts, config, incidents()):
        raise ConfigurationError(problems, remedy=PUT_BACK)
    following = await build(config, parts)
    try:
        await reach(following, patient=patient)
    except BaseException:
        await following.close(keep_log=True)
        raise
    return following


def lines_of(error: KeeperError) -> list[str]:
    """Every problem on a line of its own."""
    if not isinstance(error, ConfigurationError) or not error.problems:
        return [error.message]
    return [_line(problem) for problem in error.problems]


def _line(problem: Problem) -> str:
    place = f"line {problem.line}, " if problem.line is not None else ""
    found = f" (found: {problem.found})" if problem.found and "${" not in problem.found else ""
    hint = f": {problem.hint}" if problem.hint else ""
    return f"{place}{problem.path}: {problem.message}{found}{hint}"


def unchangeable(parts: Parts, new: Config, incidents: dict[str, str]) -> tuple[Problem, ...]:
    """What is another in ``new`` and cannot be in a running process. ``incidents`` by market are open."""
    old = parts.config
    pairs: list[tuple[str, object, object]] = [
        ("keeper.mode", old.keeper.mode, new.keeper.mode),
        ("chain.id", old.chain.id, new.chain.id),
        ("audit.url", old.audit.url, new.audit.url),
        ("audit.spool", old.audit.spool, new.audit.spool),
        ("audit.act_without_log", old.audit.act_without_log, new.audit.act_without_log),
        ("keeper.replicas", getattr(old.keeper, "replicas", None), getattr(new.keeper, "replicas", None)),
    ]
    problems = [Problem(path, None, "", "is another", RESTART) for path, was, now in pairs if was != now]
    if _sender(old) != _sender(new):
        problems.append(Problem("signer", None, "", "is another", RESTART))
    markets = {market.name for market in new.engine.markets}
    for market in sorted(incidents.keys() - markets):
        message = f"has the open incident {incidents[market]}, and is left out"
        problems.append(Problem(f"markets.{market}", None, "", message, "wait until it is over, or restart the keeper"))
    return tuple(problems)


def _sender(config: Config) -> tuple[str, object]:
    """Who signs; a key that was put elsewhere is the same to the chain, and still another to a process that holds one."""
    return repr(config.signer), repr(config.lanes)


async def reach(parts: Parts, *, patient: bool = True) -> None:
    """The nodes of the new configuration answer in time, and serve its chain; one that is away for a moment is asked again. Raises OutsideError.

    Not ``patient``: they are asked once. A standby takes no lease meanwhile, so it must not wait for them.
    """
    chain_id, clock = parts.config.chain.id, parts.edges.clock
    ends_ms = clock.monotonic_ms() + REACH_S * 1000
    while True:
        try:
            served = await asyncio.wait_for(parts.edges.chain.chain_id(), (ends_ms - clock.monotonic_ms()) / 1000)
            break
        except TimeoutError:
            raise Unreachable(
                "no node of `chain.endpoints` answers", remedy="correct the addresses, or wait until a node is up"
            ) from None
        except OutsideError:
            if not patient or clock.monotonic_ms() + ASK_AGAIN_S * 1000 >= ends_ms:
                raise
        await clock.sleep(ASK_AGAIN_S)
    if served != chain_id:
        raise WrongChain(
            f"the node serves chain {served}, and the configuration says {chain_id}", remedy="correct the endpoint"
        )
