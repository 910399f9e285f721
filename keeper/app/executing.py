"""The executor of a service: its terms from the configuration, and who hears of what it does besides the ends of its intents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import structlog

from keeper.app import notices
from keeper.app.council.desks import for_people
from keeper.app.faults import Faults
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.config.model import Mode
from keeper.domain.budget import Budget
from keeper.domain.outcome import Outcome
from keeper.domain.verdict import Severity
from keeper.execution.executor import Executor, Terms
from keeper.execution.journal import Fallback
from keeper.execution.mandate import Unmandated
from keeper.execution.planner import ArmedAction
from keeper.execution.purse import Withheld
from keeper.execution.work import Work
from keeper.ports.notifier import Notice


def terms_of(parts: Parts) -> Terms:
    """What actions are carried out on."""
    config = parts.config
    return Terms(
        config.chain.id,
        config.chain.confirmations,
        live=config.keeper.mode is Mode.LIVE,
        aside=for_people(parts),
        budget=Budget(config.budget.per_action_wei, config.budget.per_day_wei),
    )


def executor_of(
    parts: Parts,
    terms: Terms,
    armed: Mapping[tuple[str, str], ArmedAction],
    on_outcome: Callable[[Work, Outcome], None],
    observer: Observer,
    faults: Faults,
    tell: Callable[[Notice], None],
) -> Executor:
    """A fallback, an offer that may not rise and a signature that was refused are told to people and to the program's log."""
    log = structlog.get_logger("keeper")

    def fell_back(work: Work, fallback: Fallback) -> None:
        log.warning(fallback.message, intent=work.intent.id, reason=fallback.reason.value, blocks=fallback.blocks)
        tell(notices.of_fallback(work, fallback))
        observer.fell_back(work, fallback)

    def withheld(work: Work, why: Withheld) -> None:
        log.error("refused by nodes" if why.refused else "no more is offered", intent=work.intent.id, why=why.message)
        tell(notices.of_withheld(work, why))

    def not_mandated(refused: Unmandated) -> None:
        faults.down("mandate", "not-mandated", refused.message, refused.remedy, severity=Severity.CRITICAL)

    executor = Executor(
        parts.edges,
        terms,
        armed,
        on_outcome,
        observer.sent,
        not_mandated,
        on_fallback=fell_back,
        on_withheld=withheld,
    )
    for each in parts.proving:  # who knew of a transaction before its block is in the log, however late it said so
        each.route.also_tell(partial(executor.heard_late, each.route.name))
    return executor
