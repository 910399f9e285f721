"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """``name`` is what was looked at (``endpoint ws://... (primary-1)``), ``message`` what was found, ``remedy`` what to do."""

    name: str
    health: Health
    message: str
    remedy: str = ""
