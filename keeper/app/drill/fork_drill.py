"""One drill on a fork: the keeper runs there as it would, something goes wrong on purpose, and the chain says what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from keeper.adapters.audit.verify import verify
from keeper.adapters.clock import SystemClock
from keeper.app.drill import on_chain
from keeper.app.drill.breach import Breach, Injector
from keeper.app.drill.plan import Asked, Target, chosen, not_before, sources_of, targets
from keeper.app.drill.report import NO_ACTION, ActionDrilled, DrillReport
from keeper.app.drill.searching import Found, acts, smallest_breach, tried
from keeper.app.drill.stand_in import CHAIN_ID, left_out, on_fork
from keeper.app.drill.watching import Watcher
from keeper.app.nodes import address_of
from keeper.app.parts import Parts
from keeper.app.service import Service
from keeper.app.wiring import build
from keeper.config import model
from keeper.devnet.anvil import Anvil
from keeper.domain.action import FunctionCall
from keeper.domain.errors import KeeperError, MalformedAnswer, OutsideError, SetupError, Unreachable
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.execution.planner import ArmedAction
from keeper.execution.work import Work

READY_S: Final = 60.0
CALM_TICKS: Final = 3
"""Evaluated before anything is changed."""
END_BLOCKS: Final = 40
"""After the trip, until what was decided has ended."""
ENOUGH_WEI: Final = 10**18
GOOD: Final = (OutcomeKind.INCLUDED, OutcomeKind.SUPERSEDED)


async def drill(
    config: model.Config, asked: Asked, folder: Path, say: Callable[[str], None], fork: str | None = None
) -> DrillReport:
    """Runs one. ``fork`` is the node whose chain is forked, None: the first primary. Raises KeeperError for what cannot begin."""
    asked_for = targets(config.engine, asked)
    url = fork or address_of(config.chain.primary)
    clock = SystemClock()
    async with AsyncExitStack() as opened:
        node = Anvil(
            chain_id=CHAIN_ID,
            block_time_s=asked.block_s,
            extra=("--fork-url", url, "--no-storage-caching"),
            start_timeout_s=READY_S,
        )
        try:
            await opened.enter_async_context(node)
        except SetupError as error:  # its words are what anvil wrote, and may hold the address with its key
            missing = "anvil cannot be run" in error.message or "no anvil" in error.message
            if missing:
                raise
            raise Unreachable(
                "a fork of the node did not start", remedy="does the node answer? give another one with --fork URL"
            ) from None
        say(f"fork of block {await node.block_number()}, {asked.block_s:g} s a block")
        stage = _Stage(on_fork(config, node.ws_url, folder), asked, node, say, clock.monotonic_ms)
        report = await stage.play(asked_for)
    return replace(report, at_ms=clock.now_ms(), left_out=left_out(config))


@dataclass
class _Stage:
    """``config`` is that of the fork."""

    config: model.Config
    asked: Asked
    node: Anvil
    say: Callable[[str], None]
    monotonic_ms: Callable[[], float]

    async def play(self, asked_for: Sequence[Target]) -> DrillReport:
        """From the start of the keeper to its end, and back."""
        parts = await build(self.config)
        injector = Injector()
        parts = replace(
            parts, chain_sources=injector.chain(parts.chain_sources), feed_sources=injector.feeds(parts.feed_sources)
        )
        watcher = Watcher(parts.engine, parts.engine.initial_state(), self.monotonic_ms)
        stop = asyncio.Event()
        began = await self.node.block_number()
        try:
            service = asyncio.create_task(Service(parts, watcher).run(stop))
            try:
                await self._until(
                    watcher, service, lambda: watcher.ticks >= CALM_TICKS, READY_S, "the keeper did not get ready"
                )
                report = await self._breach(parts, injector, watcher, service, asked_for)
            finally:
                stop.set()
                with suppress(asyncio.CancelledError):
                    await service
            report = replace(report, from_block=began, log_verified=self._verified())
            return replace(report, ok=report.ok and report.log_verified is True)
        finally:
            await parts.close()

    async def _breach(
        self,
        parts: Parts,
        injector: Injector,
        watcher: Watcher,
        service: asyncio.Task[None],
        asked_for: Sequence[Target],
    ) -> DrillReport:
        before = await self._effects(parts)
        done = {key: parts.armed[key].in_effect(text) for key, text in before.items()}
        target, found, problem = self._chosen(watcher, not_before(done, asked_for))
        if target is None or found is None:
            return _nothing(problem, asked_for[0])
        snapshot = await self.node.rpc("evm_snapshot")
        self.say(f"{target.market}: {found.breach}, so that {target.rule} trips within {found.ticks} blocks")
        watcher.expect(target.market, target.rule)
        begun_ms = self.monotonic_ms()
        how = await self._inject(injector, found.breach)
        self.say(f"  changed {how}")
        wait_s = min(self.asked.patience_s, (found.ticks + END_BLOCKS) * self.asked.block_s + 10)
        with suppress(KeeperError):
            await self._until(watcher, service, lambda: watcher.trip is not None, wait_s, "")
        wanted = acts(watcher.trip.decisions) if watcher.trip is not None else ()
        wanted = tuple(name for name in wanted if (target.market, name) in parts.armed)
        alone = {name for name in wanted if not self._safe_of(parts.armed[target.market, name])}
        with suppress(KeeperError):
            await self._until(watcher, service, lambda: alone <= set(watcher.ends), END_BLOCKS * self.asked.block_s, "")
        by_safe = {name: safe for name in wanted if (safe := self._safe_of(parts.armed[target.market, name]))}
        for name, safe in by_safe.items():
            await self._as_safe(safe, parts.armed[target.market, name], before.get((target.market, name)))
        after = await self._effects(parts)
        injector.now = None
        await self.node.rpc("evm_revert", snapshot)
        await self.node.mine()
        restored = await self._effects(parts)
        drilled = []
        for name in wanted:
            key = target.market, name
            drilled.append(
                _drilled(
                    parts.armed[key],
                    watcher.ends.get(name),
                    before.get(key, ""),
                    after.get(key, ""),
                    restored.get(key, ""),
                    by_safe=name in by_safe,
                )
            )
        problem, remedy = _judged(watcher, drilled, target)
        return DrillReport(
            ok=not problem,
            at_ms=0,
            where="fork",
            chain_id=CHAIN_ID,
            from_block=0,
            market=target.market,
            rule=target.rule,
            breach=str(found.breach),
            how=how,
            blocks_to_trip=watcher.blocks_to_trip,
            breach_to_trip_ms=None if watcher.tripped_ms is None else watcher.tripped_ms - begun_ms,
            actions=tuple(drilled),
            log_verified=None,
            problem=problem,
            remedy=remedy,
        )

    def _chosen(self, watcher: Watcher, asked_for: Sequence[Target]) -> tuple[Target | None, Found | None, str]:
        """The first rule that some breach trips, and the breach; else why there is none."""
        tick = watcher.tick
        assert tick is not None, "there were calm blocks"
        problem = ""
        most = max(1, int(self.asked.patience_s / self.asked.block_s))
        for target in asked_for:
            known = sources_of(self.config.engine, tick, target)
            breach = chosen(self.asked, known)
            common = (watcher.engine, watcher.state, watcher.seen, tick.block, tick.at_ms, target.market, target.rule)
            block_ms = max(1, int(self.asked.block_s * 1000))
            if breach is not None:
                found = tried(*common, breach, block_ms=block_ms, most_ticks=most)
            else:
                only = [self.asked.source] if self.asked.source else known
                found = smallest_breach(*common, sources=only, block_ms=block_ms, most_ticks=most)
            if found is not None:
                return target, found, ""
            what = (
                f"nothing that {' or '.join(known)} could say alone"
                if breach is None
                else f"it is not enough that {breach}: nothing"
            )
            problem = problem or f"{what} trips {target.rule} of {target.market} within {most} blocks"
        return None, None, problem

    async def _inject(self, injector: Injector, breach: Breach) -> str:
        """On the chain where the source is a plain view, else in what the source says."""
        source = next((each for each in self.config.sources if each.name == breach.source), None)
        if breach.factor is not None and not self.asked.in_source:
            try:
                match source:
                    case model.ChainlinkSource():
                        await on_chain.change(
                            self.node, FunctionCall(source.address, on_chain.ROUND, ()), 1, breach.factor
                        )
                        return f"the answer of {source.address} on the fork"
                    case model.ContractCallSource():
                        await on_chain.change(self.node, source.call, source.index, breach.factor)
                        return f"{source.call.signature} of {source.call.target} on the fork"
                    case _:
                        pass
            except (OutsideError, MalformedAnswer) as error:
                self.say(f"  the contract cannot be changed ({error.message}); the source is")
        injector.now = breach
        return f"what the source {breach.source} says"

    async def _effects(self, parts: Parts) -> dict[tuple[str, str], str]:
        head = await parts.edges.chain.head()
        armed = list(parts.armed.items())
        results = await parts.edges.chain.read([each.effect_call for _, each in armed], head)
        found = {}
        for (key, each), result in zip(armed, results, strict=True):
            with suppress(MalformedAnswer):
                found[key] = each.effect_text(result)
        return found

    async def _until(
        self, watcher: Watcher, service: asyncio.Task[None], reached: Callable[[], bool], limit_s: float, problem: str
    ) -> None:
        """Raises KeeperError when it is not in time; what the keeper itself ends with is raised as it is."""
        try:
            async with asyncio.timeout(limit_s):
                while not reached():
                    watcher.changed.clear()
                    waiting = asyncio.ensure_future(watcher.changed.wait())
                    await asyncio.wait({waiting, service}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    if service.done():
                        service.result()
                        raise KeeperError("the keeper ended before the drill did")
        except TimeoutError:
            raise KeeperError(problem or "not in time", remedy="run it again with -v to see the keeper's log") from None

    def _safe_of(self, armed: ArmedAction) -> str:
        """The Safe that makes the call; empty where the key does."""
        routes = {each.name: each.address for each in self.config.routes if isinstance(each, model.SafeRoute)}
        return routes.get(armed.action.route, "")

    async def _as_safe(self, safe: str, armed: ArmedAction, current: str | None) -> None:
        """The call as the owners' signatures would let it through: the fork's node signs for the Safe."""
        call = armed.at(current).call
        await self.node.set_balance(safe, ENOUGH_WEI)
        await self.node.impersonate(safe)
        try:
            sent = {"from": safe, "to": call.to, "data": "0x" + call.data.hex()}
            await self.node.rpc("eth_sendTransaction", sent)
        except OutsideError as error:
            self.say(f"  the Safe's call was refused: {error.message}")
        finally:
            await self.node.stop_impersonating(safe)
        await self.node.mine()

    def _verified(self) -> bool:
        return verify(self.config.audit.url.reveal()).ok


def _drilled(
    armed: ArmedAction,
    end: tuple[Work, Outcome] | None,
    before: str,
    after: str,
    restored: str,
    *,
    by_safe: bool = False,
) -> ActionDrilled:
    action = armed.action
    work, outcome = end if end is not None else (None, None)
    expected = work.armed.action.effect.expect if work is not None and work.armed is not None else action.effect.expect
    done = by_safe or (outcome is not None and outcome.kind in GOOD)
    effect = armed.in_effect(after) if action.adjustment is None else after != before
    if by_safe:
        ending = "as the Safe", "nobody signed: the call was made on the fork as the Safe would make it"
    elif outcome is not None:
        ending = outcome.kind.value, outcome.message
    else:
        ending = "not ended", "it was decided, and had not ended when the drill did"
    return ActionDrilled(
        action=action.name,
        call=action.call.signature,
        target=action.call.target,
        route=action.route,
        outcome=ending[0],
        message=ending[1],
        block=outcome.block if outcome is not None else None,
        before=before,
        after=after,
        expected=expected,
        restored=restored,
        stages_ms=work.timeline_ms() if work is not None else {},
        ok=done and effect and restored == before,
    )


def _judged(watcher: Watcher, drilled: Sequence[ActionDrilled], target: Target) -> tuple[str, str]:
    """(problem, remedy); empty where all is well."""
    if watcher.trip is None:
        return (
            f"{target.rule} of {target.market} did not trip",
            "run it again with -v, and look at what the source said",
        )
    if not drilled:
        return NO_ACTION
    for one in drilled:
        if one.outcome == OutcomeKind.DRY_RUN:
            return (
                f"{one.action} was not sent: {one.message}",
                "add the section `signer`: a drill signs for its own chain id, which is worth nothing elsewhere",
            )
        if not one.ok:
            return f"{one.action}: {one.outcome}, {one.message}", "see what keeper doctor CONFIG says of this action"
    return "", ""


def _nothing(problem: str, target: Target) -> DrillReport:
    remedy = "name a rule, a source and a factor (--rule, --source, --factor), or give it more --patience"
    return DrillReport(
        ok=False,
        at_ms=0,
        where="fork",
        chain_id=CHAIN_ID,
        from_block=0,
        market=target.market,
        rule=target.rule,
        breach="",
        how="nothing was changed",
        blocks_to_trip=None,
        breach_to_trip_ms=None,
        actions=(),
        log_verified=None,
        problem=problem,
        remedy=remedy,
    )
