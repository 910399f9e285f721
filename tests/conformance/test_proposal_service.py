"""What every place for proposals does: in memory, and the client of Safe's Transaction Service over real HTTP, with real Safes on a real node.

The client meets the local stand-in, or with two variables in the environment a service that somebody else runs:

- ``KEEPER_SAFE_SERVICE_URL``: base address of a Transaction Service, what stands before ``/api/``;
- ``KEEPER_SAFE_NODE_URL``: HTTP address of the node whose chain it indexes, with an unlocked account that owns gas (anvil has ten). Safe 1.4.1 is
  used at its known addresses, and put there where the node allows it. Every test creates a Safe of its own, and waits up to a minute for its
  service to see it.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from keeper.adapters.safe.origin import note
from keeper.adapters.safe.service import SafeTransactionService
from keeper.devnet.anvil import Anvil
from keeper.devnet.safe import MULTI_SEND_CALL_ONLY, deploy_safe_contracts
from keeper.devnet.safe_service import SafeService
from keeper.domain.council_words import HOUR_MS
from keeper.domain.errors import Refused, UnitError, Unreachable
from keeper.domain.safe import Operation, rejection
from tests.support.safe_scene import CLOCK, OutsideNode, Scene, fresh, in_memory, on_chain, sign, sign_message

# One node and one service for the whole file: the tests share its event loop.
pytestmark = [pytest.mark.conformance, pytest.mark.asyncio(loop_scope="module")]

# read before any test: in tests the environment holds nothing for a keeper
SERVICE_URL = os.environ.get("KEEPER_SAFE_SERVICE_URL", "")  # noqa: TID251
NODE_URL = os.environ.get("KEEPER_SAFE_NODE_URL", "")  # noqa: TID251
PATIENCE_S = 60.0 if SERVICE_URL else 10.0
MANY, PAGE = (5, 2) if SERVICE_URL else (101, 40)
"""Proposals and how many of them are on a page: fewer where they stay for ever."""

NewScene = Callable[[], Awaitable[Scene]]


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["memory", "outside" if SERVICE_URL else "stand-in"]
)
async def new_scene(request: pytest.FixtureRequest) -> AsyncIterator[NewScene]:
    if request.param == "memory":

        async def remembered() -> Scene:
            return in_memory()

        yield remembered
    elif request.param == "outside":
        assert NODE_URL, "KEEPER_SAFE_NODE_URL names the node of KEEPER_SAFE_SERVICE_URL"
        async with OutsideNode(NODE_URL) as outside:
            async for scene in _scenes(outside, outside.payer, SERVICE_URL):
                yield scene
    else:
        async with (
            Anvil() as node,
            SafeService.open(node.http_url, node.chain_id, CLOCK.now_ms, index_delay_s=0.05) as stand_in,
        ):
            async for scene in _scenes(node, node.accounts[0].address, stand_in.url):
                yield scene


async def _scenes(node: Anvil, payer: str, url: str) -> AsyncIterator[NewScene]:
    contracts = await deploy_safe_contracts(node, payer)
    service = SafeTransactionService(url, node.chain_id, clock=CLOCK, page=PAGE)
    yield lambda: on_chain(service, contracts, PATIENCE_S)
    await service.close()


@pytest_asyncio.fixture(loop_scope="module")
async def scene(new_scene: NewScene) -> Scene:
    return await new_scene()


async def test_queue__of_a_new_safe__is_empty(scene: Scene) -> None:
    assert await scene.queue() == []


async def test_find__unknown__is_none(scene: Scene) -> None:
    assert await scene.service.find(scene.transaction().hash_text) is None


async def test_propose__as_delegate__is_in_the_owners_name_and_confirms_nothing(scene: Scene) -> None:
    await scene.add_delegate()
    origin = note("incident-1", "0x" + "ab" * 32)
    proposed = await scene.propose(scene.transaction(data=b"\x84\x56\xcb\x59"), scene.keeper, origin)
    found = await scene.found(proposed)
    assert (found.proposer, found.delegate) == (scene.owners[0].address, scene.keeper.address)
    assert (found.confirmations, found.executed, found.executed_tx) == ((), False, None)
    assert json.loads(found.origin) == json.loads(origin)
    assert found.submitted_ms is not None
    assert abs(found.submitted_ms - CLOCK.now_ms()) < HOUR_MS
    assert await scene.queue() == [proposed]


async def test_propose__as_owner__confirms_it_too(scene: Scene) -> None:
    proposed = await scene.propose(scene.transaction(), scene.owners[1])
    found = await scene.found(proposed)
    assert (found.proposer, found.delegate, found.origin) == (scene.owners[1].address, None, "")
    assert [(one.owner, one.signature) for one in found.confirmations] == [
        (scene.owners[1].address, sign(scene.owners[1], proposed.hash))
    ]


async def test_propose__every_field__comes_back_as_it_was(scene: Scene) -> None:
    full = replace(
        scene.transaction(), to=MULTI_SEND_CALL_ONLY,
        nonce=2**60, value=2**200, data=bytes(range(256)), operation=Operation.DELEGATECALL, safe_tx_gas=1, base_gas=2, gas_price=3,
        gas_token=scene.safe, refund_receiver=scene.keeper.address,
    )  # fmt: skip
    await scene.propose(full, scene.owners[0])
    await scene.found(full)
    assert await scene.queue() == [full]


async def test_propose__the_same_again__changes_nothing(scene: Scene) -> None:
    await scene.add_delegate()
    proposed = await scene.propose(scene.transaction(), scene.keeper, note("one", ""))
    before = await scene.found(proposed)
    await scene.propose(proposed, scene.keeper, note("two", ""))
    assert await scene.found(proposed) == before
    assert await scene.queue() == [proposed]


async def test_propose__by_nobody_of_this_safe__is_refused(scene: Scene) -> None:
    with pytest.raises(Refused) as error:
        await scene.propose(scene.transaction(), scene.keeper)
    assert error.value.code == 422
    assert await scene.queue() == []


async def test_propose__with_a_wrong_signature__is_refused(scene: Scene) -> None:
    wanted, other = scene.transaction(), scene.transaction(value=1)
    first, second = scene.owners[:2]
    for signature in (sign(second, wanted.hash), sign(first, other.hash)):
        with pytest.raises(Refused) as error:
            await scene.service.propose(wanted, first.address, signature, "")
        assert error.value.code == 422
    assert await scene.queue() == []


async def test_propose__for_another_chain__is_never_sent(scene: Scene) -> None:
    other = replace(scene.transaction(), chain_id=scene.chain_id + 1)
    with pytest.raises(UnitError):
        await scene.propose(other, scene.owners[0])


async def test_confirm__by_owners__is_told_with_their_signatures_and_again_changes_nothing(scene: Scene) -> None:
    proposed = await scene.propose(scene.transaction(), scene.owners[0])
    await scene.confirm(proposed, scene.owners[1])
    before = await scene.found(proposed)
    assert {one.owner: one.signature for one in before.confirmations} == {
        owner.address: sign(owner, proposed.hash) for owner in scene.owners[:2]
    }
    assert all(one.at_ms is not None for one in before.confirmations)
    await scene.confirm(proposed, scene.owners[1], scene.owners[0])
    assert await scene.found(proposed) == before


async def test_confirm__by_eth_sign__is_taken(scene: Scene) -> None:
    proposed = await scene.propose(scene.transaction(), scene.owners[0])
    signature = sign_message(scene.owners[2], proposed.hash)
    await scene.service.confirm(proposed.hash_text, signature)
    said = {one.owner: one.signature for one in (await scene.found(proposed)).confirmations}
    assert said[scene.owners[2].address] == signature


async def test_confirm__with_a_wrong_signature__is_refused(scene: Scene) -> None:
    await scene.add_delegate()
    proposed = await scene.propose(scene.transaction(), scene.keeper)
    foreign = scene.transaction(value=1)
    wrong = (sign(fresh(), proposed.hash), sign(scene.keeper, proposed.hash), sign(scene.owners[0], foreign.hash))
    for signature in wrong:
        with pytest.raises(Refused) as error:
            await scene.service.confirm(proposed.hash_text, signature)
        assert error.value.code == 400
    assert (await scene.found(proposed)).confirmations == ()


async def test_confirm_and_withdraw__a_hash_that_nobody_proposed__are_refused(scene: Scene) -> None:
    unknown = scene.transaction()
    with pytest.raises(Refused) as error:
        await scene.confirm(unknown, scene.owners[0])
    assert error.value.code == 404
    with pytest.raises(Refused) as error:
        await scene.withdraw(unknown, scene.owners[0])
    assert error.value.code == 404


async def test_queue__from_a_nonce__is_in_the_order_of_nonce_with_gaps(scene: Scene) -> None:
    made = {nonce: await scene.propose(scene.transaction(nonce), scene.owners[0]) for nonce in (5, 0, 12, 1)}
    assert await scene.queue() == [made[nonce] for nonce in (0, 1, 5, 12)]
    assert await scene.queue(5) == [made[5], made[12]]
    assert await scene.queue(6) == [made[12]]
    assert await scene.queue(13) == []


async def test_queue__several_at_one_nonce__are_in_the_order_of_submission(scene: Scene) -> None:
    made = [await scene.propose(scene.transaction(3, value), scene.owners[0]) for value in (9, 4, 7)]
    assert await scene.queue() == made


async def test_queue__holds_nothing_of_another_safe(scene: Scene, new_scene: NewScene) -> None:
    other = await new_scene()
    ours = await scene.propose(scene.transaction(), scene.owners[0])
    if other.service is scene.service:
        await other.propose(other.transaction(), other.owners[0])
    assert await scene.queue() == [ours]


async def test_queue__of_many_pages__has_all_of_them(scene: Scene) -> None:
    made = [await scene.propose(scene.transaction(nonce), scene.owners[0]) for nonce in range(MANY)]
    assert await scene.queue() == made


async def test_executed__is_marked_and_its_nonce_takes_nothing_new(scene: Scene) -> None:
    first, second, _ = scene.owners
    done = await scene.propose(scene.transaction(), first)
    rival = await scene.propose(scene.transaction(value=1), first)
    later = await scene.propose(scene.transaction(1), first)
    await scene.confirm(done, second)
    tx_hash = await scene.execute(done)
    found = await scene.found(done)
    assert (found.executed, found.executed_tx) == (True, tx_hash)
    # what has lost its nonce is not executed, and still takes confirmations: only the Safe's own nonce tells
    assert await scene.queue() == [rival, later]
    assert await scene.queue(1) == [later]
    await scene.confirm(rival, second)
    for late in (scene.transaction(value=2), done):
        with pytest.raises(Refused) as error:
            await scene.propose(late, first)
        assert error.value.code == 422
    with pytest.raises(Refused) as error:
        await scene.confirm(done, scene.owners[2])
    assert error.value.code == 400
    with pytest.raises(Refused) as error:
        await scene.withdraw(done, first)
    assert error.value.code == 400


async def test_rejection__executed__leaves_what_it_replaced_unexecuted(scene: Scene) -> None:
    first, second, _ = scene.owners
    unwanted = await scene.propose(scene.transaction(), first)
    instead = await scene.propose(rejection(scene.chain_id, scene.safe, 0), first)
    assert await scene.queue() == [unwanted, instead]
    await scene.confirm(instead, second)
    await scene.execute(instead)
    assert not (await scene.found(unwanted)).executed
    assert await scene.queue(1) == []


async def test_delegates__added_listed_removed(scene: Scene) -> None:
    assert await scene.service.delegates(scene.safe) == ()
    delegate = await scene.add_delegate()
    assert await scene.service.delegates(scene.safe) == (delegate,)
    await scene.propose(scene.transaction(), scene.keeper)
    await scene.service.remove(delegate, scene.permit(scene.owners[0]))
    assert await scene.service.delegates(scene.safe) == ()
    with pytest.raises(Refused):
        await scene.propose(scene.transaction(1), scene.keeper)
    with pytest.raises(Refused) as error:
        await scene.service.remove(delegate, scene.permit(scene.owners[0]))
    assert error.value.code == 404


async def test_delegate__for_every_safe_of_the_owner__may_propose_and_is_listed_by_owner(scene: Scene) -> None:
    delegate = await scene.add_delegate(everywhere=True)
    owners = [one.address for one in scene.owners]
    assert await scene.service.delegates(scene.safe, owners) == (delegate,)
    found = await scene.found(await scene.propose(scene.transaction(), scene.keeper))
    assert (found.proposer, found.delegate) == (owners[0], scene.keeper.address)


async def test_delegate__removes_itself(scene: Scene) -> None:
    delegate = await scene.add_delegate()
    await scene.service.remove(delegate, scene.permit(scene.keeper))
    assert await scene.service.delegates(scene.safe) == ()


async def test_delegate__signed_by_another_than_the_delegator__is_refused(scene: Scene) -> None:
    for signer in (scene.owners[1], scene.keeper):
        with pytest.raises(Refused) as error:
            await scene.service.add(scene.delegate(), scene.permit(signer))
        assert error.value.code == 400
    delegate = await scene.add_delegate()
    with pytest.raises(Refused) as error:
        await scene.service.remove(delegate, scene.permit(scene.owners[1]))
    assert error.value.code == 400
    assert await scene.service.delegates(scene.safe) == (delegate,)


async def test_withdraw__ones_own__is_gone_and_others_stay(scene: Scene) -> None:
    await scene.add_delegate()
    by_keeper = await scene.propose(scene.transaction(), scene.keeper)
    by_owner = await scene.propose(scene.transaction(1), scene.owners[1])
    for transaction, stranger in ((by_keeper, scene.owners[1]), (by_owner, scene.keeper), (by_owner, scene.owners[0])):
        with pytest.raises(Refused) as error:
            await scene.withdraw(transaction, stranger)
        assert error.value.code == 400
    with pytest.raises(Refused):
        await scene.withdraw(by_keeper, scene.keeper, CLOCK.now_ms() - 3 * HOUR_MS)
    assert await scene.queue() == [by_keeper, by_owner]
    await scene.withdraw(by_keeper, scene.keeper)
    await scene.withdraw(by_owner, scene.owners[1])
    assert await scene.queue() == []
    assert await scene.service.find(by_keeper.hash_text) is None


async def test_withdraw__what_a_delegate_proposed__by_the_owner_in_whose_name(scene: Scene) -> None:
    await scene.add_delegate()
    proposed = await scene.propose(scene.transaction(), scene.keeper)
    await scene.withdraw(proposed, scene.owners[0])
    assert await scene.queue() == []


async def test_no_service_there__is_unreachable() -> None:
    service = SafeTransactionService("http://127.0.0.1:1", 31337, clock=CLOCK)
    with pytest.raises(Unreachable, match="no connection"):
        await service.find("0x" + "12" * 32)
    await service.close()
