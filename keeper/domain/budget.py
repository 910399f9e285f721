"""What gas may cost at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """In wei; None: no limit. ``per_action_wei`` is for one intent, one of whose attempts is mined at most; ``per_day_wei`` for any 24 hours."""

    per_action_wei: int | None = None
    per_day_wei: int | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.per_action_wei is not None or self.per_day_wei is not None


NO_BUDGET = Budget()
