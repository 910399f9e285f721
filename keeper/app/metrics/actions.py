"""Armed actions, and the builders that may carry them: as the newest probe and the newest answers left them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from keeper.app.metrics.text import Family, OneHot, table
from keeper.app.sending import Proving
from keeper.domain.readiness import ActionReadiness, ReadinessState
from keeper.ports.route import SubmissionKind

ARMED: Final = Family(
    "keeper_action_armed",
    "gauge",
    "1 while the action would work now and the keeper would send it, also once others have signed; 0 before the first probe.",
    ("market", "action"),
)
READINESS: Final = Family(
    "keeper_action_readiness",
    "gauge",
    "1 at the state that the newest probe found the action in.",
    ("market", "action", "state"),
)
ANSWERS: Final = Family(
    "keeper_builder_answers_total",
    "counter",
    "Answers of block builders to submissions, withdrawals and probes.",
    ("route", "builder", "kind"),
)
RETRIES: Final = Family(
    "keeper_builder_retries_total", "counter", "Requests to a builder that were sent again.", ("route", "builder")
)
ANSWER_SECONDS: Final = Family(
    "keeper_builder_answer_seconds_total",
    "counter",
    "Time that a builder took for all its answers.",
    ("route", "builder"),
)
FAMILIES: Final = (ARMED, READINESS, ANSWERS, RETRIES, ANSWER_SECONDS)


class Actions:
    """``keys`` are all (market, action) that the configuration arms."""

    def __init__(self, keys: Iterable[tuple[str, str]], proving: Sequence[Proving]) -> None:
        self._keys = list(keys)
        self._armed = [ARMED.prefix(*key) for key in self._keys]
        self._states = OneHot(READINESS, self._keys, [state.value for state in ReadinessState])
        self._proving = tuple(proving)
        self._builders = [(one.route.name, builder) for one in proving for builder in one.route.builders]
        self._answers = [ANSWERS.prefix(*builder, kind) for builder in self._builders for kind in SubmissionKind]
        self._retries = [RETRIES.prefix(*builder) for builder in self._builders]
        self._seconds = [ANSWER_SECONDS.prefix(*builder) for builder in self._builders]
        self._readiness = self._shown({})

    def probed(self, readiness: Sequence[ActionReadiness]) -> None:
        """The newest probe; an action that it says nothing of is one that nobody knows of."""
        self._readiness = self._shown({(one.market, one.action): one for one in readiness})

    def text(self) -> str:
        """All lines."""
        figures = [each for one in self._proving for each in one.route.figures]
        counted: list[int] = []
        for each in figures:
            by_kind = dict.fromkeys(SubmissionKind, 0)
            for (_, kind), count in each.answers.items():
                by_kind[kind] += count
            counted += by_kind.values()
        return (
            self._readiness
            + table(ANSWERS, self._answers, counted)
            + table(RETRIES, self._retries, [each.retried for each in figures])
            + table(ANSWER_SECONDS, self._seconds, [each.total_ms / 1000 for each in figures])
        )

    def _shown(self, found: dict[tuple[str, str], ActionReadiness]) -> str:
        armed = [int(key in found and found[key].is_armed) for key in self._keys]
        words: dict[tuple[str, ...], str] = {key: one.state.value for key, one in found.items()}
        return table(ARMED, self._armed, armed) + self._states.text(words, ReadinessState.UNKNOWN.value)
