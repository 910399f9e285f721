"""Runs one after the other on one ground, each by its seed."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.chaos.ground import Ground
from tests.support.chaos.lives import Short, Whole
from tests.support.chaos.play import Play, Played
from tests.support.chaos.scenario import Fault, Scenario, draw


@dataclass(frozen=True)
class Done:
    """``problem`` is empty where everything held."""

    scenario: Scenario
    played: Played = field(default_factory=Played)
    problem: str = ""


class Series:
    """``thorough``: the steps at which a run may be killed are those of a run with the same fault; else those of a plain one of its route."""

    def __init__(
        self, ground: Ground, folder: Path, *, postgres: bool, thorough: bool, kind: type[Short | Whole] = Short
    ) -> None:
        self._kind = kind
        self._ground = ground
        self._folder = folder
        self._postgres = postgres
        self._thorough = thorough
        self.steps: dict[tuple[str, Fault], Sequence[str]] = {}
        """What was observed, by route and fault."""

    async def run(self, seed: int, routes: tuple[str, ...] | None = None) -> Done:
        """Raises AssertionError where something does not hold."""
        scenario = draw(seed, routes) if routes else draw(seed)
        return await self.play(scenario if self._postgres else replace(scenario, database="sqlite"))

    async def play(self, scenario: Scenario) -> Done:
        """As ``run``, of any scenario."""
        steps = await self._steps(scenario) if scenario.kills else ()
        return Done(scenario, await self._play(scenario, steps, str(scenario.seed)))

    async def tried(self, seed: int) -> Done:
        """As ``run``, and what does not hold is told in the answer."""
        try:
            return await self.run(seed)
        except AssertionError as error:
            return Done(draw(seed), problem=str(error))
        except Exception:
            return Done(draw(seed), problem=traceback.format_exc())

    async def _steps(self, scenario: Scenario) -> Sequence[str]:
        """Found by a run of the same kind that is not killed, and in which everything must hold as well."""
        fault = scenario.fault if self._thorough else Fault.NONE
        kind = (scenario.route, fault)
        if kind not in self.steps:
            plain = replace(scenario, fault=fault, kills=(), database="sqlite")
            played = await self._play(plain, (), f"{scenario.seed}-observed")
            self.steps[kind] = played.steps
        return self.steps[kind]

    async def _play(self, scenario: Scenario, steps: Sequence[str], name: str) -> Played:
        folder = self._folder / name
        folder.mkdir()
        played = await Play(self._ground, folder, scenario, steps, self._kind).run()
        shutil.rmtree(folder)  # of one that fails everything stays
        return played


async def holds(series: Series, scenario: Scenario) -> None:
    """One run as a test. Raises AssertionError; what is told then is enough to have it again."""
    try:
        done = await series.play(scenario)
    except AssertionError as error:
        raise AssertionError(f"{scenario!r}\n{error}") from error
    print(done.scenario, done.played.end, done.played.killed)
