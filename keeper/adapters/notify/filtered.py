"""A receiver that wants only some of what there is to tell."""

from __future__ import annotations

from keeper.domain.matters import RANK, Policy
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice, Notifier


class Filtered:
    """Passes on what its policy wants, and every end: whoever sends one knows that its beginning was told here.

    The rest is suppressed, which is neither a delivery nor a failure. ``keyed``: the receiver tells alerts apart by their keys.
    """

    def __init__(self, inner: Notifier, policy: Policy | Severity, *, keyed: bool = False) -> None:
        self._inner = inner
        self.policy = Policy(min_severity=policy) if isinstance(policy, Severity) else policy
        self.keyed = keyed

    @property
    def name(self) -> str:
        """The inner one's."""
        return self._inner.name

    async def notify(self, notice: Notice) -> Delivery:
        """Delivers once, or says why not."""
        if notice.ends or self.policy.wants(notice.key, notice.severity):
            return await self._inner.notify(notice)
        reason = "this receiver is not told of such matters"
        if RANK[notice.severity] < RANK[self.policy.min_severity]:
            reason = f"{notice.severity} is below {self.policy.min_severity}, the least this receiver wants"
        return Delivery(delivered=False, suppressed=True, message=reason)

    async def close(self) -> None:
        """Closes the inner one."""
        await self._inner.close()
