"""Whether each key can pay for what it may have to send, and whether its next nonce is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keeper.app.faults import Faults
from keeper.domain.action import UPKEEP_LANE, Action
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Refused
from keeper.domain.verdict import Severity
from keeper.execution.executor import Edges, Executor
from keeper.execution.pen import Pen
from keeper.execution.planner import ArmedAction
from keeper.ports.chain import PoolReader

GAS_GUESS = 300_000
"""Gas assumed for the balance check while an action has no limit of its own and could not be estimated."""
FEE_MARGIN = 4
"""The balance should pay for an action at four times the fee of the newest block."""
STUCK_BLOCKS = 10
"""A transaction of the keeper's own that waits in front for so many blocks holds up whatever comes after it."""
GAS_BUDGET = (
    "raise `limits.gas_budget_eth_per_action` or `gas_budget_eth_per_day`, or act by hand if the market is at risk"
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an action would not work although its call would go through."""

    reason: str
    message: str
    remedy: str


@dataclass(slots=True)
class _Front:
    """The first nonce that is not mined, and the block since which something waits with it."""

    nonce: int
    since: int


class KeyWatch:
    """``payer`` says whose key pays for an action, None where the owners of a Safe do. Not ``live``: nonces may be another keeper's."""

    def __init__(
        self,
        edges: Edges,
        executor: Executor,
        armed: Mapping[tuple[str, str], ArmedAction],
        faults: Faults,
        payer: Callable[[Action], Pen | None],
        *,
        live: bool,
    ) -> None:
        self._edges = edges
        self._executor = executor
        self._armed = armed
        self._faults = faults
        self._payer = payer
        self._live = live
        self._fronts: dict[str, _Front] = {}
        self._obstacles: dict[str, Obstacle] = {}

    async def look(self, head: BlockStamp) -> None:
        """At every key, by what the last refresh said of it. Raises OutsideError."""
        for lane in self._edges.senders:
            pen = self._executor.lanes.named(lane)
            self._balance(lane, pen, head.next_base_fee_wei)
            if self._live and isinstance(self._edges.chain, PoolReader) and pen.lane is not None:
                await self._nonce(lane, pen, self._edges.chain, head)

    def obstacle(self, armed: ArmedAction) -> Obstacle | None:
        """What the key that pays for this action lacks; None when nothing."""
        pen = self._payer(armed.action)
        if pen is None or pen.lane is None:
            return None
        found = self._obstacles.get(pen.sender or "")
        if found is None and (why := self._executor.over_budget(armed)):
            return Obstacle("gas-budget", why, GAS_BUDGET)
        cost = pen.first_cost_wei(armed)
        if found is None and pen.lane.balance_wei < cost:
            message = f"{pen.sender} has {pen.lane.balance_wei} wei, and a first offer costs {cost} wei"
            return Obstacle("balance-low", message, f"send ETH to {pen.sender}")
        return found

    def _balance(self, name: str, pen: Pen, next_base_fee_wei: int) -> None:
        """Of the key of this lane, which is empty for the first one."""
        part = f"balance:{name}" if name else "balance"
        if pen.lane is None:
            return
        paid = [each.action.gas_limit or GAS_GUESS for each in self._armed.values() if self._payer(each.action) is pen]
        gas = sum(paid) or (GAS_GUESS if name == UPKEEP_LANE else 0)
        needed = gas * (next_base_fee_wei + pen.lane.priority_fee_wei) * FEE_MARGIN
        if pen.lane.balance_wei < needed:
            what = "every armed action" if paid else "a transaction of the keeper's own"
            message = f"{pen.sender} has {pen.lane.balance_wei} wei; {needed} wei would pay for {what}"
            severity = Severity.CRITICAL if paid else Severity.WARNING  # a pause does not wait for the keeper's own
            self._faults.down(part, "low", message, f"send ETH to {pen.sender}", severity=severity)
        else:
            self._faults.up(part)

    async def _nonce(self, name: str, pen: Pen, pool: PoolReader, head: BlockStamp) -> None:
        """What the pool holds of this key: all of it should be the keeper's own, and none of it old."""
        assert pen.lane is not None, "the caller has looked"
        sender, part = pen.sender or "", f"nonce:{name}" if name else "nonce"
        try:
            pending = await pool.pending_nonce(sender)
        except Refused:
            return  # a node without a view of the pool
        waiting = range(pen.lane.nonce, pending)
        foreign = [nonce for nonce in waiting if not pen.ours(nonce)]
        front = self._fronts.get(name)
        if front is None or front.nonce != pen.lane.nonce or not waiting:
            front = self._fronts[name] = _Front(pen.lane.nonce, head.number)
        if foreign:
            message = (
                f"a transaction of {sender} with nonce {foreign[0]} waits to be mined, and the keeper did not make it"
            )
            remedy = "if you did not send it, the key is stolen: revoke it now; else wait until it is mined, and never use the key elsewhere"
            found = Obstacle("foreign-transaction", message, remedy)
        elif waiting and head.number - front.since >= STUCK_BLOCKS:
            message = f"the transaction of {sender} with nonce {pen.lane.nonce} waits since block {front.since}: what comes after it waits too"
            found = Obstacle("nonce-stuck", message, "raise `gas_budget_eth_per_action`, or replace it by hand")
        else:
            self._obstacles.pop(sender, None)
            self._faults.up(part)
            return
        self._obstacles[sender] = found
        self._faults.down(part, found.reason, found.message, found.remedy, severity=Severity.CRITICAL)
