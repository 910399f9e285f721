"""What a running keeper shows, without one: a real engine's ticks on a board, and parts of a configuration as far as the page looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI

from keeper.adapters.audit.memory import MemoryAuditStore
from keeper.app.api.access import Access, AccessSettings
from keeper.app.api.desk import AuditDesk
from keeper.app.faults import Fault
from keeper.app.pages import status_pages
from keeper.app.pages.server import build_app
from keeper.app.pages.settings import PageSettings
from keeper.app.pages.status_board import StatusBoard
from keeper.app.pages.status_facts import NOTHING, Facts
from keeper.app.parts import Parts
from keeper.config.model import Mode
from keeper.domain.observation import Observation, Quality
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.domain.units import NO_SPAN, Span, Unit
from keeper.domain.verdict import Severity
from keeper.engine import Engine, Tick
from keeper.engine.engine import compile_engine
from keeper.engine.spec import SourceSpec
from keeper.ports.notifier import Delivery, Notice
from tests.support.engine_world import divergence, market, policy, price, rule, snapshot, spec, volatility
from tests.support.log_site import MemoryReader
from tests.support.manual_clock import ManualClock

START_MS = 1_790_000_000_000
BLOCK_MS = 2_000
FIRST = 21_400_000


@dataclass
class StatusStage:
    """``markets`` names markets with two rules each; ``tick`` evaluates the next block on the board."""

    markets: Sequence[str] = ("ETH-PERP", "BTC-PERP", "SOL-PERP")
    mode: Mode = Mode.LIVE
    hold: Span = NO_SPAN
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_MS))
    board: StatusBoard = field(init=False)
    parts: Any = field(init=False)
    engine: Engine = field(init=False)
    block: int = FIRST

    def __post_init__(self) -> None:
        made = spec(
            markets=[
                market(
                    name,
                    [
                        divergence("divergence", f"{name}-oracle", f"{name}-spot"),
                        volatility("volatility", f"{name}-spot"),
                    ],
                    [
                        rule("oracle-divergence", "divergence", hold=self.hold, actions=("pause-market",)),
                        rule("volatility-high", "volatility", "0.05", "0.04", severity=Severity.WARNING, actions=("limit",)),
                    ],
                )
                for name in self.markets
            ],
            sources=[SourceSpec(f"{name}-{kind}", Unit.PRICE) for name in self.markets for kind in ("oracle", "spot")],
            actions=[policy("pause-market"), policy("limit")],
        )  # fmt: skip
        self.engine = compile_engine(made)
        self._state = self.engine.initial_state()
        self.board = StatusBoard(self.clock)
        armed = {(name, action): None for name in self.markets for action in ("pause-market", "limit")}
        config = SimpleNamespace(
            keeper=SimpleNamespace(name="demo", mode=self.mode, replicas=None),
            chain=SimpleNamespace(id=8453),
            engine=made,
        )
        self.parts = SimpleNamespace(config=config, armed=armed, edges=SimpleNamespace(clock=self.clock))

    def tick(self, gaps: dict[str, str] | None = None, dead: Sequence[str] = ()) -> Tick:
        """A block in which the oracle of a market is off by the share in ``gaps``; spot of the ``dead`` ones is missing."""
        now = START_MS + (self.block - FIRST) * BLOCK_MS
        self.clock._start_ms = now
        seen: dict[str, str | Observation | None] = {}
        for index, name in enumerate(self.markets):
            spot = Decimal(3000) + index * 7 + (self.block * (index + 3)) % 5
            off = Decimal((gaps or {}).get(name, "0.001"))
            seen[f"{name}-oracle"] = price(f"{name}-oracle", str(spot * (1 + off)), now)
            seen[f"{name}-spot"] = price(f"{name}-spot", str(spot), now)
            if name in dead:
                seen[f"{name}-spot"] = Observation(
                    f"{name}-spot", None, Unit.PRICE, now, None, None, Quality.MISSING, "no answer within 1 s"
                )
        at = snapshot(self.block, seen, now)
        at = replace(at, block=replace(at.block, timestamp_s=now // 1000))
        self._state, tick = self.engine.tick(self._state, at)
        self.block += 1
        self.board.ticked(tick)
        return tick

    def run(self, ticks: int, gaps: dict[str, str] | None = None, dead: Sequence[str] = ()) -> None:
        for _ in range(ticks):
            self.tick(gaps, dead)

    def probed(self, *broken: tuple[str, str]) -> None:
        """Every action would work, but for the ``broken`` ones."""
        self.board.probed(
            [
                ActionReadiness(
                    name, action, ReadinessState.NOT_READY, "missing-role",
                    "the key 0x7099…79C8 lacks the role PAUSER of the exchange", "grant it, then wait for the next block", self.block,
                )
                if (name, action) in broken
                else ActionReadiness(name, action, ReadinessState.READY, block=self.block)
                for name, action in self.parts.armed
            ]
        )  # fmt: skip

    def down(self, part: str, message: str, remedy: str = "", severity: Severity = Severity.WARNING) -> None:
        self.board.fault(Fault(part, "unreachable", message, remedy, self.clock.now_ms() - 95_000), severity)

    def not_delivered(self, notifier: str = "slack", title: str = "ETH-PERP tripped") -> None:
        notice = Notice("incident/x", title, "with numbers", Severity.CRITICAL)
        self.board.notified(notifier, notice, Delivery(False, message="the receiver answered 502"))


def app_of(stage: StatusStage, *, tokens: Mapping[str, str] | None = None, listen: str = "127.0.0.1") -> FastAPI:
    """The pages of its keeper; the log is empty."""
    settings = PageSettings(stage.clock, listen_host=listen, status=True)
    access = Access(AccessSettings(listen, tokens or {}, rate=100_000), stage.clock)
    desk = AuditDesk(MemoryReader(MemoryAuditStore()), access, stage.clock)
    return build_app(None, settings, desk, mounts=[status_pages.status_mount(stage.parts, stage.board)])


async def no_log(parts: Parts) -> Facts:
    """In place of ``status_pages.read_facts``: there is no database."""
    return NOTHING
