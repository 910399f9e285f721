"""A Safe's own functions: what each means for its owners, and how loudly that is to be said.

Source: ``Safe.sol`` and its bases of 1.3.0 and 1.4.1, with what 1.5.0 adds; ``changeMasterCopy`` is of older ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from keeper.domain.address import keccak256
from keeper.domain.proposal import Level


@dataclass(frozen=True, slots=True)
class Meaning:
    """A function in words. ``{0}`` in ``text`` is its first argument, ``{on}`` the contract that is called; types as in the selector's text."""

    signature: str
    level: Level
    text: str

    @property
    def selector(self) -> bytes:
        return keccak256(self.signature.encode("ascii"))[:4]


def by_selector(meanings: Iterable[Meaning]) -> Mapping[bytes, Meaning]:
    return {meaning.selector: meaning for meaning in meanings}


_EXECUTE_TYPES = "(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
EXECUTE: Final = f"execTransaction{_EXECUTE_TYPES}"
BY_MODULE: Final = "execTransactionFromModule(address,uint256,bytes,uint8)"
BY_MODULE_WITH_ANSWER: Final = "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)"
CARRIES: Final = frozenset({EXECUTE, BY_MODULE, BY_MODULE_WITH_ANSWER})
"""Those that carry another call: to, value, data and operation are their first arguments."""

SAFE_CALLS: Final = by_selector(
    (
        Meaning(
            "addOwnerWithThreshold(address,uint256)",
            Level.ALARM,
            "Makes {0} an owner of {on}; {1} must sign from then on",
        ),
        Meaning(
            "removeOwner(address,address,uint256)",
            Level.ALARM,
            "Takes {1} away from the owners of {on}; {2} must sign from then on",
        ),
        Meaning("swapOwner(address,address,address)", Level.ALARM, "Puts {2} in the place of the owner {1} of {on}"),
        Meaning("changeThreshold(uint256)", Level.ALARM, "Changes how many owners of {on} must sign, to {0}"),
        Meaning("enableModule(address)", Level.ALARM, "Lets {0} do anything with {on}, without its owners (module)"),
        Meaning("disableModule(address,address)", Level.ALARM, "Takes the rights of the module {1} of {on} away"),
        Meaning("setGuard(address)", Level.ALARM, "Lets {0} forbid any transaction of {on} (guard; zero: nobody)"),
        Meaning(
            "setModuleGuard(address)",
            Level.ALARM,
            "Lets {0} forbid what modules do with {on} (module guard; zero: nobody)",
        ),
        Meaning(
            "setFallbackHandler(address)",
            Level.ALARM,
            "Lets {0} answer in the name of {on}, signatures included (fallback handler)",
        ),
        Meaning("changeMasterCopy(address)", Level.ALARM, "Puts the code at {0} in the place of all code of {on}"),
        Meaning(
            "setup(address[],uint256,address,bytes,address,address,uint256,address)",
            Level.ALARM,
            "Sets {on} up: the owners {0}, of whom {1} must sign",
        ),
        Meaning("approveHash(bytes32)", Level.WARNING, "Signs the transaction {0} of {on}, whatever that is"),
        Meaning(EXECUTE, Level.NOTE, "Carries out a transaction of {on}"),
        Meaning(BY_MODULE, Level.WARNING, "Makes {on} do something as its module, without its owners"),
        Meaning(BY_MODULE_WITH_ANSWER, Level.WARNING, "Makes {on} do something as its module, without its owners"),
        Meaning(
            "simulateAndRevert(address,bytes)", Level.WARNING, "Tries code at {0} as {on}, and takes all of it back"
        ),
    )
)
"""By selector."""
