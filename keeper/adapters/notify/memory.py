"""The shipped fake: keeps notices instead of delivering them."""

from __future__ import annotations

from keeper.ports.notifier import Delivery, Notice


class MemoryNotifier:
    """``notices`` holds what was delivered, in order; while ``broken`` is set every delivery has that result instead."""

    def __init__(self, name: str = "memory", *, broken: Delivery | None = None) -> None:
        self._name = name
        self.notices: list[Notice] = []
        self.broken = broken

    @property
    def name(self) -> str:
        """For records and metrics."""
        return self._name

    async def notify(self, notice: Notice) -> Delivery:
        """Keeps the notice, or answers what ``broken`` says."""
        if self.broken is not None:
            return self.broken
        self.notices.append(notice)
        return Delivery(delivered=True)

    async def close(self) -> None:
        """Nothing to let go of; the notices stay readable."""
