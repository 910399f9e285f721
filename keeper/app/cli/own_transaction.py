"""Sends one transaction with a person's key and waits until it is mined."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from keeper.domain.action import Call
from keeper.domain.errors import OutsideError, Refused, UnitError, Unreachable
from keeper.domain.evm import Receipt, UnsignedTransaction
from keeper.execution.fees import offer
from keeper.execution.reverts import explain
from keeper.ports.chain import AccountReader, Broadcaster, ChainReader
from keeper.ports.clock import Clock
from keeper.ports.signer import Signer

GAS_MARGIN: Final = (13, 10)
WAIT_S: Final = 180.0
EVERY_S: Final = 0.5


async def send_and_wait(
    call: Call,
    signer: Signer,
    chain: ChainReader,
    accounts: AccountReader,
    broadcasters: Sequence[Broadcaster],
    clock: Clock,
    *,
    chain_id: int,
    wait_s: float = WAIT_S,
) -> Receipt:
    """The receipt, whatever its status. Raises UnitError when it would revert or cannot be paid, OutsideError, SigningError."""
    served = await chain.chain_id()
    if served != chain_id:
        raise UnitError(f"the node serves chain {served}, and the Safe is on {chain_id}", remedy="correct the endpoint")
    nonce, balance_wei = await accounts.account(signer.address)
    simulation = await accounts.simulate(call, signer.address)
    if not simulation.ok:
        why = explain(simulation.data, simulation.error).text
        raise UnitError(f"it would revert: {why}", remedy="nothing was sent")
    gas = await accounts.gas(call, signer.address) * GAS_MARGIN[0] // GAS_MARGIN[1]
    head = await chain.head()
    fees = offer(head.next_base_fee_wei, await accounts.priority_fee_wei())
    if gas * fees.max_fee_wei > balance_wei:
        raise UnitError(
            f"{signer.address} has {balance_wei} wei, and it may cost {gas * fees.max_fee_wei}",
            remedy="send it from an address that can pay, or give this one more",
        )
    unsigned = UnsignedTransaction(chain_id, nonce, call.to, call.data, gas, fees.max_fee_wei, fees.priority_fee_wei)
    signed = await signer.sign(unsigned)
    await _broadcast(broadcasters, signed.raw)
    until_ms = clock.monotonic_ms() + wait_s * 1000
    while clock.monotonic_ms() < until_ms:
        receipt = await accounts.receipt(signed.tx_hash)
        if receipt is not None:
            return receipt
        await clock.sleep(EVERY_S)
    raise Unreachable(
        f"{signed.tx_hash} was sent, and is in no block after {wait_s:.0f} s",
        remedy="look for it before sending another",
    )


async def _broadcast(broadcasters: Sequence[Broadcaster], raw: str) -> None:
    """One that takes it is enough. Raises what the first one said when none does."""
    said = await asyncio.gather(*(node.send_raw(raw) for node in broadcasters), return_exceptions=True)
    errors = [each for each in said if isinstance(each, BaseException)]
    if len(errors) < len(said):
        return
    for error in errors:
        if isinstance(error, Refused) or not isinstance(error, OutsideError):
            raise error
    raise errors[0] if errors else Unreachable("no endpoint takes transactions")
