"""One run: the trip, the faults, the kills, the restarts, and block after block until all is done."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from keeper.devnet.relay import Fault as RelayFault
from keeper.devnet.relay import FaultKind, Relay
from keeper.devnet.world import Role
from keeper.domain.errors import StoreUnavailable
from tests.support.chaos.away import away
from tests.support.chaos.checks import Aftermath
from tests.support.chaos.ground import FULL, GAS_LIMIT, Ground
from tests.support.chaos.lives import Lives, Short, Whole
from tests.support.chaos.scenario import HOPELESS, Fault, Scenario
from tests.support.deaths import Step
from tests.support.forked_keeper import ForkedRunning
from tests.support.keeper_stage import PATIENCE_S

BROKEN = {
    Fault.RELAYS_HANG: FaultKind.HANG,
    Fault.RELAYS_REFUSE: FaultKind.REFUSES,
    Fault.RELAYS_LOSE: FaultKind.BURIES,
}
JUMP_MS = 3_600_000
MOST_BLOCKS = 80
MOST_OF_A_KIND = 3
PATIENT = 4
"""Blocks in which an impossible action may end by itself."""
AFTER_ALL = 3
"""Blocks after the end in which nothing more may happen."""


@dataclass
class Played:
    """What is known of a run when it is over. ``steps``: what its lives reached, in order; ``killed``: where they ended."""

    steps: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    blocks: int = 0
    end: str = ""


class Play:
    """``candidates`` are the steps at which it may be killed, each with its number; none where it is not."""

    def __init__(
        self,
        ground: Ground,
        folder: Path,
        scenario: Scenario,
        candidates: Sequence[tuple[str, int]],
        kind: type[Short | Whole] = Short,
    ) -> None:
        self._kind = kind
        self._lives: Lives
        self._ground = ground
        self._folder = folder
        self._scenario = scenario
        self._kills = [place(candidates, kill) for kill in scenario.kills] if candidates else []
        self._played = Played()
        self._run: ForkedRunning | None = None
        self._order = ""
        self._count = 0
        self._away = ExitStack()
        self._included: int | None = None
        self._reorged = False
        self._deaf = False
        self._no_log = False
        self._shut_out = False  # born while there is no log that could be opened: it waits for that
        self._full = False
        self._idle = 0
        self._relay: Relay | None = None

    async def run(self) -> Played:
        """Raises AssertionError where something does not hold."""
        await self._ground.reset()
        if self._scenario.route == "public":
            return await self._played_through(None)
        async with self._ground.relay(self._scenario.seed) as relay:
            return await self._played_through(relay)

    async def _played_through(self, relay: Relay | None) -> Played:
        ground, scenario = self._ground, self._scenario
        self._relay = relay
        self._first = await ground.node.block_number() + 1
        url = await ground.new_log(scenario.database, self._folder)
        self._url = url
        self._lives = self._kind(ground, self._folder, scenario, url, relay)
        self._after = Aftermath(
            ground,
            self._folder,
            url,
            self._first,
            hopeless=scenario.fault in HOPELESS,
            moot=scenario.fault is Fault.SOMEBODY_ELSE,
            route=scenario.route,
            public_after=scenario.public_after,
            quiet=not scenario.kills,
        )
        try:
            self._start()
            await self._handled()
            await self._course()
            await self._finish()
        finally:
            await self._end()
        if relay is not None and scenario.fault is not Fault.REORG:  # which makes it public, as it does outside
            self._after.sighted = await self._sighted(relay)
        await self._after.check()
        ends = [record.body for record in self._after.records() if record.kind == "outcome"]
        self._played.end = f"{ends[-1]['kind']}/{ends[-1]['reason']}" if ends else "nothing was left to do"
        return self._played

    async def _sighted(self, relay: Relay) -> list[tuple[str, int]]:
        hashes = [str(record.body["tx_hash"]) for record in self._after.records() if record.kind == "attempt"]
        found = [await relay.sighting(tx_hash) for tx_hash in hashes]
        return [(one.tx_hash, one.block) for one in found if one is not None]

    # -- the course -----------------------------------------------------------------------------------------------------------

    async def _course(self) -> None:
        """From the trip to the end of everything."""
        scenario = self._scenario
        if scenario.at == 0 or scenario.fault in HOPELESS:
            await self._begin()
        await self._lives.trip()
        begins, ends = scenario.at, scenario.at + scenario.blocks
        for number in range(1, MOST_BLOCKS):
            if number == begins and scenario.fault not in HOPELESS:
                await self._begin()
            await self._slot()
            if number == ends:
                await self._heal()
            late = number > ends and (number - ends) % PATIENT == 0
            if late and (scenario.fault in HOPELESS or scenario.fault is Fault.SOMEBODY_ELSE):
                # what builders cannot put into a block, as it would fail there, ends when its time is over
                self._lives.set_clock((number - ends) // PATIENT * JUMP_MS)
            if number > ends and self._run is not None and await self._settled():
                self._played.blocks = number
                return
        raise AssertionError(f"not done after {MOST_BLOCKS} blocks: {self._said()}")

    async def _slot(self) -> None:
        """One block, and the keeper has dealt with it, or has died of it."""
        if self._full:
            await self._ground.crowd()
        await self._block()
        await self._maybe_reorganise()
        if self._run is None:
            self._idle -= 1
            if self._idle <= 0:
                self._start()
        await self._handled()

    async def _block(self) -> None:
        if self._relay is not None:
            await self._relay.slots.next()
        else:
            await self._ground.node.rpc("evm_mine")
        await self._ground.public.settled()

    async def _maybe_reorganise(self) -> None:
        if self._scenario.fault is not Fault.REORG or self._reorged:
            return
        ground, number = self._ground, await self._ground.node.block_number()
        if self._included is None and await ground.sent(number):
            self._included = number
        if self._included is None or number < self._included + self._scenario.late:
            return
        self._reorged = True
        depth = self._scenario.late + 1
        if self._relay is not None:
            await self._relay.slots.reorganise(depth)
        else:
            await ground.node.rpc("anvil_rollback", depth)
        await ground.public.settled()
        if not self._scenario.kept:
            await ground.forget()
        for _ in range(depth):
            await self._block()

    async def _settled(self) -> bool:
        """Nothing is open, and the effect is there, or the action is known to be impossible."""
        if self._lives.has_open() or (self._scenario.fault is Fault.REORG and not self._reorged):
            return False
        if self._scenario.fault in HOPELESS:
            return any(page["severity"] == "critical" for page in self._after.pages())
        return await self._ground.world.paused("ETH-PERP") and await self._ground.waiting() == []

    async def _finish(self) -> None:
        """The action is not asked for any more, and in some more blocks nothing happens; then it is told to stop."""
        self._lives.calm()
        for _ in range(AFTER_ALL):
            await self._slot()
        code = await self._ended()
        if code == -signal.SIGKILL:  # on its way out, or before
            self._start()
            await self._slot()
            code = await self._ended()
        assert code == 0, self._said()

    async def _ended(self) -> int:
        """Of a life that is asked to end; one more begins where there is none."""
        while self._run is None:
            await self._slot()
        run, self._run = self._run, None
        code = await run.end()
        self._note(code)
        return code

    # -- lives ----------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        kill = self._kills[self._count] if self._count < len(self._kills) else None
        self._order = kill.order(signal.SIGKILL) if kill is not None else "observe"
        self._count += 1
        self._lives.born()
        self._shut_out = self._no_log
        trace = self._folder / f"trace-{self._count}"
        self._run = ForkedRunning(self._lives.arguments(trace, self._order), self._folder, program=self._lives.program)

    async def _handled(self) -> None:
        """Until the keeper has dealt with the newest block, or cannot see it, or is dead."""
        run = self._run
        if run is None:
            return
        newest = await self._ground.block()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (run.ended() or self._deaf or self._shut_out or self._lives.has_handled(newest)):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(self._lives.poll_s)
        except TimeoutError:
            raise AssertionError(f"it does not deal with the newest block: {self._said()}") from None
        if run.ended():
            code = await run.wait()
            assert code == -signal.SIGKILL, f"it ended with {code}: {self._said()}"
            self._note(code)
            self._run = None
            self._idle = self._scenario.idle

    def _note(self, code: int) -> None:
        trace = self._folder / f"trace-{self._count}"
        self._played.steps += trace.read_text("utf-8").splitlines() if trace.exists() else []
        if code == -signal.SIGKILL:
            self._played.killed.append(self._order.removeprefix("SIGKILL:"))

    async def _end(self) -> None:
        """Whatever is still there."""
        self._away.close()
        if self._run is not None:
            await self._run.__aexit__()

    def _said(self) -> str:
        run = self._run
        words = f"{run.out[-1500:]}{run.err[-1500:]}" if run is not None else "no keeper runs"
        try:
            kinds = [record.kind.value for record in self._after.records() if record.kind != "tick"]
        except StoreUnavailable:
            kinds = ["away"]
        return f"{self._scenario}; killed {self._played.killed}; log {kinds}; it said:\n{words}"

    # -- faults ---------------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:  # noqa: C901 - one line for each fault
        ground = self._ground
        match self._scenario.fault:
            case Fault.DATABASE_AWAY:
                self._away.enter_context(away(self._url))
                self._no_log = self._scenario.database == "postgres"
            case Fault.NODE_AWAY:
                self._deaf = True
                await ground.public.go_down()
            case Fault.NODE_HANGS:
                self._deaf = True
                ground.public.hang()
            case Fault.ANSWER_LOST:
                ground.public.lose_answers(self._scenario.blocks)
            case Fault.SWALLOWED:
                ground.public.swallow(self._scenario.blocks)
            case Fault.FORGOTTEN:
                await ground.forget()
            case Fault.CROWDED:
                self._full = True
                await ground.node.rpc("evm_setBlockGasLimit", hex(FULL))
            case Fault.NONCE_TAKEN:
                self._after.strangers.append(await ground.take_nonce())
            case Fault.SOMEBODY_ELSE:
                await ground.pause_by_somebody_else(first=self._scenario.kept)
            case Fault.CLOCK_FORWARD:
                self._lives.set_clock(JUMP_MS)
            case Fault.CLOCK_BACK:
                self._lives.set_clock(-JUMP_MS)
            case Fault.RELAYS_HANG | Fault.RELAYS_REFUSE | Fault.RELAYS_LOSE:
                assert self._relay is not None, "they are drawn for routes to builders alone"
                self._relay.inject(RelayFault(BROKEN[self._scenario.fault]))
            case Fault.NO_ROLE:
                await ground.world.revoke(Role.PAUSER, ground.key.address)
            case Fault.NO_FUNDS:
                await ground.node.set_balance(ground.key.address, 0)

    async def _heal(self) -> None:
        self._away.close()
        self._no_log = self._shut_out = False
        if self._full:
            self._full = False
            await self._ground.node.rpc("evm_setBlockGasLimit", hex(GAS_LIMIT))
        self._ground.public.heal()
        await self._ground.public.come_up()
        if self._relay is not None:
            self._relay.heal()
        self._deaf = False


def place(candidates: Sequence[tuple[str, int]], where: float) -> Step:
    """The step at this place of a list: half of the places are before a step, half after it."""
    half = int(where * 2 * len(candidates))
    name, nth = candidates[half // 2]
    return Step("after" if half % 2 else "before", name, nth)


def few(steps: Sequence[str]) -> list[tuple[str, int]]:
    """Each step with its number, in order; what is done at every block anew counts no more than a few times."""
    counted: Counter[str] = Counter()
    found: list[tuple[str, int]] = []
    for name in steps:
        counted[name] += 1
        if counted[name] <= MOST_OF_A_KIND:
            found.append((name, counted[name]))
    return found
