"""Sends what is due at a breaker contract, one transaction at a time and only while nothing else of the key is on its way: a pause goes first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from keeper.app import records
from keeper.app.breakers import words
from keeper.app.breakers.own import NOBODY, Key, expire_key, heartbeat_key, is_own, own_actions
from keeper.app.breakers.registered import Answers, Contract
from keeper.app.faults import Faults
from keeper.app.notices import GOOD
from keeper.domain.block import BlockStamp
from keeper.domain.circuit_breaker import HEARTBEAT, BreakerStatus, utc
from keeper.domain.errors import Refused
from keeper.domain.outcome import Outcome
from keeper.execution.edges import Edges
from keeper.execution.executor import Executor
from keeper.execution.pen import GAS_MARGIN
from keeper.execution.planner import ArmedAction
from keeper.execution.reverts import explain, is_revert, revert_data
from keeper.execution.work import Order, Work
from keeper.ports.notifier import Notice

OTHERS_FIRST_S = 120
"""So long the end of a trip that another key sent is left to that one: two keepers that send it at once pay twice."""
AGAIN_MS = 300_000
"""After a failure it is left alone for so long, and twice as long after each further one."""
MOST_DOUBLINGS = 2
HEARTBEAT_GAS = 100_000
"""Twice what a sign of life needs, for a node that cannot estimate it: that must not let the key fall silent."""
TAKEN_UP_REST_MS = 60_000
"""After a sign of life of an earlier run: its receipt may be of a newer block than what was seen of the contract."""
NO_ESTIMATE = "no-gas-estimate"
WOULD_REVERT = "would-revert"


@dataclass(frozen=True, slots=True)
class _Due:
    """``rest_s``: when it has worked, not again before, whatever a view says: a node that lies must not make the key pay without end."""

    key: Key
    before: str
    why: str
    rest_s: int = 0


class Upkeep:
    """``live`` False: nothing is ever sent."""

    def __init__(
        self,
        contracts: Sequence[Contract],
        executor: Executor,
        edges: Edges,
        faults: Faults,
        *,
        live: bool,
        tell: Callable[[Notice], None],
    ) -> None:
        self._executor = executor
        self._armed = own_actions(contracts, edges.senders)
        self._accounts = edges.accounts
        self._clock = edges.clock
        self._faults = faults
        self._live = live
        self._tell = tell
        self._not_before_ms: dict[Key, float] = {}
        self._rest_ms: dict[Key, int] = {}
        self._failures: dict[Key, int] = {}

    async def keep_up(
        self,
        block: BlockStamp,
        seen: Sequence[tuple[Contract, Answers]],
        mine: Collection[tuple[str, str]],
    ) -> None:
        """The first thing that is due at this block. ``mine`` are the (contract, id) whose trip this keeper sent.

        Raises AuditError (then nothing was sent), OutsideError.
        """
        if not self._live or not self._armed:
            return
        works = self._executor.open_works
        if 0 < sum(is_own(work.key) for work in works) < len(works):
            # The action has the later nonce: it waits for a transaction that the node may have forgotten.
            await self._executor.rebroadcast()
        due = _signs_of_life(seen, block.timestamp_s) + _ends(seen, block.timestamp_s, mine)
        for key in self._armed.keys() - {one.key for one in due}:
            self._faults.up(_part(key), "not due any more")
        for one in due:
            if self._busy(one.key) or self._clock.monotonic_ms() < self._not_before_ms.get(one.key, 0):
                continue
            armed = await self._measured(one.key)
            if armed is not None and not self._busy(one.key):  # a rule may have tripped while the node was asked
                await self._send(one, armed, block)

    def ended(self, work: Work, outcome: Outcome) -> None:
        """An intent of the keeper's own ended; people hear of it only when it came to nothing."""
        if outcome.kind in GOOD:
            self._faults.up(_part(work.key))
            self._failures.pop(work.key, None)
            of_earlier_run = TAKEN_UP_REST_MS if work.key[0] == NOBODY else 0
            self._not_before_ms[work.key] = self._clock.monotonic_ms() + self._rest_ms.get(work.key, of_earlier_run)
            return
        self._put_off(work.key)
        self._tell(words.of_upkeep(work, outcome))

    def _busy(self, key: Key) -> bool:
        return self._executor.lanes.is_busy(self._armed[key].action, self._executor.open_works)

    def _put_off(self, key: Key) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._not_before_ms[key] = self._clock.monotonic_ms() + (AGAIN_MS << min(failures, MOST_DOUBLINGS))

    async def _measured(self, key: Key) -> ArmedAction | None:
        """The action with a gas limit of now: another undo call may cost more, or have nothing to do. None when it would revert, or nobody knows."""
        armed = self._armed[key]
        sender = self._executor.sender_of(armed.action)
        assert sender is not None, "without a key there are no actions of its own"
        try:
            gas = await self._accounts.gas(armed.call, sender)
        except Refused as refused:
            if not is_revert(refused):
                return self._not_measured(armed, refused)
            self._put_off(key)
            said = explain(revert_data(refused), refused.message)
            call = armed.action.call
            message = f"{call.signature} on {call.target} would revert: {said.text}"
            remedy = (
                said.remedy
                or "read the contract's reason; anyone may call expire, and the council may lift without the undo call"
            )
            self._faults.down(_part(key), WOULD_REVERT, message, remedy)
            return None
        return replace(armed, action=replace(armed.action, gas_limit=gas * GAS_MARGIN[0] // GAS_MARGIN[1]))

    def _not_measured(self, armed: ArmedAction, refused: Refused) -> ArmedAction | None:
        """The node does not estimate. What is due besides must not wait for it."""
        if armed.action.call.signature == HEARTBEAT:
            return replace(armed, action=replace(armed.action, gas_limit=HEARTBEAT_GAS))
        self._put_off(armed.key)
        remedy = "anyone may call expire; look at the node's limit for eth_estimateGas"
        self._faults.down(_part(armed.key), NO_ESTIMATE, f"no gas estimate: {refused.message}", remedy)
        return None

    async def _send(self, due: _Due, armed: ArmedAction, block: BlockStamp) -> None:
        now_ms = self._clock.now_ms()
        market, action = due.key
        said = records.job(now_ms, action, state="due", message=due.why)
        self._rest_ms[due.key] = due.rest_s * 1000
        # It belongs to no incident: none waits for it.
        order = Order(f"{market}/{action}/{block.number}/{now_ms}", "", armed, due.before, now_ms)
        await self._executor.act([(replace(said, market=market, action=action), order)], block, {})


def _ends(seen: Sequence[tuple[Contract, Answers]], now_s: int, mine: Collection[tuple[str, str]]) -> list[_Due]:
    """The trips that have run out, the oldest first."""
    found = []
    for contract, answers in seen:
        for breaker in contract.breakers:
            state = answers.states[breaker.id]
            patience_s = 0 if breaker.place in mine else OTHERS_FIRST_S
            if state.status is BreakerStatus.TRIPPED and now_s >= state.expires_at_s + patience_s:
                why = f"the trip of breaker {breaker.name} has run out at {utc(state.expires_at_s)}, and nobody has ratified it"
                found.append((state.expires_at_s, _Due(expire_key(breaker), str(int(state.status)), why)))
    return [due for _, due in sorted(found, key=lambda each: each[0])]


def _signs_of_life(seen: Sequence[tuple[Contract, Answers]], now_s: int) -> list[_Due]:
    """Where a key was last heard of too long ago: the interval of the route, or half of the contract's limit where that is shorter."""
    found = []
    keys = [(contract, answers, *each) for contract, answers in seen for each in answers.silent_at_s.items()]
    for contract, answers, lane, silent_at_s in keys:
        if not silent_at_s or now_s >= silent_at_s:
            continue  # it is no keeper there, or none any more: the call would revert
        heard_s = silent_at_s - answers.limit_s - 1
        interval_s = min(contract.heartbeat_ms // 1000, answers.limit_s // 2)
        if now_s - heard_s >= interval_s:
            why = (
                f"last heard of at {utc(heard_s)}, {now_s - heard_s} s ago; a sign of life is due every {interval_s} s"
            )
            found.append(_Due(heartbeat_key(contract, lane), str(silent_at_s), why, interval_s // 2))
    return found


def _part(key: Key) -> str:
    return f"upkeep:{key[0]}/{key[1]}"
