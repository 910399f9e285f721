"""Divergence: how far one price is from another, as a share of the other.

====== ======================== =========================================================
side   value                    reads as
====== ======================== =========================================================
either ``|of / against - 1|``   how far apart, whichever is higher; never negative
above  ``of / against - 1``     positive where ``of`` is the higher one; may be negative
below  ``1 - of / against``     positive where ``of`` is the lower one; may be negative
====== ======================== =========================================================

Unit: RATIO (0.02 is 2 %). It keeps no state, so it is never WARMING. An input that is missing, not finite, zero or negative makes it
NO_INPUT. The difference is taken before the division: ``(of - against) / against`` is exact to two roundings where
``of / against - 1`` would lose every digit that the two prices have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from keeper.signals.bank import NO_INPUT, READY, Feed, Ints, Out
from keeper.signals.spec import SignalSpec

EITHER, ABOVE, BELOW = 0, 1, 2
SIDES = {"either": EITHER, "above": ABOVE, "below": BELOW}


class Params(NamedTuple):
    """``side``: one of EITHER, ABOVE, BELOW per slot."""

    side: Ints


class State(NamedTuple):
    """Nothing is remembered; the array only counts the slots."""

    slots: Ints


def prepare(specs: Sequence[SignalSpec]) -> Params:
    return Params(np.array([SIDES[str(spec.param("side"))] for spec in specs], dtype=np.int64))


def allocate(params: Params) -> State:
    return State(np.zeros(len(params.side), dtype=np.int64))


@njit(cache=True, error_model="numpy")
def step(feed: Feed, params: Params, state: State, out: Out) -> None:
    """One tick over all slots; ``feed.values`` columns are ``of`` and ``against``."""
    for slot in range(len(params.side)):
        of, against = feed.values[slot, 0], feed.values[slot, 1]
        out.values[slot] = np.nan
        out.status[slot] = NO_INPUT
        if not (0.0 < of < np.inf and 0.0 < against < np.inf):  # also refuses NaN
            continue
        share = (of - against) / against
        if share == np.inf:  # too far apart for a float: no number is better than a wrong one
            continue
        if params.side[slot] == EITHER:
            share = abs(share)
        elif params.side[slot] == BELOW:
            share = -share
        out.values[slot] = share
        out.status[slot] = READY
