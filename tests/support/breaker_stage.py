"""The small world of ``keeper_stage`` with the breaker contract in front of the protocol, and a keeper that trips it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.verify import verify
from keeper.devnet.anvil import Anvil
from keeper.devnet.guard import Guard, Limits, deploy_guard
from keeper.devnet.transactions import calldata, send
from keeper.devnet.world import deploy_world
from keeper.domain.action import BreakerTrip
from keeper.domain.circuit_breaker import trip_call
from keeper.domain.evidence import KEY
from keeper.domain.record import Draft, RecordKind
from tests.support.audit_log import write_log
from tests.support.keeper_inside import inside
from tests.support.keeper_stage import FAIR, MARKET, OTHER, Setup, Stage

ROUTES = "routes: {public: {kind: public}}\n"
ROUTE = "    route: public\n"
PAUSES = f'    route: breaker\n    breaker: "pause {MARKET}"\n'
EVIDENCE = b"\x5a" * 32


@dataclass
class GuardedStage:
    """``stage`` with its world behind ``guard``."""

    stage: Stage
    guard: Guard

    @property
    def config(self) -> Path:
        return self.stage.config

    def write(self, setup: Setup | None = None, *, route: str = "", change: Callable[[str], str] = str) -> None:
        """The configuration through the breaker; ``route`` are more settings of the route, ``change`` is applied to the text."""
        text = self.stage.write(setup).read_text("utf-8")
        for old, new in (
            (ROUTES, f'routes: {{breaker: {{address: "{self.guard.address}"{route}}}}}\n'),
            (ROUTE, PAUSES),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        self.config.write_text(change(text), encoding="utf-8")

    async def run_until_paused(self) -> None:
        """The service runs, the oracle moves away, the breaker trips; then the service is ended."""
        stage = self.stage
        async with inside(self.config) as service:
            await service.watching()
            await stage.mine_until(lambda: stage.evaluated() > 0, ended=service.ended)
            await stage.shock()
            await stage.mine_until(lambda: bool(stage.outcomes()), ended=service.ended)
            await service.end()
        assert stage.outcomes() == [("included", "effect-verified")]

    async def trip_by_hand(self, market: str = OTHER) -> str:
        """The keeper's key trips a breaker and no log knows it; the transaction's hash."""
        call = trip_call(BreakerTrip(self.guard.address, self.guard.pauses[market]), EVIDENCE)
        tx_hash = await send(self.stage.node, self.stage.world.keeper.address, call.to, call.data, gas=1_000_000)
        await self.stage.node.mine()
        receipt = await self.stage.node.rpc("eth_getTransactionReceipt", tx_hash)
        assert receipt["status"] == "0x1"
        return tx_hash

    async def council(self, signature: str, *args: Any) -> None:
        """A call of the council to the contract."""
        data = calldata(signature, *args)
        tx_hash = await send(self.stage.node, self.stage.world.admin.address, self.guard.address, data, gas=3_000_000)
        await self.stage.node.mine()
        receipt = await self.stage.node.rpc("eth_getTransactionReceipt", tx_hash)
        assert receipt["status"] == "0x1", signature


@asynccontextmanager
async def guarded(folder: Path, limits: Limits | None = None) -> AsyncIterator[GuardedStage]:
    """A node, the exchange with both markets at the same price behind a breaker contract, and a folder with a configuration through it."""
    async with Anvil(no_mining=True) as node:
        world = await deploy_world(node, (MARKET, OTHER))
        hashes = [await world.push_price(market, FAIR, wait=False) for market in (MARKET, OTHER)]
        await world.settle(hashes)
        guard = await deploy_guard(world, limits)
        found = GuardedStage(Stage(world, folder), guard)
        found.write()
        yield found


Change = Callable[[RecordKind, dict[str, Any]], dict[str, Any] | None]


def packed(draft: Draft) -> Draft:
    """With what a keeper keeps beside the record beside it, not in its body."""
    if KEY not in draft.body or draft.kind not in (RecordKind.TICK, RecordKind.STATE):
        return draft
    own = ("at_ms", "block", "breakers", "counts", "decisions", "incidents", "for", "number")
    evidence = pack({key: value for key, value in draft.body.items() if key not in (*own, KEY)})
    body = {key: value for key, value in draft.body.items() if key in own}
    return replace(draft, body={**body, KEY: evidence.hash}, evidence=evidence)


async def forge(stage: Stage, change: Change) -> None:
    """Writes the log anew as a whole, as its owner could: everything in it verifies by itself.

    ``change`` gets kind and body of each record, with its evidence, and gives the body that stands there instead, None to leave the record out.
    """
    drafts = []
    for record in stage.records():
        body = change(record.kind, deepcopy(dict(record.body)))
        if body is not None:
            at_ms = round(datetime.fromisoformat(record.at).timestamp() * 1000)
            draft = Draft(record.kind, body, at_ms, record.market, record.action, record.incident, record.intent)
            drafts.append(packed(draft))
    for path in stage.folder.glob(f"{stage.database.name}*"):
        path.unlink()
    await write_log(stage.database, drafts)
    verdict = verify(stage.url)
    assert verdict.ok, verdict.problem
