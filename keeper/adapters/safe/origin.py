"""The note that a proposer leaves on a proposal, and what no service is asked to take."""

from __future__ import annotations

import json
from typing import Final

from keeper.domain.errors import UnitError
from keeper.domain.safe import SafeTransaction

MAX_ORIGIN: Final = 200
"""Characters of a note that the service takes."""


def note(incident: str, evidence: str) -> str:
    """The origin of a proposal: JSON of at most ``MAX_ORIGIN`` characters. ``name`` is what the Safe web app shows.

    ``evidence`` is the hash of the decision's record, 0x and 64 digits, or empty.
    """
    parts = {"name": "keeper", "incident": incident, "evidence": evidence}
    text = json.dumps({name: part for name, part in parts.items() if part}, separators=(",", ":"))
    return text if len(text) <= MAX_ORIGIN else note("", evidence if len(evidence) <= 2 + 64 else "")


def note_text(origin: str) -> str:
    """A proposer's note for people: one as ``note`` writes it in words, any other as it is."""
    try:
        parts = json.loads(origin)
    except (ValueError, RecursionError):
        return origin
    ours = (
        isinstance(parts, dict) and parts.get("name") == "keeper" and parts.keys() <= {"name", "incident", "evidence"}
    )
    if not ours or not all(isinstance(part, str) for part in parts.values()):
        return origin
    return ", ".join(["keeper", *(f"{name} {parts[name]}" for name in ("incident", "evidence") if name in parts)])


def check_proposal(transaction: SafeTransaction, chain_id: int, origin: str) -> None:
    """Raises UnitError for another chain than the service's, and for a note that is too long."""
    if transaction.chain_id != chain_id:
        raise UnitError(f"the proposal is for chain {transaction.chain_id}, the service for {chain_id}")
    if len(origin) > MAX_ORIGIN:
        raise UnitError(f"an origin of {len(origin)} characters", remedy=f"at most {MAX_ORIGIN}")
