"""All that a keeper which runs has imported, for the process that others are forked from. Only that process imports this."""

from __future__ import annotations

from importlib import import_module

from numba.core.registry import cpu_target

for _name in (
    "keeper.adapters",  # first: it keeps the recursion limit as it is
    "alembic.autogenerate",
    "alembic.command",
    "alembic.config",
    "apscheduler.executors.asyncio",
    "apscheduler.triggers.interval",
    "coincurve",
    "keeper.app.cli.root",
    "keeper.app.cli.run",
    "keeper.app.service",
    "keeper.app.wiring",
    "keeper.signals.divergence",
    "tests.chaos.launcher",
    "tests.support.chaos.child",
    "tests.support.forked_keeper",
):
    import_module(_name)

# What the compiler imports only when the first compiled function is loaded. Nothing of the keeper's is compiled or loaded by it.
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
