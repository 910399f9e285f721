"""The engine: a snapshot in, signals, verdicts and decisions out. The single code path of live, shadow and replay."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keeper.engine.engine import Engine, EngineState, compile_engine
    from keeper.engine.tick import Tick

__all__ = ["Engine", "EngineState", "Tick", "compile_engine"]


def __getattr__(name: str) -> Any:
    """The public names, loaded when first used: whoever only needs ``keeper.engine.spec`` must not wait for the compiler."""
    if name == "Tick":
        from keeper.engine import tick

        return tick.Tick
    if name in __all__:
        from keeper.engine import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
