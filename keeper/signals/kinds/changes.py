"""Kinds that look back: how much, how fast and how unusually something moved."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.domain.units import Unit
from keeper.signals.spec import Param, ParamProblem, ParamType, ParamValue, SignalKind

PRICES = frozenset({Unit.PRICE})
MAX_SAMPLES = 100_000
"""The most samples a window may hold: more would be memory for no better an estimate (a week of 6-second samples fits)."""


def _whole_samples(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    window_ms, sampling_ms = params["window"], params["sampling"]
    assert isinstance(window_ms, int)
    assert isinstance(sampling_ms, int)
    hint = "for example window: 1h, sampling: 1m"
    if window_ms % sampling_ms:
        return (ParamProblem("window", "the window is not a whole number of sampling intervals", hint),)
    if window_ms < 2 * sampling_ms:
        return (ParamProblem("window", "the window holds fewer than two sampling intervals", hint),)
    if window_ms // sampling_ms > MAX_SAMPLES:
        return (ParamProblem("sampling", f"the window holds more than {MAX_SAMPLES} sampling intervals", hint),)
    return ()


CHANGES = (
    SignalKind(
        kind="realised-volatility",
        summary="How much a price moved over a window: the root of its summed squared log returns, not annualised.",
        params=(
            Param("of", ParamType.SOURCE, "The price."),
            Param(
                "window", ParamType.DURATION, "How far back to look; a whole number of sampling intervals.", minimum=1
            ),
            Param(
                "sampling",
                ParamType.DURATION,
                "One price is taken per interval of this length, the last of it.",
                minimum=1,
            ),
        ),
        output=Unit.VOLATILITY,
        accepts=PRICES,
        formula="sqrt(sum of ln(p[j] / p[j-1])^2 over the sampling intervals j of the window), p[j] the last price of interval j",
        module="keeper.signals.realised_volatility",
        reference=(
            "T. G. Andersen and T. Bollerslev (1998): Answering the Skeptics: Yes, Standard Volatility Models Do Provide Accurate "
            "Forecasts. International Economic Review 39(4), 885-905."
        ),
        check=_whole_samples,
    ),
)
