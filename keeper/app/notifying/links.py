"""Where to look further and what to type, for the end of a notice. Only the keeper's own words are in it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from urllib.parse import quote

from keeper.config.file import STDIN
from keeper.config.model import Config
from keeper.domain.matters import About, about_of
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice

RUNBOOKS = {
    "alert": "KeeperTripped",
    "blind": "KeeperBlind",
    "budget": "KeeperIntentOpenTooLong",
    "builders": "KeeperBuildersRefuse",
    "expiry": "KeeperIntentOpenTooLong",
    "fallback": "KeeperFallbackUsed",
    "fault/audit": "KeeperLogNotWritable",
    "fault/checkpoints": "KeeperCheckpointsLate",
    "fault/endpoint": "KeeperNodeDown",
    "fault/heads": "KeeperNoBlocks",
    "fault/log": "KeeperLogBroken",
    "fault/quorum": "KeeperNoQuorum",
    "fault/readiness": "KeeperActionNotReady",
    "fault/source": "KeeperSourceDown",
    "fault/witness": "KeeperNodeDisagrees",
    "fault": "KeeperFault",
    "gap": "KeeperBlocksLost",
    "incident": "KeeperTripped",
    "no-log": "KeeperLogNotWritable",
    "outcome": "KeeperActionFailed",
    "proposal": "KeeperCouncilWaiting",
    "quorum": "KeeperNoQuorum",
    "refused": "KeeperIntentOpenTooLong",
    "reorg": "KeeperReorgs",
    "replicas": "KeeperLeaderChanges",
}
"""By the beginning of a key; the longest counts."""


def runbook_of(key: str) -> str:
    """The file that says what to do; empty where there is none."""
    first, _, rest = key.partition("/")
    longer = f"{first}/{rest.partition(':')[0]}"
    name = RUNBOOKS.get(longer) or RUNBOOKS.get(first)
    return f"docs/runbooks/{name}.md" if name else ""


@dataclass(frozen=True, slots=True)
class Links:
    """``pages`` is the address of the keeper's own pages, empty for none; ``config`` the configuration as a shell reads it."""

    pages: str = ""
    config: str = "CONFIG"
    keeper: str = ""

    def on(self, notice: Notice) -> Notice:
        """The notice with its links; those that it has already come first."""
        return replace(notice, links=tuple(dict.fromkeys([*notice.links, *self._lines(notice)])))

    def _lines(self, notice: Notice) -> list[str]:
        about = about_of(notice.key)
        found: list[str] = []
        incident = next((key for key in (notice.key, notice.within) if key.startswith("incident/")), "")
        if incident:
            name = incident.partition("/")[2]
            found.append(
                f"page {self.pages}/incidents/{quote(name, safe='')}"
                if self.pages
                else f"keeper incidents {self.config} show {name}"
            )
        elif about is About.FAULTS:
            found.append(f"page {self.pages}/status" if self.pages else f"keeper status {self.config}")
        if not notice.ends and notice.severity is not Severity.INFO and (runbook := runbook_of(notice.key)):
            found.append(f"runbook {runbook}")
        if notice.severity is Severity.CRITICAL and not notice.ends:
            found.append(f"acknowledge: keeper notify {self.config} ack {shlex.quote(notice.key)}")
        return [*found, f"keeper {self.keeper}"] if self.keeper else found


def links_of(config: Config) -> Links:
    """By the configuration; one that came on standard input has no name."""
    pages = config.http.url.rstrip("/") if config.http is not None else ""
    name = f"{config.keeper.name} on chain {config.chain.id}"
    return Links(pages, shlex.quote(config.path) if config.path != STDIN else "CONFIG", name)
