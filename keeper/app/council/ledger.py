"""The log's side of proposals: each step of each one is a record, and what is open is read back from them. Raises AuditError."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from keeper.adapters.audit.times import from_iso
from keeper.app.council.matter import Times
from keeper.domain.errors import UnitError
from keeper.domain.record import Draft, Json, Record, RecordKind, RecordQuery
from keeper.domain.safe import Operation, SafeTransaction, rejection
from keeper.ports.audit import AuditStore
from keeper.ports.clock import Clock

PAGE: Final = 200
LOOKED_AT: Final = 2_000
"""Records of proposals, the newest: what is older is not followed any more."""


class Step(StrEnum):
    MADE = "made"
    """Written down, before anybody is asked to sign it; holds the whole transaction."""
    ADOPTED = "adopted"
    """Somebody had proposed the same already; holds the whole transaction too."""
    SENT = "sent"
    """The service has taken it."""
    KEPT = "kept"
    """The service could not be reached: it is a file, and will be sent."""
    REFUSED = "refused"
    """The service said no."""
    CONFLICT = "conflict"
    """Something else has its nonce."""
    UNWANTED = "unwanted"
    """A member rejected this very one by command: using its nonce up for nothing is meant for it."""
    SEEN = "seen"
    """A member looked at it."""
    CONFIRMED = "confirmed"
    """An owner's signature was taken here, by command or on the page."""
    SIGNED = "signed"
    """The running keeper found one more signature that counts."""
    THRESHOLD = "threshold"
    """Enough signatures."""
    REMINDED = "reminded"
    CARRIED_OUT = "carried-out"
    """Somebody executed it by command; what came of it is told as ``executed``."""
    EXECUTED = "executed"
    """The chain has it executed."""
    SUPERSEDED = "superseded"
    """It became pointless, or can never be executed."""


FINAL: Final = frozenset({Step.EXECUTED, Step.SUPERSEDED})


class What(StrEnum):
    """What a proposal is for."""

    ACTION = "action"
    RESTORE = "restore"
    REJECTION = "rejection"
    BY_HAND = "by-hand"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the log a proposal belongs."""

    market: str | None = None
    action: str | None = None
    incident: str | None = None
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as the log has it. ``told`` are its steps after it was made, in order: (step, when in ms, body)."""

    transaction: SafeTransaction
    what: What
    title: str
    origin: str
    place: Place
    made_ms: int
    block: int
    expires_ms: int | None = None
    evidence: str | None = None
    adopted: bool = False
    facts: Mapping[str, Json] = field(default_factory=dict)
    """What else was written down when it was made: changes, the state after, who proposes."""
    told: tuple[tuple[Step, int, Mapping[str, Json]], ...] = ()

    @property
    def hash(self) -> str:
        return self.transaction.hash_text

    @property
    def rejection_hash(self) -> str:
        """Of the empty transaction with the same nonce, which is how owners say no."""
        one = self.transaction
        return rejection(one.chain_id, one.safe, one.nonce).hash_text

    @property
    def open(self) -> bool:
        return not any(step in FINAL for step, _, _ in self.told)

    def last(self, *steps: Step) -> tuple[int, Mapping[str, Json]] | None:
        """When the newest of these steps was, and its body."""
        return next(((at, body) for step, at, body in reversed(self.told) if step in steps), None)

    @property
    def step(self) -> Step:
        """The newest."""
        return self.told[-1][0] if self.told else Step.ADOPTED if self.adopted else Step.MADE

    @property
    def sent(self) -> bool:
        """Whether it is in the service's queue, as far as the log knows."""
        return self.adopted or self.last(Step.SENT) is not None

    @property
    def signers(self) -> frozenset[str]:
        """Whose signatures were told."""
        return frozenset(str(body["owner"]) for step, _, body in self.told if step is Step.SIGNED)

    @property
    def former(self) -> frozenset[str]:
        """Owners whose words lay there already when it was made: given for something earlier that was the same transaction."""
        said = self.facts.get("former")
        return frozenset(map(str, said)) if isinstance(said, list) else frozenset()

    @property
    def threshold(self) -> int | None:
        """How many owners must sign, by the newest step that says so; None where the log does not tell."""
        said = (body.get("threshold") for _, _, body in reversed(self.told))
        number = next((each for each in said if each is not None), self.facts.get("threshold"))
        return number if isinstance(number, int) else None

    def for_intent(self, wanted: Proposed) -> Proposed:
        """What people had proposed is what an action wants now, too: the same proposal, in the action's place."""
        return replace(
            self,
            what=wanted.what,
            place=wanted.place,
            expires_ms=wanted.expires_ms,
            evidence=wanted.evidence or self.evidence,
            facts={**self.facts, **wanted.facts},
        )

    def with_step(self, step: Step, at_ms: int, body: Mapping[str, Json]) -> Proposed:
        return replace(self, told=(*self.told, (step, at_ms, body)))


