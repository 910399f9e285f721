"""The functions that are known to tighten something, each with the view that shows it, how it is taken back, and who may usually call it.

Where they come from: OpenZeppelin Pausable, Compound's Comptroller and Comet, Aave v3's PoolConfigurator, Lido's PausableUntil, and the names
that vaults use for caps. ``{asset}`` and ``{id}`` in arguments become variables of a market.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ASSET, ID = "{asset}", "{id}"


class Where(StrEnum):
    """Which contract answers the view."""

    SELF = "self"
    AAVE_DATA = "aave-data"
    """Aave's AaveProtocolDataProvider."""


class Right(StrEnum):
    """Whom Aave's ACLManager lets call it; the value is what people call it."""

    EMERGENCY = "EMERGENCY_ADMIN"
    RISK = "RISK_ADMIN"
    EITHER = "RISK_ADMIN or EMERGENCY_ADMIN"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One function. ``view`` names all results, ``index`` the one that counts. ``share``: the new value as a share of the current one.

    ``roles`` are the getters of AccessControl's roles that usually may call it.
    """

    name: str
    kind: str
    call: str
    view: str
    words: str
    args: tuple[str, ...] = ()
    view_args: tuple[str, ...] = ()
    index: int = 0
    expect: str = "true"
    undo: str = ""
    undo_args: tuple[str, ...] = ()
    share: str = ""
    new: str = ""
    where: Where = Where.SELF
    aave: Right | None = None
    roles: tuple[str, ...] = ()

    @property
    def pauses(self) -> bool:
        return self.kind.startswith("pause") or bool(self.new)

    @property
    def variables(self) -> frozenset[str]:
        return frozenset({ASSET, ID} & {*self.args, *self.view_args})


PAUSERS = ("PAUSER_ROLE", "PAUSE_ROLE", "PAUSE_GUARDIAN_ROLE", "GUARDIAN_ROLE", "EMERGENCY_ROLE", "KEEPER_ROLE")
STEWARDS = ("RISK_ROLE", "RISK_MANAGER_ROLE", "CONFIG_ROLE", "LIMITER_ROLE", "GUARDIAN_ROLE", "KEEPER_ROLE")
_RESERVE = "getReserveConfigurationData(address)(uint256,uint256,uint256,uint256,uint256,bool,bool,bool,bool,bool)"
COMET = 2 | 4 | 8 | 16
"""Comet's flags of transfer, withdraw, absorb and buy; not 1, supply."""
_FLAGS = ("bit0", "bit1", "bit2", "bit3", "bit4")


def _cap(
    name: str,
    setter: str,
    view: str,
    *,
    keyed: str = "",
    index: int = 0,
    where: Where = Where.SELF,
    aave: Right | None = None,
) -> Pattern:
    """A setter of a number that limits growth, of an asset or a market where it is ``keyed``."""
    args = (keyed,) if keyed else ()
    types = {"": "uint256", ASSET: "address,uint256", ID: "bytes32,uint256"}[keyed]
    return Pattern(
        name=name,
        kind="rate-limit",
        call=f"{setter}({types})",
        view=view,
        words="a fifth less each time; what is there stays, and only growth is stopped",
        args=(*args, "{new}"),
        view_args=args,
        index=index,
        undo=f"{setter}({types})",
        undo_args=(*args, "{previous}"),
        share="0.8",
        where=where,
        aave=aave,
        roles=STEWARDS,
    )


def _flag(
    name: str,
    setter: str,
    view: str,
    words: str,
    *,
    index: int = 0,
    where: Where = Where.SELF,
    aave: Right | None = None,
) -> Pattern:
    """A setter of an asset's flag."""
    return Pattern(
        name=name,
        kind="pause",
        call=f"{setter}(address,bool)",
        view=view,
        words=words,
        args=(ASSET, "true"),
        view_args=(ASSET,),
        index=index,
        undo=f"{setter}(address,bool)",
        undo_args=(ASSET, "false"),
        where=where,
        aave=aave,
    )


PATTERNS = (
    Pattern(
        "pause", "pause-all", "pause()", "paused()(bool)", "everything in this contract stops",
        undo="unpause()", roles=PAUSERS,
    ),
    Pattern(
        "set-paused", "pause-all", "setPaused(bool)", "paused()(bool)", "everything in this contract stops",
        ("true",), undo="setPaused(bool)", undo_args=("false",), roles=PAUSERS,
    ),
    Pattern(
        "pause-for", "pause-all", "pauseFor(uint256)", "isPaused()(bool)", "everything in this contract stops, for three days at most",
        ("259200",), undo="resume()", roles=PAUSERS,
    ),
    Pattern(
        "pause-market", "pause", "pauseMarket(bytes32)", "paused(bytes32)(bool)", "one market stops", (ID,), (ID,),
        undo="unpauseMarket(bytes32)", undo_args=(ID,), roles=PAUSERS,
    ),
    Pattern(
        "pause-flags", "adjust", "pause(bool,bool,bool,bool,bool)",
        "totalsBasic()(uint64,uint64,uint64,uint64,uint104,uint104,uint40,uint8)",
        "Comet: transfer, withdraw, absorb and buy stop; supply does not, so that loans can be repaid; flags that are set stay set",
        tuple(f"{{new.{bit}}}" for bit in _FLAGS), index=7, new=f"current | {COMET}",
        undo="pause(bool,bool,bool,bool,bool)", undo_args=tuple(f"{{previous.{bit}}}" for bit in _FLAGS),
    ),
    _flag(
        "pause-reserve", "setReservePause", "getPaused(address)(bool)", "Aave: nothing at all can be done with the reserve",
        where=Where.AAVE_DATA, aave=Right.EMERGENCY,
    ),
    _flag(
        "freeze-reserve", "setReserveFreeze", _RESERVE, "Aave: no new supply and no new loans; the rest goes on",
        where=Where.AAVE_DATA, index=9, aave=Right.RISK,
    ),
    _cap(
        "cut-supply-cap", "setSupplyCap", "getReserveCaps(address)(uint256,uint256)", keyed=ASSET, index=1,
        where=Where.AAVE_DATA, aave=Right.RISK,
    ),
    _cap(
        "cut-borrow-cap", "setBorrowCap", "getReserveCaps(address)(uint256,uint256)", keyed=ASSET,
        where=Where.AAVE_DATA, aave=Right.RISK,
    ),
    _flag("pause-borrow", "_setBorrowPaused", "borrowGuardianPaused(address)(bool)", "no new loans of this cToken"),
    _flag("pause-mint", "_setMintPaused", "mintGuardianPaused(address)(bool)", "no new collateral in this cToken"),
    _cap("tighten-withdrawals", "setWithdrawalLimit", "withdrawalLimit(bytes32)(uint256)", keyed=ID),
    _cap("cut-supply-cap", "setSupplyCap", "supplyCap()(uint256)"),
    _cap("cut-borrow-cap", "setBorrowCap", "borrowCap()(uint256)"),
    _cap("cut-deposit-cap", "setDepositCap", "depositCap()(uint256)"),
    _cap("cut-deposit-limit", "setDepositLimit", "depositLimit()(uint256)"),
    _cap("cut-cap", "setCap", "cap()(uint256)"),
)  # fmt: skip

SET_UINT = "setUint(bytes32,bytes,uint256)"
"""GMX's Config: which keys is for people to say."""
LIDO_PAUSE, LIDO_PAUSER = "pause(address)", "getPauser(address)(address)"
GRACE_PAUSE = "setReservePause(address,bool,uint40)"
"""Aave has it from 3.1 on, as it has freezing by the EMERGENCY_ADMIN."""
