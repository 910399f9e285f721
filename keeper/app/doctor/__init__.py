"""The examination before and between runs: everything the keeper depends on, asked once, read only."""

from __future__ import annotations

from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.examination import examine

__all__ = ["Check", "Health", "examine"]
