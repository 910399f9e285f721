"""Kinds that are made of other signals."""

from __future__ import annotations

from keeper.signals.spec import SignalKind

COMBINATIONS: tuple[SignalKind, ...] = ()
