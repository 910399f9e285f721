"""A council before the demo protocol: a real Safe of three members takes every role from the one who deployed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from keeper.devnet.accounts import Account
from keeper.devnet.safe import DevSafe, deploy_safe_contracts
from keeper.devnet.transactions import calldata, send, settle
from keeper.devnet.world import Role, World

NAMES: Final = ("Ada", "Ben", "Cleo")
THRESHOLD: Final = 2
HELD: Final = (Role.UNPAUSER, Role.RISK, Role.ADMIN)
"""The roles of the Safe. The keeper's key keeps PAUSER, so that a pause need not wait for people."""


@dataclass(frozen=True, slots=True)
class Council:
    """``members`` are the owners of ``safe`` by name; two of the three must sign."""

    world: World
    safe: DevSafe
    members: Mapping[str, Account]

    def name_of(self, address: str) -> str:
        """A member's name, or the address itself."""
        return next((name for name, account in self.members.items() if account.address == address), address)


async def deploy_council(world: World, version: str = "1.4.1") -> Council:
    """Deploys Safe's contracts and one Safe, which gets ``HELD``; the admin is left without a role, the keeper's key with PAUSER alone.

    In any mining mode, which it leaves as it is. Raises as ``deploy_world``.
    """
    taken = {each.address for each in (world.admin, world.keeper, world.roleless, world.reporter, world.trader)}
    free = [each for each in world.node.accounts if each.address not in taken]
    members = dict(zip(NAMES, free, strict=False))
    contracts = await deploy_safe_contracts(world.node, world.admin.address, version)
    safe = await contracts.create(tuple(members.values()), THRESHOLD)
    calls = [calldata("grantRole(bytes32,address)", role.id, safe.address) for role in HELD]
    calls.append(calldata("revokeRole(bytes32,address)", Role.RISK.id, world.keeper.address))
    # the last one: after it the admin can do nothing any more
    calls.append(calldata("revokeRole(bytes32,address)", Role.ADMIN.id, world.admin.address))
    sent = [await send(world.node, world.admin.address, world.exchange, data) for data in calls]
    await settle(world.node, sent, hurry=True)
    return Council(world, safe, MappingProxyType(members))
