"""The proof for people: what was read back, from where, and in one sentence what that shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keeper.adapters.audit.verify import Verification
from keeper.app.demo.guarded import GuardFacts
from keeper.app.demo.proof import Proof
from keeper.app.demo.readback import ChainEffect, ChainFacts
from keeper.app.demo.story import joined_words, short
from keeper.devnet.scenarios import SHAKEN
from keeper.domain.circuit_breaker import BreakerStatus

if TYPE_CHECKING:  # what a council needs costs time to import, and one scenario has it
    from keeper.app.demo.council_facts import CouncilFacts
    from keeper.app.demo.unseen import Act

_DOLLAR = 10**6
STATUS = "statusOf"


def claims(
    proof: Proof,
    facts: ChainFacts,
    verification: Verification,
    guard: GuardFacts | None = None,
    council: CouncilFacts | None = None,
    acts: Sequence[Act] = (),
) -> list[tuple[str, str]]:
    """Each with where it was read: ``chain``, ``log``; or ``MISSING``, what did not hold."""
    found: list[tuple[str, str]] = []
    for effect in facts.effects:
        market = effect.record.market
        before, after = _value(effect, effect.before), _value(effect, effect.after)
        of = guard.name if guard and effect.function == STATUS else market
        told = f"{effect.function}({of}): {before} at block {effect.block - 1}, {after} at block {effect.block}"
        found.append(("chain", told))
        logged = effect.record.body
        same = (logged["before"], logged["after"]) == (effect.before, effect.after)
        words = "the same" if same else f"{logged['before']} -> {logged['after']}"
        found.append(("log", f"record {effect.record.seq}, {short(effect.record.hash)}, says {words}"))
    for tx_hash, mined in facts.mined.items():
        where = f"in block {mined.block}, status {mined.status}" if mined else "in no block"
        found.append(("chain", f"transaction {short(tx_hash)}: {where}"))
    if guard is not None and guard.record is not None:
        found.append(("chain", f"the trip in block {guard.trip_block} names {short(guard.evidence)} as its evidence,"))
        found.append(("log", f"which is the hash of the decision in record {guard.record.seq}"))
    if council is not None:
        from keeper.app.demo import council_facts

        found.extend(council_facts.claims(council))
    if acts:
        from keeper.app.demo import unseen

        found.extend(unseen.claims(acts))
    paused = [market for market, is_paused in facts.paused.items() if is_paused]
    still_open = [market for market, is_paused in facts.paused.items() if not is_paused]
    states = [f"{joined_words(names)} {word}" for names, word in ((paused, "paused"), (still_open, "open")) if names]
    found.append(("chain", f"at block {facts.block}: {'; '.join(states)}"))
    found.append(("chain", f"the keeper's key has sent {_count(facts.sent, 'transaction')}"))
    if verification.ok:
        words = f"{verification.records} records, each hash recomputed, the last is {short(verification.head)}"
        found.append(("log", words))
    if verification.ok and verification.checkpoints.count:
        seen = verification.checkpoints
        found.append(
            ("log", f"{_count(seen.count, 'checkpoint')} signed by {short(seen.signer)}, up to record {seen.last_seq}")
        )
        found.append(
            ("witness", f"kept {sum(one.lines for one in verification.witnesses)} of them, and they fit the log")
        )
    found.extend(("MISSING", failure) for failure in proof.failures)
    return found


def verdict(
    proof: Proof,
    facts: ChainFacts,
    verification: Verification,
    guard: GuardFacts | None = None,
    council: CouncilFacts | None = None,
    acts: Sequence[Act] = (),
) -> str:
    """No more than what was read back."""
    if not proof.ok:
        return "NOT proven: see what is missing above."
    chain = f"the log is one unbroken chain of {verification.records} records."
    if not facts.effects:
        return f"Proven: nothing was sent, {joined_words(facts.paused)} are open, and {chain}"
    if guard is not None:
        return (
            f"Proven: {SHAKEN} was paused in block {guard.trip_block} by a key without any role, and opened again in block "
            f"{guard.expired_block} because nobody ratified it; the event on the chain names the decision of the log; {chain}"
        )
    if council is not None:
        from keeper.app.demo import council_facts

        block = facts.effects[0].block
        return f"Proven: {SHAKEN} was paused in block {block} by the keeper alone; {council_facts.verdict(council)}; {chain}"
    if acts:
        from keeper.app.demo import unseen

        return f"Proven: {unseen.verdict(acts)}; {chain}"
    did = [_did(effect) for effect in facts.effects]
    others = joined_words(market for market in facts.paused if market != SHAKEN)
    return f"Proven: {joined_words(did)}; {others} are still open; {chain}"


def _did(effect: ChainEffect) -> str:
    market, block = effect.record.market, effect.block
    if effect.function == "paused":
        return f"{market} is paused since block {block}"
    return f"withdrawals of {market} are limited to {_value(effect, effect.after)} since block {block}"


def _value(effect: ChainEffect, value: str) -> str:
    if effect.function == STATUS and value.isdigit():
        return BreakerStatus(int(value)).name.lower()
    return f"{int(value) // _DOLLAR:,} dollars an hour" if effect.function == "withdrawalLimit" else value


def _count(number: int, thing: str) -> str:
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"