def transaction_body(transaction: SafeTransaction) -> dict[str, Json]:
    """Everything that is signed, and the hashes over it; amounts and numbers as decimal text."""
    message = transaction.typed_data()["message"]
    assert isinstance(message, dict), "typed_data has a message"
    return {
        "chain_id": transaction.chain_id,
        "safe": transaction.safe,
        **{name: value if isinstance(value, str) else str(value) for name, value in message.items()},
        "domain_hash": "0x" + transaction.domain_hash.hex(),
        "message_hash": "0x" + transaction.message_hash.hex(),
        "safe_tx_hash": transaction.hash_text,
    }


def transaction_from(body: Mapping[str, Json]) -> SafeTransaction:
    """The inverse. Raises UnitError, also where the hash is not the transaction's."""
    try:
        transaction = SafeTransaction(
            chain_id=int(str(body["chain_id"])),
            safe=str(body["safe"]),
            nonce=int(str(body["nonce"])),
            to=str(body["to"]),
            data=bytes.fromhex(str(body["data"]).removeprefix("0x")),
            value=int(str(body["value"])),
            operation=Operation(int(str(body["operation"]))),
            safe_tx_gas=int(str(body["safeTxGas"])),
            base_gas=int(str(body["baseGas"])),
            gas_price=int(str(body["gasPrice"])),
            gas_token=str(body["gasToken"]),
            refund_receiver=str(body["refundReceiver"]),
        )
    except (KeyError, ValueError) as error:
        raise UnitError(f"this is no Safe transaction ({type(error).__name__})") from None
    if body.get("safe_tx_hash") != transaction.hash_text:
        raise UnitError("its safeTxHash is not that of its fields")
    return transaction


class Ledger:
    """Proposals of one Safe."""

    def __init__(self, store: AuditStore, clock: Clock, safe: str) -> None:
        self._store = store
        self._clock = clock
        self._safe = safe
        self._kept: list[Record] = []
        self._read_to = 0
        self._reading = asyncio.Lock()
        self._found: dict[str, Proposed] = {}
        self._folded = 0
        self._folding = asyncio.Lock()

    async def made(self, proposed: Proposed) -> Proposed:
        """Durable before it is signed or sent."""
        step = Step.ADOPTED if proposed.adopted else Step.MADE
        body: dict[str, Json] = {
            "step": step.value,
            **transaction_body(proposed.transaction),
            "what": proposed.what.value,
            "title": proposed.title,
            "origin": proposed.origin,
            "block": proposed.block,
            "expires_ms": None if proposed.expires_ms is None else str(proposed.expires_ms),
            "evidence": proposed.evidence,
            "facts": dict(proposed.facts),
        }
        await self._store.append([self._draft(body, proposed.place, proposed.made_ms)])
        return proposed

    async def step(self, proposed: Proposed, step: Step, **facts: Json) -> Proposed:
        """One more step of it."""
        after, draft = self.draft(proposed, step, **facts)
        await self._store.append([draft])
        return after

    def draft(self, proposed: Proposed, step: Step, **facts: Json) -> tuple[Proposed, Draft]:
        """The same, to be written together with something else that must not be without it."""
        now_ms = self._clock.now_ms()
        body: dict[str, Json] = {"step": step.value, "safe": self._safe, "safe_tx_hash": proposed.hash, **facts}
        return proposed.with_step(step, now_ms, body), self._draft(body, proposed.place, now_ms)

    async def note(self, safe_tx_hash: str, step: Step, **facts: Json) -> None:
        """The same of a proposal that this log may not know: one that somebody else made."""
        body: dict[str, Json] = {"step": step.value, "safe": self._safe, "safe_tx_hash": safe_tx_hash, **facts}
        await self._store.append([self._draft(body, Place(), self._clock.now_ms())])

    async def all(self) -> list[Proposed]:
        """Those that are known, in the order in which they were made."""
        records = await self._records()
        async with self._folding:
            new = records[self._folded :]
            if len(new) > PAGE:
                await asyncio.to_thread(
                    _fold, self._found, new
                )  # a long log is read once, and not in the way of the rest
            else:
                _fold(self._found, new)
            self._folded += len(new)
            return list(self._found.values())

    async def open(self) -> list[Proposed]:
        """What is neither executed nor pointless."""
        return [one for one in await self.all() if one.open]

    async def find(self, safe_tx_hash: str) -> Proposed | None:
        """The newest with this hash."""
        return next((one for one in reversed(await self.all()) if one.hash == safe_tx_hash), None)

    async def times(self, safe_tx_hash: str) -> Times:
        """The council's clock of a proposal, as far as the log knows it."""
        return times_of(await self._records(), await self._paged(safe_tx_hash), safe_tx_hash)

    async def closed(self, incident: str) -> bool:
        """Whether the log has the end of an incident."""
        query = RecordQuery(incident=incident, kinds=(RecordKind.INCIDENT,), newest_first=True, limit=1)
        return any(record.body.get("phase") == "closed" for record in await self._store.page(query))

    async def _records(self) -> list[Record]:
        """Those of this Safe, in order. Records never change, so that only new ones are read: this is asked at every block."""
        async with self._reading:
            if not self._read_to:
                self._kept = await self._newest()
            else:
                query = RecordQuery(kinds=(RecordKind.PROPOSAL,), after=self._read_to, limit=PAGE)
                while page := await self._store.page(query):
                    self._kept += page
                    query = replace(query, after=page[-1].seq)
            if self._kept:
                self._read_to = self._kept[-1].seq
            return [record for record in self._kept if record.body.get("safe") == self._safe]

    async def _newest(self) -> list[Record]:
        found: list[Record] = []
        query = RecordQuery(kinds=(RecordKind.PROPOSAL,), newest_first=True, limit=PAGE)
        while len(found) < LOOKED_AT and (page := await self._store.page(query)):
            found += page
            if len(page) < PAGE:
                break
            query = replace(query, after=page[-1].seq)
        return found[::-1]

    async def _paged(self, safe_tx_hash: str) -> list[Record]:
        query = RecordQuery(kinds=(RecordKind.NOTIFICATION,), newest_first=True, limit=PAGE)
        key = notice_key(safe_tx_hash)
        return [record for record in await self._store.page(query) if key in notified_of(record)]

    def _draft(self, body: Mapping[str, Json], place: Place, at_ms: int) -> Draft:
        # No `intent`: that column is the journal's own.
        about = {**body, "intent": place.intent} if place.intent else body
        return Draft(
            RecordKind.PROPOSAL, about, at_ms, market=place.market, action=place.action, incident=place.incident
        )


