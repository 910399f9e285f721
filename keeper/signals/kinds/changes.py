"""Kinds that look back: how much, how fast and how unusually something moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from keeper.domain.units import Span, Unit
from keeper.signals.spec import Example, Param, ParamProblem, ParamType, ParamValue, SignalKind
from keeper.signals.windows import ANNUALISED, SAMPLING, WINDOW, check_annualised, check_window, sampling_of

PRICES = frozenset({Unit.PRICE})
ANYTHING = frozenset(Unit)

PRICE = Param("of", ParamType.SOURCE, "The price.")
VALUE = Param("of", ParamType.SOURCE, "The price, or another source or signal.")
HALF_LIFE = Param(
    "half_life",
    ParamType.WINDOW,
    "After how long a value counts half as much: a time, a number of blocks, or of samples (ticks at which there was an input).",
)
HALF_LIFE_SAMPLING = replace(
    SAMPLING,
    help="One value is taken per interval of this length, the last of it; left out: a sixtieth of a half-life of time, one block.",
)
DIRECTION = Param(
    "direction",
    ParamType.CHOICE,
    "Which way counts: up is positive above, down is positive below, either is never negative.",
    required=False,
    default="either",
    choices=("either", "up", "down"),
)
FLOOR = Param(
    "floor",
    ParamType.RATIO,
    "The standard deviation counts as at least this share of the mean, so that after a time without moves the first one is not beyond measure.",
    required=False,
    default=Decimal("0.0001"),
    minimum=Decimal(0),
)
RETURN_FLOOR = replace(
    FLOOR,
    help="The volatility of one interval counts as at least this, so that after a time without moves the first one is not beyond measure.",
)


def _window_and_year(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    return check_window(params) + check_annualised(params)


def _half_life(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    return check_window(params, name="half_life")


def _half_life_and_year(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    return _half_life(params) + check_annualised(params, "half_life")


def _drift_and_ceiling(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    drift, ceiling = params["drift"], params["ceiling"]
    assert isinstance(drift, Decimal)
    assert isinstance(ceiling, Decimal)
    problems = _half_life(params)
    if drift <= 0:  # a sum that is not pulled down never comes down
        problems += (ParamProblem("drift", "the drift must be more than 0", "for example drift: 0.5"),)
    if ceiling <= 0:
        problems += (ParamProblem("ceiling", "the ceiling must be more than 0", "for example ceiling: 100"),)
    return problems


def _both_windows(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    if problems := check_window(params):
        return problems
    window, given = params["window"], params.get("sampling", Span(samples=1))
    assert isinstance(window, Span)
    assert isinstance(given, Span)
    return check_window({**params, "sampling": sampling_of(window, given)}, name="baseline")


def _share_of_values(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    share = params["q"]
    assert isinstance(share, Decimal)
    if not 0 <= share <= 1:
        return (ParamProblem("q", "a share of the values is from 0% to 100%", "for example q: 95%"),)
    return check_window(params, at_least=1)


CHANGES = (
    SignalKind(
        kind="realised-volatility",
        summary="How much a price moved over a window: the root of its summed squared log returns.",
        params=(PRICE, WINDOW, SAMPLING, ANNUALISED),
        output=Unit.VOLATILITY,
        accepts=PRICES,
        formula=(
            "sqrt(sum of ln(p[j] / p[j-1])^2 over the sampling intervals j of the window), p[j] the last price of interval j; "
            "annualised: times sqrt(365d / window)"
        ),
        module="keeper.signals.realised_volatility",
        example=Example("violent: {kind: realised-volatility, of: spot-a, window: 1h}", above="2%"),
        reference=(
            "T. G. Andersen and T. Bollerslev (1998): Answering the Skeptics: Yes, Standard Volatility Models Do Provide Accurate "
            "Forecasts. International Economic Review 39(4), 885-905."
        ),
        check=_window_and_year,
    ),
    SignalKind(
        kind="ewma-volatility",
        summary="How much a price moves in one sampling interval, lately: the root of the exponentially weighted mean of its squared log returns.",
        params=(PRICE, HALF_LIFE, HALF_LIFE_SAMPLING, ANNUALISED),
        output=Unit.VOLATILITY,
        accepts=PRICES,
        formula="sqrt(weighted mean of ln(p[j] / p[j-1])^2), weights halved with each half-life; annualised: times sqrt(365d / sampling)",
        module="keeper.signals.ewma_volatility",
        example=Example("lately: {kind: ewma-volatility, of: spot-a, half_life: 10m, sampling: 1m}", above="50bps"),
        reference="J. P. Morgan / Reuters (1996): RiskMetrics Technical Document, 4th edition, section 5.2.",
        check=_half_life_and_year,
    ),
    SignalKind(
        kind="volatility-ratio",
        summary="How many times more a price moves in a short window than in the long one before it.",
        params=(
            PRICE,
            replace(WINDOW, help="The short window: a time, a number of blocks, or of samples."),
            Param("baseline", ParamType.WINDOW, "The long window, which ends where the short one begins."),
            SAMPLING,
            RETURN_FLOOR,
        ),
        output=Unit.RATIO,
        accepts=PRICES,
        formula="sqrt(mean squared log return of the window) / max(sqrt(mean squared log return of the baseline), floor)",
        module="keeper.signals.volatility_ratio",
        example=Example(
            "unusual: {kind: volatility-ratio, of: spot-a, window: 10m, baseline: 2h, sampling: 1m}", above="300%"
        ),
        check=_both_windows,
    ),
    SignalKind(
        kind="return",
        summary="How far a price has moved over a window, as a share of what it was.",
        params=(PRICE, WINDOW, SAMPLING, DIRECTION),
        output=Unit.RATIO,
        accepts=PRICES,
        formula="up: now / then - 1; down: 1 - now / then; either: |now / then - 1|, then the price one window ago (up and down may be negative)",
        module="keeper.signals.price_return",
        example=Example("falling: {kind: return, of: spot-a, window: 15m, direction: down}", above="4%"),
        check=check_window,
    ),
    SignalKind(
        kind="drawdown",
        summary="How far a price lies below the highest one seen within a window.",
        params=(PRICE, WINDOW, SAMPLING),
        output=Unit.RATIO,
        accepts=PRICES,
        formula="1 - now / the highest price seen at any tick of the window",
        module="keeper.signals.drawdown",
        example=Example("below-high: {kind: drawdown, of: spot-a, window: 1h}", above="6%"),
        reference=(
            "M. Magdon-Ismail and A. F. Atiya (2004): Maximum drawdown. Risk 17(10), 99-102; D. Lemire (2006): Streaming "
            "maximum-minimum filter using no more than three comparisons per element. Nordic Journal of Computing 13(4), 328-339."
        ),
        check=check_window,
    ),
    SignalKind(
        kind="z-score",
        summary="How many standard deviations the latest value lies from the mean of the window before it.",
        params=(VALUE, WINDOW, SAMPLING, DIRECTION, FLOOR),
        output=Unit.SCORE,
        accepts=ANYTHING,
        formula="(now - mean) / max(standard deviation, floor * |mean|), both of the last values of the window's intervals before this one",
        module="keeper.signals.z_score",
        example=Example("far-off: {kind: z-score, of: spot-a, window: 1h}", above="5"),
        reference=(
            "T. F. Chan, G. H. Golub and R. J. LeVeque (1983): Algorithms for Computing the Sample Variance: Analysis and "
            "Recommendations. The American Statistician 37(3), 242-247."
        ),
        check=check_window,
    ),
    SignalKind(
        kind="ewma-z-score",
        summary="How many standard deviations the latest value lies from an exponentially weighted mean of those before it.",
        params=(VALUE, HALF_LIFE, HALF_LIFE_SAMPLING, DIRECTION, FLOOR),
        output=Unit.SCORE,
        accepts=ANYTHING,
        formula="(now - mean) / max(standard deviation, floor * |mean|), both weighted, weights halved with each half-life",
        module="keeper.signals.ewma_z_score",
        example=Example("far-off: {kind: ewma-z-score, of: spot-a, half_life: 20m, sampling: 1m}", above="5"),
        reference=(
            "D. H. D. West (1979): Updating Mean and Variance Estimates: An Improved Method. Communications of the ACM 22(9), 532-535; "
            "T. Finch (2009): Incremental Calculation of Weighted Mean and Variance. University of Cambridge."
        ),
        check=_half_life,
    ),
    SignalKind(
        kind="cusum",
        summary="The sum of standardised returns beyond what is usual: it finds small moves that keep going the same way.",
        params=(
            PRICE,
            HALF_LIFE,
            HALF_LIFE_SAMPLING,
            Param(
                "drift",
                ParamType.NUMBER,
                "How many standard deviations a return may go each interval without being counted.",
                required=False,
                default=Decimal("0.5"),
            ),
            Param(
                "ceiling",
                ParamType.NUMBER,
                "The sum never goes beyond, so that it comes down again: from there within ceiling / drift intervals.",
                required=False,
                default=Decimal(100),
            ),
            DIRECTION,
            RETURN_FLOOR,
        ),
        output=Unit.SCORE,
        accepts=PRICES,
        formula=(
            "up = max(0, up + z - drift), down = max(0, down - z - drift), z the log return / its EWMA volatility before; "
            "either: the greater one"
        ),
        module="keeper.signals.cusum",
        example=Example("drifting: {kind: cusum, of: spot-a, half_life: 30m, sampling: 1m}", above="20"),
        reference="E. S. Page (1954): Continuous Inspection Schemes. Biometrika 41(1/2), 100-115.",
        check=_drift_and_ceiling,
    ),
    SignalKind(
        kind="page-hinkley",
        summary="The sum of how far a price lies from its running mean, beyond a tolerance: it finds a level that has shifted.",
        params=(
            PRICE,
            HALF_LIFE,
            HALF_LIFE_SAMPLING,
            Param(
                "delta",
                ParamType.RATIO,
                "How far from the mean the price may be each interval without being counted.",
                required=False,
                default=Decimal("0.001"),
                minimum=Decimal(0),
            ),
            DIRECTION,
        ),
        output=Unit.RATIO,
        accepts=PRICES,
        formula=(
            "up = max(0, d * up + share - delta), down = max(0, d * down - share - delta), "
            "share = price / weighted mean before - 1, d = 2^(-1 / half-life); either: the greater one"
        ),
        module="keeper.signals.page_hinkley",
        example=Example(
            "shifted: {kind: page-hinkley, of: spot-a, half_life: 30m, sampling: 1m, delta: 50bps}", above="50%"
        ),
        reference=(
            "E. S. Page (1954): Continuous Inspection Schemes. Biometrika 41(1/2), 100-115; D. V. Hinkley (1971): Inference about the "
            "Change-Point from Cumulative Sum Tests. Biometrika 58(3), 509-523."
        ),
        check=_half_life,
    ),
    SignalKind(
        kind="quantile",
        summary="The value that a share of the values in a window do not exceed: what is usual, to hold other signals against.",
        params=(
            VALUE,
            Param("q", ParamType.RATIO, "The share of the values, from 0% (the least) to 100% (the greatest)."),
            WINDOW,
            SAMPLING,
        ),
        output=None,
        accepts=ANYTHING,
        formula="the smallest of the last values of the window's intervals before this one that at least q of them do not exceed",
        module="keeper.signals.quantile",
        example=Example(
            "violent: {kind: realised-volatility, of: spot-a, window: 10m}\nusual: {kind: quantile, of: violent, q: 95%, window: 1h}"
        ),
        reference=(
            "R. J. Hyndman and Y. Fan (1996): Sample Quantiles in Statistical Packages. The American Statistician 50(4), 361-365, definition 1."
        ),
        check=_share_of_values,
    ),
)
