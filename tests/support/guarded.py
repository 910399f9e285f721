"""Contracts that the presets for protocols are made for, on one local node, and the presets' texts with their addresses put in.

OpenZeppelin's Pausable, AccessControl, Ownable and proxy, Safe and Aave v3 are the authors' own from npm. The others (``Guarded.sol``) are code of
our own that follows the public interfaces of Comet, the Comptroller, GMX v2 and Lido.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from eth_abi.abi import encode

from keeper.config import Config, loads
from keeper.config.template import template
from keeper.devnet.anvil import Anvil
from keeper.devnet.toolchain import load_artifact
from keeper.devnet.transactions import calldata, view
from keeper.domain.address import keccak256
from tests.support.aave import ETHER, AaveMarket, Right, deploy_aave
from tests.support.contract_calls import transact
from tests.support.real_contracts import Stand
from tests.support.safe import Safe, deploy_safe_contracts

PLACEHOLDER = "0x000000000000000000000000000000000000dEaD"
ENVIRONMENT = {"KEEPER_RPC_URL": "ws://127.0.0.1:1", "KEEPER_NOTIFY_URL": "json://127.0.0.1:1/x"}
OPEN_INTEREST = 40_000_000 * 10**30
"""Dollars with 30 decimals, as in GMX."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """``keeper`` has just the right of each preset; ``outsider`` has none. ``admin`` owns the rest."""

    node: Anvil
    admin: str
    keeper: str
    outsider: str
    vault: str
    behind: str
    """The implementation of ``proxied``."""
    proxied: str
    safe: Safe
    safe_vault: str
    module: str
    comet: str
    comptroller: str
    ctoken: str
    config: str
    store: str
    timed: str
    breaker: str
    aave: AaveMarket

    def preset(self, name: str) -> Config:
        """The preset with these contracts' addresses in place of what is to be replaced, in the order in which it names them."""
        text = template(name)[0]
        for address in self._addresses(name):
            assert PLACEHOLDER in text
            text = text.replace(PLACEHOLDER, address, 1)
        assert PLACEHOLDER not in text
        if name == "aave-v3":
            text = text.replace("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", self.aave.asset(ETHER))
            text = text.replace('"100000" ', '"30000" ').replace('"50000" ', '"20000" ')
        if name == "gmx-parameter":
            text = self._keys(text)
        return loads(text.encode(), folder=Path("/somewhere"), environ=ENVIRONMENT)

    def _addresses(self, name: str) -> tuple[str, ...]:
        return {
            "openzeppelin-pausable": (self.vault,),
            "safe-module": (self.module, self.safe_vault, self.safe_vault),
            "lido-breaker": (self.timed, self.breaker),
            "compound-flag": (self.comet, self.comptroller, self.ctoken),
            "gmx-parameter": (self.config, self.store),
            "aave-v3": (self.aave.oracle, self.aave.configurator, self.aave.data_provider),
        }[name]

    def _keys(self, text: str) -> str:
        """As docs/operator/presets.md says that keys are made, for a market token."""
        base = keccak256(encode(["string"], ["MAX_OPEN_INTEREST"]))
        assert f'base-key: "0x{base.hex()}"' in text
        for side, is_long in (("long", True), ("short", False)):
            data = encode(["address", "bool"], [self.ctoken, is_long])
            text = re.sub(rf'{side}-data: "0x\w+"', f'{side}-data: "0x{data.hex()}"', text)
            text = re.sub(rf'{side}-key: "0x\w+"', f'{side}-key: "0x{keccak256(base + data).hex()}"', text)
        return text


async def deploy_guarded(node: Anvil) -> Guarded:
    """All of them on a node that mines each transaction at once; about two seconds."""
    stand = Stand(node)
    admin, keeper, outsider = (node.accounts[place].address for place in (0, 6, 7))
    aave = await deploy_aave(node)
    for right in Right:
        await aave.grant(right, keeper)
    await transact(
        node, aave.steward, aave.configurator, calldata("setBorrowCap(address,uint256)", aave.asset(ETHER), 40_000)
    )

    async def put(name: str, *args: object) -> str:
        return await stand.put(load_artifact(name, file="Guarded"), *args)

    behind = await put("OwnedVault", admin)
    safe = await (await deploy_safe_contracts(node)).create(node.accounts[7:10], 2)
    safe_vault = await put("RoleVault", admin, safe.address)
    module = await put("PauseModule", safe.address, safe_vault, keeper)
    await safe.enable_module(module)
    timed, breaker = await put("TimedPause"), await put("PauserBreaker")
    await transact(node, admin, timed, calldata("setBreaker(address)", breaker))
    await transact(node, admin, breaker, calldata("registerPauser(address,address)", timed, keeper))
    config = await put("ParameterConfig", keeper)
    store = str((await view(node, config, "dataStore()(address)"))[0])
    guarded = Guarded(
        node=node,
        admin=admin,
        keeper=keeper,
        outsider=outsider,
        vault=await put("RoleVault", admin, keeper),
        behind=behind,
        proxied=await put("VaultProxy", behind),
        safe=safe,
        safe_vault=safe_vault,
        module=module,
        comet=await put("CometFlags", admin, keeper),
        comptroller=await put("ComptrollerFlags", admin, keeper),
        ctoken=aave.asset(ETHER),
        config=config,
        store=store,
        timed=timed,
        breaker=breaker,
        aave=aave,
    )
    for is_long in (True, False):
        data = encode(["address", "bool"], [guarded.ctoken, is_long])
        base = keccak256(encode(["string"], ["MAX_OPEN_INTEREST"]))
        call = calldata("setUint(bytes32,bytes,uint256)", base, data, OPEN_INTEREST)
        await transact(node, keeper, config, call)
    return guarded
