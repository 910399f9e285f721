"""The public route to real nodes."""

from __future__ import annotations

import pytest

from keeper.adapters.chain.node import NodeClient
from keeper.adapters.routes.public import PublicRoute
from keeper.devnet.anvil import Anvil
from keeper.domain.action import Call
from keeper.domain.intent import Attempt
from keeper.ports.route import SubmissionKind
from tests.support.chain_stage import CELL, ETHER, sender, signed, write

pytestmark = pytest.mark.integration


def attempt(number: int, nonce: int, **changes: int) -> Attempt:
    raw, tx_hash = signed(write(number), nonce, **changes)
    return Attempt("i", 1, 31337, sender(), nonce, 10**10, 10**9, 100_000, CELL, "0x", tx_hash, raw, 0)


async def test_public__life_of_a_transaction__is_classified_at_each_step(anvil_manual: Anvil) -> None:
    client = NodeClient(anvil_manual.ws_url)
    route = PublicRoute("public", [client])
    first = attempt(1, 0)
    assert (await route.submit(first, 7)).kind is SubmissionKind.INSUFFICIENT_FUNDS
    await anvil_manual.set_balance(sender(), ETHER)
    assert (await route.submit(first, 7)).kind is SubmissionKind.ACCEPTED
    assert (await route.submit(first, 7)).kind is SubmissionKind.KNOWN
    assert (await route.submit(attempt(2, 0), 7)).kind is SubmissionKind.UNDERPRICED
    assert (await route.submit(attempt(1, 0, chain_id=1), 7)).kind is SubmissionKind.INVALID
    await anvil_manual.mine()
    assert (await route.submit(attempt(2, 0), 7)).kind is SubmissionKind.NONCE_TOO_LOW
    assert (await route.submit(attempt(3, 1, max_fee_wei=1), 7)).kind is SubmissionKind.UNDERPRICED
    anvil_manual.kill()
    lost = await route.submit(attempt(4, 1), 7)
    assert lost.kind is SubmissionKind.UNREACHABLE
    assert lost.message.startswith("ws://127.0.0.1:")
    await route.close()
    await client.close()


async def test_public__one_of_two_nodes_is_dead__the_transaction_gets_in(anvil_manual: Anvil) -> None:
    await anvil_manual.set_balance(sender(), ETHER)
    alive, dead = NodeClient(anvil_manual.ws_url), NodeClient("ws://127.0.0.1:1")
    route = PublicRoute("public", [dead, alive])
    one = attempt(7, 0)
    assert (await route.submit(one, 7)).kind is SubmissionKind.ACCEPTED
    block = await anvil_manual.mine()
    receipt = await alive.receipt(one.tx_hash)
    assert receipt is not None
    assert (receipt.status, receipt.block_number) == (1, block)
    for client in (alive, dead):
        await client.close()
    await route.close()


async def test_public__reverting_transaction__is_accepted_all_the_same(anvil_manual: Anvil) -> None:
    await anvil_manual.set_balance(sender(), ETHER)
    client = NodeClient(anvil_manual.ws_url)
    raw, tx_hash = signed(Call(CELL, b"\xffno"), 0)
    one = Attempt("i", 1, 31337, sender(), 0, 10**10, 10**9, 100_000, CELL, "0xff", tx_hash, raw, 0)
    assert (await PublicRoute("public", [client]).submit(one, 7)).kind is SubmissionKind.ACCEPTED
    await client.close()
