"""Who may call what: the roles that the contracts know, and whether the keeper's address has one of them."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.app.drafting.contract import NOTHING, Contract, Look
from keeper.app.drafting.known import PAUSERS, STEWARDS

SINGLE = (
    "owner()(address)",
    "pauseGuardian()(address)",
    "guardian()(address)",
    "governor()(address)",
    "admin()(address)",
)
"""Views that name one holder of a right."""
OPEN_ROLE = "0x" + "0" * 64


@dataclass(frozen=True, slots=True)
class Held:
    """One right of one contract. ``keeper_has``: None where no keeper's address was given. ``who`` holds it, where the contract says."""

    contract: str
    right: str
    keeper_has: bool | None
    who: str = ""

    @property
    def text(self) -> str:
        holder = f" is {self.who}" if self.who else ""
        has = {True: ": the keeper has it", False: ": the keeper has it not", None: ""}[self.keeper_has]
        return f"{self.right} of {self.contract}{holder}{has}"


async def rights_of(look: Look, contract: Contract, keeper: str, acl: Contract | None) -> list[Held]:
    """By AccessControl, by a single holder, by Aave's ACLManager, by a Safe. ``keeper`` is empty where nobody said. Raises OutsideError."""
    found = []
    if contract.has("hasRole(bytes32,address)"):
        for name in dict.fromkeys(PAUSERS + STEWARDS):
            role = await look.text(contract.address, f"{name}()(bytes32)")
            if role is not None:
                found.append(Held(contract.name, name, await _has(look, contract, role, keeper)))
        found.append(Held(contract.name, "DEFAULT_ADMIN_ROLE", await _has(look, contract, OPEN_ROLE, keeper)))
    for view in SINGLE:
        who = await look.text(contract.address, view) if contract.has(view) else None
        if who is not None and who != NOTHING:
            found.append(Held(contract.name, view.partition("(")[0], who == keeper if keeper else None, who))
    if contract is acl and keeper:
        for right, view in (
            ("EMERGENCY_ADMIN", "isEmergencyAdmin"),
            ("RISK_ADMIN", "isRiskAdmin"),
            ("POOL_ADMIN", "isPoolAdmin"),
        ):
            has = await look.text(contract.address, f"{view}(address)(bool)", keeper)
            if has is not None:
                found.append(Held(contract.name, right, has == "true"))
    return found


async def modules_of(look: Look, safe: Contract, others: dict[str, str]) -> list[Held]:
    """Which of these addresses (by what they are called) the Safe has as a module. Raises OutsideError."""
    found = []
    for name, address in others.items():
        enabled = await look.text(safe.address, "isModuleEnabled(address)(bool)", address)
        if enabled is not None:
            found.append(Held(safe.name, f"module {name}", None, "enabled" if enabled == "true" else "not enabled"))
    return found


async def _has(look: Look, contract: Contract, role: str, keeper: str) -> bool | None:
    if not keeper:
        return None
    return await look.text(contract.address, "hasRole(bytes32,address)(bool)", role, keeper) == "true"
