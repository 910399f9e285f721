"""What this key has signed together with other keepers: written down before it is signed, so that a restart neither loses nor contradicts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.domain.errors import SigningError, UnitError
from keeper.domain.order import SignedOrder, TripOrder, order_body, order_from, signed_order
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.execution.work import Order
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock
from keeper.ports.signer import OrderSigner

SIGNED = "signed"
COMPLETE = "complete"

_LOOKED_AT_MS = 2 * 3_600_000
"""No deadline lies further ahead than half of it: what is older binds nobody."""
_MOST = 1_000


class Pledges:
    """Of two orders of the same nonce with other values the key signs the second only when the first one's deadline is past."""

    def __init__(self, store: AuditStore, signer: OrderSigner | None, clock: Clock) -> None:
        """Without a signer nothing can be signed."""
        self._store = store
        self._signer = signer
        self._clock = clock

    @property
    def address(self) -> str:
        return self._signer.address if self._signer is not None else ""

    async def sign(
        self, order: TripOrder, now_s: int, why: Mapping[str, Json], about: Order | None = None
    ) -> SignedOrder | TripOrder:
        """The order with this key's signature; or, unsigned, the other order that forbids it.

        ``now_s`` is the chain's time, ``why`` goes into the record. Raises AuditError (then nothing is signed), SigningError.
        """
        if self._signer is None:
            raise SigningError("no signer is configured", remedy="configure `signer`")
        known = await self._known(now_s)
        if all(order != other for _, other in known):
            for _, other in known:
                if other.excludes(order):
                    return other
            (written,) = await self._store.append([self._draft(order, why, about)])
            # The other one may have been written at the same time by hand, in another process: the earlier record counts.
            for record, other in await self._known(now_s):
                if other.excludes(order) and record.seq < written.seq:
                    return other
        return signed_order(order, await self._signer.sign_order(order), self._signer.address)

    async def open(self, now_s: int) -> Sequence[TripOrder]:
        """What was written down and can still be carried out. Raises StoreUnavailable."""
        return [order for _, order in await self._known(now_s)]

    async def _known(self, now_s: int) -> list[tuple[Record, TripOrder]]:
        since_ms = self._clock.now_ms() - _LOOKED_AT_MS
        query = RecordQuery(kinds=(RecordKind.ORDER,), since_ms=since_ms, newest_first=True, limit=_MOST)
        found = []
        for record in await self._store.page(query):
            if record.body.get("step") != SIGNED or record.body.get("signer") != self.address:
                continue
            try:
                order = order_from(record.body)
            except UnitError:
                continue  # not as this version writes it
            if order.deadline_s >= now_s:
                found.append((record, order))
        return found

    def _draft(self, order: TripOrder, why: Mapping[str, Json], about: Order | None) -> Draft:
        return draft({**order_body(order), "step": SIGNED, "signer": self.address, **why}, self._clock.now_ms(), about)


def draft(body: Mapping[str, Json], at_ms: int, about: Order | None) -> Draft:
    """A record of an order; ``about`` is the decision that it was signed for."""
    if about is None:
        return Draft(RecordKind.ORDER, body, at_ms)
    market, action = about.armed.key
    return Draft(
        RecordKind.ORDER,
        {**body, "decision": about.id},
        at_ms,
        market=market,
        action=action,
        incident=about.incident,
    )
