"""Runs the example of a kind of signal over the made-up readings, with the very steps that run live."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from keeper.config.environment import Environment
from keeper.config.kinds import threshold
from keeper.config.model import ConstantSource, Source
from keeper.config.problems import Report
from keeper.config.shape import Context, Cursor, Given
from keeper.config.signals import read_signals
from keeper.config.tree import parse
from keeper.domain.signal import SignalStatus
from keeper.domain.units import Unit
from keeper.engine.spec import EngineSpec, MarketSpec, SourceSpec
from keeper.engine.wiring import Wiring
from keeper.signals.bank import Board, empty_board
from keeper.signals.spec import Example, SignalSpec
from scripts.signals_path import BLOCKS_A_MINUTE, FIRST_BLOCK, MINUTES, START_MS, Readings, readings

MINUTE_MS = 60_000


@dataclass(frozen=True)
class Line:
    """One value a minute; NaN unless ``status`` is READY."""

    name: str
    unit: Unit
    values: tuple[float, ...]
    status: tuple[SignalStatus, ...]


@dataclass(frozen=True)
class Run:
    """The ``inputs`` of the last signal of an example, what it said itself, and its threshold."""

    inputs: tuple[Line, ...]
    value: Line
    threshold: Decimal | None
    above: bool


def run(example: Example) -> Run:
    """Raises ConfigurationError where the example is none that a configuration could hold."""
    sources = readings()
    signals = _signals(example)
    spec = EngineSpec(
        tuple(SourceSpec(name, one.unit) for name, one in sources.items()), (MarketSpec("M", signals, ()),), ()
    )
    wiring = Wiring(spec)
    board = _board(sources, wiring.rows)
    for bank in wiring.banks:
        bank.statistic.step(board, bank.slots, bank.params, bank.statistic.allocate(bank.params))
    rows = {name: (index, one.unit) for index, (name, one) in enumerate(sources.items())}
    rows |= {one.name: (one.row, one.unit) for one in wiring.signals}
    last = wiring.signals[-1]
    limit = example.above or example.below
    return Run(
        inputs=tuple(_line(board, name, *rows[name]) for name in last.inputs),
        value=_line(board, last.name, *rows[last.name]),
        threshold=threshold(last.unit).parse(Given(limit, limit, False, Path())) if limit else None,
        above=bool(example.above),
    )


def known_sources() -> dict[str, Source | None]:
    """The sources of the readings, as a configuration knows them."""
    return {name: ConstantSource(name, one.unit, Decimal(1)) for name, one in readings().items()}


def _signals(example: Example) -> tuple[SignalSpec, ...]:
    report = Report()
    context = Context(report, Environment({}), Path())
    drafts = read_signals(Cursor(parse(example.signals.encode(), report), "signals", 1, context), known_sources())
    report.raise_any()
    return tuple(draft.spec for draft in drafts.values() if draft.spec)


def _board(sources: dict[str, Readings], rows: int) -> Board:
    board = empty_board(rows, MINUTES)
    for minute in range(MINUTES):
        board.at_ms[minute] = START_MS + minute * MINUTE_MS
        board.block[minute] = FIRST_BLOCK + minute * BLOCKS_A_MINUTE
    for row, one in enumerate(sources.values()):
        board.values[row] = one.values
        board.own_ms[row] = [START_MS + minute * MINUTE_MS for minute in one.own]
        board.status[row] = [SignalStatus.READY if value == value else SignalStatus.NO_INPUT for value in one.values]
    return board


def _line(board: Board, name: str, row: int, unit: Unit) -> Line:
    return Line(
        name,
        unit,
        tuple(float(value) for value in board.values[row]),
        tuple(SignalStatus(int(status)) for status in board.status[row]),
    )
