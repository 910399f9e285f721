"""One transaction with a person's key: held against the chain before it is signed, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from keeper.adapters.chain.memory import MemoryChain
from keeper.adapters.signing.local import LocalSigner
from keeper.app.cli.own_transaction import send_and_wait
from keeper.domain.action import Call
from keeper.domain.errors import Refused, UnitError, Unreachable
from keeper.domain.evm import Receipt
from keeper.ports.chain import Broadcaster
from tests.support.execution_stage import ETHER, PAUSE, VAULT, vault
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.unit

SIGNER = LocalSigner(b"\x11" * 32)
CALL = Call(VAULT, PAUSE)


class Away:
    """An endpoint that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def send_raw(self, raw: str) -> str:
        raise self.error


@pytest.fixture
def chain() -> MemoryChain:
    made = MemoryChain()
    made.install(VAULT, vault, mode="good", paused=0, limit=1, calls=0, unreadable=0)
    made.fund(SIGNER.address, ETHER)
    made.mine()
    return made


async def sent(chain: MemoryChain, *, takers: Sequence[Broadcaster] | None = None, mines: bool = True) -> Receipt:
    """Sends, and mines once it is waited for."""
    clock = ManualClock()
    takers = [chain] if takers is None else takers
    task = asyncio.create_task(
        send_and_wait(CALL, SIGNER, chain, chain, takers, clock, chain_id=await chain.chain_id(), wait_s=10)
    )
    await clock.advance(400)
    if mines:
        chain.mine()
    await clock.advance(11_000)
    return await task


async def test_send__mined__gives_the_receipt(chain: MemoryChain) -> None:
    receipt = await sent(chain)
    assert (receipt.status, receipt.block_number) == (1, 2)
    (answer,) = await chain.read([Call(VAULT, bytes.fromhex("5c975abb"))], await chain.head())
    assert int.from_bytes(answer.data, "big") == 1


async def test_send__one_endpoint_of_two_takes_it__is_enough(chain: MemoryChain) -> None:
    assert (await sent(chain, takers=[Away(Unreachable("away")), chain])).status == 1


async def test_send__refused_by_all__raises_the_refusal(chain: MemoryChain) -> None:
    with pytest.raises(Refused, match="no"):
        await sent(chain, takers=[Away(Unreachable("away")), Away(Refused("no"))])


async def test_send__never_mined__names_what_was_sent(chain: MemoryChain) -> None:
    with pytest.raises(Unreachable, match=r"0x[0-9a-f]{64} was sent, and is in no block after 10 s"):
        await sent(chain, mines=False)


async def test_send__that_would_revert__sends_nothing(chain: MemoryChain) -> None:
    chain.store(VAULT, mode="reverts")
    chain.mine()
    with pytest.raises(UnitError, match="it would revert: custom error 0xdeadbeef"):
        await sent(chain)
    assert (await chain.account(SIGNER.address))[0] == 0


async def test_send__from_a_key_that_cannot_pay__sends_nothing(chain: MemoryChain) -> None:
    chain.fund(SIGNER.address, 1)
    with pytest.raises(UnitError, match="has 1 wei"):
        await sent(chain)


async def test_send__to_another_chain__sends_nothing(chain: MemoryChain) -> None:
    with pytest.raises(UnitError, match="the Safe is on 7"):
        await send_and_wait(CALL, SIGNER, chain, chain, [chain], ManualClock(), chain_id=7)
