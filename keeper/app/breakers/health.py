"""What keeps a breaker from tripping, whatever the rules say: told before it is needed."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.app.breakers.registered import Answers, Breaker, Contract
from keeper.app.faults import Faults
from keeper.domain.circuit_breaker import BreakerStatus, utc
from keeper.domain.errors import MalformedAnswer
from keeper.domain.verdict import Severity
from keeper.execution.gate import ANOTHER_BREAKER

SOON = 4
"""A keeper is silent soon when less than this part (a quarter) of the limit is left."""
UNREGISTERED = "unregistered"
DISARMED = "disarmed"
ANOTHER = "another-breaker"
FROZEN = "frozen"
WRONG_CONTRACT = "wrong-contract"
NOT_A_KEEPER = "not-a-keeper"
SILENT = "silent"
SILENT_SOON = "silent-soon"
REGISTER = "let the council register it as reviewed, or correct `breaker` of the action"


class Health:
    """Three kinds of parts: ``breaker:ROUTE`` (the contract), ``breaker:ROUTE/NAME`` (one breaker), ``breaker-key:ROUTE`` (the keeper there; with
    ``/LANE`` for a further key).
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def wrong(self, contract: Contract, error: MalformedAnswer) -> None:
        """There is something else at the address, or nothing."""
        message = f"{contract.address} does not answer as a CircuitBreaker does: {error.message}"
        self._down(
            f"breaker:{contract.route}", WRONG_CONTRACT, message, "correct `address` of the route, or `chain.id`"
        )

    def look(self, contract: Contract, answers: Answers, senders: Mapping[str, str], now_s: int) -> None:
        """What the contract said at a block of this time. ``senders`` has the address of each key by its lane."""
        part = f"breaker:{contract.route}"
        if answers.frozen:
            remedy = "let the council unfreeze it when it is safe; until then act by hand"
            self._down(part, FROZEN, f"{contract.address} is frozen: nothing trips", remedy)
        else:
            self._faults.up(part)
        for breaker in contract.breakers:
            self._breaker(breaker, answers)
        for lane, silent_at_s in answers.silent_at_s.items():
            part = f"breaker-key:{contract.route}/{lane}" if lane else f"breaker-key:{contract.route}"
            self._key(part, contract, senders[lane], silent_at_s, answers.limit_s, now_s)

    def _breaker(self, breaker: Breaker, answers: Answers) -> None:
        part, state = part_of(breaker), answers.states[breaker.id]
        if state.status is BreakerStatus.UNKNOWN:
            self._down(part, UNREGISTERED, f"{breaker.name} is not registered with {breaker.contract}", REGISTER)
        elif other := {key: answers.misfits[key] for key in breaker.keys if key in answers.misfits}:
            said = "; ".join(f"{action} on {market}: {why}" for (market, action), why in other.items())
            message = f"{breaker.name} of {breaker.contract} is another breaker than the action says, and is not tripped: {said}"
            self._down(part, ANOTHER, message, ANOTHER_BREAKER)
        elif not state.armed:
            remedy = "let the council arm it when it is safe; until then act by hand"
            self._down(part, DISARMED, f"{breaker.name} is disarmed: it does not trip", remedy)
        else:
            self._faults.up(part)

    def _key(self, part: str, contract: Contract, sender: str, silent_at_s: int, limit_s: int, now_s: int) -> None:
        again = f"let the council call addKeeper({sender})"
        if silent_at_s == 0:
            remedy = f"if it was revoked because it may be stolen: a new key, never this one; else {again}"
            self._down(part, NOT_A_KEEPER, f"{sender} is no keeper of {contract.address}", remedy)
        elif now_s >= silent_at_s:
            message = f"{sender} was silent for longer than {limit_s} s, and may not trip since {utc(silent_at_s)}"
            self._down(part, SILENT, message, again)
        elif (silent_at_s - now_s) * SOON < limit_s:
            message = f"{sender} will count as silent from {utc(silent_at_s)} on: its signs of life do not get there"
            remedy = "is `mode` live, and can the key pay for a transaction? Look at the outcomes of its heartbeats"
            self._faults.down(part, SILENT_SOON, message, remedy)
        else:
            self._faults.up(part)

    def _down(self, part: str, reason: str, message: str, remedy: str) -> None:
        self._faults.down(part, reason, message, remedy, severity=Severity.CRITICAL)


def part_of(breaker: Breaker) -> str:
    return f"breaker:{breaker.route}/{breaker.name}"
