"""One YAML file and the environment -> one frozen object. The only package that reads the environment."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keeper.config.audit import audit_settings, audit_url
    from keeper.config.loader import load, loads
    from keeper.config.model import Config
    from keeper.config.secret import Secret

__all__ = ["Config", "Secret", "audit_settings", "audit_url", "load", "loads"]

# Imported when asked for: who only reads the log does not wait for the readers of every other section.
_HOME = {
    "Config": "model",
    "Secret": "secret",
    "audit_settings": "audit",
    "audit_url": "audit",
    "load": "loader",
    "loads": "loader",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
