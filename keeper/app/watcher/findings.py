"""What is wrong, as the watcher sees it: what the log says held against a node of its own, each cause in words of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from keeper.domain.verdict import Severity

START_MS = 10_000
"""So long a keeper may take from its start to its first block."""
GRACE_MS = 1_500
"""What has not lasted so long is a record on its way or a request that is repeated."""
LATE_MS = 5_000
"""A keeper that goes on is told to be behind from here on: where blocks come several a second, its records always come some blocks later."""
FAR = 8
"""Or when it is so many times ``silent`` behind."""
STILL_WRITES_MS = 2_000
"""A record so much later than the newest evaluated block is of a process that lives."""


class Matter(StrEnum):
    KEEPER_GONE = "keeper-gone"
    KEEPER_BLIND = "keeper-blind"
    KEEPER_STOPPED = "keeper-stopped"
    KEEPER_BEHIND = "keeper-behind"
    DATABASE = "database"
    CHAIN_STANDS = "chain-stands"
    OWN_NODE = "own-node"
    OWN_NODE_BEHIND = "own-node-behind"
    MISSED = "missed"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Finding:
    """``subject`` tells apart what has the same matter: a market, an action."""

    matter: Matter
    title: str
    body: str
    severity: Severity = Severity.CRITICAL
    subject: str = ""

    @property
    def key(self) -> str:
        return f"watch/{self.matter}/{self.subject}" if self.subject else f"watch/{self.matter}"


@dataclass(frozen=True, slots=True)
class LogView:
    """The log at one moment, in Unix ms. ``trouble`` are the words of the keeper's newest fault of heads or reads that has not ended.

    ``started_ms`` is when the newest start was recorded.
    """

    evaluated: int | None = None
    evaluated_ms: int = 0
    last_ms: int = 0
    started: bool = False
    stopped: bool = False
    trouble: str = ""
    started_ms: int = 0


@dataclass(slots=True)
class ChainView:
    """A node of the watcher's own. ``heard_ms`` is when its newest block was heard of, monotonic; ``away`` says why it does not answer."""

    number: int | None = None
    heard_ms: float = 0.0
    away: str = ""
    away_ms: float = 0.0


@dataclass(slots=True)
class Judge:
    """``silent`` counts blocks. Keeps since when something looks wrong, so that what passes by itself is told to nobody."""

    silent: int
    stands_ms: int
    _behind_ms: float | None = None
    _advanced_ms: float = 0.0
    _evaluated: int | None = None
    _no_log_ms: float | None = None
    _last: LogView = field(default_factory=LogView)
    _start: float | None = None
    _heads: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=256))

    def judge(self, chain: ChainView, asked_at: int | None, log: LogView | str, now_ms: float) -> list[Finding]:
        """``asked_at`` is the chain's newest block before the log was asked; ``log`` in words: why it could not be read. ``now_ms`` is monotonic."""
        found: list[Finding] = []
        if isinstance(log, str):
            self._no_log_ms = now_ms if self._no_log_ms is None else self._no_log_ms
            if now_ms - self._no_log_ms >= GRACE_MS:
                found.append(_no_database(log, self._last))
        else:
            self._no_log_ms, self._last = None, log
            if log.evaluated != self._evaluated:
                self._evaluated, self._advanced_ms = log.evaluated, now_ms
        if chain.away and now_ms - chain.away_ms >= GRACE_MS:
            found.append(self._no_node(chain, now_ms))
        elif not chain.away and not isinstance(log, str):
            found += self._held_against(chain, asked_at, log, now_ms)
        return found

    def _held_against(self, chain: ChainView, asked_at: int | None, log: LogView, now_ms: float) -> list[Finding]:
        if asked_at is None:
            return []
        evaluated = -1 if log.evaluated is None else log.evaluated
        if not self._heads or self._heads[-1][0] != asked_at:
            self._heads.append((asked_at, now_ms))
        if asked_at - evaluated < self.silent:
            self._behind_ms = None
        elif self._behind_ms is None:
            self._behind_ms = now_ms
        if self._behind_ms is not None:
            advances = now_ms - self._advanced_ms < GRACE_MS and log.evaluated is not None
            starting = self._is_starting(log, now_ms)
            passing = starting or now_ms - self._behind_ms < GRACE_MS
            passing = passing or (advances and self._is_near(asked_at, evaluated, now_ms))
            return [] if passing else [_silent(log, asked_at, advances=advances)]
        if chain.number is not None and evaluated - chain.number >= self.silent:
            return [_own_node_behind(chain.number, evaluated)]
        quiet_ms = now_ms - chain.heard_ms
        if quiet_ms >= self.stands_ms:
            return [_stands(chain.number, quiet_ms)]
        return []

    def _is_starting(self, log: LogView, now_ms: float) -> bool:
        """Whether it was started a moment ago and may still come to its first block; one that dies and starts again and again gets no more time."""
        if log.stopped or log.started_ms <= log.evaluated_ms:
            self._start = None
            return False
        if self._start is None:
            self._start = now_ms
        return now_ms - self._start < START_MS

    def _is_near(self, head: int, evaluated: int, now_ms: float) -> bool:
        """Whether the first block that the keeper has not evaluated came a moment ago."""
        since_ms = next((at_ms for number, at_ms in self._heads if number > evaluated), now_ms)
        return head - evaluated < FAR * self.silent and now_ms - since_ms < LATE_MS

    def _no_node(self, chain: ChainView, now_ms: float) -> Finding:
        quiet_ms = now_ms - self._advanced_ms
        title = "the watcher's own node does not answer"
        if quiet_ms < self.stands_ms:
            return Finding(
                Matter.OWN_NODE,
                title,
                f"{chain.away}\nThe keeper evaluates blocks, as its log says; trips that it misses are not seen meanwhile.",
                Severity.WARNING,
            )
        quiet = f"The keeper's log has no new block for {quiet_ms / 1000:.0f} s either"
        body = f"{chain.away}\n{quiet}: the chain stands, or the keeper does. Look by hand."
        return Finding(Matter.OWN_NODE, title, body)


