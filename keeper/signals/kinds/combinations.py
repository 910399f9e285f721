"""Kinds that are made of other signals (and of sources, where that makes sense)."""

from __future__ import annotations

from keeper.domain.units import Unit
from keeper.signals.spec import Example, Param, ParamType, SignalKind

ANY = frozenset(Unit)
NUMBERS = ANY - {Unit.FLAG}
"""A sum or a quotient of flags is no flag any more."""

_SEVERAL = Param("of", ParamType.SOURCE, "The signals or sources, two or more, all of the same unit.", many=True)
_GAPS = """\
gap-a: {kind: divergence, of: oracle, against: spot-a}
gap-b: {kind: divergence, of: oracle, against: spot-b}
gap-c: {kind: divergence, of: oracle, against: spot-c}
"""

COMBINATIONS: tuple[SignalKind, ...] = (
    SignalKind(
        kind="sum",
        summary="Several signals added up.",
        params=(_SEVERAL,),
        output=None,
        accepts=NUMBERS,
        formula="of[1] + of[2] + ... + of[n]",
        module="keeper.signals.sum_of",
        reference=(
            "A. Neumaier (1974): Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen. "
            "Zeitschrift für Angewandte Mathematik und Mechanik 54(1), 39-51."
        ),
        example=Example("reserves: {kind: sum, of: [tvl, insurance]}", below="80000000"),
    ),
    SignalKind(
        kind="ratio",
        summary="One signal as a share of another.",
        params=(
            Param("of", ParamType.SOURCE, "What is divided."),
            Param("to", ParamType.SOURCE, "What it is divided by; while that is zero there is no ratio."),
        ),
        output=Unit.RATIO,
        accepts=NUMBERS,
        formula="of / to",
        module="keeper.signals.ratio_of",
        example=Example("use: {kind: ratio, of: debt, to: cap}", above="95%"),
    ),
    SignalKind(
        kind="min",
        summary="The lowest of several signals: above a threshold only while all are.",
        params=(_SEVERAL,),
        output=None,
        accepts=ANY,
        formula="min(of[1], of[2], ..., of[n])",
        module="keeper.signals.min_of",
        example=Example(_GAPS + "all-agree: {kind: min, of: [gap-a, gap-b, gap-c]}", above="1%"),
    ),
    SignalKind(
        kind="max",
        summary="The highest of several signals: above a threshold as soon as one is.",
        params=(_SEVERAL,),
        output=None,
        accepts=ANY,
        formula="max(of[1], of[2], ..., of[n])",
        module="keeper.signals.max_of",
        example=Example(_GAPS + "any-of-them: {kind: max, of: [gap-a, gap-b, gap-c]}", above="2%"),
    ),
    SignalKind(
        kind="median",
        summary="The middle one of several signals: one that is off, however far, does not move it.",
        params=(_SEVERAL,),
        output=None,
        accepts=NUMBERS,
        formula="the middle one of the inputs in ascending order; of an even number the mean of the middle two",
        module="keeper.signals.median_of",
        example=Example(_GAPS + "most-of-them: {kind: median, of: [gap-a, gap-b, gap-c]}", above="1%"),
    ),
)
