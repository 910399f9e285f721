"""The engine: a snapshot in, signals, verdicts and decisions out. The single code path of live, shadow and replay."""

from keeper.engine.engine import Engine, EngineState, compile_engine
from keeper.engine.tick import Tick

__all__ = ["Engine", "EngineState", "Tick", "compile_engine"]
