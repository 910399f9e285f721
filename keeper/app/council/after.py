"""The joint check: all steps of a change simulated together, and the invariants judged on the state that they leave behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.app.council.accounts import find_accounts
from keeper.app.council.matter import After, Kept
from keeper.domain.abi import encode_call
from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError
from keeper.domain.evm import CallResult
from keeper.domain.future import Future, Step
from keeper.domain.invariant import Found, Invariant, LiquidatableInvariant, PriceInvariant, calls_of, judge, not_judged
from keeper.domain.observation import Observation
from keeper.execution.reverts import explain
from keeper.ports.chain import ChainReader
from keeper.ports.future import StateAfter


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is read for one invariant: ``calls`` of it, about ``accounts``."""

    invariant: Invariant
    calls: tuple[Call, ...]
    accounts: tuple[str, ...] = ()
    missing: str = ""


async def after(
    steps: Sequence[Step],
    invariants: Sequence[Invariant],
    *,
    chain: ChainReader,
    future: StateAfter,
    block: BlockStamp,
    market: Mapping[str, Observation],
) -> After:
    """What the state would be after these steps, which are carried out all or none, and whether every invariant would hold then.

    ``market`` are the newest graded observations by source; one that is not there, or not good, leaves the price invariants of it unjudged.
    Raises nothing for what the node does or says: what cannot be found out is None, with why.
    """
    try:
        asked = [await _asked(invariant, chain, block) for invariant in invariants]
        calls = [call for one in asked for call in one.calls]
        before = await chain.read(calls, block) if calls else ()
        then = await future.after(steps, calls, block)
    except OutsideError as error:
        return unknown_after(invariants, error.message, block)
    failed = _failed(steps, then)
    if failed:
        return After(False, f"At block {block.number} ({then.how}): {failed}.", (), block.number)
    text = f"At block {block.number} ({then.how}): {_all(len(steps))} would go through."
    kept = _judged(asked, before, then.reads, market)
    return After(True, text, kept, block.number)


def unknown_after(invariants: Sequence[Invariant], why: str, block: BlockStamp) -> After:
    """Nothing could be found out."""
    return After(None, why, tuple(_unjudged(one, why) for one in invariants), block.number)


async def _asked(invariant: Invariant, chain: ChainReader, block: BlockStamp) -> _Asked:
    accounts: tuple[str, ...] = ()
    missing = ""
    if isinstance(invariant, LiquidatableInvariant):
        accounts, missing = await find_accounts(invariant.accounts, chain, block)
    calls = tuple(encode_call(call) for call in calls_of(invariant, accounts))
    return _Asked(invariant, calls, accounts, missing)


def _judged(
    asked: Sequence[_Asked],
    before: Sequence[CallResult],
    after: Sequence[CallResult],
    market: Mapping[str, Observation],
) -> tuple[Kept, ...]:
    kept = []
    begin = 0
    for one in asked:
        end = begin + len(one.calls)
        source = one.invariant.source if isinstance(one.invariant, PriceInvariant) else ""
        found = Found(before[begin:end], after[begin:end], one.accounts, one.missing, market.get(source))
        verdict = judge(one.invariant, found)
        kept.append(Kept(name_of(one.invariant), verdict.holds, verdict.before, verdict.after, verdict.text))
        begin = end
    return tuple(kept)


def _unjudged(invariant: Invariant, why: str) -> Kept:
    verdict = not_judged(why)
    return Kept(name_of(invariant), verdict.holds, verdict.before, verdict.after, verdict.text)


def name_of(invariant: Invariant) -> str:
    """Its name, with the market where it is of one."""
    return f"{invariant.name} ({invariant.market})" if invariant.market else invariant.name


def _failed(steps: Sequence[Step], then: Future) -> str:
    """The first step that fails, in words; empty when none does."""
    for place, (step, end) in enumerate(zip(steps, then.steps, strict=True), start=1):
        if not end.ok:
            which = "the call" if len(steps) == 1 else f"call {place} of {len(steps)}"
            return (
                f"{which} to {step.call.to} would fail, and nothing would change: {explain(end.data, end.error).text}"
            )
    return ""


def _all(count: int) -> str:
    return "the call" if count == 1 else f"all {count} calls"
