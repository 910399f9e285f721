"""The demo as a story on the terminal: what happens, in the order in which it happens, with the numbers. Nothing is wider than 80 columns."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from keeper.app.cli.output import Output
from keeper.app.demo import table
from keeper.app.demo.configuration import IN_WORDS
from keeper.app.demo.guarded import Theft
from keeper.app.observer import Observer
from keeper.devnet.guard import Limits
from keeper.devnet.scenarios import SHAKEN, Scenario
from keeper.devnet.world import World
from keeper.domain.action import ActionKind
from keeper.domain.block import BlockStamp
from keeper.domain.decision import DecisionKind
from keeper.domain.outcome import Outcome, OutcomeKind
from keeper.domain.verdict import RuleState, Verdict
from keeper.engine import Tick
from keeper.engine.spec import MarketSpec
from keeper.execution.work import Work
from keeper.rules.spec import RuleSpec

WIDTH = 79
_LONG_HEX = re.compile(r"0x[0-9a-f]{64}|0x[0-9a-fA-F]{40}")
TRIPPED = frozenset({RuleState.TRIPPED, RuleState.CLEARING})


class Story(Observer):
    """Prints, and knows whether the keeper is ready and whether something is still on its way."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._columns: tuple[table.Column, ...] = ()
        self._rules: Mapping[tuple[str, str], RuleSpec] = {}
        self._states: dict[tuple[str, str], RuleState] = {}
        self._decided: set[str] = set()
        self._ended: set[str] = set()
        self._fallen_back: set[str] = set()
        self._early: dict[str, list[Callable[[], None]]] = {}
        self.rights = "may only pause and limit"
        """Of the keeper's key, in words."""
        self.rows = True
        """Whether each block is a row of the table."""
        self.market = SHAKEN
        """Whose prices the rows have."""
        self.is_ready = asyncio.Event()

    @property
    def in_flight(self) -> bool:
        return bool(self._decided - self._ended)

    # -- the set -----------------------------------------------------------------------------------------------------------------

    def opening(self, name: str, seed: int) -> None:
        self._output.say(f"keeper demo: {name} (seed {seed})", "bold")
        self._output.say()

    def node(self, version: str, chain_id: int, url: str) -> None:
        self.line("node", f"{version}, chain {chain_id}, {url}")

    def contracts(self, world: World) -> None:
        self.line("contracts", f"perpetuals exchange at {world.exchange}")
        self.line("", f"with the markets {', '.join(world.markets)}")

    def guarded(self, address: str, limits: Limits) -> None:
        """The breaker contract stands between the keeper and the exchange."""
        self.rights = "has no role and may only trip breakers"
        self.line("breaker", f"contract at {address}")
        self.line(
            "",
            f"has the roles; a trip lasts {limits.duration_s // 3_600} h unless ratified, {limits.budget} a day at most",
        )

    def time_passes(self, seconds: int) -> None:
        """The chain's clock was set forward."""
        self._output.say(f"  {'':>5} ... {seconds // 60} minutes pass on the chain, and nobody ratifies ...", "dim")

    def venue(self, url: str) -> None:
        self.line("venue", f"a spot exchange over HTTP at {url}")

    def ready(self, head: BlockStamp, sender: str | None) -> None:
        self.line("keeper", f"watches from block {head.number} on with a key that {self.rights}:")
        self.line("", str(sender))
        self.is_ready.set()

    def rules(self, markets: Sequence[MarketSpec]) -> None:
        """What the keeper holds the markets against; said by ``scenario``, before the first block."""
        self._rules = {(market.name, rule.name): rule for market in markets for rule in market.rules}
        self._columns = next(table.columns(market) for market in markets if market.name == SHAKEN)

    def scenario(self, scenario: Scenario) -> None:
        self._output.say()
        self._output.say(f"The rules of {SHAKEN}; the other markets have the same:")
        for (market, name), rule in self._rules.items():
            if market == SHAKEN:
                words = f"{IN_WORDS[rule.first.signal]} {_condition(rule)}: {', '.join(rule.actions)}"
                self.hanging(f"  {name:<18} ", words)
        self._output.say()
        self.hanging("", scenario.summary)
        self.hanging("", f"(shape: {scenario.source_of_shape})", "dim")
        self._output.say()
        self._output.say(table.heading(self._columns), "dim")

    def act(self, market: str, text: str) -> None:
        """From now on the rows are about this market."""
        self.market = market
        self._output.say()
        self.hanging("", text, "bold")
        self._output.say()
        self._output.say(table.heading(self._columns), "dim")

    # -- the plot ----------------------------------------------------------------------------------------------------------------

    def ticked(self, tick: Tick) -> None:
        if self.rows:
            self._row(tick)
        for verdict in tick.verdicts:
            self._judged(verdict)
        for decision in tick.decisions:
            if decision.kind is DecisionKind.ACT:
                self.mark("decided", f"{decision.action} on {decision.market} ({decision.verdict.rule})", "red")
                self._decided.add(decision.id)
                for say in self._early.pop(decision.id, ()):
                    say()

    def _row(self, tick: Tick) -> None:
        prices = {observation.source: observation.value for observation in tick.observations}
        name = self.market.split("-", maxsplit=1)[0].lower()
        verdicts = [verdict for verdict in tick.verdicts if verdict.market == self.market]
        over = any(verdict.state is not RuleState.CLEAR for verdict in verdicts)
        oracle, spot = prices.get(f"{name}-oracle"), prices.get(f"{name}-spot")
        self._output.say(
            table.row(tick.block.number, oracle, spot, self._columns, verdicts), "yellow" if over else None
        )

    def sent(self, work: Work) -> None:
        """The node has taken an attempt."""
        if _is_upkeep(work):
            return
        self._once_decided(work, partial(self._sent, work, work.timeline_ms()))

    def ended(self, work: Work, outcome: Outcome) -> None:
        """An intent ended."""
        self._once_decided(work, partial(self._end, work, outcome))

    def _judged(self, verdict: Verdict) -> None:
        """Says it when a rule begins to be beyond its threshold, and when it trips: once each."""
        key = verdict.market, verdict.rule
        before, self._states[key] = self._states.get(key, RuleState.CLEAR), verdict.state
        rule = self._rules[key]
        words = f"{verdict.rule}: {table.share(verdict.value)} is {rule.first.side} {table.limit(rule.first.fixed)}"
        if verdict.state is RuleState.TRIPPED and before not in TRIPPED:
            self.mark("TRIPPED", f"{verdict.market} {words}{_hold(rule)}", "bold red")
        elif verdict.state is RuleState.PENDING and before is not RuleState.PENDING:
            self.mark("beyond", f"{words}, not yet{_hold(rule)}", "yellow")

    def _once_decided(self, work: Work, say: Callable[[], None]) -> None:
        """The keeper sends before it lets anybody watch: what comes before the words of its own decision waits for them."""
        if work.intent.id in self._decided or _is_upkeep(work):
            say()
        else:
            self._early.setdefault(work.intent.id, []).append(say)

    def _sent(self, work: Work, times: Mapping[str, float]) -> None:
        if work.trail.secretly and work.trail.public and work.intent.id not in self._fallen_back:
            self._fallen_back.add(work.intent.id)
            why = "no builder has put it into a block" if work.trail.taken else "no builder takes it"
            self.mark("FALLBACK", f"{why}: it goes to the public pool now", "bold red")
            return
        stages = {"decided": "decided", "intent_durable": "on disk", "signed": "signed"}
        on_the_way = ", ".join(f"{word} {times[stage]:.0f}" for stage, word in stages.items() if stage in times)
        to = "to builders alone, " if work.trail.secretly and not work.trail.public else ""
        self.mark("sent", f"{to}{times['broadcast']:.1f} ms after the block: {on_the_way}", "cyan")

    def _end(self, work: Work, outcome: Outcome) -> None:
        if _is_upkeep(work) and outcome.kind is OutcomeKind.INCLUDED:
            ended = f"the keeper ended it in block {outcome.block}: {short(str(outcome.tx_hash))}"
            self.mark("run out", ended, "cyan")
            return
        self._ended.add(work.intent.id)
        if outcome.block is not None:
            mined = f"{work.intent.action} in block {outcome.block}: {short(str(outcome.tx_hash))}"
            self.mark("mined", mined, "cyan")
        if outcome.kind is OutcomeKind.INCLUDED:
            self.mark("read back", outcome.message, "bold green")
        else:
            words = f"{work.intent.action} on {work.intent.market}: {outcome.message}"
            self.mark(outcome.kind.value, words, "bold red")

    # -- the end -----------------------------------------------------------------------------------------------------------------

    def ending(self, claims: Sequence[tuple[str, str]], verdict: str, *, proven: bool) -> None:
        """``claims`` are what was read back, from where; ``verdict`` sums them up."""
        self._output.say()
        self._output.say("Read back, after the keeper has stopped:", "bold")
        for where, text in claims:
            self.line(where, text)
        self._output.say()
        self.hanging("", verdict, "bold green" if proven else "bold red")

    def thefts(self, tries: Sequence[Theft], worst: str) -> None:
        """What the keeper's key was refused, and what it is left with."""
        self._output.say()
        self._output.say("What can a thief do with the keeper's key? Tried on this chain just now:", "bold")
        for each in tries:
            style = None if each.refused else "bold red"
            self.hanging("  ", f"{each.what}: {'no' if each.refused else 'YES'}", style)
            if each.refused:
                self.hanging("      ", _LONG_HEX.sub(lambda found: short(found.group()), each.refused), "dim")
        self.hanging("  ", worst)

    def next_steps(self, title: str, commands: Sequence[tuple[str, str]]) -> None:
        """``commands`` with what each is for; they are printed as they must be typed."""
        self._output.say()
        self.hanging("", title, "bold")
        for number, (why, command) in enumerate(commands, 1):
            self.hanging(f"  {number}. ", why)
            for line in command.splitlines():
                self._output.say(f"    {line}", "cyan")

    def line(self, name: str, text: str) -> None:
        self.hanging(f"  {name:<10} ", text)

    def mark(self, word: str, text: str, style: str) -> None:
        """An event between two rows."""
        self.hanging(f"  {'':>5} {word:<9} ", text, style)

    def hanging(self, first: str, text: str, style: str | None = None) -> None:
        wrapped = textwrap.wrap(text, WIDTH - len(first), break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(wrapped):
            self._output.say((" " * len(first) if number else first) + line, style)


def _is_upkeep(work: Work) -> bool:
    return work.armed is not None and work.armed.action.kind is ActionKind.UPKEEP


def joined_words(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def short(digest: str) -> str:
    """``0x21e4ab70…29f78a13``: enough to find it again."""
    return f"{digest[:10]}…{digest[-8:]}"


def _condition(rule: RuleSpec) -> str:
    return f"{rule.first.side} {table.limit(rule.first.fixed)}{_hold(rule)}"


def _hold(rule: RuleSpec) -> str:
    hold = rule.when.hold
    return "" if hold.blocks in (0, 1) or hold.ms == 0 else f" for {hold}"
