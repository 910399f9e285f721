"""Runs one after the other on one ground, each by its seed."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.chaos.ground import Ground
from tests.support.chaos.lives import Short, Whole
from tests.support.chaos.play import Play, Played, few
from tests.support.chaos.scenario import Fault, Scenario, draw


@dataclass(frozen=True)
class Done:
    """``problem`` is empty where everything held."""

    scenario: Scenario
    played: Played = field(default_factory=Played)
    problem: str = ""


class Series:
    """``thorough``: the steps at which a run may be killed are those of one with the same fault; else those of a plain one of its route."""

    def __init__(
        self,
        ground: Ground,
        folder: Path,
        *,
        postgres: bool,
        thorough: bool,
        kind: type[Short | Whole] = Short,
        known: dict[tuple[str, Fault], Sequence[str]] | None = None,
    ) -> None:
        """``known`` is what was observed on another ground; more is added to it."""
        self._kind = kind
        self._ground = ground
        self._folder = folder
        self._postgres = postgres
        self._thorough = thorough
        self.steps: dict[tuple[str, Fault], Sequence[str]] = {} if known is None else known
        """What was observed, by route and fault."""

    async def run(self, seed: int, routes: tuple[str, ...] | None = None) -> Done:
        """Raises AssertionError where something does not hold."""
        scenario = draw(seed, routes) if routes else draw(seed)
        return await self.play(scenario if self._postgres else replace(scenario, database="sqlite"))

    async def play(self, scenario: Scenario) -> Done:
        """As ``run``, of any scenario."""
        candidates = await self._candidates(scenario) if scenario.kills else ()
        return Done(scenario, await self._play(scenario, candidates, str(scenario.seed)))

    async def tried(self, seed: int) -> Done:
        """As ``run``, and what does not hold is told in the answer."""
        try:
            return await self.run(seed)
        except AssertionError as error:
            return Done(draw(seed), problem=str(error))
        except Exception:
            return Done(draw(seed), problem=traceback.format_exc())

    async def _candidates(self, scenario: Scenario) -> Sequence[tuple[str, int]]:
        """The steps at which it may be killed. Those that only this fault leads to make up about half of them."""
        plain = await self._observed(scenario, Fault.NONE)
        if not self._thorough:
            return few(plain)
        found = few(await self._observed(scenario, scenario.fault))
        special = [step for step in found if step[0] not in plain]
        return found + special * (len(found) // max(1, len(special)))

    async def _observed(self, scenario: Scenario, fault: Fault) -> Sequence[str]:
        """The steps of a run of the same route that is not killed, and in which everything must hold as well."""
        kind = (scenario.route, fault)
        if kind not in self.steps:
            quiet = replace(scenario, fault=fault, kills=(), database="sqlite")
            played = await self._play(quiet, (), f"{scenario.seed}-{fault}")
            self.steps[kind] = played.steps
        return self.steps[kind]

    async def _play(self, scenario: Scenario, candidates: Sequence[tuple[str, int]], name: str) -> Played:
        folder = self._folder / name
        folder.mkdir()
        played = await Play(self._ground, folder, scenario, candidates, self._kind).run()
        shutil.rmtree(folder)  # of one that fails everything stays
        return played


async def holds(series: Series, scenario: Scenario) -> None:
    """One run as a test. Raises AssertionError; what is told then is enough to have it again."""
    try:
        done = await series.play(scenario)
    except AssertionError as error:
        raise AssertionError(f"{scenario!r}\n{error}") from error
    print(done.scenario, done.played.end, done.played.killed)
