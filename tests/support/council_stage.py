"""The small world of ``keeper_stage`` with a real Safe between the keeper and the protocol, and the local stand-in of Safe's service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from keeper.adapters.clock import SystemClock
from keeper.adapters.safe.service import SafeTransactionService
from keeper.devnet.accounts import Account
from keeper.devnet.safe import DevSafe, deploy_safe_contracts
from keeper.devnet.safe_service import SafeService
from keeper.devnet.world import Role
from keeper.domain.council_words import Delegation, hour_of
from keeper.domain.proposal import Delegate, Queued
from keeper.domain.record import Json, RecordKind
from keeper.domain.safe import SafeTransaction
from tests.support.keeper_inside import Inside
from tests.support.keeper_stage import Setup, Stage, configuration, staged

ROUTE = "council"


def now_ms() -> int:
    """The machine's clock, as the service asks for it."""
    return time.time_ns() // 1_000_000  # noqa: TID251 - it is the stand-in's own clock


@dataclass
class CouncilStage:
    """``safe`` holds the roles that the keeper's key held; ``client`` speaks to ``service`` as a member would."""

    stage: Stage
    safe: DevSafe
    service: SafeService
    client: SafeTransactionService

    @property
    def owners(self) -> tuple[Account, ...]:
        return self.safe.owners

    def write(
        self,
        *,
        more: str = "",
        expires: str = "1h",
        remind: str = "10m",
        escalate: str = "30m",
        execute: bool = False,
        service: bool = True,
        extra: str = "",
        mode: str = "live",
        retry: str = "1s",
        confirmations: int = 1,
    ) -> Path:
        """The configuration, with the action through the Safe. ``more`` are lines of the route, ``extra`` sections of their own."""
        setup = Setup(cooldown="1s", retry=retry, mode=mode, expires=expires, confirmations=confirmations)
        self.stage.write(setup)
        text = configuration(self.stage.world, setup)
        lines = [
            "kind: safe",
            f'address: "{self.safe.address}"',
            f"execute: {'true' if execute else 'false'}",
            f"remind: {remind}",
            f"escalate: {escalate}",
            f'members: {{Ada: "{self.owners[0].address}", Ben: "{self.owners[1].address}"}}',
        ]
        if service:
            lines.append(f'service: "{self.service.url}"')
        route = f"routes:\n  {ROUTE}:\n" + "".join(f"    {line}\n" for line in [*lines, *filter(None, [more])])
        text = text.replace("routes: {public: {kind: public}}\n", route)
        text = text.replace("    route: public\n", f"    route: {ROUTE}\n")
        self.stage.config.write_text(text + extra, encoding="utf-8")
        return self.stage.config

    async def delegate(self, account: Account | None = None, owner: Account | None = None) -> None:
        """The first owner makes the keeper (or this account) its delegate."""
        account, owner = account or self.stage.world.keeper, owner or self.owners[0]
        words = Delegation(self.safe.node.chain_id, account.address, hour_of(now_ms()))
        signature = self.safe.sign(owner, words.hash)
        await self.client.add(Delegate(account.address, owner.address, "keeper", self.safe.address), signature)

    async def no_delegate(self) -> None:
        """The first owner takes it back."""
        keeper, owner = self.stage.world.keeper, self.owners[0]
        words = Delegation(self.safe.node.chain_id, keeper.address, hour_of(now_ms()))
        signature = self.safe.sign(owner, words.hash)
        await self.client.remove(Delegate(keeper.address, owner.address, "keeper", self.safe.address), signature)

    def beside(self, folder: Path, key: Account) -> CouncilStage:
        """Another keeper of the same Safe, with its own key, log and folder."""
        folder.mkdir()
        other = CouncilStage(Stage(self.stage.world, folder), self.safe, self.service, self.client)
        other.write()
        other.stage.key = key
        (folder / "keeper.key").write_text(key.private_key + "\n", encoding="ascii")
        return other

    async def queue(self) -> Sequence[Queued]:
        """What the service has open."""
        return (await self.client.queue(self.safe.address, await self.safe.nonce())).queued

    async def confirm(self, transaction: SafeTransaction, *owners: Account) -> None:
        """These owners sign at the service."""
        for owner in owners:
            await self.client.confirm(transaction.hash_text, self.safe.sign(owner, transaction.hash))

    async def execute(self, transaction: SafeTransaction, *owners: Account) -> None:
        """Sent by somebody, and in the next block."""
        await self.safe.submit(transaction, owners)
        await self.stage.node.mine()

    def steps(self) -> list[str]:
        """Of the records of proposals, in order."""
        return [str(body["step"]) for body in self.bodies()]

    def bodies(self, step: str | None = None) -> list[dict[str, Json]]:
        found = [dict(record.body) for record in self.stage.records(RecordKind.PROPOSAL)]
        return [body for body in found if step in (None, body["step"])]

    async def tripped(self, keeper: Inside) -> None:
        """The oracle moves, and the keeper has made its proposal and has given it to the service."""
        await self.stage.shock()
        await self.stage.mine_until(lambda: "sent" in self.steps(), ended=keeper.ended)


@asynccontextmanager
async def councilled(
    folder: Path, *, version: str = "1.4.1", threshold: int = 2, owners: int = 3, also: Sequence[Account] = ()
) -> AsyncIterator[CouncilStage]:
    """A Safe of some of the node's accounts (``also``: and of these) with the roles of the exchange; the keeper is a delegate of its first owner."""
    async with AsyncExitStack() as opened:
        stage = await opened.enter_async_context(staged(folder))
        world = stage.world
        contracts = await deploy_safe_contracts(world.node, world.admin.address, version)
        taken = {each.address for each in (world.admin, world.keeper, world.roleless, world.reporter, world.trader)}
        free = [each for each in world.node.accounts if each.address not in taken]
        safe = await contracts.create(((*free, world.trader)[:owners] + tuple(also)), threshold)
        for role in (Role.PAUSER, Role.UNPAUSER, Role.RISK):
            await world.grant(role, safe.address)
        for role in (Role.PAUSER, Role.RISK):
            await world.revoke(role, world.keeper.address)
        service = await opened.enter_async_context(
            SafeService.open(world.node.http_url, world.node.chain_id, now_ms, index_delay_s=0.05)
        )
        client = SafeTransactionService(service.url, world.node.chain_id, clock=SystemClock())
        opened.push_async_callback(client.close)
        council = CouncilStage(stage, safe, service, client)
        council.write()
        await council.delegate()
        yield council
