"""What is told of calls is told of functions that exist, and of all of the breaker contract's."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils import abi

from keeper.app.council.decoding import argument_types
from keeper.app.council.meanings import APPROVALS, BREAKER_CALLS, COMMON_CALLS, PAYMENTS
from keeper.devnet.toolchain import load_artifact
from keeper.domain.safe_calls import Meaning

pytestmark = pytest.mark.architecture


OF_ITSELF = {"tripFor(address,(bytes32,uint256[],bytes32))"}
"""Only the contract itself may call it."""


def test_breaker_calls__of_the_compiled_contract__every_function_that_writes() -> None:
    signature: Any = abi.abi_to_signature  # wants a type of its own
    writes = {
        signature(entry)
        for entry in load_artifact("CircuitBreaker").abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    common = {meaning.signature for meaning in COMMON_CALLS.values()}
    assert {meaning.signature for meaning in BREAKER_CALLS.values()} == writes - common - OF_ITSELF


@pytest.mark.parametrize("meaning", [*BREAKER_CALLS.values(), *COMMON_CALLS.values()], ids=lambda one: one.signature)
def test_meaning__its_text__names_only_arguments_that_are_there(meaning: Meaning) -> None:
    assert meaning.text.format(*argument_types(meaning.signature), on="it")


def test_approvals_and_payments__are_told_of() -> None:
    assert {meaning.signature for meaning in COMMON_CALLS.values()} >= APPROVALS | PAYMENTS
