"""The same compiled step in a compiled loop over time: what replay will do must equal what live does, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from keeper.signals import divergence as divergence_module
from keeper.signals import realised_volatility as volatility_module
from keeper.signals.bank import Bytes, Feed, Floats, Ints, Out, fresh_out
from keeper.signals.divergence import Params as DivergenceParams
from keeper.signals.divergence import State as DivergenceState
from keeper.signals.realised_volatility import Params as VolatilityParams
from keeper.signals.realised_volatility import State as VolatilityState
from tests.support.engine_world import divergence, volatility

pytestmark = pytest.mark.unit

TICKS, SLOTS = 300, 3
gap_step, vol_step = divergence_module.step, volatility_module.step


@njit()
def gaps_over(
    times: Ints, prices: Floats, params: DivergenceParams, state: DivergenceState, values: Floats, status: Bytes
) -> None:
    for tick in range(len(times)):
        gap_step(Feed(times[tick], tick, prices[tick]), params, state, Out(values[tick], status[tick]))


@njit()
def vols_over(
    times: Ints, prices: Floats, params: VolatilityParams, state: VolatilityState, values: Floats, status: Bytes
) -> None:
    for tick in range(len(times)):
        vol_step(Feed(times[tick], tick, prices[tick]), params, state, Out(values[tick], status[tick]))


def path(sources: int) -> tuple[Ints, Floats]:
    rng = np.random.default_rng(11)
    times = np.cumsum(rng.integers(0, 9_000, TICKS))
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (TICKS, SLOTS, sources)), axis=0))
    prices[rng.random(prices.shape) < 0.05] = np.nan
    return times, prices


def test_divergence_step__in_a_loop_over_time__equals_tick_by_tick_to_the_last_bit() -> None:
    times, prices = path(2)
    params = divergence_module.prepare([divergence(side=side) for side in ("either", "above", "below")])
    values, status = np.empty((TICKS, SLOTS)), np.empty((TICKS, SLOTS), dtype=np.int8)
    gaps_over(times, prices, params, divergence_module.allocate(params), values, status)
    out, state = fresh_out(SLOTS), divergence_module.allocate(params)
    for tick in range(TICKS):
        gap_step(Feed(int(times[tick]), tick, prices[tick]), params, state, out)
        assert out.values.tobytes() == values[tick].tobytes()
        assert out.status.tobytes() == status[tick].tobytes()
    assert 0 < np.isnan(values).sum() < values.size


def test_volatility_step__in_a_loop_over_time__equals_tick_by_tick_to_the_last_bit() -> None:
    times, prices = path(1)
    params = volatility_module.prepare([volatility(window_ms=n * 10_000, sampling_ms=10_000) for n in (2, 5, 16)])
    values, status = np.empty((TICKS, SLOTS)), np.empty((TICKS, SLOTS), dtype=np.int8)
    vols_over(times, prices, params, volatility_module.allocate(params), values, status)
    out, state = fresh_out(SLOTS), volatility_module.allocate(params)
    for tick in range(TICKS):
        vol_step(Feed(int(times[tick]), tick, prices[tick]), params, state, out)
        assert out.values.tobytes() == values[tick].tobytes()
        assert out.status.tobytes() == status[tick].tobytes()
    assert 0 < np.isnan(values).sum() < values.size
