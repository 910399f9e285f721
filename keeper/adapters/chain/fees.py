"""Fees of EIP-1559, in wei."""

from __future__ import annotations

from collections.abc import Sequence

ELASTICITY = 2
MAX_CHANGE_DENOMINATOR = 8


def next_base_fee_wei(base_fee_wei: int, gas_used: int, gas_limit: int) -> int:
    """The base fee of the block after one with these figures. Source: EIP-1559, ``validate_block``, in integers as there.

    Chains with other constants (some L2s) differ; there it is an estimate.
    """
    target = gas_limit // ELASTICITY
    if gas_used == target or target == 0:
        return base_fee_wei
    if gas_used > target:
        rise = base_fee_wei * (gas_used - target) // target // MAX_CHANGE_DENOMINATOR
        return base_fee_wei + max(rise, 1)
    return base_fee_wei - base_fee_wei * (target - gas_used) // target // MAX_CHANGE_DENOMINATOR


def suggested_priority_fee_wei(rewards_wei: Sequence[int], floor_wei: int) -> int:
    """The 90th percentile (nearest rank) of what each of the last blocks paid, and never less than the floor.

    ``rewards_wei`` holds one figure per block. Of ten blocks it is the second highest, so that one extreme block does not decide.
    """
    if not rewards_wei:
        return floor_wei
    ordered = sorted(rewards_wei)
    rank = -(-len(ordered) * 9 // 10)
    return max(ordered[rank - 1], floor_wei)
