"""A log of what a keeper changed, and a vault whose values a test sets: what a restore is planned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from keeper.adapters.audit.pages import matches
from keeper.adapters.chain.memory import MemoryChain, Reverted, Storage
from keeper.app.council.facts import change_body
from keeper.app.council.ledger import Place, Proposed, Step, What, transaction_body
from keeper.app.council.matter import Change
from keeper.app.council.restored import LookUp
from keeper.app.council.restoring import Restore, plan_restore
from keeper.domain.abi import parse_signature
from keeper.domain.abi_codec import encode_values
from keeper.domain.action import PREVIOUS, Action, ActionKind, BreakerTrip, Effect, FunctionCall, SafeSide
from keeper.domain.record import GENESIS, Json, Record, RecordKind, RecordQuery
from keeper.domain.safe import SafeTransaction

VAULT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SAFE = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
INCIDENT = "ETH-PERP@1"
MARKET = "ETH-PERP"
LIMIT_VIEW = FunctionCall(VAULT, "limit()(uint256)")
CAP_VIEW = FunctionCall(VAULT, "cap()(uint256)")
PAUSED_VIEW = FunctionCall(VAULT, "paused()(bool)")
VIEWS = {"limit": LIMIT_VIEW, "cap": CAP_VIEW, "paused": PAUSED_VIEW}


def action(what: str, **changes: object) -> Action:
    """What changes the value of this name; its undo carries the previous one, or unpauses."""
    if what == "paused":
        call, undo = FunctionCall(VAULT, "pause()"), FunctionCall(VAULT, "unpause()")
        made = Action("pause", MARKET, ActionKind.PAUSE, call, Effect(PAUSED_VIEW, "true"), "public", 1, undo=undo)
    else:
        setter = f"set{what.capitalize()}(uint256)"
        call, undo = FunctionCall(VAULT, setter, ("100",)), FunctionCall(VAULT, setter, (PREVIOUS,))
        made = Action(
            f"tighten-{what}", MARKET, ActionKind.RATE_LIMIT, call, Effect(VIEWS[what], "100"), "public", 1, undo=undo,
            safe_side=SafeSide.LOWER,
        )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


ACTIONS = (action("paused"), action("limit"), action("cap"))


def vault(data: bytes, _: str, storage: Storage) -> bytes:
    for name, view in VIEWS.items():
        if data[:4] == parse_signature(view.signature).selector and storage.get(name) is not None:
            return int(str(storage[name])).to_bytes(32, "big")
    raise Reverted


@dataclass(slots=True)
class Log:
    """Records by hand, numbered."""

    records: list[Record] = field(default_factory=list)

    def add(
        self,
        kind: RecordKind,
        body: dict[str, Json],
        *,
        what: str = "limit",
        incident: str = INCIDENT,
        intent: str = "i-1",
    ) -> Record:
        seq = len(self.records) + 1
        name = next(each.name for each in ACTIONS if each.effect.read == VIEWS[what])
        made = Record(seq, "2026-03-10T12:00:00.000Z", kind, MARKET, name, incident, intent, body, GENESIS, GENESIS)
        self.records.append(made)
        return made

    def phase(self, phase: str, incident: str = INCIDENT) -> None:
        self.records.append(
            Record(
                len(self.records) + 1, "2026-03-10T12:00:00.000Z", RecordKind.INCIDENT, MARKET, None, incident, None, {"phase": phase},
                GENESIS, GENESIS,
            )
        )  # fmt: skip

    def intended(
        self, what: str, before: str | None, *, incident: str = INCIDENT, breaker: BreakerTrip | None = None
    ) -> str:
        intent = f"i-{len(self.records) + 1}"
        signature = VIEWS[what].signature
        body: dict[str, Json] = {"effect_before": before, "call": signature, "effect_call": signature}
        if breaker is not None:
            body["breaker"] = {"contract": breaker.contract, "id": breaker.id, "name": "b"}
        self.add(RecordKind.INTENT, body, what=what, incident=incident, intent=intent)
        return intent

    def ended(self, what: str, kind: str, intent: str, incident: str = INCIDENT) -> None:
        self.add(RecordKind.OUTCOME, {"kind": kind, "reason": "r"}, what=what, intent=intent, incident=incident)

    def effect(self, what: str, before: str | None, after: str, intent: str, incident: str = INCIDENT) -> None:
        view = VIEWS[what]
        body: dict[str, Json] = {
            "contract": view.target, "call": view.signature, "args": list(view.args), "before": before, "after": after, "block": 7,
        }  # fmt: skip
        self.add(RecordKind.EFFECT, body, what=what, intent=intent, incident=incident)

    def acted(
        self, what: str, before: str | None, after: str, *, incident: str = INCIDENT, breaker: BreakerTrip | None = None
    ) -> None:
        """The whole course of an action that worked."""
        intent = self.intended(what, before, incident=incident, breaker=breaker)
        self.add(RecordKind.ATTEMPT, {"tx_hash": "0x1"}, what=what, incident=incident, intent=intent)
        self.add(
            RecordKind.RECEIPT, {"tx_hash": "0x1", "status": 1, "block": 7}, what=what, incident=incident, intent=intent
        )
        self.effect(what, before, after, intent, incident)
        self.ended(what, "included", intent, incident)

    def proposed(self, what: str, of: What = What.RESTORE, *, incident: str = INCIDENT, nonce: int = 5) -> Proposed:
        """A proposal that would set this value, as the log has it when it is made."""
        view = VIEWS[what]
        transaction = SafeTransaction(1, SAFE, nonce, view.target, b"\x01\x02\x03\x04")
        change = Change(view.target, view.signature, view.args, "250", None, "1000", what)
        place = Place(MARKET, None, incident)
        facts: dict[str, Json] = {"changes": [change_body(change)]}
        made = Proposed(transaction, of, f"Put back {incident}", "", place, 0, 8, facts=facts)
        self.step(
            made, Step.MADE, **transaction_body(transaction), what=of.value, title=made.title, block=8, facts=facts
        )
        return made

    def step(self, proposed: Proposed, step: Step, **facts: Json) -> None:
        """One step of it, told by the keeper or by a command."""
        body: dict[str, Json] = {"step": step.value, "safe": SAFE, "safe_tx_hash": proposed.hash, **facts}
        seq = len(self.records) + 1
        incident = proposed.place.incident
        self.records.append(
            Record(
                seq,
                "2026-03-10T12:00:00.000Z",
                RecordKind.PROPOSAL,
                MARKET,
                None,
                incident,
                None,
                body,
                GENESIS,
                GENESIS,
            )
        )

    async def page(self, query: RecordQuery) -> Sequence[Record]:
        kept = list(reversed(self.records)) if query.newest_first else self.records
        found = [one for one in kept if matches(one, query) and (query.newest_first or one.seq > query.after)]
        return found[: query.limit]


async def planned(
    log: Log,
    *,
    actions: Sequence[Action] = ACTIONS,
    incident: str = INCIDENT,
    chain: MemoryChain | None = None,
    look_up: LookUp | None = None,
    **now: object,
) -> Restore:
    """With these values in the vault now."""
    chain = chain or MemoryChain()
    chain.install(VAULT, vault, **now)
    chain.mine()
    return await plan_restore(incident, log.page, actions, chain, look_up)


def words(*values: int) -> bytes:
    return encode_values(("uint256",) * len(values), values)
