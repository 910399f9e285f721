"""The demo's scenarios: seeded, pure, one step for one block. Shapes of documented events, scaled in time; no recorded data is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from types import MappingProxyType

from keeper.devnet.markets import DEFAULT_MARKETS, demo_market
from keeper.devnet.paths import follow, moved, moves, noise

SHAKEN = "ETH-PERP"
"""The market that something happens to; all others stay calm, in every scenario but `private`."""

SECOND = "BTC-PERP"
"""The market that something happens to after that, in the one scenario with two acts."""

# Calm: each step within 4 bps, and the oracle within 4 bps of spot. ETH's oracle in quiet months is a median of 9.5 bps away from spot
# (April to September 2023), so any threshold that bears real quiet days bears this.
_CALM_BPS = 4
_FOLLOW_BPS = 4
# How far the broken oracle is pushed, in bps: twice the documented error, and a little of it by seed.
_PUSH_BPS = 600
_PUSH_JITTER_BPS = 20
# Steps of the violent path in bps, and how much of each is left to the seed.
_SLIDE_BPS = (-140, 120, -190, -220)
_CRASH_BPS = (-1200, -600, 700, -500)
_JITTER_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Quote:
    """What both sources of one market say, in dollars."""

    market: str
    oracle: Decimal
    spot: Decimal


@dataclass(frozen=True, slots=True)
class Step:
    """``number`` counts from 1; ``phase`` is one word: calm, off, again, mended, slide, crash."""

    number: int
    phase: str
    quotes: tuple[Quote, ...]

    def quote(self, market: str) -> Quote:
        """KeyError for a market that is not part of the scenario."""
        for quote in self.quotes:
            if quote.market == market:
                return quote
        raise KeyError(market)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``summary`` tells people what will happen, ``source_of_shape`` what it imitates."""

    name: str
    summary: str
    source_of_shape: str
    markets: tuple[str, ...]
    steps: tuple[Step, ...]


def calm(seed: int, markets: Sequence[str] = DEFAULT_MARKETS, *, steps: int = 14) -> Scenario:
    """Noise of a few basis points a step on every market: nothing may trip."""
    rng = _random(seed)
    spots, oracles = _quiet(rng, markets, steps)
    return Scenario(
        name="calm",
        summary="Prices move by a few basis points and the oracle follows. Nothing may trip.",
        source_of_shape="An ordinary hour: ETH's on-chain oracle within 46 bps of spot in 99 % of five-minute bars, April to September 2023.",
        markets=tuple(markets),
        steps=_steps(["calm"] * steps, spots, oracles),
    )


def divergence(
    seed: int, markets: Sequence[str] = DEFAULT_MARKETS, *, calm_steps: int = 8, off_steps: int = 8
) -> Scenario:
    """Calm, then ETH-PERP's oracle reports about 6 % less than spot and stays there.

    Shape: Aave, 10 March 2026: an automated update of its capped oracle (CAPO) left wstETH priced 2.85 % below the market in one step, and there it
    stayed until people intervened; 10,938 wstETH of 34 accounts were liquidated meanwhile (the protocol's post-mortem; about 27 M$).
    """
    rng = _random(seed)
    spots, oracles = _quiet(rng, markets, calm_steps + off_steps)
    push_tenths = -10 * _PUSH_BPS + rng.randint(-10 * _PUSH_JITTER_BPS, 10 * _PUSH_JITTER_BPS)
    if SHAKEN in oracles:
        off = [moved(price, push_tenths) for price in oracles[SHAKEN][calm_steps:]]
        oracles[SHAKEN][calm_steps:] = off
    return Scenario(
        name="divergence",
        summary=f"The oracle of {SHAKEN} is moved about 6 % below spot and stays there. Spot does not move.",
        source_of_shape="Aave, 10 March 2026: a capped oracle priced wstETH 2.85 % below the market in one step, and stayed; here twice as far.",
        markets=tuple(markets),
        steps=_steps(["calm"] * calm_steps + ["off"] * off_steps, spots, oracles),
    )


def volatility(seed: int, markets: Sequence[str] = DEFAULT_MARKETS, *, calm_steps: int = 10) -> Scenario:
    """Calm, a slide of restless steps, then a crash; ETH-PERP's oracle follows spot within 0.1 % all the time.

    Shape: 19 May 2021, ETH on Binance, five minutes made one step: steps of 1 to 2 % from 12:00 to 12:45 UTC, then about -12 %, -6 %, +7 %, -5 %
    up to 13:05 (BTC fell to 30,000 at 13:10). The slide alone is a warning, the crash is critical: over ten steps the root of the sum of squared log
    returns is below 0.25 % in the calm, 1.1 to 4 % in the slide, and above 11 % from the first step of the crash on.
    """
    rng = _random(seed)
    phases = ["calm"] * calm_steps + ["slide"] * len(_SLIDE_BPS) + ["crash"] * len(_CRASH_BPS)
    spots, oracles = _quiet(rng, markets, len(phases))
    if SHAKEN in spots:
        path = spots[SHAKEN][:calm_steps]
        last = path[-1] if path else demo_market(SHAKEN).start_price
        spots[SHAKEN] = path + moves(rng, last, _SLIDE_BPS + _CRASH_BPS, _JITTER_PERCENT)
        oracles[SHAKEN] = follow(rng, spots[SHAKEN], _FOLLOW_BPS)
    return Scenario(
        name="volatility",
        summary=f"{SHAKEN} slides restlessly, then crashes and rebounds. The oracle follows spot all the time.",
        source_of_shape="19 May 2021, ETH between 12:00 and 13:05 UTC, five minutes made one step, sizes rounded.",
        markets=tuple(markets),
        steps=_steps(phases, spots, oracles),
    )


