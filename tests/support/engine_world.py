"""Short ways to write down specs, snapshots and runs of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from keeper.domain.action import ActionKind
from keeper.domain.block import BlockStamp
from keeper.domain.observation import Observation
from keeper.domain.outcome import OutcomeKind
from keeper.domain.snapshot import ActionOutcome, Snapshot
from keeper.domain.units import NO_SPAN, Span, Unit
from keeper.domain.verdict import Severity
from keeper.engine.engine import Engine, EngineState
from keeper.engine.spec import ActionPolicy, EngineSpec, MarketSpec, SourceSpec
from keeper.engine.tick import Tick
from keeper.rules.spec import Condition, RuleSpec, Side
from keeper.signals.spec import SignalSpec

BLOCK_MS = 12_000
Price = str | Observation | None


def stamp(number: int, fork: str = "a") -> BlockStamp:
    """A block; ``fork`` tells apart two blocks of one number."""
    return BlockStamp(number, f"0x{number:x}{fork}", f"0x{number - 1:x}{fork}", number * 12)


def price(source: str, value: str, received_ms: int = 0, at_ms: int | None = None) -> Observation:
    """A good price."""
    return Observation(source, Decimal(value), Unit.PRICE, received_ms, at_ms)


def snapshot(
    block: int,
    prices: Mapping[str, Price],
    at_ms: int | None = None,
    outcomes: Sequence[ActionOutcome] = (),
    fork: str = "a",
) -> Snapshot:
    """A snapshot at this block; without ``at_ms`` at the time that 12-second blocks would give. A price of None is left out."""
    now = block * BLOCK_MS if at_ms is None else at_ms
    said = {
        name: value if isinstance(value, Observation) else price(name, value, now)
        for name, value in prices.items()
        if value is not None
    }
    return Snapshot(stamp(block, fork), now, said, tuple(outcomes))


def outcome(kind: OutcomeKind, at_ms: int, action: str = "pause", market: str = "M") -> ActionOutcome:
    """What an action came to."""
    return ActionOutcome(market, action, kind, "", at_ms)


def divergence(name: str = "gap", of: str = "oracle", against: str = "spot", side: str = "either") -> SignalSpec:
    """A divergence signal."""
    return SignalSpec(name, "divergence", (of, against), (("side", side),))


def volatility(name: str = "vol", of: str = "spot", window_ms: int = 60_000, sampling_ms: int = 12_000) -> SignalSpec:
    """A realised volatility signal over time, not annualised."""
    cut = (("window", Span(ms=window_ms)), ("sampling", Span(ms=sampling_ms)))
    return SignalSpec(name, "realised-volatility", (of,), (*cut, ("annualised", "no")))


def rule(
    name: str = "wide",
    signal: str = "gap",
    above: str = "0.02",
    clear: str = "0.01",
    hold: Span = NO_SPAN,
    clear_hold: Span = NO_SPAN,
    severity: Severity = Severity.CRITICAL,
    actions: tuple[str, ...] = ("pause",),
) -> RuleSpec:
    """A rule that trips above and clears below."""
    when = Condition(signal, Side.ABOVE, Decimal(above), hold)
    return RuleSpec(name, when, Condition(signal, Side.BELOW, Decimal(clear), clear_hold), severity, actions)


def policy(name: str = "pause", cooldown_ms: int = 60_000, retry_ms: int = 24_000) -> ActionPolicy:
    """An action's policy."""
    return ActionPolicy(name, ActionKind.PAUSE, cooldown_ms, retry_ms)


def market(name: str = "M", signals: Sequence[SignalSpec] = (), rules: Sequence[RuleSpec] = ()) -> MarketSpec:
    """A market; without signals and rules one with a divergence of 2 % and a pause."""
    return MarketSpec(name, tuple(signals) or (divergence(),), tuple(rules) or (rule(),))


def spec(
    markets: Sequence[MarketSpec] = (),
    sources: Sequence[SourceSpec] = (),
    actions: Sequence[ActionPolicy] = (),
) -> EngineSpec:
    """An engine's spec; what is left out is the plain case."""
    return EngineSpec(
        sources=tuple(sources) or (SourceSpec("oracle", Unit.PRICE), SourceSpec("spot", Unit.PRICE)),
        markets=tuple(markets) or (market(),),
        actions=tuple(actions) or (policy(),),
    )


def run(engine: Engine, snapshots: Iterable[Snapshot], state: EngineState | None = None) -> list[Tick]:
    """Every tick of these snapshots, from ``state`` or from the start."""
    state = engine.initial_state() if state is None else state
    ticks = []
    for one in snapshots:
        state, tick = engine.tick(state, one)
        ticks.append(tick)
    return ticks
