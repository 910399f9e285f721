"""Which error ends the process with which code: decided here and nowhere else."""

from __future__ import annotations

from enum import IntEnum

from keeper.domain.errors import Interrupted, KeeperError, OutsideError, SignerAway, StoreUnavailable, WrongChain


class Exit(IntEnum):
    DONE = 0
    FOUND = 1
    """The check found something: not ready, chain of records broken, demo not proven."""
    USAGE = 2
    """Usage or configuration."""
    OUTSIDE = 3
    """Something outside could not be reached."""
    INTERRUPTED = 130


def exit_code(error: KeeperError) -> Exit:
    """What was written down wrong is 2 (a node of another chain included), what does not answer is 3."""
    if isinstance(error, Interrupted):
        return Exit.INTERRUPTED
    if isinstance(error, OutsideError | SignerAway | StoreUnavailable) and not isinstance(error, WrongChain):
        return Exit.OUTSIDE
    return Exit.USAGE
