"""The functions of a Safe that are told of exist under these names."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from keeper.domain.proposal import Level
from keeper.domain.safe_calls import SAFE_CALLS

pytestmark = pytest.mark.unit

ELSEWHERE = {"changeMasterCopy(address)", "setModuleGuard(address)"}
"""Of versions before and after those that are tested."""
HARMLESS = {
    "execTransaction",
    "approveHash",
    "execTransactionFromModule",
    "execTransactionFromModuleReturnData",
    "simulateAndRevert",
}


def signatures(contract: str) -> set[str]:
    path = files("safe_eth").joinpath("eth", "contracts", "abis", f"{contract}.json")
    abi = json.loads(path.read_text(encoding="utf-8"))["abi"]
    return {
        f"{one['name']}({','.join(each['type'] for each in one['inputs'])})"
        for one in abi
        if one["type"] == "function" and one["stateMutability"] not in ("view", "pure")
    }


@pytest.mark.parametrize("contract", ["Safe_V1_4_1", "GnosisSafe_V1_3_0"])
def test_safe_calls__every_function_that_writes__is_told_of(contract: str) -> None:
    known = {meaning.signature for meaning in SAFE_CALLS.values()} - ELSEWHERE
    silent = {"requiredTxGas(address,uint256,bytes,uint8)"}  # of 1.3.0: always reverts
    assert signatures(contract) - silent == known


def test_safe_calls__what_changes_the_safe__is_an_alarm() -> None:
    for meaning in SAFE_CALLS.values():
        quiet = meaning.signature.partition("(")[0] in HARMLESS
        assert (meaning.level is Level.ALARM) != quiet, meaning.signature


def test_safe_calls__texts__name_only_arguments_that_are_there() -> None:
    for selector, meaning in SAFE_CALLS.items():
        assert selector == meaning.selector
        count = 0 if meaning.signature.endswith("()") else meaning.signature.count(",") + 1
        assert meaning.text.format(*("x" * count), on="y")
