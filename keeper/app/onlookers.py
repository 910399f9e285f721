"""Who looks on while a keeper runs, and the pages that show it: one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.app.observer import Observer, Observers
from keeper.app.pages.settings import Mount
from keeper.app.parts import Parts
from keeper.app.taking_over import Evaluating


@dataclass(frozen=True, slots=True)
class Onlookers:
    """``observer`` hears of everything; ``mounts`` show it over HTTP."""

    observer: Observer
    mounts: Sequence[Mount] = ()


def onlookers(parts: Parts) -> Onlookers:
    """Of one running keeper; ``parts`` say what there is to look at."""
    observers: list[Observer] = [Evaluating(parts.leading)] if parts.leading is not None else []
    mounts: list[Mount] = []
    if parts.config.http is not None:
        from keeper.app.metrics.metrics import Metrics  # late: keepers without a page need not pay for it
        from keeper.app.metrics.page import mount_of
        from keeper.app.pages.status_board import StatusBoard
        from keeper.app.pages.status_pages import status_mount

        observers.append(metrics := Metrics(parts))
        mounts.append(mount_of(metrics))
        observers.append(board := StatusBoard(parts.edges.clock))
        mounts.append(status_mount(parts, board))
    return Onlookers(Observers(observers), mounts)
