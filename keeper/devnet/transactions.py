"""Sending from the node's own unlocked accounts: deployments and calls, and waiting until they are in a block."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from keeper.devnet.anvil import Anvil, Mining, quantity
from keeper.devnet.toolchain import Artifact
from keeper.domain.abi import decode_results, describe_revert, encode_function, parse_signature
from keeper.domain.abi_codec import canonical_type, encode_values, to_text
from keeper.domain.action import AbiValue
from keeper.domain.address import checksum_address
from keeper.domain.errors import MalformedAnswer, Refused, Unreachable

# Fixed limits: an estimate would fail for whatever stands on a transaction that is not in a block yet.
DEPLOY_GAS = 8_000_000
CALL_GAS = 500_000

_POLL_S = 0.002
_TIMEOUT_S = 30.0


async def send(node: Anvil, sender: str, to: str | None, data: bytes, gas: int = CALL_GAS) -> str:
    """Hands the node a transaction of an unlocked account; ``to`` None deploys. Returns its hash. Raises as ``Anvil.rpc``."""
    fields = {"from": sender, "data": "0x" + data.hex(), "gas": hex(gas)}
    if to is not None:
        fields["to"] = to
    tx_hash = await node.rpc("eth_sendTransaction", fields)
    if not isinstance(tx_hash, str):
        raise MalformedAnswer("the local node did not answer with a transaction hash")
    return tx_hash


async def settle(node: Anvil, hashes: Sequence[str], *, hurry: bool = False) -> list[dict[str, Any]]:
    """The receipts, once all these transactions are in blocks and have succeeded.

    Where blocks come by the clock it waits for them, with ``hurry`` it asks for them; where blocks come on demand it asks for them.
    Raises Refused when one reverted, Unreachable when one does not get into a block.
    """
    receipts: dict[str, dict[str, Any]] = {}
    ask = node.mining is Mining.MANUAL or (hurry and node.mining is Mining.INTERVAL)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            if ask and hashes and await node.rpc("eth_getTransactionReceipt", hashes[0]) is None:
                await node.rpc("evm_mine")  # before all the others are asked for in vain
            while True:
                for tx_hash in hashes:
                    if tx_hash not in receipts:
                        receipt = await node.rpc("eth_getTransactionReceipt", tx_hash)
                        receipts |= {tx_hash: receipt} if receipt is not None else {}
                if all(tx_hash in receipts for tx_hash in hashes):
                    break
                if ask:
                    await node.rpc("evm_mine")
                else:
                    await asyncio.sleep(_POLL_S)
    except TimeoutError:
        missing = len(set(hashes) - set(receipts))
        raise Unreachable(f"{missing} transactions are in no block after {_TIMEOUT_S} s") from None
    for tx_hash in hashes:
        if quantity(receipts[tx_hash].get("status")) != 1:
            raise Refused(f"transaction {tx_hash} {await _why_reverted(node, tx_hash)}", code=3)
    return [receipts[tx_hash] for tx_hash in hashes]


async def deploy(node: Anvil, sender: str, artifact: Artifact, *args: AbiValue) -> str:
    """Sends the deployment of a contract with these constructor arguments; returns its hash. Raises UnitError for arguments that do not fit."""
    inputs: list[dict[str, Any]] = next((e["inputs"] for e in artifact.abi if e["type"] == "constructor"), [])
    types = [canonical_type(entry["type"]) for entry in inputs]
    return await send(node, sender, None, bytes.fromhex(artifact.bytecode[2:]) + encode_values(types, args), DEPLOY_GAS)


async def deployed(node: Anvil, hashes: Sequence[str], *, hurry: bool = True) -> list[str]:
    """The EIP-55 addresses of the contracts that these transactions deploy, once they stand. Raises as ``settle``."""
    receipts = await settle(node, hashes, hurry=hurry)
    return [checksum_address(bytes.fromhex(str(receipt["contractAddress"])[2:])) for receipt in receipts]


def calldata(signature: str, *args: AbiValue) -> bytes:
    """Calldata of a call as people write it: ``pauseMarket(bytes32)``. Bytes may be given as bytes or 0x-prefixed hex. Raises UnitError."""
    function = parse_signature(signature)
    texts = tuple(
        arg if isinstance(arg, str) else to_text(kind, arg) for kind, arg in zip(function.inputs, args, strict=False)
    )
    # the count is checked by encode_function, which says it better than zip
    return encode_function(function, texts + ("",) * (len(args) - len(texts)))


async def view(
    node: Anvil, address: str, signature: str, *args: AbiValue, block: int | None = None
) -> tuple[AbiValue, ...]:
    """What a view answers at a block (None: the newest). Raises Refused when it reverts, MalformedAnswer when the answer does not fit."""
    call = {"to": address, "data": "0x" + calldata(signature, *args).hex()}
    answer = await node.rpc("eth_call", call, "latest" if block is None else hex(block))
    try:
        raw = bytes.fromhex(answer[2:])
    except (TypeError, ValueError):
        raise MalformedAnswer(f"{signature}: the answer is not bytes") from None
    return decode_results(parse_signature(signature), raw)


async def _why_reverted(node: Anvil, tx_hash: str) -> str:
    """The revert's reason in words, from the same call on the state before its block; best effort."""
    try:
        sent = await node.rpc("eth_getTransactionByHash", tx_hash)
        call = {"from": sent["from"], "to": sent["to"], "data": sent["input"]}
        await node.rpc("eth_call", call, hex(quantity(sent["blockNumber"]) - 1))
    except Refused as error:
        return describe_revert(bytes.fromhex(error.data[2:])) if error.data.startswith("0x") else error.message
    except (KeyError, TypeError, ValueError, MalformedAnswer):
        pass
    return "reverted"
