"""What to offer for a place in the next blocks. All amounts in wei."""

from __future__ import annotations

from dataclasses import dataclass

MAX_RISE = (9, 8)
"""A block's base fee is at most 9/8 of its parent's (EIP-1559)."""
BLOCKS_AHEAD = 6
"""The first offer stays valid through this many full blocks: 1.125**6 is about 2."""
BUMP = (1125, 1000)
"""A replacement must raise both fields by 10 % or more to be taken (geth); one base fee step is 12.5 %."""


@dataclass(frozen=True, slots=True)
class Fees:
    """The two fields of an EIP-1559 transaction."""

    max_fee_wei: int
    priority_fee_wei: int


def offer(next_base_fee_wei: int, priority_fee_wei: int, blocks: int = BLOCKS_AHEAD) -> Fees:
    """An offer that stays valid while the base fee rises for so many full blocks."""
    base = next_base_fee_wei
    for _ in range(blocks):
        base = -(-base * MAX_RISE[0] // MAX_RISE[1])
    return Fees(base + priority_fee_wei, priority_fee_wei)


def dearest(one: Fees, other: Fees) -> Fees:
    """The higher one of each field."""
    return Fees(max(one.max_fee_wei, other.max_fee_wei), max(one.priority_fee_wei, other.priority_fee_wei))


def raised(old: Fees) -> Fees:
    """The least that replaces ``old``: 12.5 % more on both fields."""
    return Fees(_raised(old.max_fee_wei), _raised(old.priority_fee_wei))


def bump(old: Fees, next_base_fee_wei: int, priority_fee_wei: int) -> Fees:
    """A replacement for ``old``: at least 12.5 % more on both fields, and no less than a fresh offer."""
    least, fresh = raised(old), offer(next_base_fee_wei, priority_fee_wei)
    return Fees(max(least.max_fee_wei, fresh.max_fee_wei), max(least.priority_fee_wei, fresh.priority_fee_wei))


def escalate(old: Fees, next_base_fee_wei: int, priority_fee_wei: int) -> Fees:
    """A replacement for what a block has passed over: twice the tip, at least 12.5 % more on both fields, and no less than a fresh offer."""
    least = raised(old)
    tip = max(2 * old.priority_fee_wei, least.priority_fee_wei, priority_fee_wei)
    return Fees(max(least.max_fee_wei, offer(next_base_fee_wei, tip).max_fee_wei), tip)


def _raised(wei: int) -> int:
    return max(-(-wei * BUMP[0] // BUMP[1]), wei + 1)
