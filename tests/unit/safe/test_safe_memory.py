"""What only the service in memory can: fail on demand, and be told what the chain says."""

from __future__ import annotations

import pytest

from keeper.adapters.safe.memory import KnownSafe, MemoryProposalService
from keeper.domain.council_words import HOUR_MS, Delegation, hour_of
from keeper.domain.errors import Busy, OutsideError, Refused, UnitError, Unreachable
from keeper.domain.proposal import Delegate
from keeper.domain.safe_signatures import approved_signature, contract_signature
from tests.support.manual_clock import ManualClock
from tests.support.safe_proposals import CHAIN_ID, KEEPER, OTHER_SAFE, OWNERS, PAUSE, SAFE, proposal, signature

pytestmark = pytest.mark.unit


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def service(clock: ManualClock) -> MemoryProposalService:
    made = MemoryProposalService(CHAIN_ID, clock=clock)
    made.safes[SAFE] = KnownSafe(OWNERS, 7)
    return made


async def propose(service: MemoryProposalService) -> None:
    await service.propose(PAUSE, OWNERS[0], signature(0, PAUSE.hash), "")


@pytest.mark.parametrize("fault", [Unreachable(), Busy(retry_after_s=3), Refused(code=403)], ids=["down", "busy", "no"])
async def test_fault__while_it_is_set__is_raised_by_every_question(
    service: MemoryProposalService, fault: OutsideError
) -> None:
    delegate = Delegate(KEEPER, OWNERS[0], "keeper", SAFE)
    await propose(service)
    service.fault = fault
    for ask in (
        service.queue(SAFE, 0),
        service.find(PAUSE.hash_text),
        propose(service),
        service.confirm(PAUSE.hash_text, signature(1, PAUSE.hash)),
        service.withdraw(SAFE, PAUSE.hash_text, b""),
        service.delegates(SAFE),
        service.add(delegate, b""),
        service.remove(delegate, b""),
    ):
        with pytest.raises(type(fault)) as error:
            await ask
        assert error.value is fault
    service.fault = None
    assert len((await service.queue(SAFE, 0)).queued) == 1


async def test_nonce__of_the_chain__is_what_can_still_be_proposed(service: MemoryProposalService) -> None:
    service.safes[SAFE].nonce = 8
    with pytest.raises(Refused, match="nonce=7") as error:
        await propose(service)
    assert error.value.code == 422
    service.safes[SAFE].nonce = 7
    await propose(service)


async def test_execute__uses_the_nonce_up(service: MemoryProposalService) -> None:
    await propose(service)
    service.execute(PAUSE.hash_text, "0x" + "ee" * 32)
    assert service.safes[SAFE].nonce == 8
    found = await service.find(PAUSE.hash_text)
    assert found is not None
    assert (found.executed, found.executed_tx) == (True, "0x" + "ee" * 32)


async def test_propose__to_an_unknown_safe__is_refused(service: MemoryProposalService) -> None:
    other = proposal(safe=OTHER_SAFE)
    with pytest.raises(Refused, match="no Safe"):
        await service.propose(other, OWNERS[0], signature(0, other.hash), "")
    with pytest.raises(UnitError):
        await service.propose(PAUSE, OWNERS[0], signature(0, PAUSE.hash), "x" * 201)


async def test_confirm__with_what_only_the_chain_can_judge__is_refused(service: MemoryProposalService) -> None:
    await propose(service)
    for made in (approved_signature(OWNERS[1]), contract_signature(OWNERS[1], b"x"), b""):
        with pytest.raises(Refused) as error:
            await service.confirm(PAUSE.hash_text, made)
        assert error.value.code == 400


@pytest.mark.parametrize(("age_ms", "good"), [(0, True), (HOUR_MS, True), (2 * HOUR_MS, False), (-HOUR_MS, False)])
async def test_delegate__signed_in_this_hour_or_the_one_before__is_taken(
    service: MemoryProposalService, clock: ManualClock, age_ms: int, good: bool
) -> None:
    permit = signature(0, Delegation(CHAIN_ID, KEEPER, hour_of(clock.now_ms() - age_ms)).hash)
    delegate = Delegate(KEEPER, OWNERS[0], "keeper", SAFE)
    if good:
        await service.add(delegate, permit)
        assert await service.delegates(SAFE) == (delegate,)
        return
    with pytest.raises(Refused):
        await service.add(delegate, permit)


async def test_close__twice__is_nothing(service: MemoryProposalService) -> None:
    await service.close()
    await service.close()
