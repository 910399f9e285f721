"""The demo as a story on the terminal: what happens, in the order in which it happens, with the numbers."""

from __future__ import annotations

import asyncio
import math

from keeper.app.cli.output import Output
from keeper.app.observer import Observer
from keeper.devnet.scenarios import SHAKEN, Scenario
from keeper.devnet.world import World
from keeper.domain.block import BlockStamp
from keeper.domain.decision import DecisionKind, IncidentPhase
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.verdict import RuleState, Verdict
from keeper.engine import Tick
from keeper.execution.work import Work


class Story(Observer):
    """Prints, and knows whether the keeper is ready and whether something is still on its way."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._number = 0
        self._flying: set[tuple[str, str]] = set()
        self.is_ready = asyncio.Event()

    @property
    def in_flight(self) -> bool:
        return bool(self._flying)

    # -- the set -----------------------------------------------------------------------------------------------------------------

    def opening(self, name: str, seed: int) -> None:
        self._output.say(f"keeper demo: {name} (seed {seed})", "bold")
        self._output.say()

    def node(self, version: str, chain_id: int, url: str) -> None:
        self._line("node", f"{version}, chain {chain_id}, {url}")

    def contracts(self, world: World) -> None:
        self._line("contracts", f"a perpetuals exchange at {world.exchange}")
        self._line("", f"markets {', '.join(world.markets)}; the keeper's key may pause and limit, nothing else")

    def venue(self, url: str) -> None:
        self._line("venue", f"a spot exchange over HTTP at {url}")

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self._line("keeper", f"watching from block {head.number}, signs as {sender}")
        self.is_ready.set()

    def scenario(self, scenario: Scenario) -> None:
        self._output.say()
        self._output.say(scenario.summary)
        self._output.say(f"(shape: {scenario.source_of_shape})", "dim")
        self._output.say()
        self._output.say(
            f"  {'block':>5} {'oracle':>11} {'spot':>9}   signals of {SHAKEN} against their thresholds", "dim"
        )

    # -- the plot ----------------------------------------------------------------------------------------------------------------

    def ticked(self, tick: Tick) -> None:
        prices = {observation.source: observation.value for observation in tick.observations}
        name = SHAKEN.split("-", maxsplit=1)[0].lower()
        oracle, spot = prices.get(f"{name}-oracle"), prices.get(f"{name}-spot")
        verdicts = [verdict for verdict in tick.verdicts if verdict.market == SHAKEN]
        # of several rules on one signal, the one to look at is the next that may trip
        shown = {verdict.signal: verdict for verdict in sorted(verdicts, key=lambda each: -abs(each.threshold))}
        shown |= {each.signal: each for each in reversed(verdicts) if each.state is not RuleState.TRIPPED}
        text = "   ".join(_gauge(verdict) for verdict in sorted(shown.values(), key=lambda each: each.signal))
        left = f"  {tick.block.number:>5} {oracle or 0:>11.2f} {spot or 0:>9.2f}   {text}"
        over = any(verdict.state is not RuleState.CLEAR for verdict in verdicts)
        self._output.say(left, "yellow" if over else None)
        for event in tick.incidents:
            verdict = event.verdict
            if event.phase is IncidentPhase.OPENED:
                words = f"{verdict.rule}: {_share(verdict.value)} against {_share(verdict.threshold)}"
                self._mark("TRIPPED", f"{event.market} {words}", "bold red")
        for decision in tick.decisions:
            if decision.kind is DecisionKind.ACT:
                self._flying.add((decision.market, decision.action))
                self._mark("decided", f"{decision.action} on {decision.market} ({decision.verdict.rule})", "red")

    def ended(self, work: Work, outcome: Outcome) -> None:
        self._flying.discard((work.intent.market, work.intent.action))
        times = work.timeline_ms()
        if "broadcast" in times:
            sent = f"accepted by the node {times['broadcast']:.1f} ms after the head; written down at {times['intent_durable']:.1f} ms"
            self._mark("sent", sent, "cyan")
        style = "bold green" if outcome.kind is OutcomeKind.INCLUDED else "bold red"
        if outcome.block is not None:
            self._mark("mined", f"block {outcome.block}, transaction {outcome.tx_hash}", "cyan")
        self._mark(outcome.kind.value, f"{work.intent.action} on {work.intent.market}: {outcome.message}", style)

    # -- the end -----------------------------------------------------------------------------------------------------------------

    def ending(self, lines: list[tuple[str, str]], *, proven: bool) -> None:
        self._output.say()
        for name, text in lines:
            self._line(name, text)
        self._output.say()
        if proven:
            self._output.say("Proven: every line above was read back from the chain and the log.", "bold green")
        else:
            self._output.say("NOT proven: see the lines above.", "bold red")

    def next_steps(self, commands: list[tuple[str, str]]) -> None:
        self._output.say()
        self._output.say("Try next:")
        for command, why in commands:
            self._output.say(f"  {command}")
            self._output.say(f"      {why}", "dim")

    def look_around(self, questions: list[tuple[str, str]]) -> None:
        """What to ask the node while it is still up."""
        self._output.say()
        self._output.say("The node is still up. Ask it, in another terminal; Ctrl-C here ends it:", "bold")
        for command, why in questions:
            self._output.say(f"  {command}")
            self._output.say(f"      {why}", "dim")

    def _line(self, name: str, text: str) -> None:
        self._output.say(f"  {name:<10} {text}")

    def _mark(self, word: str, text: str, style: str) -> None:
        self._output.say(f"  {'':>5}  {word:<10} {text}", style)


def _share(value: float) -> str:
    return f"{value * 100:.2f} %" if math.isfinite(value) else "not yet"


def _gauge(verdict: Verdict) -> str:
    """``divergence 0.05 % of 2.00 % ▏█▌``: how much of the threshold is used."""
    if not math.isfinite(verdict.value):
        return f"{verdict.signal} warming up"
    used = min(1.0, max(0.0, verdict.value / verdict.threshold)) if verdict.threshold else 0.0
    filled = round(used * 8)
    bar = "█" * filled + "·" * (8 - filled)
    return f"{verdict.signal} {_share(verdict.value)} of {_share(verdict.threshold)} {bar}"
