"""How builders can be broken."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum


class FaultKind(StrEnum):
    SLOW = "slow"
    """Does what it is asked, and answers after ``delay_s``."""
    HANG = "hang"
    """Takes the request, does nothing and never answers."""
    RATE_LIMITED = "rate-limited"
    """HTTP 429 with Retry-After ``retry_after_s``."""
    BAD_GATEWAY = "bad-gateway"
    """HTTP 502 with a page of HTML."""
    REFUSES = "refuses"
    """Says no, in the builder's own shape."""
    WRONG_SIGNATURE = "wrong-signature"
    """Says that the signature is wrong, whatever it is."""
    BURIES = "buries"
    """Accepts, and never puts it into a block."""
    LOST = "lost"
    """Does what it is asked and answers HTTP 502: whoever asked does not know that it was done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``builder`` and ``method`` say which requests it meets (empty: all); ``times`` how many of them (None: until ``heal``)."""

    kind: FaultKind
    builder: str = ""
    method: str = ""
    times: int | None = None
    delay_s: float = 1.0
    retry_after_s: int = 7

    def meets(self, builder: str, method: str) -> bool:
        return self.builder in ("", builder) and self.method in ("", method)


class Faults:
    """Those that are in force. May be called from any thread."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def inject(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def heal(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, builder: str, method: str) -> Fault | None:
        """The newest that fits; one that is used up is gone."""
        with self._lock:
            for number in reversed(range(len(self._faults))):
                fault = self._faults[number]
                if not fault.meets(builder, method):
                    continue
                if fault.times is not None:
                    if fault.times <= 1:
                        del self._faults[number]
                    else:
                        self._faults[number] = replace(fault, times=fault.times - 1)
                return fault
        return None
