"""What relay, chain and log say after the two acts: who could see each pause before its block, and what made the second one public."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.app.demo.acts import BUILDERS, MARKETS, Acts
from keeper.app.demo.story import joined_words, short
from keeper.devnet.anvil import quantity
from keeper.domain.record import Record, RecordKind
from keeper.execution.journal import FallbackReason


@dataclass(frozen=True, slots=True)
class Act:
    """One pause. ``position`` counts from 0 in ``block``, which ``built_by`` won; None: it is in no block.

    ``seen`` is the newest block at the moment when the public pool held the first of its attempts, before it was mined; None: it never did.
    ``public`` are the record numbers of what was sent publicly; ``fallback`` is the record that says so beforehand, ``answers`` what builders
    said, by builder.
    """

    market: str
    tx_hash: str
    block: int | None
    position: int | None
    built_by: str | None
    seen: int | None
    answers: Mapping[str, str]
    public: tuple[int, ...]
    fallback: Record | None

    @property
    def document(self) -> dict[str, object]:
        """For the JSON of the demo."""
        return {
            "market": self.market,
            "hash": self.tx_hash,
            "block": self.block,
            "position": self.position,
            "built_by": self.built_by,
            "public_since_block": self.seen,
            "builders": dict(self.answers),
            "fallback": None if self.fallback is None else {"record": self.fallback.seq, **_said(self.fallback)},
        }


async def ask_the_relay(acts: Acts, records: Sequence[Record]) -> tuple[Act, ...]:
    """One for each intent of the log. Raises OutsideError."""
    intents = [one for one in records if one.kind is RecordKind.INTENT]
    return tuple(
        [await _act(acts, intent, [one for one in records if one.intent == intent.intent]) for intent in intents]
    )


async def _act(acts: Acts, intent: Record, mine: Sequence[Record]) -> Act:
    hashes = [str(one.body["tx_hash"]) for one in mine if one.kind is RecordKind.ATTEMPT]
    sent = [one for one in mine if one.kind is RecordKind.BROADCAST]
    tx_hash = next((str(one.body["tx_hash"]) for one in mine if one.kind is RecordKind.RECEIPT), "")
    receipt = await acts.world.node.rpc("eth_getTransactionReceipt", tx_hash) if tx_hash else None
    block = None if receipt is None else quantity(receipt["blockNumber"])
    before = [await acts.relay.public_before(each, block or 0) for each in hashes]
    fallback = next((one for one in sent if "fallback" in one.body), None)
    slot = acts.built.get(block or 0)
    return Act(
        market=str(intent.market),
        tx_hash=tx_hash,
        block=block,
        position=None if receipt is None else quantity(receipt["transactionIndex"]),
        built_by=slot.winner if slot else None,
        seen=min((one.block for one in before if one is not None), default=None),
        answers=_answers(fallback or next((one for one in sent if one.body.get("public") is False), None)),
        public=tuple(one.seq for one in sent if one.body.get("public") is True and one is not fallback),
        fallback=fallback,
    )


def failures(acts: Sequence[Act]) -> Iterator[str]:
    """Everything that does not hold, in words."""
    if tuple(act.market for act in acts) != MARKETS:
        yield f"acts were of {[act.market for act in acts]}, expected {list(MARKETS)}"
        return
    hidden, loud = acts
    if hidden.seen is not None:
        yield f"the public pool held the pause of {hidden.market} at block {hidden.seen}, before block {hidden.block}"
    if hidden.public or hidden.fallback is not None:
        yield f"the log has the pause of {hidden.market} sent publicly: records {hidden.public}"
    if hidden.position != 0 or hidden.built_by not in {builder.name for builder in BUILDERS}:
        yield f"the pause of {hidden.market} is at {hidden.position} in a block of {hidden.built_by}, expected 0 and a builder's"
    if not any(said == "accepted" for said in hidden.answers.values()):
        yield f"no builder took the pause of {hidden.market}: {dict(hidden.answers)}"
    if loud.seen is None or not loud.public:
        yield f"the pause of {loud.market} was not public before its block"
    if loud.fallback is None or _said(loud.fallback).get("reason") != FallbackReason.REFUSED:
        yield f"the log does not say that {loud.market} fell back because builders refused"
    elif loud.public and loud.public[0] < loud.fallback.seq:
        yield f"{loud.market} was sent publicly in record {loud.public[0]}, before the log said so in record {loud.fallback.seq}"
    if set(loud.answers) != {builder.name for builder in BUILDERS} or set(loud.answers.values()) != {"refused"}:
        yield f"builders said {dict(loud.answers)} to the pause of {loud.market}, expected that all refuse"


def claims(acts: Sequence[Act]) -> Iterator[tuple[str, str]]:
    """What was read back, and from where."""
    for act in acts:
        if act.seen is None:
            yield "pool", f"watched all the time: it never held {short(act.tx_hash)}"
            yield "chain", f"before it was the first transaction of block {act.block}, which {act.built_by} built"
        else:
            yield "pool", f"it held {short(act.tx_hash)} since block {act.seen}, before block {act.block}"
        if act.fallback is not None:
            words = str(act.fallback.body["message"]).split(" (", maxsplit=1)[0]
            yield "log", f"record {act.fallback.seq} said before that: {words}"
            yield "", f"refused by {joined_words(act.answers)}"


def verdict(acts: Sequence[Act]) -> str:
    """The builders' part of the last sentence."""
    hidden, loud = acts
    return (
        f"{hidden.market} was paused in block {hidden.block}, and no public pool held it before; {loud.market} was paused in block "
        f"{loud.block} through the public pool, because {joined_words(loud.answers)} refused, and the log said so first"
    )


def _said(fallback: Record) -> dict[str, Any]:
    said = fallback.body["fallback"]
    return dict(said) if isinstance(said, dict) else {}


def _answers(record: Record | None) -> dict[str, str]:
    """What each builder said of it: that it took it, where it took it at all."""
    found: dict[str, str] = {}
    answers = record.body.get("answers") if record is not None else None
    for one in answers if isinstance(answers, list) else ():
        if isinstance(one, dict) and found.get(str(one["to"])) != "accepted":
            found[str(one["to"])] = str(one["answer"])
    return found
