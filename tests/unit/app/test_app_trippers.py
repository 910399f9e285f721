"""Who tripped a breaker: what cannot be looked up in the log is not called a theft."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.breakers.registered import Breaker
from keeper.app.breakers.trippers import Tripper, Trippers
from keeper.domain.circuit_breaker import TRIPPED_TOPIC, breaker_id
from keeper.domain.errors import StoreUnavailable
from keeper.domain.evm import Log
from tests.support.breaker_double import ADDRESS, TARGET

pytestmark = pytest.mark.unit

TX = "0x" + "ab" * 32
BREAKER = Breaker(ADDRESS, breaker_id("pause"), "breaker", (("M", "pause"),))


class Events:
    """One trip, sent with the keeper's own key."""

    async def logs(self, address: str, topics: Any, first: int, last: int) -> list[Log]:
        sender = "0x" + TARGET[2:].lower().rjust(64, "0")
        fields: dict[str, Any] = {"address": address, "topics": (TRIPPED_TOPIC, BREAKER.id, sender), "tx_hash": TX}
        names = Log.__dataclass_fields__
        blank: dict[str, Any] = {"data": b"", "block_number": last, "block_hash": TX, "index": 0, "log_index": 0}
        return [Log(**{name: (fields | blank)[name] for name in names})]


class Away(MemoryAuditStore):
    async def page(self, query: Any) -> Any:
        raise StoreUnavailable("the database is away")


def trippers(store: MemoryAuditStore) -> Trippers:
    events: Any = Events()
    return Trippers(events, store, {TARGET})


async def test_trip__own_key_and_nowhere_in_the_log__is_not_ours() -> None:
    found = await trippers(MemoryAuditStore()).find(BREAKER, 1, 2, ())
    assert found == Tripper(TARGET, TX, ours=False, own_key=True)


async def test_trip__own_key_and_the_log_is_away__is_not_known_rather_than_stolen() -> None:
    assert await trippers(Away()).find(BREAKER, 1, 2, ()) == "the database is away"


async def test_trip__known_to_this_run__needs_no_log() -> None:
    assert await trippers(Away()).find(BREAKER, 1, 2, (TX,)) == Tripper(TARGET, TX, ours=True, own_key=True)