def breaker(seed: int, markets: Sequence[str] = DEFAULT_MARKETS) -> Scenario:
    """As ``divergence``, and then the oracle is mended while nobody of the council is there: what follows is up to the breaker contract.

    Shape: the Aave event of 10 March 2026 again; its oracle was right again once people had intervened.
    """
    rng = _random(seed)
    phases = ["calm"] * 6 + ["off"] * 4 + ["mended"] * 7
    spots, oracles = _quiet(rng, markets, len(phases))
    push_tenths = -10 * _PUSH_BPS + rng.randint(-10 * _PUSH_JITTER_BPS, 10 * _PUSH_JITTER_BPS)
    if SHAKEN in oracles:
        oracles[SHAKEN][6:10] = [moved(price, push_tenths) for price in oracles[SHAKEN][6:10]]
    return Scenario(
        name="breaker",
        summary=(
            f"The oracle of {SHAKEN} is moved about 6 % below spot, and mended four blocks later. The key that the keeper "
            "holds has no role: it may trip a breaker contract, which pauses the market for an hour. Nobody ratifies that."
        ),
        source_of_shape="Aave, 10 March 2026: a capped oracle priced wstETH 2.85 % below the market in one step, until people intervened.",
        markets=tuple(markets),
        steps=_steps(phases, spots, oracles),
    )


def council(seed: int, markets: Sequence[str] = DEFAULT_MARKETS) -> Scenario:
    """The prices of ``breaker``; what follows is up to the council, which alone may open the market again."""
    told = breaker(seed, markets)
    return replace(
        told,
        name="council",
        summary=(
            f"The oracle of {SHAKEN} is moved about 6 % below spot, and mended four blocks later. The keeper pauses the "
            "market by itself, and may not open it again: that takes two of three members of the council."
        ),
    )


def private(seed: int, markets: Sequence[str] = DEFAULT_MARKETS) -> Scenario:
    """As ``divergence``, and then the same at another market; what the builders of blocks do meanwhile is not told here.

    Shape: the Aave event of 10 March 2026 again, for two markets one after the other.
    """
    rng = _random(seed)
    phases = ["calm"] * 6 + ["off"] * 4 + ["again"] * 4
    spots, oracles = _quiet(rng, markets, len(phases))
    for market, first in ((SHAKEN, 6), (SECOND, 10)):
        push_tenths = -10 * _PUSH_BPS + rng.randint(-10 * _PUSH_JITTER_BPS, 10 * _PUSH_JITTER_BPS)
        if market in oracles:
            oracles[market][first:] = [moved(price, push_tenths) for price in oracles[market][first:]]
    return Scenario(
        name="private",
        summary=(
            f"Two acts. The oracle of {SHAKEN} is moved about 6 % below spot: the pause goes to block builders alone, so that nobody can "
            f"act before it. Then the same happens to {SECOND}, while every builder refuses what it is sent."
        ),
        source_of_shape="Aave, 10 March 2026: a capped oracle priced wstETH 2.85 % below the market in one step, and stayed; here twice.",
        markets=tuple(markets),
        steps=_steps(phases, spots, oracles),
    )


SCENARIOS: Mapping[str, Callable[[int], Scenario]] = MappingProxyType(
    {
        "divergence": divergence,
        "volatility": volatility,
        "calm": calm,
        "breaker": breaker,
        "council": council,
        "private": private,
    }
)
"""By name; the first is the default."""


def _random(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - prices for a demonstration, not secrets


def _quiet(
    rng: Random, markets: Sequence[str], steps: int
) -> tuple[dict[str, list[Decimal]], dict[str, list[Decimal]]]:
    """Calm spot and oracle paths of all markets. Drawn market by market, so that one market's path does not depend on what others do later."""
    spots = {name: noise(rng, demo_market(name).start_price, steps, _CALM_BPS) for name in markets}
    return spots, {name: follow(rng, path, _FOLLOW_BPS) for name, path in spots.items()}


def _steps(
    phases: Sequence[str], spots: Mapping[str, Sequence[Decimal]], oracles: Mapping[str, Sequence[Decimal]]
) -> tuple[Step, ...]:
    return tuple(
        Step(index + 1, phase, tuple(Quote(name, oracles[name][index], spots[name][index]) for name in spots))
        for index, phase in enumerate(phases)
    )
