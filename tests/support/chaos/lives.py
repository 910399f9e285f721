"""The two kinds of keepers that runs are made with, and how a run tells them apart: how one starts, hears of the trip, and is seen to have acted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from keeper.devnet.relay import Relay
from keeper.domain.record import RecordKind
from tests.support.chaos.child import KNOWN, Orders
from tests.support.chaos.ground import Ground
from tests.support.chaos.panel import Cell, Panel, short
from tests.support.chaos.scenario import Scenario
from tests.support.deaths import LAUNCHER
from tests.support.keeper_stage import MARKET, Setup, Stage

IDENTITY = "0x" + "5a" * 32
EXPIRES_MS = 600_000


class Lives(Protocol):
    """Of one run. ``program`` is a module with a ``main()``."""

    program: str
    poll_s: float
    """How often it is looked at."""

    def arguments(self, trace: Path, order: str) -> list[str | Path]:
        """Of one life; see ``tests/chaos/launcher.py``."""

    def born(self) -> None:
        """One more life begins: nothing that an earlier one has said counts."""

    async def trip(self) -> None:
        """From the next block on the rule asks for the action."""

    def calm(self) -> None:
        """It does not any more."""

    def set_clock(self, ms: int) -> None:
        """Sets the machine's clock forward by so much, or back."""

    def has_handled(self, block: dict[str, Any]) -> bool:
        """Whether it has dealt with this block."""

    def has_open(self) -> bool:
        """Whether any intent is open."""


class Short:
    """Those of ``child``: the executor with its real edges."""

    program = "tests.support.chaos.child"
    poll_s = 0.002

    def __init__(self, ground: Ground, folder: Path, scenario: Scenario, url: str, relay: Relay | None) -> None:
        self._folder = folder
        self._panel = Panel.make(folder / "panel")
        Orders(
            node_url=ground.public.ws_url,
            database=url,
            key=ground.key.private_key,
            exchange=ground.world.exchange,
            market_id=ground.world.market_id(MARKET),
            chain_id=ground.node.chain_id,
            confirmations=scenario.confirmations,
            expires_ms=EXPIRES_MS,
            route=scenario.route,
            public_after=scenario.public_after,
            builders={name: relay.url(name) for name in KNOWN} if relay is not None else {},
            identity=IDENTITY,
            per_action_wei=scenario.per_action_wei,
        ).write(folder)

    def arguments(self, trace: Path, order: str) -> list[str | Path]:
        return [trace, order, self._folder]

    def born(self) -> None:
        self._panel[Cell.HANDLED] = 0

    async def trip(self) -> None:
        self._panel[Cell.TRIPPED] = 1

    def calm(self) -> None:
        self._panel[Cell.TRIPPED] = 0

    def set_clock(self, ms: int) -> None:
        self._panel[Cell.CLOCK_MS] = ms

    def has_handled(self, block: dict[str, Any]) -> bool:
        return self._panel[Cell.HANDLED] == short(block["hash"])

    def has_open(self) -> bool:
        return bool(self._panel[Cell.OPEN])


class Whole:
    """``keeper run`` with a configuration; its log is in the folder. Its clock is the machine's."""

    program = LAUNCHER
    poll_s = 0.02

    def __init__(self, ground: Ground, folder: Path, scenario: Scenario, url: str, relay: Relay | None) -> None:
        self._stage = Stage(ground.world, folder)
        self._born_at = 0
        routes, after = "{public: {kind: public}}", ""
        if relay is not None:
            identity = folder / "identity.key"
            identity.touch(mode=0o600)
            identity.write_text(IDENTITY + "\n", encoding="ascii")
            routes, after = (
                _routes(relay),
                "never" if scenario.public_after is None else f"{scenario.public_after} blocks",
            )
        setup = Setup(
            node_url=ground.public.ws_url,
            confirmations=scenario.confirmations,
            routes=routes,
            route=scenario.route,
            public_after=after if scenario.route == "private" else "",
        )
        self._stage.write(setup)

    def arguments(self, trace: Path, order: str) -> list[str | Path]:
        return [trace, order, "run", self._stage.config]

    def born(self) -> None:
        self._born_at = self._newest()

    async def trip(self) -> None:
        await self._stage.shock()

    def calm(self) -> None:
        """What it has done stays done, and it does nothing twice."""

    def set_clock(self, ms: int) -> None:
        raise AssertionError("a whole keeper has the machine's clock")

    def has_handled(self, block: dict[str, Any]) -> bool:
        """It was evaluated in this life; what follows from that may still be on its way."""
        ticks = [record for record in self._stage.records(RecordKind.TICK) if record.seq > self._born_at]
        evaluated: Any = ticks[-1].body["block"] if ticks else {"number": 0}
        return int(evaluated["number"]) >= int(block["number"], 16)

    def has_open(self) -> bool:
        intents = {record.intent for record in self._stage.records(RecordKind.INTENT)}
        return intents != {record.intent for record in self._stage.records(RecordKind.OUTCOME)} or not intents

    def _newest(self) -> int:
        records = self._stage.records()
        return records[-1].seq if records else 0


def _routes(relay: Relay) -> str:
    builders = []
    for name, known in KNOWN.items():
        parts = [f'url: "{relay.url(name)}"', f"header: {known.header or 'none'}", f"cancel: {known.cancel.value}"]
        parts += ["private_transactions: true"] if known.private_transactions else []
        builders.append(f"{name}: {{{', '.join(parts)}}}")
    private = f"{{kind: private, identity: {{kind: key-file, path: identity.key}}, timeout: 1s, builders: {{{', '.join(builders)}}}}}"
    return f"{{public: {{kind: public}}, private: {private}, race: {{kind: race, private: private, public: public}}}}"
