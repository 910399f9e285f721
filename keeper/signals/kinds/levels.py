"""Kinds that look at what is there: how far apart, how much, how old, how often, and how a state value moved."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from keeper.domain.units import Unit
from keeper.signals.spec import Example, Param, ParamCheck, ParamProblem, ParamType, ParamValue, SignalKind
from keeper.signals.windows import SAMPLING, WINDOW, check_window

PRICES = frozenset({Unit.PRICE})
BALANCES = frozenset({Unit.AMOUNT, Unit.COUNT})
RATES = frozenset({Unit.PRICE, Unit.RATIO, Unit.AMOUNT, Unit.COUNT})
NUMBERS = frozenset(Unit) - {Unit.FLAG}
ANYTHING = frozenset(Unit)

SIDE = Param(
    "side",
    ParamType.CHOICE,
    "Which way counts: above is positive where 'of' is the higher one, below where it is the lower one, either is never negative.",
    required=False,
    default="either",
    choices=("either", "above", "below"),
)


def _more_than_nothing(name: str, hint: str) -> ParamCheck:
    """A check that this number is above 0: what is divided by."""

    def check(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
        value = params[name]
        assert isinstance(value, Decimal)
        # As the float that the statistic divides by: a number too small for one would be 0 there.
        return () if 0 < float(value) < float("inf") else (ParamProblem(name, "this must be more than 0", hint),)

    return check


_cap_above_nothing = _more_than_nothing("cap", "for example cap: 10bps")


def _window_and_cap(params: Mapping[str, ParamValue]) -> tuple[ParamProblem, ...]:
    return check_window(params) + _cap_above_nothing(params)


LEVELS = (
    SignalKind(
        kind="divergence",
        summary="How far one price is from another, as a share of the other.",
        params=(
            Param("of", ParamType.SOURCE, "The price that may be wrong, usually the protocol's oracle."),
            Param(
                "against",
                ParamType.SOURCE,
                "The price it is held against, usually the spot market; or a list: the median of those that are good, more than half of them.",
                many=True,
                least=1,
            ),
            SIDE,
        ),
        output=Unit.RATIO,
        accepts=PRICES,
        formula="either: |of / against - 1|; above: of / against - 1; below: 1 - of / against (above and below may be negative)",
        module="keeper.signals.divergence",
        example=Example("gap: {kind: divergence, of: oracle, against: [spot-a, spot-b, spot-c]}", above="2%"),
    ),
    SignalKind(
        kind="peg-deviation",
        summary="How far a price is from a fixed target, as a share of the target.",
        params=(
            Param("of", ParamType.SOURCE, "The price that should be at the target."),
            Param(
                "target",
                ParamType.NUMBER,
                "Where the price should be; more than 0.",
                required=False,
                default=Decimal(1),
                minimum=Decimal(0),
            ),
            SIDE,
        ),
        output=Unit.RATIO,
        accepts=PRICES,
        formula="either: |of / target - 1|; above: of / target - 1; below: 1 - of / target (above and below may be negative)",
        module="keeper.signals.peg_deviation",
        example=Example("off-peg: {kind: peg-deviation, of: stable, side: below}", above="1%"),
        check=_more_than_nothing("target", "for example target: 1"),
    ),
    SignalKind(
        kind="spread",
        summary="How far the ask is above the bid, as a share of the middle of the two; negative where they cross.",
        params=(
            Param("bid", ParamType.SOURCE, "The highest price that somebody would pay."),
            Param("ask", ParamType.SOURCE, "The lowest price that somebody would take."),
        ),
        output=Unit.RATIO,
        accepts=PRICES,
        formula="(ask - bid) / ((bid + ask) / 2)",
        module="keeper.signals.spread",
        example=Example("width: {kind: spread, bid: bid, ask: ask}", above="50bps"),
    ),
    SignalKind(
        kind="depth",
        summary="How much there is, held against how much is needed: 1 is just enough.",
        params=(
            Param("of", ParamType.SOURCE, "The amount that is there, such as a pool's reserve."),
            Param("floor", ParamType.NUMBER, "The amount that is needed; more than 0.", minimum=Decimal(0)),
        ),
        output=Unit.RATIO,
        accepts=BALANCES,
        formula="of / floor",
        module="keeper.signals.depth",
        example=Example("enough: {kind: depth, of: reserve, floor: 500000}", below="100%"),
        check=_more_than_nothing("floor", "for example floor: 250000"),
    ),
    SignalKind(
        kind="staleness",
        summary="How long ago a source's value was observed, by the source's own time; also while that value is too old to be used.",
        params=(Param("of", ParamType.SOURCE, "The source, of any unit; a signal has no time of its own."),),
        output=Unit.SECONDS,
        accepts=ANYTHING,
        formula="max(0, time of the tick - own time of the source)",
        module="keeper.signals.staleness",
        example=Example("age: {kind: staleness, of: oracle}", above="40m"),
        timed=True,
    ),
    SignalKind(
        kind="update-frequency",
        summary="How many times a source said something new within a window, by the source's own time.",
        params=(
            Param("of", ParamType.SOURCE, "The source, of any unit; a signal has no time of its own."),
            WINDOW,
            SAMPLING,
        ),
        output=Unit.COUNT,
        accepts=ANYTHING,
        formula="number of ticks within the window at which the source's own time is not that of the tick before",
        module="keeper.signals.update_frequency",
        example=Example("updates: {kind: update-frequency, of: spot-a, window: 30m}", below="20"),
        timed=True,
        check=check_window,
    ),
    SignalKind(
        kind="change",
        summary="How much a state value rose or fell over a window, as a share of what it was.",
        params=(
            Param("of", ParamType.SOURCE, "The state value: locked value, supply, use of a cap."),
            WINDOW,
            SAMPLING,
        ),
        output=Unit.RATIO,
        accepts=NUMBERS,
        formula="(now - then) / |then|, then the value one window ago; negative for a fall",
        module="keeper.signals.change",
        example=Example("minted: {kind: change, of: supply, window: 30m}", above="2%"),
        check=check_window,
    ),
    SignalKind(
        kind="outflow",
        summary="How much less there is than at the start of a window, as a share of a base; negative for an inflow.",
        params=(
            Param("of", ParamType.SOURCE, "The balance."),
            WINDOW,
            SAMPLING,
            Param(
                "base",
                ParamType.CHOICE,
                "What the outflow is a share of: the balance at the start of the window, or the highest within it.",
                required=False,
                default="start",
                choices=("start", "highest"),
            ),
        ),
        output=Unit.RATIO,
        accepts=BALANCES,
        formula="(then - now) / base, then the balance one window ago; base: then, or the highest balance of the window",
        module="keeper.signals.outflow",
        example=Example("leaving: {kind: outflow, of: tvl, window: 1h}", above="10%"),
        check=check_window,
    ),
    SignalKind(
        kind="growth",
        summary="How fast a rate that should only creep grew over a window, as a share of what is allowed: 1 is at the cap.",
        params=(
            Param("of", ParamType.SOURCE, "The rate, such as the share price of a vault."),
            WINDOW,
            SAMPLING,
            Param(
                "cap", ParamType.RATIO, "The growth that is allowed within one window; more than 0.", minimum=Decimal(0)
            ),
        ),
        output=Unit.RATIO,
        accepts=RATES,
        formula="(now / then - 1) / cap, then the rate one window ago",
        module="keeper.signals.growth",
        example=Example("too-fast: {kind: growth, of: rate, window: 1h, cap: 10bps}", above="100%"),
        check=_window_and_cap,
    ),
    SignalKind(
        kind="count",
        summary="In how many intervals of a window a value was beyond a level; of a window of samples: at how many ticks.",
        params=(
            Param("of", ParamType.SOURCE, "What is held against the level, of any unit."),
            WINDOW,
            SAMPLING,
            Param("level", ParamType.NUMBER, "The level, as a plain number in the unit of 'of' (0.02 for 2%)."),
            Param(
                "side",
                ParamType.CHOICE,
                "Which way is beyond the level.",
                required=False,
                default="above",
                choices=("above", "below"),
            ),
        ),
        output=Unit.COUNT,
        accepts=ANYTHING,
        formula="number of intervals j of the window with v[j] > level (below: <), v[j] the last value of interval j",
        module="keeper.signals.count",
        example=Example(
            "gap: {kind: divergence, of: oracle, against: spot-a}\noften: {kind: count, of: gap, window: 30m, level: 0.01}",
            above="10",
        ),
        check=check_window,
    ),
)
