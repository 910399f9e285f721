"""What a window may be, as far as that can be said without the compiler: shared by the declarations of the kinds that look back."""

from __future__ import annotations

import math
from collections.abc import Mapping

from keeper.domain.units import Span
from keeper.signals.spec import Param, ParamProblem, ParamType, ParamValue, SignalSpec

MAX_INTERVALS = 100_000
"""The most intervals a window may be cut into: more would be memory for no better an estimate (a week of 6-second intervals fits)."""
FORGOTTEN = 10
"""After how many half-lives what was known counts no more: less than a thousandth of it is left."""
USUAL_INTERVALS = 60
"""Into how many intervals a window of time is cut when nothing is said."""

WINDOW = Param(
    "window",
    ParamType.WINDOW,
    "How far back to look: a time, a number of blocks, or of samples (ticks at which there was an input).",
)
SAMPLING = Param(
    "sampling",
    ParamType.WINDOW,
    "The window is cut into intervals of this length, of which each counts with its last value; left out: a sixtieth of a time, one block.",
    required=False,
    default=Span(samples=1),
    implied=True,
)
"""The default stands for: the usual one of this window, see ``sampling_of``."""

ANNUALISED = Param(
    "annualised",
    ParamType.CHOICE,
    "Whether the volatility is that of a year of 365 days instead of that of the window; only a time can be.",
    required=False,
    default="no",
    choices=("no", "yes"),
)
YEAR_MS = 365 * 86_400_000


def scale_of(spec: SignalSpec, horizon: Span) -> float:
    """What a volatility over ``horizon`` is multiplied by: 1, or the root of how often a year holds it when ``annualised`` is asked for.

    Returns that are not correlated have variances that add up, so a volatility grows with the root of time.
    """
    return math.sqrt(YEAR_MS / horizon.ms) if spec.word("annualised") == "yes" and horizon.ms else 1.0


def check_annualised(params: Mapping[str, ParamValue], name: str = "window") -> tuple[ParamProblem, ...]:
    """A year holds no known number of blocks or samples."""
    window = params[name]
    assert isinstance(window, Span)
    if params.get("annualised") == "yes" and window.ms is None:
        return (ParamProblem("annualised", "only over a window of time is there a year", "write for example: 1h"),)
    return ()


def sampling_of(window: Span, given: Span) -> Span:
    """The length of one interval of the window. Where nothing was said: a sixtieth of a time (or the next larger part that is whole), one block, one
    sample.
    """
    if given.samples is None:
        return given
    if window.ms:
        parts = next(parts for parts in range(USUAL_INTERVALS, 0, -1) if window.ms % parts == 0)
        return Span(ms=window.ms // parts)
    return Span(blocks=1) if window.blocks is not None else given


def intervals_of(window: Span, sampling: Span) -> tuple[int, int]:
    """(length of one interval in milliseconds, blocks or samples; how many the window holds)."""
    long = _length(window)
    each = _length(sampling_of(window, sampling))
    return each, long // each


def check_window(params: Mapping[str, ParamValue], at_least: int = 2, name: str = "window") -> tuple[ParamProblem, ...]:
    """What is wrong with the window of this name and ``sampling`` taken together."""
    window, given = params[name], params.get("sampling", Span(samples=1))
    assert isinstance(window, Span)
    assert isinstance(given, Span)
    hint = f"for example {name}: 1h, sampling: 1m"
    if given.samples not in (None, 1):
        return (ParamProblem("sampling", "an interval is a time, a number of blocks, or one sample", hint),)
    sampling = sampling_of(window, given)
    if (sampling.ms is None, sampling.blocks is None) != (window.ms is None, window.blocks is None):
        return (ParamProblem("sampling", "the window and its intervals must be counted in the same way", hint),)
    if _length(sampling) < 1:
        return (ParamProblem("sampling", "an interval is longer than nothing", hint),)
    if _length(window) % _length(sampling):
        return (ParamProblem(name, f"the window is not a whole number of intervals of {sampling}", hint),)
    if _length(window) // _length(sampling) < at_least:
        return (ParamProblem(name, f"the window holds fewer than {at_least} intervals of {sampling}", hint),)
    if _length(window) // _length(sampling) > MAX_INTERVALS:
        return (ParamProblem("sampling", f"the window holds more than {MAX_INTERVALS} intervals of {sampling}", hint),)
    return ()


def _length(span: Span) -> int:
    return next(one for one in (span.ms, span.blocks, span.samples) if one is not None)