def notified_of(record: Record) -> list[str]:
    """The keys that a delivery was about: several, where notices were told as one."""
    keys = record.body.get("keys")
    return [str(one) for one in keys] if isinstance(keys, list) else [str(record.body.get("key", ""))]


def notice_key(safe_tx_hash: str) -> str:
    """Names the matter in notices, so that it is known when people were told."""
    return f"proposal/{safe_tx_hash}"


def times_of(records: Iterable[Record], paged: Iterable[Record], safe_tx_hash: str) -> Times:
    """The first time of each step since it was made, the last time; of notices the first that was delivered."""
    first: dict[str, int] = {}
    moot_why = ""
    for record in records:
        if record.body.get("safe_tx_hash") == safe_tx_hash:
            step = str(record.body.get("step"))
            if step in (Step.MADE, Step.ADOPTED) and any(final in first for final in FINAL):
                first, moot_why = {}, ""
            first.setdefault(step, from_iso(record.at))
            if step == Step.SUPERSEDED:
                moot_why = moot_why or str(record.body.get("why", ""))
    told = [from_iso(record.at) for record in paged if record.body.get("delivered") is True]
    return Times(
        proposed_ms=first.get(Step.MADE, first.get(Step.ADOPTED)),
        paged_ms=min(told, default=None),
        seen_ms=first.get(Step.SEEN),
        first_signature_ms=first.get(Step.SIGNED),
        threshold_ms=first.get(Step.THRESHOLD),
        executed_ms=first.get(Step.EXECUTED),
        moot_ms=first.get(Step.SUPERSEDED),
        moot_why=moot_why,
    )


def proposals_in(records: Iterable[Record]) -> list[Proposed]:
    """Every proposal of these records, which come in their order; also of several Safes."""
    found: dict[str, Proposed] = {}
    _fold(found, records)
    return list(found.values())


def _fold(found: dict[str, Proposed], records: Iterable[Record]) -> None:
    """Puts what these records say of proposals to what those before them said."""
    for record in records:
        body = record.body
        step, safe_tx_hash = body.get("step"), str(body.get("safe_tx_hash"))
        if step in (Step.MADE, Step.ADOPTED):
            known, made = found.get(safe_tx_hash), _made(record)
            # What was given up may be made anew, with the same hash.
            if made is not None and (known is None or not known.open):
                found.pop(safe_tx_hash, None)
                found[safe_tx_hash] = made
            elif made is not None and known is not None and made.place.intent is not None:
                found[safe_tx_hash] = known.for_intent(made)
        elif safe_tx_hash in found and step in set(Step):
            found[safe_tx_hash] = found[safe_tx_hash].with_step(Step(str(step)), from_iso(record.at), body)


def _made(record: Record) -> Proposed | None:
    body = record.body
    try:
        transaction, what = transaction_from(body), What(str(body.get("what")))
    except ValueError:
        return None  # not as this version writes it
    facts, intent, block, expires = body.get("facts"), body.get("intent"), body.get("block"), body.get("expires_ms")
    evidence = body.get("evidence")
    return Proposed(
        transaction=transaction,
        what=what,
        title=str(body.get("title", "")),
        origin=str(body.get("origin", "")),
        place=Place(record.market, record.action, record.incident, str(intent) if intent else None),
        made_ms=from_iso(record.at),
        block=block if isinstance(block, int) else 0,
        expires_ms=int(str(expires)) if expires else None,
        evidence=str(evidence) if evidence else None,
        adopted=body.get("step") == Step.ADOPTED,
        facts=facts if isinstance(facts, dict) else {},
    )
