"""What this key has signed together with other keepers: written down before it is signed, so that a restart neither loses nor contradicts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.domain.errors import SigningError, UnitError
from keeper.domain.order import MAX_ORDER_LIFE_S, SignedOrder, TripOrder, order_body, order_from, signed_order
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.execution.work import Order
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock
from keeper.ports.signer import OrderSigner

SIGNED = "signed"
COMPLETE = "complete"

_PAGE = 200
_PAST_S = 2 * MAX_ORDER_LIFE_S
"""Nothing was signed before an order, and ends later than its deadline and half of this: the log is read back to an order that ended so long ago.

By the chain's time, as deadlines are; the machine's clock, which the records' times are of, may have jumped.
"""


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
            await self._store.append([self._draft(order, why, about)])
            known = await self._known(now_s)
        # The other one may have been written at the same time by hand, in another process: the earlier record counts, then and ever after.
        place = min((record.seq for record, other in known if other == order), default=0)
        for record, other in known:
            if other.excludes(order) and record.seq < place:
                return other
        return signed_order(order, await self._signer.sign_order(order), self._signer.address)

    async def open(self, now_s: int) -> Sequence[TripOrder]:
        """What was written down and can still be carried out. Raises StoreUnavailable."""
        return [order for _, order in await self._known(now_s)]

    async def _known(self, now_s: int) -> list[tuple[Record, TripOrder]]:
        found: list[tuple[Record, TripOrder]] = []
        after = 0
        while True:
            page = await self._store.page(
                RecordQuery(kinds=(RecordKind.ORDER,), after=after, newest_first=True, limit=_PAGE)
            )
            signed = [(record, order) for record in page if (order := _signed(record)) is not None]
            found += [
                (record, order)
                for record, order in signed
                if order.deadline_s >= now_s and record.body.get("signer") == self.address
            ]
            if len(page) < _PAGE or any(order.deadline_s < now_s - _PAST_S for _, order in signed):
                return found
            after = page[-1].seq

    def _draft(self, order: TripOrder, why: Mapping[str, Json], about: Order | None) -> Draft:
        return draft({**order_body(order), "step": SIGNED, "signer": self.address, **why}, self._clock.now_ms(), about)


def _signed(record: Record) -> TripOrder | None:
    """What a key signed by this record; None for any other record of an order."""
    if record.body.get("step") != SIGNED:
        return None
    try:
        return order_from(record.body)
    except UnitError:
        return None  # not as this version writes it


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
