"""Every kind of signal, by the name that a configuration uses.

Declarations only: importing this costs nothing. The statistic itself is the compiled step in ``SignalKind.module``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from keeper.signals.kinds.changes import CHANGES
from keeper.signals.kinds.combinations import COMBINATIONS
from keeper.signals.kinds.levels import LEVELS
from keeper.signals.spec import SignalKind

SIGNALS: Mapping[str, SignalKind] = MappingProxyType({kind.kind: kind for kind in (*LEVELS, *CHANGES, *COMBINATIONS)})
"""What a kind of signal is, declared once: the configuration checks against it, the engine compiles from it, the documents list it."""
