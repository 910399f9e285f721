"""What the keeper knows of the breaker contract agrees with the compiled contract."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.devnet.toolchain import load_artifact
from keeper.domain import circuit_breaker
from keeper.domain.abi import parse_signature
from keeper.domain.address import keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE
from keeper.execution.breaker_errors import REFUSALS

pytestmark = pytest.mark.architecture

OF_THE_COUNCIL = {
    # what only a council's transaction or a constructor meets
    "NotGuardian",
    "KeeperExists",
    "OnlySelf",
    "CouncilRequired",
    "Invalid",
    "BreakerExists",
    "ValueTaken",
    "OwnableInvalidOwner",
    "OwnableUnauthorizedAccount",
    # of the libraries, for what no order of the keeper holds: strings that are too long, malformed signatures, reentrancy
    "InvalidShortString",
    "StringTooLong",
    "ECDSAInvalidSignature",
    "ECDSAInvalidSignatureLength",
    "ECDSAInvalidSignatureS",
    "ReentrancyGuardReentrantCall",
}


def entries(kind: str) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in load_artifact("CircuitBreaker").abi if entry["type"] == kind}


def types_of(parameters: list[dict[str, Any]]) -> str:
    return ",".join(
        parameter["type"].replace("tuple", f"({types_of(parameter['components'])})")
        if "components" in parameter
        else parameter["type"]
        for parameter in parameters
    )


def signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({types_of(entry['inputs'])})"


@pytest.mark.parametrize("view", ["STATUS_OF", "SILENT_AT", "FROZEN", "EXPIRE", "HEARTBEAT", "STATE_OF", "BREAKER_OF"])
def test_function__that_the_keeper_calls__is_there(view: str) -> None:
    function = parse_signature(getattr(circuit_breaker, view))
    entry = entries("function")[function.name]
    assert signature(entry) == function.signature
    if function.outputs:
        assert types_of(entry["outputs"]) == ",".join(function.outputs)


def test_trips__their_selectors__are_the_contracts() -> None:
    functions = entries("function")
    assert keccak256(signature(functions["trip"]).encode())[:4] == circuit_breaker.TRIP
    assert keccak256(signature(functions["tripSigned"]).encode())[:4] == circuit_breaker.TRIP_SIGNED


def test_event__of_a_trip__has_its_topics_in_order() -> None:
    event = entries("event")["Tripped"]
    assert "0x" + keccak256(signature(event).encode()).hex() == circuit_breaker.TRIPPED_TOPIC
    assert [field["name"] for field in event["inputs"] if field["indexed"]] == ["id", "keeper", "evidence"]


def test_state_and_registration__their_fields__are_those_that_are_decoded() -> None:
    functions = entries("function")
    (state,) = functions["stateOf"]["outputs"]
    assert types_of(state["components"]) == ",".join(circuit_breaker._STATE_TYPES)
    (registered,) = functions["breakerOf"]["outputs"]
    assert types_of(registered["components"]).startswith(",".join(circuit_breaker._TERM_TYPES))
    assert f"({types_of(registered['components'])})" == BREAKER_TYPE


def test_errors__every_one_that_a_keeper_can_meet__has_words() -> None:
    errors = entries("error")
    known = {error.name: f"{error.name}({','.join(error.types)})" for error in REFUSALS.values()}
    assert known == {name: signature(entry) for name, entry in errors.items() if name not in OF_THE_COUNCIL}