def _silent(log: LogView, head: int, *, advances: bool) -> Finding:
    newest = (
        "no block was ever evaluated" if log.evaluated is None else f"the newest evaluated block is {log.evaluated}"
    )
    numbers = f"{newest}, and the chain is at block {head}"
    if not log.started:
        return Finding(Matter.KEEPER_GONE, "no keeper was ever started", f"{numbers}.\nStart it: keeper run CONFIG")
    if advances:
        title = f"the keeper is {head - (log.evaluated or 0)} blocks behind"
        return Finding(Matter.KEEPER_BEHIND, title, f"It goes on, but {numbers}.\nLook at its node and its machine.")
    if log.stopped:
        return Finding(Matter.KEEPER_STOPPED, "the keeper was stopped", f"{numbers}.\nNobody watches: start it again.")
    if log.trouble or log.last_ms - log.evaluated_ms >= STILL_WRITES_MS:
        why = log.trouble or "it still writes records"
        body = f"The process lives ({why}), but {numbers}.\nLook at its nodes: keeper doctor CONFIG"
        return Finding(Matter.KEEPER_BLIND, "the keeper is alive and blind", body)
    body = (
        f"{numbers[0].upper()}{numbers[1:]}, and nothing was recorded since.\n"
        "The process is gone, hangs, or has lost its database: start it again."
    )
    return Finding(Matter.KEEPER_GONE, "the keeper is gone", body)


def _no_database(why: str, last: LogView) -> Finding:
    known = (
        f"block {last.evaluated} was evaluated when it could be read last"
        if last.evaluated is not None
        else "it was never read"
    )
    body = f"{why}\nNobody can say from here whether the keeper lives; {known}. The watcher goes on watching the chain by itself."
    return Finding(Matter.DATABASE, "the keeper's database cannot be read", body)


def _own_node_behind(own: int, evaluated: int) -> Finding:
    body = f"It is at block {own}, and the keeper has evaluated block {evaluated}: the keeper is well, and trips that it misses are seen late."
    return Finding(Matter.OWN_NODE_BEHIND, "the watcher's own node is behind", body, Severity.WARNING)


def _stands(number: int | None, quiet_ms: float) -> Finding:
    body = f"There is no block after {number} for {quiet_ms / 1000:.0f} s, for the keeper and for the watcher alike. The keeper is not to blame."
    return Finding(Matter.CHAIN_STANDS, "the chain stands", body)
