"""Calls of contracts that are not the keeper's: lists and tuples in arguments, libraries to link, and refusals word for word."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.grammar import parse

from keeper.devnet.anvil import Anvil, quantity
from keeper.devnet.toolchain import Artifact
from keeper.devnet.transactions import send, settle
from keeper.domain.address import keccak256

GAS = 12_000_000
"""Enough for every call and deployment here. Fixed, so that a call that reverts gets into a block too."""
_PLACE = re.compile(r"__\$[0-9a-f]{34}\$__")
"""Where unlinked code wants the address of a library."""


def any_calldata(signature: str, *args: Any) -> bytes:
    """Calldata of ``setup(address[],uint256)`` and the like. A custom error's data has the same shape: ``Error(string)``."""
    return keccak256(signature.encode("ascii"))[:4] + encode(_kinds(signature[signature.index("(") :]), args)


async def transact(node: Anvil, sender: str, to: str, data: bytes, *, at_s: int | None = None) -> dict[str, Any]:
    """The receipt of one call, in a block of its own, of the time ``at_s`` (unix seconds). Raises Refused when it reverts."""
    await _next_block_at(node, at_s)
    return (await settle(node, [await send(node, sender, to, data, GAS)]))[0]


async def refusal(node: Anvil, sender: str, to: str, data: bytes, *, at_s: int | None = None) -> bytes:
    """What the contract says as it reverts this call, which stands in a block. Fails when the call goes through."""
    await _next_block_at(node, at_s)
    tx_hash = await send(node, sender, to, data, GAS)
    async with asyncio.timeout(30):
        while (receipt := await node.rpc("eth_getTransactionReceipt", tx_hash)) is None:  # noqa: ASYNC110 - another process mines
            await asyncio.sleep(0.002)
    assert quantity(receipt["status"]) == 0, "the call went through"
    trace = await node.rpc("debug_traceTransaction", tx_hash, {"tracer": "callTracer"})
    return bytes.fromhex(str(trace.get("output", "0x"))[2:])


async def ask(node: Anvil, to: str, signature: str, results: str, *args: Any) -> tuple[Any, ...]:
    """What a view answers now; ``results`` as ``(uint256,address[])``."""
    answer = await node.rpc("eth_call", {"to": to, "data": "0x" + any_calldata(signature, *args).hex()}, "latest")
    return tuple(decode(_kinds(results), bytes.fromhex(answer[2:])))


def events(receipt: Mapping[str, Any], contract: str, signature: str, results: str) -> list[tuple[Any, ...]]:
    """What this contract told by this event, in order: its indexed values as 32 bytes each, then those of ``results``."""
    topic = "0x" + keccak256(signature.encode("ascii")).hex()
    return [
        (
            *(bytes.fromhex(word[2:]) for word in log["topics"][1:]),
            *decode(_kinds(results), bytes.fromhex(log["data"][2:])),
        )
        for log in receipt["logs"]
        if log["address"].lower() == contract.lower() and log["topics"][0] == topic
    ]


def linked(artifact: Artifact, libraries: Mapping[str, str]) -> Artifact:
    """The contract with the addresses of its libraries put in. KeyError for one that is missing.

    ``libraries`` go by the compiler's names: ``contracts/Logic.sol:Logic``.
    """
    places = {f"__${keccak256(name.encode('ascii')).hex()[:34]}$__": at[2:] for name, at in libraries.items()}
    code = _PLACE.sub(lambda found: places[found[0]], artifact.bytecode)
    return replace(artifact, bytecode=code)


def _kinds(types: str) -> list[str]:
    """``(uint256,(address,bytes)[])`` to its parts."""
    return [] if types == "()" else [kind.to_type_str() for kind in parse(types).components]


async def _next_block_at(node: Anvil, at_s: int | None) -> None:
    if at_s is not None:
        await node.rpc("evm_setNextBlockTimestamp", at_s)
