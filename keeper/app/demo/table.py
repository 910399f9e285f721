"""The demo's table of blocks: two prices, and how near the signals of one market are to their thresholds. Fits into 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.domain.units import plain
from keeper.domain.verdict import Verdict
from keeper.engine.spec import MarketSpec
from keeper.rules.spec import RuleSpec

BAR = 5
_VALUE = 7
"""``12.42 %``."""


@dataclass(frozen=True, slots=True)
class Column:
    """One signal with its rules. ``labels`` names each rule in a row; empty where the heading already says it."""

    signal: str
    heading: str
    labels: Mapping[str, str]
    threshold_width: int

    @property
    def width(self) -> int:
        label = max(map(len, self.labels.values()))
        return max(len(self.heading), _VALUE + 4 + self.threshold_width + 1 + BAR + (1 + label if label else 0))

    def cell(self, verdicts: Iterable[Verdict]) -> str:
        """``12.42 % of 7 %   █████ extreme``: the value against the threshold of the rung that it is at, and how much of that is used."""
        verdict = rung([verdict for verdict in verdicts if verdict.signal == self.signal])
        if not math.isfinite(verdict.value):
            return f"{'warming up':<{self.width}}"
        filled = round(BAR * min(1.0, max(0.0, 1 - verdict.headroom)))
        bar = "█" * filled + "·" * (BAR - filled)
        threshold = f"{verdict.threshold * 100:g} %"
        text = (
            f"{share(verdict.value):>{_VALUE}} of {threshold:<{self.threshold_width}} {bar} {self.labels[verdict.rule]}"
        )
        return f"{text:<{self.width}}"


def columns(market: MarketSpec) -> tuple[Column, ...]:
    """One for each signal that rules look at, in the order of the rules."""
    by_signal: dict[str, list[RuleSpec]] = {}
    for rule in market.rules:
        by_signal.setdefault(rule.first.signal, []).append(rule)
    return tuple(_column(signal, rules) for signal, rules in by_signal.items())


def _column(signal: str, rules: Sequence[RuleSpec]) -> Column:
    width = max(len(limit(rule.first.fixed)) for rule in rules)
    if len(rules) == 1:
        return Column(signal, rules[0].name, {rules[0].name: ""}, width)
    return Column(signal, signal, {rule.name: rule.name.removeprefix(f"{signal}-") for rule in rules}, width)


def rung(verdicts: Sequence[Verdict]) -> Verdict:
    """Of the rules on one signal, all of them ``above``: the highest that the value is beyond, else the lowest, which it would reach first."""
    beyond = [verdict for verdict in verdicts if verdict.headroom < 0]
    if beyond:
        return max(beyond, key=lambda verdict: verdict.threshold)
    return min(verdicts, key=lambda verdict: verdict.threshold)


def heading(shown: Sequence[Column]) -> str:
    """The line above the rows."""
    names = "  ".join(f"{column.heading:<{column.width}}" for column in shown)
    return f"{'block':>6} {'oracle':>8} {'spot':>8}  {names}".rstrip()


def row(
    block: int, oracle: Decimal | None, spot: Decimal | None, shown: Sequence[Column], verdicts: Sequence[Verdict]
) -> str:
    """One block. ``verdicts`` are those of the market that the columns are for; prices in dollars."""
    cells = "  ".join(column.cell(verdicts) for column in shown)
    return f"{block:>6} {_price(oracle):>8} {_price(spot):>8}  {cells}".rstrip()


def share(value: float) -> str:
    """``5.92 %``."""
    return f"{value * 100:.2f} %" if math.isfinite(value) else "no value"


def limit(threshold: Decimal) -> str:
    """``0.5 %``."""
    return f"{plain(threshold * 100)} %"


def _price(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:.2f}"
