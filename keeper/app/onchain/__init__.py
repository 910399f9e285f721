"""The log against the chain: every transaction, effect, trip and execution by a Safe that it tells of, and the trips that it does not tell of."""

from __future__ import annotations

from keeper.app.onchain.findings import Found, Report, Unchecked
from keeper.app.onchain.verifying import verify_on_chain

__all__ = ["Found", "Report", "Unchecked", "verify_on_chain"]
