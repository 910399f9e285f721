"""What will run out before it has worked: told while there is still time to act by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from keeper.domain.verdict import Severity
from keeper.execution.work import Work
from keeper.ports.clock import Clock
from keeper.ports.notifier import Notice

SHARE_LEFT = 4
"""Told when less than this part (a quarter) of the time is left."""


class Expiries:
    """``works`` are those that are open. The terms of trips at a breaker contract are followed with every block (``breakers.following``)."""

    def __init__(self, works: Callable[[], Iterable[Work]], clock: Clock, tell: Callable[[Notice], None]) -> None:
        self._works = works
        self._clock = clock
        self._tell = tell
        self._told: set[str] = set()

    async def look(self) -> None:
        """Tells each once."""
        now_ms = self._clock.now_ms()
        open_ids = set()
        for work in self._works():
            intent = work.intent
            open_ids.add(intent.id)
            left_ms, whole_ms = intent.expires_ms - now_ms, intent.expires_ms - intent.created_ms
            if intent.id in self._told or left_ms * SHARE_LEFT > whole_ms or left_ms <= 0:
                continue
            self._told.add(intent.id)
            self._tell(_notice(work, left_ms))
        self._told &= open_ids


def _notice(work: Work, left_ms: int) -> Notice:
    intent = work.intent
    title = f"{intent.market}: {intent.action} runs out in {max(1, left_ms // 1000)} s"
    trouble = f"\nlast trouble: {work.trouble.message}" if work.trouble is not None else ""
    body = (
        f"It is {intent.state} after {len(intent.attempts)} attempts, and has no effect yet (intent {intent.id}).{trouble}\n"
        "After that it is not sent any more, and decided anew after its `retry`. Be ready to act by hand."
    )
    subject = f"{intent.market}/{intent.action}"  # its outcome settles it
    within = f"incident/{intent.incident}"
    return Notice(f"expiry/{intent.id}", title, body, Severity.CRITICAL, within=within, subject=subject)
