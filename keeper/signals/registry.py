"""Every kind of signal, by the name that a configuration uses.

Declarations only: importing this costs nothing. The statistic itself is the compiled step in ``SignalKind.module``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from keeper.domain.units import Unit
from keeper.signals.spec import Param, ParamProblem, ParamType, ParamValue, SignalKind

PRICES = frozenset({Unit.PRICE})

MAX_SAMPLES = 100_000
"""The most samples a window may hold: more would be memory for no better an estimate (a week of 6-second samples fits)."""


def _whole_samples(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    window_ms, sampling_ms = int(params["window"]), int(params["sampling"])
    hint = "for example window: 1h, sampling: 1m"
    if window_ms % sampling_ms:
        return (ParamProblem("window", "the window is not a whole number of sampling intervals", hint),)
    if window_ms < 2 * sampling_ms:
        return (ParamProblem("window", "the window holds fewer than two sampling intervals", hint),)
    if window_ms // sampling_ms > MAX_SAMPLES:
        return (ParamProblem("sampling", f"the window holds more than {MAX_SAMPLES} sampling intervals", hint),)
    return ()


_KINDS = (
    SignalKind(
        kind="divergence",
        summary="How far one price is from another, as a share of the other.",
        params=(
            Param("of", ParamType.SOURCE, "The price that may be wrong, usually the protocol's oracle."),
            Param("against", ParamType.SOURCE, "The price it is held against, usually the spot market."),
            Param(
                "side",
                ParamType.CHOICE,
                "Which way counts: above is positive where 'of' is the higher one, below where it is the lower one, either is never negative.",
                required=False,
                default="either",
                choices=("either", "above", "below"),
            ),
        ),
        output=Unit.RATIO,
        accepts=PRICES,
        formula="either: |of / against - 1|; above: of / against - 1; below: 1 - of / against (above and below may be negative)",
        module="keeper.signals.divergence",
    ),
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

SIGNALS: Mapping[str, SignalKind] = MappingProxyType({kind.kind: kind for kind in _KINDS})
