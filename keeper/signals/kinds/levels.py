"""Kinds that look at what is there now: how far apart, how old, how often."""

from __future__ import annotations

from keeper.domain.units import Unit
from keeper.signals.spec import Param, ParamType, SignalKind

PRICES = frozenset({Unit.PRICE})

LEVELS = (
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
)
