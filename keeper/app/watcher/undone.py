"""What the keeper did and the chain does not show any more, in an incident that is still open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.app.watcher.findings import Finding, Matter
from keeper.app.watcher.log_side import LogSide
from keeper.domain.verdict import Severity
from keeper.execution.planner import ArmedAction

Key = tuple[str, str]


@dataclass(slots=True)
class _Missing:
    """An effect that should be there and is not, since this block."""

    intent: str
    since: int


class Undone:
    """``armed`` are the actions whose effect can be told from the chain alone; what is missing for ``blocks`` is a finding."""

    def __init__(self, armed: Mapping[Key, ArmedAction], log: LogSide, blocks: int) -> None:
        self._armed = armed
        self._log = log
        self._blocks = blocks
        self._missing: dict[Key, _Missing] = {}

    async def look(self, head: int, effects: Mapping[Key, str]) -> list[Finding]:
        """``effects`` as they were read at the block ``head``. Raises AuditError.

        Only what was done in an incident that is open is asked about: on a calm day one question, whatever the number of actions.
        """
        lacking = {key: self._armed[key] for key, text in effects.items() if self._lacks(key, text)}
        markets = await self._log.troubled() if lacking else frozenset[str]()
        for key in self._armed:
            if key not in effects:
                continue  # nobody knows; what was found stands
            intent = await self._log.worked(*key) if key in lacking and key[0] in markets else None
            if intent is None:
                self._missing.pop(key, None)
            elif key not in self._missing or self._missing[key].intent != intent:
                self._missing[key] = _Missing(intent, head)
        return [_not_there(key, each) for key, each in self._missing.items() if head - each.since >= self._blocks]

    def _lacks(self, key: Key, text: str) -> bool:
        return key in self._armed and not self._armed[key].in_effect(text)


def _not_there(key: Key, missing: _Missing) -> Finding:
    market, action = key
    body = (
        f"By the log it worked ({missing.intent}) in an incident that is still open, and since block {missing.since} "
        "the chain does not show it.\nWho undid it? keeper incidents CONFIG"
    )
    return Finding(
        Matter.UNDONE, f"{market}: {action} is not in effect any more", body, Severity.WARNING, f"{market}/{action}"
    )
