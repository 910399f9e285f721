"""The courier of a running keeper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keeper.app.courier import Courier
from keeper.app.notifying.links import links_of
from keeper.app.observer import Observer
from keeper.app.parts import Parts
from keeper.app.scribe import Scribe


def courier_of(parts: Parts, scribe: Scribe, observer: Observer, incidents: Callable[[], Mapping[str, str]]) -> Courier:
    """``incidents`` are those that the engine holds open, by market."""
    return Courier(
        parts.notifiers,
        scribe,
        parts.edges.clock,
        observer.notified,
        store=parts.edges.store,
        links=links_of(parts.config),
        incidents=incidents,
    )
